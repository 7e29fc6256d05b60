// The four tables under the charts: what their columns are called and how each is read. Asked for every few seconds
// while the page is visible.

import { ask } from "./api.js";
import { element } from "./dom.js";
import { ago, count, duration, percent, rate } from "./format.js";
import { SortableTable } from "./sortable.js";

const now = () => Date.now() / 1000;

function shareCell(part, whole) {
  const cell = element("span", { text: count(part) });
  if (part) cell.append(element("small", { class: "share", text: percent(part / whole) }));
  if (part) cell.className = "troubled";
  return cell;
}

const number = (key, label, text, options = {}) => ({
  key, label, class: "number", descends: true, by: (row) => row[key], cell: (row) => text(row[key], row), ...options,
});
const errors = number("errors", "Errors", (errors, row) => shareCell(errors, row.requests), {
  by: (row) => row.errors / Math.max(1, row.requests),
});
const quantiles = [number("p50", "p50", duration), number("p95", "p95", duration)];

const CONSUMERS = {
  caption: "Consumers",
  sort: "rate",
  keyOf: (row) => row.name,
  empty: "No consumer has called yet. `gateway key new NAME` makes a key for one.",
  columns: [
    { key: "name", label: "Consumer", by: (row) => row.name, cell: consumerCell },
    number("rate", "Rate", rate),
    number("requests", "Requests", count),
    errors,
    number("refusals", "Refusals", (refusals, row) => shareCell(refusals, row.requests)),
    ...quantiles,
    { key: "limits", label: "Limit use", class: "limits", descends: true, by: fullest, cell: limitsCell },
    { key: "last_at", label: "Last call", class: "number", descends: true, by: (row) => row.last_at, cell: (row) => ago(row.last_at, now()) },
  ],
};

const ROUTES = {
  caption: "Routes",
  sort: "requests",
  keyOf: (row) => `${row.method} ${row.product} ${row.route}`,
  empty: "No route was called yet.",
  columns: [
    { key: "route", label: "Route", class: "route", by: (row) => `${row.product} ${row.route} ${row.method}`, cell: routeCell },
    number("requests", "Requests", count),
    errors,
    ...quantiles,
  ],
};

const CREDENTIALS = {
  caption: "Credentials",
  sort: "name",
  keyOf: (row) => row.name,
  empty: "No credential is configured.",
  columns: [
    { key: "name", label: "Credential", by: (row) => row.name, cell: credentialCell },
    { key: "region", label: "Region", by: (row) => row.region, cell: (row) => [row.region, row.edge].filter(Boolean).join(" · ") || "–" },
    { key: "keys", label: "Keys", class: "keys", cell: keysCell },
    { key: "last_401", label: "Last 401", class: "number", descends: true, by: last401, cell: (row) => ago(last401(row), now()) },
  ],
};

const CODES = {
  caption: "Errors by code",
  sort: "count",
  keyOf: (row) => `${row.by} ${row.code}`,
  empty: "No error yet, neither Twilio’s nor ours.",
  columns: [
    { key: "code", label: "Code", by: (row) => String(row.code), cell: codeCell },
    { key: "by", label: "Said by", by: (row) => row.by, cell: (row) => row.by },
    number("count", "Count", count),
    { key: "last_at", label: "Last", class: "number", descends: true, by: (row) => row.last_at, cell: (row) => ago(row.last_at, now()) },
  ],
};

/** The tables in their places of the page. */
export class Tables {
  constructor(root) {
    this.consumers = new SortableTable(root.querySelector("#consumers-table"), CONSUMERS);
    this.routes = new SortableTable(root.querySelector("#routes-table"), ROUTES);
    this.credentials = new SortableTable(root.querySelector("#credentials-table"), CREDENTIALS);
    this.codes = new SortableTable(root.querySelector("#codes-table"), CODES);
  }

  /** Ask for all four. Gives the names that the filters offer: {consumers, routes}. Raises `Error`. */
  async refresh() {
    const [{ consumers }, { routes }, { credentials }, { codes, slugs }] = await Promise.all(
      ["consumers", "routes", "credentials", "codes"].map((name) => ask(`/api/${name}`)),
    );
    this.consumers.update(consumers);
    this.routes.update(routes);
    this.credentials.update(credentials);
    this.codes.update([
      ...codes.map((row) => ({ ...row, by: "Twilio" })),
      ...slugs.map((row) => ({ ...row, code: row.slug, by: "gateway" })),
    ]);
    return { consumers: consumers.map((row) => row.name), routes: routes.map((row) => row.route) };
  }
}

