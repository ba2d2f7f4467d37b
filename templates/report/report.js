"use strict";

/* The inventory: a table that draws only the rows in sight, over columns of numbers. */

const COLUMNS = [
  { name: "address", title: "Address", filter: "text" },
  { name: "port", title: "Port", filter: "ports", numeric: true },
  { name: "verdict", title: "Verdict", filter: "choice" },
  { name: "risk", title: "Risk", filter: "choice" },
  { name: "service", title: "Service", filter: "text" },
  { name: "confidence", title: "Confidence", filter: "least", numeric: true },
  { name: "reason", title: "Reason", filter: "choice" },
  { name: "change", title: "Change", filter: "choice" },
  { name: "protocol", title: "Protocol", filter: "choice" },
  { name: "evidence", title: "Evidence", filter: "text" },
];
const ROW_HEIGHT = 32;
/* Browsers limit how high an element can be; Firefox at some 17.9 million pixels. */
const MOST_ROWS = 500000;
const MARGIN_ROWS = 12;

function element(name, attributes = {}, text = "") {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
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

/* Looks at each distinct word once; rows then only look up their word. */
function wordTest(words, accepts) {
  const accepted = Uint8Array.from(words, (word) => (accepts(word) ? 1 : 0));
  return (place) => accepted[place] === 1;
}

class Inventory {
  constructor(data, place) {
    this.data = data;
    this.place = place;
    this.order = { column: null, down: false };
    this.controls = new Map();
    this.lowered = {};
    for (const [name, words] of Object.entries(data.words)) {
      this.lowered[name] = words.map((word) => word.toLowerCase());
    }
    this.search = document.getElementById("inventory-search");
    this.status = document.getElementById("inventory-status");
    this.build();
    this.update();
  }

  build() {
    const table = element("table", { "aria-labelledby": "inventory-title" });
    if (this.data.words.address.some((word) => word.length > 15)) table.className = "long";
    const widths = element("colgroup");
    const titles = element("tr");
    const filters = element("tr");
    for (const column of COLUMNS) {
      widths.append(element("col", { class: `c-${column.name}` }));
      titles.append(this.heading(column));
      const cell = element("td");
      cell.append(this.filter(column));
      filters.append(cell);
    }
    const head = element("thead");
    head.append(titles, filters);
    this.body = element("tbody");
    table.append(widths, head, this.body);
    this.table = table;
    this.place.append(table);
    this.place.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(this.place);
    this.search.addEventListener("input", () => this.update());
    document.getElementById("inventory-clear").addEventListener("click", () => this.clear());
  }

  heading(column) {
    const cell = element("th", { scope: "col" });
    const button = element("button", { type: "button" }, column.title);
    button.addEventListener("click", () => {
      const again = this.order.column === column.name;
      this.order = { column: column.name, down: again && !this.order.down };
      for (const other of cell.parentNode.children) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", this.order.down ? "descending" : "ascending");
      for (const other of cell.parentNode.querySelectorAll("button")) {
        other.textContent = other.textContent.replace(/ [↑↓]$/, "");
      }
      button.textContent = `${column.title} ${this.order.down ? "↓" : "↑"}`;
      this.update();
    });
    cell.append(button);
    return cell;
  }

  filter(column) {
    const label = `Filter by ${column.title.toLowerCase()}`;
    let control;
    if (column.filter === "choice") {
      control = element("select", { "aria-label": label });
      control.append(element("option", { value: "" }, "all"));
      this.data.words[column.name].forEach((word, place) => {
        control.append(element("option", { value: place }, word || "none"));
      });
    } else {
      const hints = { ports: "22,80-90", least: "at least, %", text: "" };
      control = element("input", { "aria-label": label, placeholder: hints[column.filter], autocomplete: "off", spellcheck: "false" });
    }
    control.addEventListener("input", () => this.update());
    this.controls.set(column.name, control);
    return control;
  }

  clear() {
    this.search.value = "";
    for (const control of this.controls.values()) control.value = "";
    this.update();
  }

  /* One test of a row for each filter that is in use. */
  tests() {
    const tests = [];
    for (const column of COLUMNS) {
      const control = this.controls.get(column.name);
      const text = control.value.trim().toLowerCase();
      const values = this.data.columns[column.name];
      const test = text ? this.columnTest(column, text) : null;
      control.setAttribute("aria-invalid", String(Boolean(text) && test === null));
      if (test) tests.push((row) => test(values[row]));
    }
    for (const term of this.search.value.toLowerCase().split(/\s+/).filter(Boolean)) {
      tests.push(this.termTest(term));
    }
    return tests;
  }

  columnTest(column, text) {
    if (column.filter === "choice") return (place) => place === Number(text);
    if (column.filter === "ports") return portTest(text);
    if (column.filter === "least") {
      const number = Number(text.replace(/^[^\d.]+/, "").replace(/\s*%$/, ""));
      const least = number <= 1 ? 100 * number : number;
      return Number.isNaN(least) ? null : (value) => value >= least;
    }
    return wordTest(this.lowered[column.name], (word) => word.includes(text));
  }

  termTest(term) {
    const { columns } = this.data;
    const endpoint = /^\[?([0-9a-f.:]+?)\]?:(\d{1,5})(?:\/(tcp|udp))?$/.exec(term);
    if (endpoint && (term.startsWith("[") || !endpoint[1].includes(":"))) {
      const address = wordTest(this.lowered.address, (word) => word === endpoint[1]);
      const port = Number(endpoint[2]);
      return (row) => columns.port[row] === port && address(columns.address[row]);
    }
    const words = Object.keys(this.lowered).map((name) => {
      const test = wordTest(this.lowered[name], (word) => word.includes(term));
      return (row) => test(columns[name][row]);
    });
    const port = /^\d{1,5}$/.test(term) ? Number(term) : -1;
    return (row) => columns.port[row] === port || words.some((test) => test(row));
  }

  update() {
    const tests = this.tests();
    const rows = [];
    for (let row = 0; row < this.data.rows; row += 1) {
      if (tests.every((test) => test(row))) rows.push(row);
    }
    if (this.order.column) {
      const values = this.data.columns[this.order.column];
      const sign = this.order.down ? -1 : 1;
      rows.sort((a, b) => sign * (values[a] - values[b]) || a - b);
    }
    this.rows = rows;
    const all = this.data.rows.toLocaleString("en");
    const cut = rows.length > MOST_ROWS ? `, the first ${MOST_ROWS.toLocaleString("en")} shown` : "";
    this.status.textContent = `${rows.length.toLocaleString("en")} of ${all}${cut}`;
    this.table.setAttribute("aria-rowcount", rows.length + 2);
    this.place.scrollTop = 0;
    this.drawn = "";
    this.draw();
  }

  draw() {
    const count = Math.min(this.rows.length, MOST_ROWS);
    const top = Math.floor(this.place.scrollTop / ROW_HEIGHT);
    const first = Math.max(0, Math.min(top, count) - MARGIN_ROWS);
    const inSight = Math.ceil((this.place.clientHeight || 600) / ROW_HEIGHT);
    const last = Math.min(count, top + inSight + MARGIN_ROWS);
    if (this.drawn === `${first} ${last}`) return;
    this.drawn = `${first} ${last}`;
    const lines = [this.space(first)];
    for (let place = first; place < last; place += 1) lines.push(this.line(place));
    lines.push(this.space(count - last));
    this.body.replaceChildren(...lines);
  }

  space(rows) {
    const line = element("tr", { "aria-hidden": "true" });
    const cell = element("td", { class: "space", colspan: COLUMNS.length });
    cell.style.height = `${rows * ROW_HEIGHT}px`;
    line.append(cell);
    return line;
  }

  line(place) {
    const row = this.rows[place];
    const line = element("tr", { "aria-rowindex": place + 3 });
    for (const column of COLUMNS) line.append(this.cell(column, row));
    return line;
  }

  text(name, row) {
    const value = this.data.columns[name][row];
    if (name === "confidence") return value === 100 ? ">99 %" : `${value} %`;
    return name === "port" ? String(value) : this.data.words[name][value];
  }

  cell(column, row) {
    const text = this.text(column.name, row);
    const cell = element("td", { class: column.numeric ? `${column.name} numeric` : column.name });
    if (column.name === "verdict") {
      cell.append(element("span", { class: `chip ${text}` }, text));
    } else if (column.name === "risk" && text) {
      cell.append(element("span", { class: `chip severity ${text}` }, text));
    } else if (column.name === "address" && this.entry(row)) {
      cell.append(element("a", { href: `#${this.entry(row)}` }, text));
    } else {
      cell.textContent = text;
      if (text.length > 14) cell.title = text;
    }
    return cell;
  }

  /* The anchor of the row's entry among the findings, its own or its host's; or undefined. */
  entry(row) {
    const [address, port, protocol, verdict] = ["address", "port", "protocol", "verdict"].map((name) => this.text(name, row));
    const anchors = [`${address}-${port}-${protocol}`, `${address}-${protocol}-${verdict}`];
    return anchors.find((anchor) => document.getElementById(anchor));
  }

  /* For endpoints that have no entry of their own among the findings. */
  find(address, port) {
    this.clear();
    this.search.value = address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
    this.update();
    document.getElementById("inventory").scrollIntoView();
  }
}

function start() {
  const all = document.querySelectorAll(".finding details");
  const tools = document.querySelector(".tools");
  if (tools && all.length) {
    tools.hidden = false;
    const fold = (open) => () => all.forEach((each) => { each.open = open; });
    document.getElementById("open-all").addEventListener("click", fold(true));
    document.getElementById("close-all").addEventListener("click", fold(false));
  }
  const source = document.getElementById("inventory-data");
  let inventory = null;
  if (source) {
    const table = document.getElementById("inventory-table");
    table.hidden = false;
    inventory = new Inventory(JSON.parse(source.textContent), table.querySelector(".scroller"));
  }
  const follow = () => {
    const name = location.hash.slice(1);
    const target = name && document.getElementById(name);
    const finding = target && target.closest(".finding");
    if (finding) {
      finding.querySelector("details").open = true;
      target.scrollIntoView();
      return;
    }
    const found = /^([0-9a-f.:]+)-(\d{1,5})-(tcp|udp)$/.exec(name);
    if (!target && found && inventory) inventory.find(found[1], found[2]);
  };
  window.addEventListener("hashchange", follow);
  follow();
}

start();
