/* The endpoints of the inventory: columns of numbers that are searched and sorted as such. */

const COLUMNS = [
  { name: "address", title: said("Address"), filter: "text", width: 9.5 },
  { name: "port", title: said("Port"), filter: "ports", width: 5.25, numeric: true },
  { name: "verdict", title: said("Verdict"), filter: "choice", width: 8.25 },
  { name: "risk", title: said("Risk"), filter: "choice", width: 7 },
  { name: "service", title: said("Service"), filter: "text", width: 15 },
  { name: "confidence", title: said("Confidence"), filter: "least", width: 7, numeric: true },
  { name: "reason", title: said("Reason"), filter: "choice", width: 13 },
  { name: "change", title: said("Change"), filter: "choice", width: 9.5 },
  { name: "protocol", title: said("Protocol"), filter: "choice", width: 5.5 },
  { name: "names", title: said("Names"), filter: "text", width: 15 },
  { name: "first", title: said("First seen"), filter: "text", width: 7.5 },
  { name: "evidence", title: said("Evidence"), filter: "text", width: 34 },
];
/* Columns whose words are names of ours. */
const NAMED = ["verdict", "risk", "change"];
/* What holds numbers of so many bytes. */
const NUMBERS = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array };
const MOST_PORTS = 65536;
const PER_CENT = 101;

/* A table with a 1 for each number below `size` that is accepted. */
function accepting(size, accepts) {
  return Uint8Array.from({ length: size }, (_, value) => (accepts(value) ? 1 : 0));
}

/* "22,80,8000-8100" as a test of a number; null when it is not a list of ports. */
function portTest(text) {
  const ranges = [];
  for (const part of text.split(",").filter((piece) => piece.trim())) {
    const found = /^\s*(\d{1,5})(?:-(\d{0,5}))?\s*$/.exec(part);
    if (!found) return null;
    const last = found[2] === undefined ? found[1] : found[2] || "65535";
    ranges.push([Number(found[1]), Number(last)]);
  }
  return (port) => ranges.some(([first, last]) => first <= port && port <= last);
}

/* "80 %", ">80" or "0.8" as a test of a number of per cent; null when it is no number. */
function leastTest(text) {
  const number = Number(text.replace(/^[^\d.]+/, "").replace(/\s*%$/, ""));
  const least = number <= 1 ? 100 * number : number;
  return Number.isNaN(least) ? null : (value) => value >= least;
}

/*
A condition is a list of alternatives, and each of these a column with a table of the numbers that
are accepted in it. So a text is looked for once in each distinct word, and in no row.
*/
class Endpoints {
  constructor(data) {
    this.count = data.rows;
    this.names = data.words;
    this.words = { ...data.words };
    for (const name of NAMED) this.words[name] = data.words[name].map((word) => said(word));
    this.columns = {};
    for (const [name, values] of Object.entries(data.columns)) {
      this.columns[name] = Uint32Array.from(values);
    }
    this.lowered = {};
    for (const [name, words] of Object.entries(this.words)) {
      this.lowered[name] = words.map((word) => word.toLowerCase());
    }
    this.sort(null, false);
  }

  /* What a cell shows. */
  text(name, row) {
    const value = this.columns[name][row];
    if (name === "confidence") return value === 100 ? ">99 %" : `${value} %`;
    return name === "port" ? String(value) : this.words[name][value];
  }

  /* The same as the page calls it in links and classes. */
  name(column, row) {
    return this.names[column][this.columns[column][row]];
  }

  isEmpty(name) {
    return Boolean(this.words[name]) && this.words[name].every((word) => word === "");
  }

  /* The name of a row in links, as the findings have it. */
  anchor(row) {
    return `${this.text("address", row)}-${this.text("port", row)}-${this.text("protocol", row)}`;
  }

  endpoint(row) {
    const address = this.text("address", row);
    const shown = address.includes(":") ? `[${address}]` : address;
    return `${shown}:${this.text("port", row)}/${this.text("protocol", row)}`;
  }

  /* The row of an anchor; -1 when there is none. */
  find(anchor) {
    const found = /^([0-9a-f.:]+)-(\d{1,5})-(tcp|udp)$/.exec(anchor);
    if (!found) return -1;
    const { address, port, protocol } = this.columns;
    const [host, number, kind] = [this.words.address.indexOf(found[1]), Number(found[2]), this.words.protocol.indexOf(found[3])];
    for (let row = 0; row < this.count; row += 1) {
      if (address[row] === host && port[row] === number && protocol[row] === kind) return row;
    }
    return -1;
  }

  alternative(name, accepts) {
    return [this.columns[name], accepting(this.words[name].length, (place) => accepts(this.lowered[name][place]))];
  }

