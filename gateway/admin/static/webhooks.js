// What Twilio called: the routes of the webhook port, and the latest events with their timelines. The section is
// hidden where there is no such port.

import { ask } from "./api.js";
import { element } from "./dom.js";
import { ago, count, duration } from "./format.js";
import { SortableTable } from "./sortable.js";

const EVENTS = 50;
const GOOD = new Set(["relayed", "repeated"]);
const now = () => Date.now() / 1000;

const number = (key, label, text) => ({
  key, label, class: "number", descends: true, by: (row) => row[key] ?? 0, cell: (row) => text(row[key] ?? 0),
});

const ROUTES = {
  caption: "Routes of the webhook port",
  sort: "events",
  keyOf: (row) => row.route,
  empty: "No route is configured: every path is 404.",
  columns: [
    { key: "route", label: "Route", class: "route", by: (row) => row.route, cell: routeCell },
    { key: "account", label: "Account", by: (row) => row.account, cell: (row) => row.account || "–" },
    number("events", "Events", count),
    number("refused", "Refused", count),
    number("unanswered", "Not answered", count),
    number("in_flight", "Under way", count),
  ],
};

const LATEST = {
  caption: "Latest events of Twilio’s",
  sort: "at",
  keyOf: (row) => row.request_id,
  empty: "No event yet.",
  columns: [
    { key: "at", label: "When", class: "number", descends: true, by: (row) => row.at, cell: (row) => ago(row.at, now()) },
    { key: "route", label: "Route", class: "route", by: (row) => row.route, cell: routeCell },
    { key: "outcome", label: "Outcome", by: (row) => row.outcome, cell: outcomeCell },
    { key: "status", label: "Status", class: "number", by: (row) => row.status, cell: (row) => String(row.status || "–") },
    number("seconds", "Time", duration),
    { key: "steps", label: "Timeline", cell: stepsCell },
    { key: "id", label: "Message or call", cell: (row) => element("span", { class: "id", text: row.sid ?? "–" }) },
  ],
};

/** The section in its place of the page. */
export class WebhooksView {
  constructor(root) {
    this.section = root.querySelector("#webhooks");
    this.link = root.querySelector("#webhooks-link");
    this.routes = new SortableTable(root.querySelector("#webhook-routes"), ROUTES);
    this.events = new SortableTable(root.querySelector("#webhook-events"), LATEST);
  }

  /** Ask for both. Raises `Error`. */
  async refresh() {
    const { listening, routes, events } = await ask("/api/webhooks", { limit: EVENTS });
    this.section.hidden = this.link.hidden = !listening;
    this.routes.update(routes);
    this.events.update(events);
  }
}

function routeCell(row) {
  const mode = row.mode === "report" ? element("small", { class: "tag bad", text: "report" }) : null;
  return element("span", { class: "route-name" }, element("span", { class: "path", text: row.route }), mode);
}

function outcomeCell(row) {
  const bad = GOOD.has(row.outcome) && !row.would_refuse ? "" : " bad";
  const why = [row.reason, row.would_refuse && `would refuse: ${row.would_refuse}`].filter(Boolean).join(", ");
  return element(
    "span",
    {},
    element("small", { class: `tag${bad}`, text: row.outcome.replaceAll("_", " ") }),
    why ? element("small", { class: "share", text: why.replaceAll("_", " ") }) : null,
  );
}

function stepsCell(row) {
  const steps = row.steps ?? [];
  if (!steps.length) return element("span", { class: "quiet", text: "–" });
  return element("ul", { class: "sdk-list" }, ...steps.map((step) => {
    const text = [step.kind, step.detail, duration(step.seconds)].filter(Boolean).join(" ");
    return element("li", { attributes: { title: `after ${duration(step.offset)}` } }, element("small", { text }));
  }));
}
