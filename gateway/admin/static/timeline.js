// One exchange opened: its steps as bars on one time axis, each with its exact duration and outcome, then
// every fact that is kept. Built from the record alone.

import { element } from "./dom.js";
import { curlOf, explainOf } from "./commands.js";
import { pickButton } from "./filters.js";
import { reasonOf } from "./reasons.js";
import { count, duration, moment, size } from "./format.js";

const NAMES = { limit: "Rate limit", queue: "Queue", backoff: "Backoff", look: "Look" };
const LOOKS = {
  found: "Twilio has what was created",
  absent: "Twilio has no trace of it",
  open: "not certain yet",
  failed: "the list could not be read",
  refused: "no key may read the list",
};
const THEN = {
  retry: "is tried again",
  requeue: "waits again, at the head of the queue",
  next_key: "goes on with the next key",
};
const WORTH_TELLING_SECONDS = 0.0001;
const WAITS = {
  limit: "waited for a rate limit of the gateway’s",
  queue: "waited for a slot of the account",
  backoff: "waited before the next attempt",
};

/** The kind of a step, as its colour says it: attempts differ by their outcome. */
export function toneOf({ kind, status, failed }) {
  if (kind !== "attempt") return kind;
  if (failed || status === 0 || status === 429 || status >= 500) return "failed";
  return status >= 400 ? "refused" : "attempt";
}

/** The outcome of a step, in words. */
export function outcomeOf(step) {
  if (step.kind === "look") return LOOKS[step.then] ?? "";
  if (step.kind !== "attempt") return WAITS[step.kind] ?? "";
  const status = step.status ? `${step.status}${step.code ? ` (code ${step.code})` : ""}`
    : [step.failed || "given up", step.reason?.replaceAll("_", " ")].filter(Boolean).join(": ");
  return [status, step.key && `key ${step.key}`, THEN[step.then] ?? ""].filter(Boolean).join(", ");
}

/** The steps with the names they are shown by. */
export function namedSteps(exchange) {
  let attempt = 0;
  return (exchange.steps ?? []).map((step) => ({
    ...step,
    name: step.kind === "attempt" ? `Attempt ${++attempt}` : (NAMES[step.kind] ?? step.kind),
  }));
}

/** A sentence: where the time went. */
export function summaryOf(exchange) {
  const parts = [
    [exchange.queue_seconds, "waiting"],
    [exchange.upstream_seconds, "at Twilio"],
    [exchange.backoff_seconds, "between attempts"],
    [exchange.caller_seconds, "with the caller"],
    [exchange.overhead_seconds, "in the gateway"],
  ].filter(([seconds]) => seconds >= WORTH_TELLING_SECONDS);
  const tries = exchange.attempts === 1 ? "one attempt" : exchange.attempts ? `${count(exchange.attempts)} attempts` : "no attempt";
  const spent = parts.map(([seconds, where]) => `${duration(seconds)} ${where}`).join(", ");
  return `${exchange.status || "No answer"} after ${tries} in ${duration(exchange.seconds)}${spent ? `: ${spent}` : ""}.`;
}

/** The whole as plain text, to paste into a ticket. */
export function textOf(exchange) {
  const lines = namedSteps(exchange).map(
    (step) => `  +${duration(step.offset)}  ${step.name}  ${duration(step.seconds)}  ${outcomeOf(step)}`,
  );
  const facts = factsOf(exchange).map(([name, value]) => `${name}: ${value}`);
  return [summaryOf(exchange), ...lines, ...facts].join("\n");
}

/** The opened row's content. `link` is the address that shows this exchange alone. */
export function timelineOf(exchange, link) {
  const content = element(
    "div",
    { class: "timeline" },
    element("p", { class: "summary", text: summaryOf(exchange) }),
    reasonOf(exchange),
    exchange.unknown ? doubt() : null,
    stepsOf(exchange),
    element("dl", { class: "details" }, ...factsOf(exchange).map((facts) => fact(...facts))),
    element("p", { class: "actions" }, copyButton("Copy as text", () => textOf(exchange)), copyButton("Copy link", () => link),
      ...(exchange.route && exchange.consumer && exchange.consumer !== "(unknown)" && exchange.product !== "gateway"
        ? [copyButton("Copy as curl", () => curlOf(exchange)), copyButton("Copy as gateway explain", () => explainOf(exchange))] : [])),
  );
  return content;
}