/** A name that the configuration chose, up to 64 letters: cut where there is no room, whole in its title. */
export function nameCell(text) {
  return element("span", { class: "bounded", text, attributes: { title: text } });
}

function consumerCell(row) {
  const name = element("span", { class: "name" }, nameCell(row.name));
  if (row.priority && row.priority !== "normal") name.append(element("small", { class: "tag", text: row.priority }));
  const sdks = (row.sdks ?? []).filter((sdk) => sdk.name !== "other");
  return sdks.length ? element("div", {}, name, sdkList(sdks)) : name;
}

const REPEATS = {
  by_default: ["sends POSTs again", "This SDK sends a POST again by itself when the answer is an error of 5xx or 429."],
  optional: ["may send again", "This SDK sends a POST again by itself if its user asked for it (max_retries, autoRetry)."],
};
const MAX_SDKS = 3;

/** Which SDKs a consumer calls with, most used first, and which of them send a POST again by themselves. */
function sdkList(sdks) {
  const more = sdks.length - MAX_SDKS;
  return element("ul", { class: "sdk-list" }, ...sdks.slice(0, MAX_SDKS).map((sdk) => {
    const [word, title] = REPEATS[sdk.post_repeats] ?? [];
    const tag = `tag${sdk.post_repeats === "by_default" ? " bad" : ""}`;
    return element(
      "li",
      {},
      element("small", { text: [sdk.name, sdk.version].filter(Boolean).join(" ") }),
      word ? element("small", { class: tag, text: word, attributes: { title } }) : null,
    );
  }), more > 0 ? element("li", {}, element("small", { text: `and ${count(more)} more` })) : null);
}

export function routeCell(row) {
  return element(
    "span",
    { class: "route-name" },
    element("b", { class: "method", text: row.method }),
    element("span", { class: "product", text: row.product || "–" }),
    element("span", { class: "path", attributes: { title: row.route } }, ...breakable(row.route || "no route")),
  );
}

/** A path that breaks before its slashes. */
function breakable(path) {
  return path.split(/(?=\/)/).flatMap((part) => [document.createElement("wbr"), part]);
}

function credentialCell(row) {
  const subaccounts = Array.isArray(row.subaccounts) ? row.subaccounts.length : (row.subaccounts ?? 0);
  return element(
    "span",
    { class: "name" },
    nameCell(row.name),
    element("small", { class: "id", text: row.account }),
    subaccounts ? element("small", { class: "tag", text: `${count(subaccounts)} subaccounts` }) : null,
  );
}

function keysCell(row) {
  return element("ul", { class: "key-list" }, ...row.keys.map((key) => {
    const [word, kind] = key.aside ? ["disabled", "bad"] : key.in_use ? ["in use", "good"] : ["standby", ""];
    return element("li", {}, element("span", { class: "id", text: key.sid }), element("small", { class: `tag ${kind}`, text: word }));
  }));
}

function last401(row) {
  return row.keys.reduce((latest, key) => Math.max(latest ?? 0, key.last_401_at ?? 0) || null, null);
}

function codeCell(row) {
  if (!/^https:\/\//.test(row.url ?? "")) return element("span", { class: "id", text: String(row.code) });
  return element("a", {
    class: "id",
    text: String(row.code),
    attributes: { href: row.url, rel: "noopener noreferrer", target: "_blank", title: "Twilio’s page on this code" },
  });
}

function fullest(row) {
  return (row.limits ?? []).reduce((most, limit) => Math.max(most, limit.used ?? 0), -1);
}

function limitsCell(row) {
  if (!row.limits?.length) return element("span", { class: "quiet", text: "none" });
  return element("span", {}, ...row.limits.map((limit) => {
    const share = Math.min(1, Math.max(0, limit.used ?? 0));
    const fill = element("i");
    fill.style.width = `${share * 100}%`;
    const words = limit.per === "consumer" ? limit.text : `${limit.text}, per ${limit.per}`;
    return element(
      "span",
      { class: "limit", attributes: { title: limit.name } },
      element("span", { class: `gauge${share >= 0.9 ? " full" : ""}` }, fill),
      element("span", { text: percent(limit.used) }),
      element("small", { class: "quiet", text: words }),
    );
  }));
}
