// A list that is shown again and again, and keeps its elements: focus, selection and scroll stay where they are.

/** Rows, each made once by `make(id)` and filled again by `fill(row, item)`; `row.node` is the element. */
export class Rows {
  #rows = new Map();
  #list;
  #make;
  #fill;

  constructor(list, make, fill) {
    this.#list = list;
    this.#make = make;
    this.#fill = fill;
  }

  /** Shows these items, in this order. */
  show(items, idOf = (item) => item.id) {
    const list = this.#list();
    const next = new Map();
    let place = list.firstElementChild;
    for (const item of items) {
      const id = idOf(item);
      const row = this.#rows.get(id) ?? this.#make(id);
      this.#fill(row, item);
      next.set(id, row);
      // One that has moved is moved; all others are not touched.
      if (row.node === place) place = place.nextElementSibling;
      else list.insertBefore(row.node, place);
    }
    this.#rows.forEach((row, id) => {
      if (!next.has(id)) row.node.remove();
    });
    this.#rows = next;
  }

  /** Calls back for each row. */
  each(callback) {
    this.#rows.forEach(callback);
  }
}
