// A table of figures: a row for each thing, the busiest with the longest line below its name.

import { element, byId, setShown, setText } from "./element.js";
import { number, say } from "./i18n.js";
import { Rows } from "./rows.js";

/** So many rows are shown before somebody asks for all. */
const ROWS_SHOWN = 6;

/** A table in the page's table element of this id; its roles are told, as small screens show it as a list. */
export class FigureTable {
  #id;
  #options;
  #rows;
  #items;
  #isWhole = false;
  #heads;
  #more;
  #widest = 0;

  /**
   * `columns`: `{title, hint?, isNumber, text(item, figures), level?}`, or `fill(cell, item, figures)` in place of `text`; the first is the
   * row's head. `idOf(item)`; `empty` and `count` name words.
   */
  constructor(id, options) {
    this.#id = id;
    this.#options = options;
    this.#heads = options.columns.map(({ title, isNumber }) =>
      element("th", { scope: "col", role: "columnheader", class: isNumber ? "number" : "", "data-text": title }),
    );
    const body = element("tbody", { role: "rowgroup" });
    const row = element("tr", { role: "row" }, ...this.#heads);
    byId(id).append(element("thead", { role: "rowgroup" }, row), body);
    this.#rows = new Rows(() => body, () => this.#make(), (made, item) => this.#fill(made, item));
    this.#more = element("button", { type: "button", class: "quiet more", hidden: true });
    this.#more.addEventListener("click", () => {
      this.#isWhole = !this.#isWhole;
      this.#draw();
    });
    byId(id).after(this.#more);
  }

  #make() {
    const cells = this.#options.columns.map(({ isNumber }, index) =>
      index === 0
        ? element("th", { scope: "row", role: "rowheader" })
        : element("td", { role: "cell", class: isNumber ? "number" : "" }),
    );
    const node = element("tr", { role: "row" }, ...cells);
    const line = element("i", { class: "share", "aria-hidden": "true" });
    const content = cells.map((cell) => cell.appendChild(element("div", { class: "cell" })));
    cells[0].append(line);
    return { node, cells, content, line };
  }

  #fill({ cells, content, line }, { item, figures }) {
    this.#options.columns.forEach((column, index) => {
      const cell = content[index];
      if (index > 0) cells[index].dataset.name = say(column.title);
      if (column.fill) column.fill(cell, item, figures);
      else setText(cell, column.text(item, figures));
      if (column.level) cell.dataset.level = column.level(item, figures);
    });
    const part = this.#widest === 0 ? 0 : figures.requests / this.#widest;
    line.style.transform = `scaleX(${part.toFixed(4)})`;
  }

  /** Shows these, with their figures of this window. */
  show(items, window) {
    this.#items = items.map((item) => ({ item, figures: item.windows[window] }));
    this.#draw();
  }

  #draw() {
    const items = this.#items;
    this.#options.columns.forEach(({ hint }, index) => {
      if (hint) this.#heads[index].title = say(hint);
    });
    this.#widest = Math.max(0, ...items.map(({ figures }) => figures.requests));
    const shown = this.#isWhole ? items : items.slice(0, ROWS_SHOWN);
    this.#rows.show(shown, ({ item }) => this.#options.idOf(item));
    setText(byId(`${this.#id}-count`), items.length > 0 ? number(items.length) : "");
    setShown(byId(this.#id), items.length > 0);
    setText(byId(`${this.#id}-empty`), say(this.#options.empty));
    setShown(byId(`${this.#id}-empty`), items.length === 0);
    setShown(this.#more, items.length > ROWS_SHOWN);
    setText(this.#more, this.#isWhole ? say("table.fewer") : say("table.all", { count: number(items.length) }));
  }

  /** Shows nothing of what was there. */
  forget() {
    this.show([]);
    setText(byId(`${this.#id}-empty`), say("key.needed"));
  }
}
