// The latest exchanges: a live list that can be paused, stops while it is being read, and pages back in time.
// What is shown follows from the entries it was given; asking for them is main.js's part, by `ask`.

import { element, reconcile, setText } from "./dom.js";
import { count } from "./format.js";
import { COLUMNS, ExchangeRow } from "./exchange_row.js";

const PAGE = 60;
const MAX_KEPT = 1000;
const DRAW_EVERY_MS = 400;

export class ExchangeList {
  /** `older(exchange)` asks for exchanges that are older than this one, the oldest of the list. */
  constructor(root, older) {
    this.older = older;
    this.rows = new Map(); // by replica and sequence number
    this.shown = [];
    this.loaded = false;
    this.choice = 0;
    this.fresh = 0;
    this.skipped = 0;
    this.room = PAGE;
    this.late = ""; // which replica did not tell of older exchanges
    this.paused = false;
    this.hovered = false;
    this.drawing = 0;
    this.body = element("tbody", { attributes: { id: "exchange-rows" } });
    this.note = root.querySelector("#exchanges-note");
    this.empty = root.querySelector("#exchanges-empty");
    this.pauseButton = root.querySelector("#pause");
    this.moreButton = root.querySelector("#more");
    root.querySelector("#exchanges-table").append(this.table());
    this.pauseButton.addEventListener("click", () => this.pause(!this.paused));
    this.moreButton.addEventListener("click", () => this.showOlder());
    root.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.closeLast();
    });
  }

  table() {
    const heads = COLUMNS.map(([label, cls]) => element("th", { class: cls, text: label, attributes: { scope: "col" } }));
    const table = element(
      "table",
      { class: "cards exchanges" },
      element("caption", { class: "unseen", text: "Latest exchanges. The time opens one." }),
      element("thead", {}, element("tr", {}, ...heads)),
      this.body,
    );
    const hover = (over) => (event) => {
      if (event.pointerType === "mouse") this.hover(over);
    };
    this.body.addEventListener("pointerenter", hover(true));
    this.body.addEventListener("pointerleave", hover(false));
    this.body.addEventListener("focusout", () => setTimeout(() => this.refresh()));
    return table;
  }

  /** Forget everything: another choice of exchanges is going to be shown. */
  clear() {
    this.choice += 1;
    this.rows.clear();
    this.fresh = this.skipped = 0;
    this.room = PAGE;
    this.loaded = false;
    this.late = "";
    this.draw();
  }

  /** Take in the latest. `more`: there are older ones; `only`: they were asked for by id, so one alone is opened. */
  load(exchanges, { more, only }) {
    const newest = Math.max(0, ...[...this.rows.values()].map((row) => row.exchange.at));
    const oldest = Math.min(...exchanges.map((exchange) => exchange.at));
    if (oldest > newest && more) this.drop((row) => !row.open); // what lies between was never seen: no hole in the list
    const first = !this.loaded;
    this.loaded = true;
    this.take(exchanges);
    if (first) this.draw();
    else this.refresh();
    if (only && this.rows.size === 1) [...this.rows.values()][0].toggle(true);
  }

  /** Take in what has just ended. */
  add({ exchanges, skipped = 0 }) {
    this.take(exchanges);
    this.skipped += skipped;
    if (!this.drawing) {
      this.drawing = setTimeout(() => {
        this.drawing = 0;
        this.refresh();
      }, DRAW_EVERY_MS);
    }
  }

  take(exchanges) {
    for (const exchange of exchanges) {
      const name = `${exchange.replica}|${exchange.seq}`;
      if (this.rows.has(name)) continue;
      this.rows.set(name, new ExchangeRow(exchange, () => this.toggled()));
      this.fresh += 1;
    }
  }

  drop(unwanted) {
    for (const [name, row] of this.rows) if (unwanted(row)) this.rows.delete(name);
  }

  get held() {
    return this.paused || this.hovered || [...this.rows.values()].some((row) => row.open) || this.body.querySelector(":focus-visible") !== null;
  }

  hover(over) {
    this.hovered = over;
    this.refresh();
  }

  pause(wanted) {
    this.paused = wanted;
    this.pauseButton.setAttribute("aria-pressed", String(wanted));
    setText(this.pauseButton, wanted ? "Resume" : "Pause");
    this.refresh();
  }

  toggled() {
    reconcile(this.body, this.shown.flatMap((row) => row.lines));
    this.refresh();
  }

  closeLast() {
    const open = [...this.rows.values()].filter((row) => row.open);
    const last = open.find((row) => row.lines.some((line) => line.contains(document.activeElement))) ?? open.pop();
    if (!last) return;
    last.toggle(false);
    last.button.focus();
  }

  refresh() {
    if (!this.held) this.draw();
    this.tell();
  }

  /** Newest first; replicas number by themselves, so that time goes before numbers. */
  ordered() {
    return [...this.rows.values()].sort((a, b) => b.exchange.at - a.exchange.at || b.exchange.seq - a.exchange.seq);
  }

  draw() {
    this.trim();
    const ordered = this.ordered();
    this.shown = ordered.slice(0, this.room);
    this.fresh = 0;
    reconcile(this.body, this.shown.flatMap((row) => row.lines));
    this.empty.hidden = this.shown.length > 0 || !this.loaded;
    this.body.parentElement.hidden = this.shown.length === 0;
    this.moreButton.hidden = this.shown.length < PAGE;
    this.tell();
  }

  tell() {
    const waiting = this.fresh ? `${count(this.fresh)} new` : "";
    const why = this.paused ? "paused" : this.held ? "held while you read" : "live";
    const missed = this.skipped ? `${count(this.skipped)} skipped, too many to list` : "";
    setText(this.note, [why, waiting, missed, this.late].filter(Boolean).join(" · "));
    this.note.dataset.held = String(this.held);
  }

  trim() {
    if (this.rows.size <= MAX_KEPT) return;
    const ordered = this.ordered();
    const kept = new Set(ordered.slice(0, Math.max(PAGE, this.room)));
    this.drop((row) => !kept.has(row) && !row.open);
  }

  /** False if nothing was taken: the reader has chosen others meanwhile, or a replica is late, and its part would be a hole. */
  async takeOlder() {
    const { choice } = this;
    this.moreButton.disabled = true;
    try {
      const { exchanges, late = [] } = await this.older(this.ordered().at(-1).exchange);
      if (choice !== this.choice) return false;
      this.late = late.length ? `${late.join(", ")} did not answer: ask for older ones again` : "";
      if (this.late) this.tell();
      else this.take(exchanges);
      return !this.late;
    } finally {
      this.moreButton.disabled = false;
    }
  }

  async showOlder() {
    if (this.rows.size < this.room + PAGE && !(await this.takeOlder())) return;
    this.room += PAGE;
    const before = this.shown.length;
    this.draw();
    if (this.shown.length === before) this.moreButton.hidden = true;
    else this.shown[before].button.focus({ preventScroll: true });
  }
}
