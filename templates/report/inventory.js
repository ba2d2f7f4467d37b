/* The inventory on the page: a grid that draws only the rows in sight. */

const ROW_HEIGHT = 32;
/* Browsers limit how high an element can be; Firefox at some 17.9 million pixels. */
const MOST_ROWS = 500000;
const MARGIN_ROWS = 12;
/* The titles and the filters are rows of the grid, too. */
const HEAD_ROWS = 2;
const MARK_WIDTH = 2.5;
const LONG_ADDRESS = 20;
const AT_FIRST_WHERE_NARROW = ["address", "port", "verdict", "risk", "service"];

class Inventory {
  constructor(endpoints, place) {
    this.endpoints = endpoints;
    this.place = place;
    this.sorted = { column: null, down: false };
    this.controls = new Map();
    this.marked = new Set();
    this.active = { place: 0, column: 0 };
    this.target = -1;
    this.search = document.getElementById("inventory-search");
    this.status = document.getElementById("inventory-status");
    const narrow = matchMedia("(max-width: 46rem)").matches;
    this.hidden = new Set(COLUMNS.map(({ name }) => name).filter(
      (name) => endpoints.isEmpty(name) || (narrow && !AT_FIRST_WHERE_NARROW.includes(name)),
    ));
    this.build();
    this.choices();
    this.show();
    this.update();
  }

  /* --- what is made once --- */

  build() {
    const { table, body } = this.grid();
    this.table = table;
    this.body = body;
    this.place.append(table);
    this.place.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(this.place);
    this.search.addEventListener("input", () => this.update());
    body.addEventListener("keydown", (event) => this.key(event));
    body.addEventListener("click", (event) => this.click(event));
    const does = { clear: () => this.clear(), copy: () => this.copy(), save: () => this.save() };
    for (const [name, act] of Object.entries(does)) {
      document.getElementById(`inventory-${name}`).addEventListener("click", act);
    }
  }

  grid() {
    const table = element("table", { role: "grid", "aria-labelledby": "inventory-title", "aria-describedby": "inventory-keys", "aria-multiselectable": "true" });
    const widths = element("colgroup");
    const titles = element("tr", { "aria-rowindex": 1 });
    const filters = element("tr", { "aria-rowindex": 2 });
    this.widths = [element("col")];
    titles.append(this.markAll());
    filters.append(element("td", { role: "gridcell" }));
    for (const column of COLUMNS) {
      this.widths.push(element("col"));
      titles.append(this.heading(column));
      const cell = element("td", { role: "gridcell" });
      cell.append(this.filter(column));
      filters.append(cell);
    }
    widths.append(...this.widths);
    const head = element("thead");
    head.append(titles, filters);
    this.heads = [titles, filters];
    const body = element("tbody");
    table.append(widths, head, body);
    return { table, body };
  }

  markAll() {
    const cell = element("th", { scope: "col", role: "columnheader" });
    this.all = element("input", { type: "checkbox", "aria-label": said("Select all rows that match") });
    this.all.addEventListener("change", () => this.mark(this.rows, this.all.checked));
    cell.append(this.all);
    return cell;
  }

  heading(column) {
    const cell = element("th", { scope: "col", role: "columnheader" });
    const button = element("button", { type: "button" }, column.title);
    button.addEventListener("click", () => {
      const again = this.sorted.column === column.name;
      this.sorted = { column: column.name, down: again && !this.sorted.down };
      this.endpoints.sort(column.name, this.sorted.down);
      for (const other of cell.parentNode.children) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", this.sorted.down ? "descending" : "ascending");
      this.update();
    });
    cell.append(button);
    return cell;
  }

  filter(column) {
    const label = said("Filter by {column}", { column: column.title });
    let control;
    if (column.filter === "choice") {
      control = element("select", { "aria-label": label });
      control.append(element("option", { value: "" }, said("all")));
      this.endpoints.words[column.name].forEach((word, place) => {
        control.append(element("option", { value: place }, word || said("none")));
      });
    } else {
      const hints = { ports: "22,80-90", least: said("at least, %"), text: "" };
      control = element("input", { "aria-label": label, placeholder: hints[column.filter], autocomplete: "off", spellcheck: "false" });
    }
    control.addEventListener("input", () => this.update());
    this.controls.set(column.name, control);
    return control;
  }

