// A table whose headers sort it, refreshed in place: rows keep their element, so that focus and selection stay.
// Knows nothing of what its rows mean.

import { element, reconcile } from "./dom.js";

/** `columns`: {key, label, cell(row) → Node or text, by(row) → what is sorted on, class, descends}. */
export class SortableTable {
  constructor(root, { caption, columns, keyOf, sort, empty }) {
    this.columns = columns;
    this.keyOf = keyOf;
    this.sort = sort;
    this.down = columns.find((column) => column.key === sort).descends ?? false;
    this.rows = [];
    this.wanted = () => true;
    this.made = new Map();
    this.heads = new Map();
    this.body = element("tbody");
    this.note = element("p", { class: "empty", text: empty });
    const table = element(
      "table",
      { class: "cards" },
      element("caption", { class: "unseen", text: caption }),
      element("thead", {}, element("tr", {}, ...columns.map((column) => this.head(column)))),
      this.body,
    );
    root.append(element("div", { class: "scroller" }, table), this.note);
    this.mark();
  }

  head(column) {
    const cell = element("th", { class: column.class, attributes: { scope: "col" } });
    if (column.by) {
      cell.append(
        element("button", { class: "sort", text: column.label, attributes: { type: "button", "data-tip": column.tip }, on: { click: () => this.turn(column) } }),
      );
    } else {
      cell.append(column.tip ? element("span", { text: column.label, attributes: { tabindex: "0", "data-tip": column.tip } }) : column.label);
    }
    this.heads.set(column.key, cell);
    return cell;
  }

  /** Sort by a column; the same again turns it round. */
  turn(column) {
    this.down = this.sort === column.key ? !this.down : (column.descends ?? false);
    this.sort = column.key;
    this.mark();
    this.show();
  }

  mark() {
    for (const [key, cell] of this.heads) {
      if (key === this.sort) cell.setAttribute("aria-sort", this.down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    }
  }

  update(rows) {
    this.rows = rows;
    this.show();
  }

  /** Show only rows for which `wanted(row)` is true. */
  only(wanted) {
    this.wanted = wanted;
    this.show();
  }

  show() {
    const { by } = this.columns.find((column) => column.key === this.sort);
    const direction = this.down ? -1 : 1;
    const ordered = this.rows.filter(this.wanted).sort((a, b) => direction * compare(by(a), by(b)) || compare(this.keyOf(a), this.keyOf(b)));
    this.note.hidden = ordered.length > 0;
    this.body.parentElement.hidden = ordered.length === 0;
    const made = new Map();
    for (const row of ordered) {
      const key = this.keyOf(row);
      made.set(key, this.fill(this.made.get(key) ?? { line: element("tr"), told: "" }, row));
    }
    this.made = made;
    reconcile(this.body, [...made.values()].map(({ line }) => line));
  }

  fill(kept, row) {
    const told = JSON.stringify(row);
    if (told === kept.told || kept.line.contains(document.activeElement)) return kept;
    kept.told = told;
    kept.line.replaceChildren(
      ...this.columns.map((column) =>
        element("td", { class: column.class, attributes: { "data-label": column.label } }, column.cell(row)),
      ),
    );
    return kept;
  }
}

/** Numbers by size, text by letters; what is missing comes first. */
function compare(a, b) {
  if (typeof a === "string" && typeof b === "string") return a.localeCompare(b);
  return (a ?? -Infinity) === (b ?? -Infinity) ? 0 : (a ?? -Infinity) < (b ?? -Infinity) ? -1 : 1;
}
