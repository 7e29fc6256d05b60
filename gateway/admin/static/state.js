// The top of the page: whether the gateway serves, and if not quite, why; the facts of its process; and whether
// this page still hears from it.

import { element, icon, reconcile, setText } from "./dom.js";
import { ago, count, span } from "./format.js";

const WORDS = {
  serving: ["Serving", "check"],
  draining: ["Draining", "drain"],
  degraded: ["Degraded", "warning"],
  broken: ["Reconnecting…", "broken"],
  asleep: ["Asleep", "drain"],
  loading: ["Connecting…", "drain"],
};

const FACTS = [
  ["version", "Version", (state) => state.version],
  ["config", "Configuration", (state) => state.config?.hash?.slice(0, 12)],
  ["uptime", "Up for", (state) => span(state.uptime_seconds)],
  ["connections", "Connections", (state) => count(state.connections)],
  ["in-flight", "In flight", (state) => count(state.in_flight)],
  ["store", "Store", (state) => storeText(state.store)],
  ["budget", "Retry budget", (state) => count(Math.floor(state.retry_budget_left ?? 0))],
  ["reload", "Last reload", reloadText],
];

export class StateView {
  constructor(root) {
    this.badge = root.querySelector("#state");
    this.word = root.querySelector("#state-word");
    this.reasons = root.querySelector("#why");
    this.spoken = root.querySelector("#announcement");
    this.facts = new Map();
    const list = root.querySelector("#facts");
    for (const [name, label] of FACTS) {
      const value = element("dd", { attributes: { id: `fact-${name}` }, text: "–" });
      this.facts.set(name, value);
      list.append(element("div", {}, element("dt", { text: label }), value));
    }
    this.state = null;
    this.link = "loading";
    this.heard = 0;
    this.shown = "";
    this.render();
  }

  /** What the gateway says of itself. */
  update(state) {
    this.state = state;
    this.heard = Date.now() / 1000;
    this.render();
  }

  /** What the stream says of itself: "live", "broken" or "asleep". */
  connection(link) {
    this.link = link;
    this.render();
  }

  render() {
    const known = this.state !== null;
    const name = this.link === "live" && known ? this.state.state : this.link === "live" ? "loading" : this.link;
    const reasons = this.told(name);
    if (name !== this.shown) {
      const [word, sign] = WORDS[name] ?? [name, "warning"];
      this.shown = name;
      this.badge.dataset.state = name;
      document.documentElement.dataset.link = this.link;
      reconcile(this.badge, [icon(sign), this.word]);
      setText(this.word, word);
      document.title = name === "serving" ? "twilio-gateway" : `${word} · twilio-gateway`;
    }
    this.reasons.hidden = !reasons.length;
    if (this.reasons.dataset.told !== reasons.join("\n")) {
      this.reasons.dataset.told = reasons.join("\n");
      this.reasons.replaceChildren(...reasons.map((reason) => element("li", { text: reason })));
    }
    setText(this.spoken, `${this.word.textContent} ${reasons.join(". ")}`.trim());
    if (known) for (const [fact, , text] of FACTS) setText(this.facts.get(fact), text(this.state) || "–");
  }

  told(name) {
    if (name === "broken") {
      const since = this.heard ? ` Last heard from it at ${new Date(this.heard * 1000).toLocaleTimeString("en-GB")}.` : "";
      return [`The gateway does not answer this page; it is tried again every few seconds.${since}`];
    }
    return this.state && name !== "asleep" ? (this.state.why ?? []) : [];
  }
}

function storeText(store) {
  if (!store) return "";
  return store.available === false ? `${store.kind}, away` : store.kind;
}

function reloadText(state) {
  const last = state.config?.last_reload;
  if (!last) return "none";
  return `${last.ok ? "ok" : "failed"}, ${ago(last.at, state.now)}`;
}
