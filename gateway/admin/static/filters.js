// Which exchanges the reader wants to see. The choice stands in the page's address, so that a link can be shared.

import { searchOf } from "./api.js";
import { element, reconcile } from "./dom.js";

const NAMES = ["consumer", "route", "status", "request_id"];
const PATIENCE_MS = 250;

export class Filters {
  constructor(form, changed) {
    this.form = form;
    this.changed = changed;
    this.timer = 0;
    this.take(new URLSearchParams(location.search));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.apply();
    });
    form.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.apply(), PATIENCE_MS);
    });
    form.querySelector("#clear-filters").addEventListener("click", () => {
      this.take(new URLSearchParams());
      this.apply();
      form.elements.consumer.focus();
    });
    addEventListener("popstate", () => {
      this.take(new URLSearchParams(location.search));
      this.apply();
    });
  }

  take(parameters) {
    for (const name of NAMES) this.form.elements[name].value = parameters.get(name) ?? "";
    this.told = this.query();
    this.mark();
  }

  /** What is asked for: {consumer, route, status, request_id}, each '' if it does not matter or cannot be meant. */
  query() {
    const valueOf = ({ validity, value }) => (validity.valid ? value.trim() : "");
    return Object.fromEntries(NAMES.map((name) => [name, valueOf(this.form.elements[name])]));
  }

  get active() {
    return Object.values(this.query()).some(Boolean);
  }

  apply() {
    clearTimeout(this.timer);
    if (!this.form.checkValidity()) return; // half typed: it is marked, and nothing changes yet
    const query = this.query();
    if (JSON.stringify(query) === JSON.stringify(this.told) && location.search === searchOf(query)) return;
    this.told = query;
    history.replaceState(null, "", location.pathname + searchOf(query) + location.hash);
    this.mark();
    this.changed();
  }

  mark() {
    this.form.querySelector("#clear-filters").disabled = !this.active;
  }

  /** Names to choose from while typing. */
  offer(kind, names) {
    const list = document.getElementById(`${kind}-names`);
    const wanted = [...new Set(names.filter(Boolean))].sort();
    if ([...list.options].map((option) => option.value).join("\n") === wanted.join("\n")) return;
    reconcile(list, wanted.map((name) => element("option", { attributes: { value: name } })));
  }
}
