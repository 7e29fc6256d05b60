// What the reader wants to see: typed, picked by a click, or searched for. The choice stands in the page's address, so
// that a link can be shared and the back button undoes a click; chips show it and take it back.

import { searchOf } from "./api.js";
import { element, reconcile } from "./dom.js";
import { meaningOf } from "./search.js";

const TYPED = ["consumer", "route", "status"];
const LABELS = {
  consumer: "Consumer", route: "Route", status: "Status", request_id: "Request id", slug: "Slug", code: "Code",
  key: "Key", sdk: "SDK", sid: "SID", account: "Account",
};
export const RANGES = { "1m": 60, "5m": 300, "15m": 900, "1h": 3600, "6h": 21_600 };
const KEPT = "15m";
const PATIENCE_MS = 250;

export class Filters {
  constructor(form, chips, range, changed) {
    this.form = form;
    this.chips = chips;
    this.range = range;
    this.changed = changed;
    this.timer = 0;
    this.values = {};
    this.names = new Set();
    this.take(new URLSearchParams(location.search));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (form.elements.search.value.trim()) this.search();
      else this.apply();
    });
    form.addEventListener("input", (event) => {
      if (event.target.name === "search") return;
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.apply(), PATIENCE_MS);
    });
    form.elements.search.addEventListener("change", () => this.search());
    form.querySelector("#clear-filters").addEventListener("click", () => {
      this.replace({}, { push: true });
      form.elements.consumer.focus();
    });
    range.addEventListener("change", () => this.apply({ push: true }));
    addEventListener("popstate", () => {
      const before = JSON.stringify(this.address());
      this.take(new URLSearchParams(location.search));
      if (JSON.stringify(this.address()) !== before) this.changed();
    });
  }

  /** Take the choice from an address. */
  take(parameters) {
    this.values = Object.fromEntries(Object.keys(LABELS).map((name) => [name, parameters.get(name) ?? ""]));
    for (const name of TYPED) this.form.elements[name].value = this.values[name];
    this.range.value = parameters.get("range") in RANGES ? parameters.get("range") : KEPT;
    this.mark();
  }

  /** What is asked for: a value by name, '' if it does not matter or cannot be meant. */
  query() {
    const found = { ...this.values };
    for (const name of TYPED) {
      const { validity, value } = this.form.elements[name];
      found[name] = validity.valid ? value.trim() : "";
    }
    return found;
  }

  get seconds() {
    return RANGES[this.range.value];
  }

  /** How far back exchanges are wanted, in seconds since the epoch; '' for all that are kept. */
  get since() {
    return this.seconds >= RANGES[KEPT] ? "" : String(Math.floor(Date.now() / 1000 - this.seconds));
  }

  address() {
    return { ...this.query(), range: this.range.value === KEPT ? "" : this.range.value };
  }

  /** One more filter, by a click. */
  pick(name, value) {
    this.replace({ ...this.query(), [name]: value }, { push: true });
  }

  replace(values, options) {
    this.values = Object.fromEntries(Object.keys(LABELS).map((name) => [name, values[name] ?? ""]));
    for (const name of TYPED) this.form.elements[name].value = this.values[name];
    this.apply(options);
  }

  search() {
    const field = this.form.elements.search;
    const text = field.value.trim();
    if (!text) return;
    field.value = "";
    this.pick(...meaningOf(text, this.names));
  }

  apply({ push = false } = {}) {
    clearTimeout(this.timer);
    if (!this.form.checkValidity()) return; // half typed: it is marked, and nothing changes yet
    const search = searchOf(this.address());
    this.values = this.query();
    if (location.search === search) return this.mark();
    history[push ? "pushState" : "replaceState"](null, "", location.pathname + search + location.hash);
    this.mark();
    this.changed();
  }

  mark() {
    const active = Object.entries(this.query()).filter(([, value]) => value);
    this.form.querySelector("#clear-filters").disabled = !active.length;
    this.chips.replaceChildren(...active.map(([name, value]) => element(
      "li",
      { class: "chip" },
      element("span", { text: `${LABELS[name]}: ${value}` }),
      element("button", {
        text: "×",
        attributes: { type: "button", "aria-label": `Remove ${LABELS[name]} ${value}` },
        on: { click: () => this.replace({ ...this.query(), [name]: "" }, { push: true }) },
      }),
    )));
    this.chips.hidden = !active.length;
  }

  /** Names to choose from while typing. */
  offer(kind, names) {
    if (kind === "consumer") this.names = new Set(names);
    const list = document.getElementById(`${kind}-names`);
    const wanted = [...new Set(names.filter(Boolean))].sort();
    if ([...list.options].map((option) => option.value).join("\n") === wanted.join("\n")) return;
    reconcile(list, wanted.map((name) => element("option", { attributes: { value: name } })));
  }
}

/** A button that filters by what it shows. `filters` answers its click, wherever it stands. */
export function pickButton(name, value, shown = value, cls = "") {
  return element("button", {
    class: `pick ${cls}`.trim(),
    text: shown,
    attributes: { type: "button", "data-pick": name, "data-value": value, title: value },
  });
}
