// What is stopped, and, for a login that may operate, stopping and starting it. A press is confirmed: the
// button names what it does, and asks.

import { ask, send } from "./api.js";
import { element, setText } from "./dom.js";
import { ago } from "./format.js";
import { SortableTable } from "./sortable.js";

const now = () => Date.now() / 1000;
const named = (row) => `${row.consumer === "all" ? "every consumer" : row.consumer}${row.prefix ? ` to ${row.prefix}…` : ""}`;

/** The section in its place of the page. */
export class StopsView {
  constructor(root) {
    this.section = root.querySelector("#stops");
    this.form = root.querySelector("#stop-form");
    this.said = root.querySelector("#stop-said");
    this.operates = false;
    this.table = new SortableTable(root.querySelector("#stops-table"), {
      caption: "What is stopped",
      sort: "at",
      keyOf: (row) => `${row.consumer}|${row.prefix}`,
      empty: "Nothing is stopped.",
      columns: [
        { key: "consumer", label: "Stopped", by: named, cell: named },
        { key: "at", label: "Since", class: "number", descends: true, by: (row) => row.at, cell: (row) => ago(row.at, now()) },
        { key: "by", label: "From", by: (row) => row.by, cell: (row) => row.by || "–" },
        { key: "start", label: "", cell: (row) => this.startButton(row) },
      ],
    });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const { consumer, prefix } = Object.fromEntries(new FormData(this.form));
      this.change("/api/stops", { consumer: consumer.trim(), prefix: prefix.trim() }, "Stop");
    });
  }

  /** Ask for the stops. Raises `Error`. */
  async refresh() {
    const { stops, may_operate: operates } = await ask("/api/stops");
    this.operates = operates;
    this.form.hidden = !operates;
    this.section.classList.toggle("active", stops.length > 0);
    this.table.update(stops);
  }

  startButton(row) {
    if (!this.operates) return "";
    const press = () => this.change("/api/starts", { consumer: row.consumer, prefix: row.prefix }, "Start");
    return element("button", { text: "Start", attributes: { type: "button", "aria-label": `Start ${named(row)}` }, on: { click: press } });
  }

  async change(path, what, act) {
    if (!what.consumer || !confirm(`${act} ${named(what)}, on all replicas?`)) return;
    setText(this.said, `${act} ${named(what)} …`);
    const { status, answer } = await send(path, what);
    setText(this.said, status === 200 ? told(answer, act) : `Not done: ${answer.error ?? status}`);
    if (status === 200 && act === "Stop") this.form.reset();
    await this.refresh();
  }
}

function told({ replicas, shared }, act) {
  const late = replicas.filter((each) => !each.done).map((each) => each.replica);
  const done = act === "Stop" ? "Stopped" : "Started";
  if (late.length) return `${done}, but without an answer from ${late.join(", ")}.`;
  if (shared === false) return `${done} on this replica alone: the store is unavailable.`;
  return `${done} on ${replicas.map((each) => each.replica).join(", ")}.`;
}