function doubt() {
  return element("p", {
    class: "doubt",
    text: "It is unknown whether Twilio acted on it. Look it up at Twilio before sending it again.",
  });
}

function stepsOf(exchange) {
  const steps = namedSteps(exchange);
  if (!steps.length) return element("p", { class: "quiet", text: "It never left the gateway: no step was taken." });
  const whole = Math.max(exchange.seconds, ...steps.map((step) => step.offset + step.seconds)) || 1;
  return element("ol", { class: "steps" }, ...steps.map((step) => {
    const stretch = element("i", { class: `stretch kind-${toneOf(step)}` });
    stretch.style.left = `${(step.offset / whole) * 100}%`;
    stretch.style.width = `${(step.seconds / whole) * 100}%`;
    return element(
      "li",
      { attributes: { "data-kind": step.kind } },
      element("span", { class: "step-name", text: step.name }),
      element("span", { class: "track", attributes: { title: `begins after ${duration(step.offset)}` } }, stretch),
      element("span", { class: "step-time", text: duration(step.seconds) }),
      element("span", { class: "step-outcome", text: outcomeOf(step) }),
    );
  }));
}

function factsOf(exchange) {
  return [
    ["Request id", exchange.request_id, true],
    ["Twilio’s request id", exchange.twilio_request_id, true],
    ["Trace id", exchange.trace_id, true],
    ["At", moment(exchange.at)],
    ["Method", [exchange.method, exchange.product].filter(Boolean).join(" ")],
    ["Route", exchange.route, false, "route"],
    ["Consumer", exchange.consumer, false, "consumer"],
    ["Consumer’s key", exchange.consumer_key, false, "key"],
    ["From", exchange.address],
    ["SDK", exchange.sdk === "other" ? "" : exchange.sdk, false, "sdk"],
    ["Addressed", exchange.resource_sid, true, "sid"],
    ["Created", exchange.created_sid, true, "sid"],
    ["Rule", exchange.rule],
    ["Limit", exchange.limit],
    ["Outcome", exchange.outcome],
    ["Replica", exchange.replica],
    ["Account", exchange.account, false, "account"],
    ["Credential", exchange.credential],
    ["Twilio’s key", exchange.key, false, "key"],
    ["Refused as", exchange.slug, false, "slug"],
    ["Twilio’s code", exchange.twilio_code || "", false, "code"],
    ["Would refuse (report mode)", exchange.reported],
    ["Ending", exchange.ending === "answered" ? "" : exchange.ending?.replace("_", " ")],
    ["Read, written", `${size(exchange.bytes_in)}, ${size(exchange.bytes_out)}`],
  ].filter(([, value]) => value !== "" && value !== null && value !== undefined);
}

function fact(name, value, copied, filter) {
  const shown = filter ? pickButton(filter, String(value), String(value), copied ? "id" : "") : element("span", { class: copied ? "id" : "", text: String(value) });
  const cell = element("dd", {}, shown);
  if (copied) cell.append(copyButton("Copy", () => String(value), `Copy ${name.toLowerCase()}`));
  return element("div", {}, element("dt", { text: name }), cell);
}

function copyButton(label, text, spoken = label) {
  const button = element("button", { class: "copy", text: label, attributes: { type: "button", "aria-label": spoken } });
  button.addEventListener("click", async () => {
    button.textContent = (await copy(text())) ? "Copied" : "Select and copy";
    setTimeout(() => (button.textContent = label), 1500);
  });
  return button;
}

/** Whether the text is on the clipboard. Browsers refuse outside https and localhost. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