  choices() {
    const place = document.getElementById("inventory-columns");
    for (const column of COLUMNS) {
      const label = element("label");
      const box = element("input", { type: "checkbox" });
      box.checked = !this.hidden.has(column.name);
      box.addEventListener("change", () => {
        this.hidden[box.checked ? "delete" : "add"](column.name);
        /* A filter that nobody sees would be a riddle. */
        if (!box.checked) this.controls.get(column.name).value = "";
        this.show();
        this.update();
      });
      label.append(box, ` ${column.title}`);
      place.append(label);
    }
  }

  /* --- what is shown of it --- */

  show() {
    this.shown = COLUMNS.filter(({ name }) => !this.hidden.has(name));
    const long = this.endpoints.words.address.some((word) => word.length > 15);
    let total = MARK_WIDTH;
    this.widths[0].style.width = `${MARK_WIDTH}rem`;
    COLUMNS.forEach((column, place) => {
      const hidden = this.hidden.has(column.name);
      const width = long && column.name === "address" ? LONG_ADDRESS : column.width;
      for (const part of [this.widths, ...this.heads.map((row) => row.children)]) part[place + 1].hidden = hidden;
      this.widths[place + 1].style.width = `${width}rem`;
      total += hidden ? 0 : width;
    });
    this.table.style.width = `${total}rem`;
    this.table.setAttribute("aria-colcount", this.shown.length + 1);
    this.active.column = Math.min(this.active.column, this.shown.length);
  }

  clear() {
    this.search.value = "";
    for (const control of this.controls.values()) control.value = "";
    this.update();
  }

  conditions() {
    const conditions = [];
    for (const column of COLUMNS) {
      const control = this.controls.get(column.name);
      const text = control.value.trim().toLowerCase();
      const found = text ? this.endpoints.condition(column, text) : null;
      control.setAttribute("aria-invalid", String(Boolean(text) && found === null));
      if (found) conditions.push(found);
    }
    const terms = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    return conditions.concat(terms.flatMap((term) => this.endpoints.conditions(term)));
  }

  update() {
    this.rows = this.endpoints.matching(this.conditions());
    this.table.setAttribute("aria-rowcount", this.rows.length + HEAD_ROWS);
    this.place.scrollTop = 0;
    this.active.place = 0;
    this.redraw();
  }

  redraw() {
    this.tell();
    this.drawn = "";
    this.draw();
  }

  tell() {
    const marked = this.chosen(false).length;
    const parts = [said("{n} of {all}", { n: counted(this.rows.length), all: counted(this.endpoints.count) })];
    if (marked) parts.push(said("{n} selected", { n: counted(marked) }));
    if (this.rows.length > MOST_ROWS) parts.push(said("the first {n} shown", { n: counted(MOST_ROWS) }));
    this.status.textContent = parts.join(", ");
    this.all.checked = marked > 0 && marked === this.rows.length;
    this.all.indeterminate = marked > 0 && !this.all.checked;
  }

  draw() {
    const count = Math.min(this.rows.length, MOST_ROWS);
    const top = Math.floor(this.place.scrollTop / ROW_HEIGHT);
    const first = Math.max(0, Math.min(top, count) - MARGIN_ROWS);
    const last = Math.min(count, top + this.inSight() + MARGIN_ROWS);
    if (this.drawn === `${first} ${last}`) return;
    this.drawn = `${first} ${last}`;
    const focused = this.body.contains(document.activeElement);
    this.active.place = Math.max(first, Math.min(this.active.place, last - 1));
    const lines = [this.space(first)];
    for (let place = first; place < last; place += 1) lines.push(this.line(place));
    if (count === 0) lines.push(this.nothing());
    lines.push(this.space(count - last));
    this.body.replaceChildren(...lines);
    this.reach(focused);
  }

