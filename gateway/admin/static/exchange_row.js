// One line of the list of exchanges, and the line under it that opens.

import { element } from "./dom.js";
import { clock, duration } from "./format.js";
import { pickButton } from "./filters.js";
import { routeCell } from "./tables.js";
import { timelineOf, toneOf } from "./timeline.js";

export const COLUMNS = [
  ["Time", ""],
  ["Status", ""],
  ["Consumer", ""],
  ["Request", "route"],
  ["Error", ""],
  ["Tries", "number"],
  ["Where the time went", "spark"],
  ["Total", "number"],
  ["Request id", "request-id"],
];
const LONGEST_SECONDS = 5; // a full bar

export class ExchangeRow {
  /** `toggled(row)` is called after it opened or closed. */
  constructor(exchange, toggled) {
    this.exchange = exchange;
    this.toggled = toggled;
    this.detail = null;
    const id = `exchange-${exchange.seq}-${(exchange.replica ?? "").replace(/[^\w-]/g, "-")}`;
    this.button = element("button", {
      class: "open",
      text: clock(exchange.at),
      attributes: { type: "button", "aria-expanded": "false", "aria-controls": id },
      on: { click: (event) => { event.stopPropagation(); this.toggle(); } },
    });
    const cells = [
      this.button,
      statusOf(exchange),
      exchange.consumer ? pickButton("consumer", exchange.consumer, exchange.consumer, "bounded") : element("span", { class: "quiet", text: "unknown" }),
      routeCell(exchange),
      errorOf(exchange),
      exchange.attempts > 1 ? element("b", { text: String(exchange.attempts) }) : String(exchange.attempts ?? 0),
      sparkOf(exchange),
      duration(exchange.seconds),
      element("span", { class: "id", text: exchange.request_id, attributes: { title: exchange.request_id } }),
    ];
    this.line = element("tr", { class: "exchange" }, ...cells.map((cell, at) =>
      element("td", { class: COLUMNS[at][1], attributes: { "data-label": COLUMNS[at][0] } }, cell),
    ));
    this.line.addEventListener("click", (event) => {
      if (!event.target.closest("[data-pick]") && !String(getSelection())) this.toggle();
    });
    this.id = id;
  }

  get open() {
    return this.detail !== null;
  }

  /** The elements that it is at the moment. */
  get lines() {
    return this.detail ? [this.line, this.detail] : [this.line];
  }

  toggle(wanted = !this.open) {
    if (wanted === this.open) return;
    const link = `${location.origin}${location.pathname}?${new URLSearchParams({ request_id: this.exchange.request_id })}`;
    this.detail = wanted
      ? element("tr", { class: "opened", attributes: { id: this.id } }, element("td", { attributes: { colspan: COLUMNS.length } }, timelineOf(this.exchange, link)))
      : null;
    this.button.setAttribute("aria-expanded", String(wanted));
    this.line.classList.toggle("is-open", wanted);
    this.detail?.addEventListener("keydown", (event) => this.escape(event));
    this.toggled(this);
  }

  escape(event) {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    this.toggle(false);
    this.button.focus();
  }
}

function statusOf(exchange) {
  const { status } = exchange;
  const cls = status ? `s${Math.floor(status / 100)}xx` : "s5xx";
  return element("span", { class: `status tone-${cls}` }, element("i", { class: "dot" }), String(status || "none"));
}

function errorOf(exchange) {
  const words = [exchange.unknown && "outcome unknown", exchange.ending === "hung_up" && "caller left", exchange.ending === "aborted" && "broke off"];
  return element("span", { class: "error-words" },
    exchange.slug ? pickButton("slug", exchange.slug) : null,
    exchange.twilio_code ? pickButton("code", String(exchange.twilio_code)) : null,
    words.filter(Boolean).join(", "));
}

/** Bars as long as it took (square root, so that short ones show), in the colours of the steps. */
function sparkOf(exchange) {
  const spark = element("span", { class: "bars", attributes: { "aria-hidden": "true" } });
  const whole = exchange.seconds || 1;
  spark.style.width = `${Math.sqrt(Math.min(1, whole / LONGEST_SECONDS)) * 100}%`;
  let reached = 0;
  for (const step of exchange.steps ?? []) {
    if (step.offset > reached) spark.append(segment("gateway", step.offset - reached, whole));
    spark.append(segment(toneOf(step), step.seconds, whole));
    reached = step.offset + step.seconds;
  }
  if (reached < whole) spark.append(segment("gateway", whole - reached, whole));
  return spark;
}

function segment(kind, seconds, whole) {
  const bar = element("i", { class: `kind-${kind}` });
  bar.style.flexBasis = `${(seconds / whole) * 100}%`;
  return bar;
}
