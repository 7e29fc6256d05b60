// One consumer, opened by `#consumer=NAME`: limits and their use, keys, rules, callers, SDKs, countries, errors. Asked for
// while it is looked at, and only then.

import { searchOf } from "./api.js";
import { element, setText } from "./dom.js";
import { pickButton } from "./filters.js";
import { ago, count, duration, moment, percent, rate, span } from "./format.js";

const now = () => Date.now() / 1000;

export class ConsumerPage {
  /** `opened(name)` is called when one is opened; `replicaOf()` is "all" where replicas share what they count. */
  constructor(root, opened, replicaOf) {
    this.replicaOf = replicaOf;
    this.note = root.querySelector("#consumer-note");
    this.section = root.querySelector("#consumer-page");
    this.title = root.querySelector("#consumer-title");
    this.body = root.querySelector("#consumer-body");
    this.opened = opened;
    this.shown = "";
    root.querySelector("#consumer-close").addEventListener("click", () => {
      history.pushState(null, "", location.pathname + location.search);
      this.follow();
    });
    addEventListener("hashchange", () => this.follow());
    addEventListener("popstate", () => this.follow());
  }

  get name() {
    const found = /^#consumer=(.+)$/.exec(location.hash);
    try {
      return found ? decodeURIComponent(found[1]) : "";
    } catch {
      return "";
    }
  }

  /** Open or close as the address says. */
  follow() {
    if (this.name === this.shown) return;
    this.shown = this.name;
    this.section.hidden = !this.shown;
    this.title.textContent = this.shown;
    this.body.replaceChildren();
    if (!this.shown) return;
    this.opened(this.shown);
    this.section.scrollIntoView();
    this.refresh().catch((error) => console.info("The consumer's page:", error.message));
  }

  /** Ask again, if it is open. Raises `Error`. */
  async refresh() {
    const name = this.shown;
    if (!name) return;
    const answer = await fetch(`/api/consumers/${encodeURIComponent(name)}${searchOf({ replica: this.replicaOf() })}`, { cache: "no-store" });
    if (name !== this.shown || this.body.contains(document.activeElement)) return;
    if (!answer.ok) {
      this.body.replaceChildren(element("p", { class: "quiet", text: "The configuration has no consumer of this name." }));
      return;
    }
    const told = await answer.json();
    const of = told.replicas.length > 1 ? `Of ${told.replicas.length} replicas: ${told.replicas.join(", ")}.` : "Of this replica.";
    setText(this.note, [of, told.note ? `${told.note}.` : ""].filter(Boolean).join(" "));
    this.body.replaceChildren(...blocks(told));
  }
}

function blocks(consumer) {
  const { recent } = consumer;
  const facts = [
    ["Requests, 15 min", count(recent.requests)],
    ["Rate", rate(recent.requests_per_second)],
    ["Errors", recent.requests ? percent(recent.errors / recent.requests) : "–"],
    ["p95", duration(recent.p95)],
    ["Credential", consumer.credential],
    ["Priority", consumer.priority],
    ["Mode", consumer.mode],
    ["Last call", ago(recent.last_at, now())],
  ];
  const events = consumer.repeats.map((row) => [row.event.replaceAll("_", " "), row.route, count(row.count)]);
  return [
    element("dl", { class: "facts" }, ...facts.map(([name, value]) =>
      element("div", {}, element("dt", { text: name }), element("dd", { text: value })))),
    element("div", { class: "blocks" },
      block("Limits", ["Limit", "Rate", "Used"], consumer.limits.map((limit) => [
        limit.name, limit.per === "consumer" ? limit.rate : `${limit.rate}, per ${limit.per}`, gauge(limit.used)])),
      block("Keys", ["Key", "Ends", "Age", "First use", "Last use"], [...consumer.keys, ...consumer.former].map(keyRow), keysNote(consumer), "wide"),
      block("Callers", ["Address", "Calls", "Last"], consumer.addresses.map((row) => [
        row.address, count(row.calls), ago(row.last_at, now())])),
      block("SDKs", ["SDK", "Requests"], consumer.sdks.map((row) => [pickButton("sdk", row.sdk), count(row.requests)])),
      block("Errors", ["Code", "Count"], [
        ...recent.slugs.map((row) => [pickButton("slug", row.slug, row.slug, "id"), count(row.count)]),
        ...recent.codes.map((row) => [pickButton("code", String(row.code), String(row.code), "id"), count(row.count)])]),
      block("Segments sent", ["Country", "Segments"], Object.entries(consumer.since_start.segments).map(([country, sent]) => [
        country, count(sent)]), `Since ${moment(consumer.since_start.at)}, when the first of the replicas started.`),
      block("Repeats of creates", ["What was done", "Route", "Count"], events, "Since the replicas started."),
      block("May call", ["Rule"], consumer.rules.map((rule) => [element("span", { class: "id", text: rule })]),
        consumer.form_rules ? "Senders, recipients or callbacks are bounded, too." : ""),
    ),
  ];
}

function block(title, heads, rows, note = "", width = "") {
  const cells = (row) => row.map((cell) => element("td", {}, cell));
  return element("div", { class: `sheet block ${width}`.trim() },
    element("h3", { text: title }),
    rows.length
      ? element("div", { class: "scroller" }, element("table", {},
        element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { text: head, attributes: { scope: "col" } })))),
        element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells(row))))))
      : element("p", { class: "quiet", text: "None." }),
    note ? element("p", { class: "quiet", text: note }) : null);
}

function gauge(used) {
  if (used === null) return "each apart";
  const fill = element("i");
  fill.style.width = `${Math.min(1, used) * 100}%`;
  return element("span", { class: "limit" },
    element("span", { class: `gauge${used >= 0.9 ? " full" : ""}` }, fill), element("span", { text: percent(used) }));
}

/** A key's life; one that was removed has `removed_at`. */
function keyRow(key) {
  const removed = key.removed_at !== undefined;
  const name = element("span", { class: "name" },
    pickButton("key", key.key.replace("sha256:", ""), key.key, "id"),
    key.idle ? element("small", { class: "tag bad", text: "idle", attributes: { title: "Not used for 90 days" } }) : null,
    key.refused ? element("small", { class: "tag bad", text: `still sent ${count(key.refused)} times`, attributes: { title: `Last ${moment(key.last_refused)}` } }) : null);
  return [
    name,
    removed ? element("span", { class: "tag", text: "removed", attributes: { title: moment(key.removed_at) } }) : ends(key.expires),
    removed ? "–" : element("span", { text: ageOf(key.seen_at), attributes: { title: `First configured ${moment(key.seen_at)}` } }),
    key.first_used ? at(key.first_used) : removed ? "–" : "never",
    key.last_used ? at(key.last_used) : removed ? "–" : "never",
  ];
}

function ageOf(epoch) {
  const seconds = now() - epoch;
  return span(seconds < 60 ? seconds : Math.floor(seconds / 60) * 60);
}

function at(epoch) {
  return element("span", { text: ago(epoch, now()), attributes: { title: moment(epoch) } });
}

function keysNote(consumer) {
  return consumer.keys_kept === "memory"
    ? `Since this replica started, ${moment(consumer.keys_since)}: without Redis or key_usage_file nothing is known from before.`
    : "";
}

function ends(expires) {
  if (expires === null) return "never";
  const days = Math.floor((expires - now()) / 86400);
  const text = days < 0 ? "ended" : `in ${count(days)} d`;
  return element("span", { class: days < 14 ? "tag bad" : "", text, attributes: { title: moment(expires) } });
}

export { block, ends };