  inSight() {
    return Math.ceil((this.place.clientHeight || 600) / ROW_HEIGHT);
  }

  space(rows) {
    const line = element("tr", { "aria-hidden": "true" });
    const cell = element("td", { class: "space", colspan: this.shown.length + 1 });
    cell.style.height = `${rows * ROW_HEIGHT}px`;
    line.append(cell);
    return line;
  }

  nothing() {
    const line = element("tr", { "aria-rowindex": HEAD_ROWS + 1 });
    line.append(element("td", { role: "gridcell", colspan: this.shown.length + 1, class: "none" }, said("No endpoint matches.")));
    return line;
  }

  line(place) {
    const row = this.rows[place];
    const marked = this.marked.has(row);
    const line = element("tr", { "aria-rowindex": place + HEAD_ROWS + 1, "aria-selected": marked });
    if (row === this.target) line.setAttribute("aria-current", "true");
    line.append(this.markCell(row, marked));
    for (const column of this.shown) line.append(this.cell(column, row));
    return line;
  }

  markCell(row, marked) {
    const cell = element("td", { role: "gridcell", class: "mark", tabindex: -1 });
    const box = element("input", { type: "checkbox", tabindex: -1, "aria-label": said("Select {endpoint}", { endpoint: this.endpoints.endpoint(row) }) });
    box.checked = marked;
    cell.append(box);
    return cell;
  }

  cell(column, row) {
    const text = this.endpoints.text(column.name, row);
    const cell = element("td", { role: "gridcell", tabindex: -1, class: column.numeric ? `${column.name} numeric` : column.name });
    const entry = column.name === "address" && this.entry(row);
    if (column.name === "verdict" && text) {
      cell.append(element("span", { class: `chip ${this.endpoints.name("verdict", row)}` }, text));
    } else if (column.name === "risk" && text) {
      cell.append(element("span", { class: `chip severity ${this.endpoints.name("risk", row)}` }, text));
    } else if (column.name === "port") {
      cell.append(element("a", { href: `#row-${this.endpoints.anchor(row)}`, tabindex: -1, title: said("Link to this row") }, text));
    } else if (entry) {
      cell.append(element("a", { href: `#${entry}`, tabindex: -1 }, text));
    } else {
      cell.textContent = text;
      if (text.length > 14) cell.title = text;
    }
    return cell;
  }

  /* The anchor of the row's entry among the findings, its own or its host's; or undefined. */
  entry(row) {
    const [address, protocol, verdict] = ["address", "protocol", "verdict"].map((name) => this.endpoints.name(name, row));
    return [this.endpoints.anchor(row), `${address}-${protocol}-${verdict}`].find((anchor) => document.getElementById(anchor));
  }

  /* --- what is chosen, and what becomes of it --- */

  /* The rows that match and are selected; all that match when none is, unless told otherwise. */
  chosen(orAll = true) {
    const chosen = this.marked.size ? this.rows.filter((row) => this.marked.has(row)) : [];
    return chosen.length || !orAll ? chosen : this.rows;
  }

  mark(rows, on) {
    for (const row of rows) this.marked[on ? "add" : "delete"](row);
    this.redraw();
  }

  copy() {
    const rows = this.chosen();
    const done = copied(this.endpoints.tabbed(rows, this.shown));
    this.status.textContent = done
      ? said("{n} copied", { n: counted(rows.length) })
      : said("This browser does not let the page copy; save the rows as CSV instead.");
  }

  save() {
    const rows = this.chosen();
    saved("endpoints.csv", this.endpoints.csv(rows, this.shown));
    this.status.textContent = said("{n} saved as CSV", { n: counted(rows.length) });
  }

  /* --- moving about --- */

