// What each chart shows: its words, units, series and how they are read off a point of the history. How a chart is
// drawn is charts.js; a series is named by the CSS class that gives its colour. `unfiltered` is what
// is not told apart by what the reader filters by. A `ceiling` is for a
// series that may run off the top, so that the others stay readable: an idle account's limit.

import { amount, count, duration, rate } from "./format.js";

const TRAFFIC = "No traffic yet. Send a request through the gateway and it shows here within a second.";
const sum = (values) => values.reduce((total, value) => total + (value ?? 0), 0);
const known = (values) => values.filter((value) => value !== null);
const most = (values) => Math.max(0, ...known(values));
const least = (values) => Math.min(Infinity, ...known(values));

function percentiles(id, title, explained, group) {
  const series = ["p50", "p95", "p99"].map((name) => ({
    key: name,
    label: name,
    tone: name,
    dash: name === "p99" ? [4, 3] : undefined,
    read: (point) => point[group]?.[name],
  }));
  return {
    id,
    title,
    explained,
    series,
    text: duration,
    floor: 0.001,
    headline: (point) => duration(point[group]?.p95),
    headlineLabel: "p95",
    empty: TRAFFIC,
    bridge: 10,
  };
}

const CLASSES = [
  ["2xx", "2xx"],
  ["3xx", "3xx"],
  ["4xx", "4xx"],
  ["5xx", "5xx"],
];

export const PANELS = [
  {
    id: "rates",
    title: "Requests per second",
    explained: "by status class, stacked",
    stacked: true,
    series: CLASSES.map(([key, label]) => ({ key, label, tone: `s${key}`, read: (point) => point.rates?.[key] })),
    text: rate,
    floor: 1,
    headline: (point) => rate(sum(Object.values(point.rates ?? {}))),
    empty: TRAFFIC,
  },
  percentiles("total", "Total time", "of an exchange, end to end", "total"),
  percentiles("overhead", "The gateway’s own time", "all but Twilio and waiting", "overhead"),
  {
    id: "queue",
    title: "Waiting in the queue",
    explained: "for a slot, all accounts",
    unfiltered: true,
    series: [{ key: "queued", label: "waiting", tone: "queue", fill: true, read: (point) => point.queued }],
    text: count,
    floor: 4,
    whole: true,
    headline: (point) => count(point.queued),
    empty: TRAFFIC,
  },
  {
    id: "concurrency",
    title: "In flight and limit",
    explained: "as learned from Twilio",
    unfiltered: true,
    byAccount: true,
    series: [
      { key: "in_flight", label: "in flight", tone: "flight", fill: true, read: (point, name) => point.accounts?.[name]?.in_flight },
      { key: "limit", label: "limit", tone: "limit", dash: [6, 4], read: (point, name) => point.accounts?.[name]?.limit },
    ],
    text: amount,
    floor: 4,
    ceiling: ([flight, limit]) => Math.min(most(limit), Math.max(3 * most(flight), 1.5 * least(limit))),
    whole: true,
    headline: (point, name) => {
      const gate = point.accounts?.[name];
      return gate ? `${amount(gate.in_flight)} / ${amount(gate.limit)}` : "–";
    },
    empty: "No account in use yet. The limit of each is learned from its first requests on.",
  },
  {
    id: "pressure",
    title: "429s met and retries",
    explained: "per second; callers saw neither",
    series: [
      { key: "signals", label: "429s met", tone: "s4xx", fill: true, read: (point) => point.signals },
      { key: "retries", label: "retries", tone: "retry", read: (point) => point.retries },
    ],
    text: rate,
    floor: 2,
    headline: (point) => rate(sum([point.signals, point.retries])),
    empty: "Nothing to show yet. Twilio’s 429s and what was tried again appear here.",
  },
];