  /* The condition of a column's filter; null when its text makes no sense. */
  condition({ name, filter }, text) {
    if (filter === "choice") return [[this.columns[name], accepting(this.words[name].length, (place) => place === Number(text))]];
    if (filter === "text") return [this.alternative(name, (word) => word.includes(text))];
    const [size, test] = filter === "ports" ? [MOST_PORTS, portTest(text)] : [PER_CENT, leastTest(text)];
    return test && [[this.columns[name], accepting(size, test)]];
  }

  /* The conditions of one word of the search. */
  conditions(term) {
    const endpoint = /^\[?([0-9a-f.:]+?)\]?:(\d{1,5})(?:\/(tcp|udp))?$/.exec(term);
    if (endpoint && (term.startsWith("[") || !endpoint[1].includes(":"))) {
      const [, address, port, protocol] = endpoint;
      const parts = [[this.alternative("address", (word) => word === address)], this.condition(COLUMNS[1], port)];
      return protocol ? [...parts, [this.alternative("protocol", (word) => word === protocol)]] : parts;
    }
    const anywhere = Object.keys(this.words).map((name) => this.alternative(name, (word) => word.includes(term)));
    if (/^\d{1,5}$/.test(term)) anywhere.push(...this.condition(COLUMNS[1], term));
    return [anywhere.filter(([, accepted]) => accepted.includes(1))];
  }

  /* The rows that meet all conditions, in the order of the table. */
  matching(conditions) {
    const good = new Uint8Array(this.count).fill(1);
    for (const alternatives of conditions) {
      for (let row = 0; row < this.count; row += 1) {
        if (good[row] === 0) continue;
        let met = 0;
        for (let place = 0; place < alternatives.length && met === 0; place += 1) {
          met = alternatives[place][1][alternatives[place][0][row]];
        }
        good[row] = met;
      }
    }
    return this.order.filter((row) => good[row] === 1);
  }

  /* Equal rows stay as they were filed: each number has its place counted out. */
  sort(name, down) {
    this.order = Uint32Array.from({ length: this.count }, (_, row) => row);
    if (name === null) return;
    const values = this.columns[name];
    const most = values.reduce((so, value) => Math.max(so, value), 0);
    const key = (row) => (down ? most - values[row] : values[row]);
    const starts = new Uint32Array(most + 2);
    for (let row = 0; row < this.count; row += 1) starts[key(row) + 1] += 1;
    for (let place = 1; place < starts.length; place += 1) starts[place] += starts[place - 1];
    for (let row = 0; row < this.count; row += 1) {
      this.order[starts[key(row)]] = row;
      starts[key(row)] += 1;
    }
  }

  /* For a clipboard: a line for each row, cells apart by tabs. No cell has a tab: it would be shown as \t. */
  tabbed(rows, columns) {
    return this.lines(rows, columns, (cells) => cells.join("\t")).join("\n");
  }

  /* RFC 4180, with a mark that tells a spreadsheet that it is UTF-8. */
  csv(rows, columns) {
    const quoted = (text) => `"${guarded(text).replaceAll('"', '""')}"`;
    return `\ufeff${this.lines(rows, columns, (cells) => cells.map(quoted).join(",")).join("\r\n")}\r\n`;
  }

  lines(rows, columns, join) {
    const lines = [join(columns.map((column) => column.title))];
    for (const row of rows) lines.push(join(columns.map((column) => this.text(column.name, row))));
    return lines;
  }
}

/* A spreadsheet would compute what begins like a formula, whatever stands in a banner. */
function guarded(text) {
  return /^\s*[=+\-@\t\r|%]/.test(text) ? `'${text}` : text;
}

/*
The data of the page. What is packed is zlib in base64: the length of a head in four bytes, the head
as JSON, and then the numbers of each column in as many bytes as the head says, the lowest first.
*/
async function unpacked(source) {
  if (source.dataset.packed === undefined) return JSON.parse(source.textContent);
  const text = atob(source.textContent);
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place += 1) bytes[place] = text.charCodeAt(place);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  let place = 4 + new DataView(buffer).getUint32(0, true);
  const { rows, words, widths } = JSON.parse(new TextDecoder().decode(buffer.slice(4, place)));
  const columns = {};
  for (const [name, width] of Object.entries(widths)) {
    const end = place + width * rows;
    columns[name] = new NUMBERS[width](buffer.slice(place, end));
    place = end;
  }
  return { rows, words, columns };
}

function element(name, attributes = {}, text = "") {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

/* Put a text into the clipboard; false when the browser does not allow it. */
function copied(text) {
  const fill = (event) => {
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
  };
  document.addEventListener("copy", fill, { once: true });
  const done = document.execCommand("copy");
  document.removeEventListener("copy", fill);
  return done;
}

/* Let the browser save a text as a file. */
function saved(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}