  /* Exactly one cell of the body can be reached by the tabulator. */
  reach(focus) {
    const line = this.body.querySelector(`[aria-rowindex="${this.active.place + HEAD_ROWS + 1}"]`);
    const cell = line && line.children[Math.min(this.active.column, line.children.length - 1)];
    if (!cell) return;
    for (const other of this.body.querySelectorAll('td[tabindex="0"]')) other.tabIndex = -1;
    cell.tabIndex = 0;
    if (focus) cell.focus({ preventScroll: true });
    if (focus) this.sideways(cell);
  }

  go(place, column) {
    const count = Math.min(this.rows.length, MOST_ROWS);
    this.active.place = Math.max(0, Math.min(place, count - 1));
    this.active.column = Math.max(0, Math.min(column, this.shown.length));
    const top = this.active.place * ROW_HEIGHT;
    const room = this.place.clientHeight - this.heads[0].parentNode.offsetHeight - ROW_HEIGHT;
    this.place.scrollTop = Math.max(top - room, Math.min(this.place.scrollTop, top));
    this.draw();
    this.reach(true);
  }

  sideways(cell) {
    const [left, right] = [cell.offsetLeft, cell.offsetLeft + cell.offsetWidth];
    const room = this.place.clientWidth;
    const { scrollLeft } = this.place;
    if (left < scrollLeft) this.place.scrollLeft = left;
    else if (right > scrollLeft + room) this.place.scrollLeft = Math.min(left, right - room);
  }

  key(event) {
    const { place, column } = this.active;
    const far = event.ctrlKey || event.metaKey;
    const page = Math.max(1, this.inSight() - HEAD_ROWS - 1);
    const moves = {
      ArrowDown: [place + 1, column],
      ArrowUp: [place - 1, column],
      ArrowRight: [place, column + 1],
      ArrowLeft: [place, column - 1],
      PageDown: [place + page, column],
      PageUp: [place - page, column],
      Home: [far ? 0 : place, 0],
      End: [far ? this.rows.length : place, this.shown.length],
    };
    if (this.rows.length === 0 || event.altKey) return;
    if (event.key in moves) this.go(...moves[event.key]);
    else if (event.key === " ") this.toggle(place);
    else if (event.key === "Enter") this.follow(event);
    else if (far && event.key === "a") this.mark(this.rows, true);
    else if (far && event.key === "c" && getSelection().isCollapsed) this.copy();
    else return;
    event.preventDefault();
  }

  follow(event) {
    const link = event.target.closest("td").querySelector("a");
    if (link) link.click();
  }

  toggle(place) {
    const row = this.rows[place];
    this.mark([row], !this.marked.has(row));
  }

  click(event) {
    const cell = event.target.closest("td[role=gridcell]");
    const line = cell && cell.closest("tr[aria-selected]");
    if (!line) return;
    this.active = { place: Number(line.getAttribute("aria-rowindex")) - HEAD_ROWS - 1, column: [...line.children].indexOf(cell) };
    if (cell.className === "mark") this.toggle(this.active.place);
    else if (getSelection().isCollapsed) this.reach(event.target.tagName !== "A");
  }

  /* Show the row of an anchor, filters or not; says so when there is none. */
  visit(anchor) {
    const row = this.endpoints.find(anchor);
    document.getElementById("inventory").scrollIntoView();
    if (row < 0) {
      this.status.textContent = said("{anchor} has no verdict in this run.", { anchor });
      return;
    }
    this.target = row;
    if (!this.rows.includes(row)) this.clear();
    if (this.rows.indexOf(row) >= MOST_ROWS) {
      this.search.value = this.endpoints.endpoint(row);
      this.update();
    }
    this.drawn = "";
    this.go(this.rows.indexOf(row), 1);
  }
}

/* The inventory of this page; null when it has none. */
async function inventory() {
  const source = document.getElementById("inventory-data");
  if (!source) return null;
  const table = document.getElementById("inventory-table");
  try {
    const endpoints = new Endpoints(await unpacked(source));
    table.hidden = false;
    return new Inventory(endpoints, table.querySelector(".scroller"));
  } catch (error) {
    table.hidden = true;
    document.getElementById("inventory-failed").hidden = false;
    console.warn(error);
    return null;
  }
}
