// The four tables under the charts: what their columns are called and how each is read. Asked for every few seconds
// while the page is visible.

import { ask } from "./api.js";
import { element } from "./dom.js";
import { pickButton } from "./filters.js";
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
  tip: "Answers from 400 up and exchanges without an answer, in 15 minutes; sorted by their share.",
});
const quantiles = [number("p50", "p50", duration, { tip: "Half of the exchanges took no longer, end to end." }),
  number("p95", "p95", duration, { tip: "19 of 20 exchanges took no longer, end to end." })];

const CONSUMERS = {
  caption: "Consumers",
  sort: "rate",
  keyOf: (row) => row.name,
  empty: "No consumer has called yet. `gateway key new NAME` makes a key for one.",
  columns: [
    { key: "name", label: "Consumer", tip: "A service, with the SDKs it calls with. The name filters; the arrow opens its page.", by: (row) => row.name, cell: consumerCell },
    number("rate", "Rate", rate, { tip: "Requests a second, mean of the last 30 seconds." }),
    number("requests", "Requests", count, { tip: "Exchanges that ended in the last 15 minutes." }),
    errors,
    number("refusals", "Refusals", (refusals, row) => shareCell(refusals, row.requests), { tip: "Answers that the gateway gave itself, without sending anything to Twilio." }),
    ...quantiles,
    { key: "limits", label: "Limit use", tip: "How much of each rate limit is used at this moment; limits per destination count each apart.", class: "limits", descends: true, by: fullest, cell: limitsCell },
    { key: "last_at", label: "Last call", tip: "When its last exchange ended.", class: "number", descends: true, by: (row) => row.last_at, cell: (row) => ago(row.last_at, now()) },
  ],
};

const ROUTES = {
  caption: "Routes",
  sort: "requests",
  keyOf: (row) => `${row.method} ${row.product} ${row.route}`,
  empty: "No route was called yet.",
  columns: [
    { key: "route", label: "Route", tip: "Twilio’s template of the path; a click filters.", class: "route", by: (row) => `${row.product} ${row.route} ${row.method}`, cell: (row) => routeCell(row, { picks: true }) },
    number("requests", "Requests", count, { tip: "Exchanges that ended in the last 15 minutes." }),
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
    { key: "name", label: "Credential", tip: "A Twilio account that consumers send with.", by: (row) => row.name, cell: credentialCell },
    { key: "region", label: "Region", tip: "Where its requests are sent, and by which edge.", by: (row) => row.region, cell: (row) => [row.region, row.edge].filter(Boolean).join(" · ") || "–" },
    { key: "keys", label: "Keys", tip: "Twilio’s keys in the order they are tried; “disabled” ones were refused by Twilio.", class: "keys", cell: keysCell },
    { key: "last_401", label: "Last 401", tip: "When Twilio last refused one of its keys.", class: "number", descends: true, by: last401, cell: (row) => ago(last401(row), now()) },
  ],
};

const CODES = {
  caption: "Errors by code",
  sort: "count",
  keyOf: (row) => `${row.by} ${row.code}`,
  empty: "No error yet, neither Twilio’s nor ours.",
  columns: [
    { key: "code", label: "Code", tip: "Twilio’s error code, or the gateway’s slug; a click filters.", by: (row) => String(row.code), cell: codeCell },
    { key: "by", label: "Said by", tip: "Twilio answered it, or the gateway without asking Twilio.", by: (row) => row.by, cell: (row) => row.by },
    number("count", "Count", count, { tip: "In the last 15 minutes." }),
    { key: "last_at", label: "Last", tip: "When it was last answered.", class: "number", descends: true, by: (row) => row.last_at, cell: (row) => ago(row.last_at, now()) },
  ],
};

const has = (value, wanted) => !wanted || value === wanted;
const contains = (value, wanted) => !wanted || (value ?? "").toLowerCase().includes(wanted.toLowerCase());

/** The tables in their places of the page. */
export class Tables {
  constructor(root) {
    this.consumers = new SortableTable(root.querySelector("#consumers-table"), CONSUMERS);
    this.routes = new SortableTable(root.querySelector("#routes-table"), ROUTES);
    this.credentials = new SortableTable(root.querySelector("#credentials-table"), CREDENTIALS);
    this.codes = new SortableTable(root.querySelector("#codes-table"), CODES);
    this.find = root.querySelector("#consumer-find");
    this.find.addEventListener("input", () => this.narrow(this.wanted));
    this.wanted = {};
  }

  /** Show only the rows that the filters leave, as far as a table knows what is filtered by. */
  narrow(wanted) {
    this.wanted = wanted;
    const typed = this.find.value.trim();
    this.consumers.only((row) => has(row.name, wanted.consumer) && contains(row.name, typed)
      && (!wanted.sdk || row.sdks.some((sdk) => [sdk.name, `${sdk.name}/${sdk.version}`].includes(wanted.sdk))));
    this.routes.only((row) => contains(row.route, wanted.route));
    this.credentials.only((row) => !wanted.key || !/^SK/.test(wanted.key) || row.keys.some((key) => key.sid === wanted.key));
    this.codes.only((row) => has(String(row.code), wanted.code || wanted.slug));
  }

  /** Ask for all four. Gives the names that the filters offer: {consumers, routes}. Raises `Error`. */
  async refresh(replica = "") {
    const [{ consumers }, { routes }, { credentials }, { codes, slugs }] = await Promise.all(
      ["consumers", "routes", "credentials", "codes"].map((name) => ask(`/api/${name}`, { replica })),
    );
    this.find.parentElement.hidden = consumers.length < 15;
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
  const name = element(
    "span",
    { class: "name" },
    pickButton("consumer", row.name, row.name, "bounded"),
    element("a", { class: "open-page", text: "→", attributes: { href: `#consumer=${encodeURIComponent(row.name)}`, "aria-label": `Page of ${row.name}` } }),
  );
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
      pickButton("sdk", [sdk.name, sdk.version].filter(Boolean).join("/"), [sdk.name, sdk.version].filter(Boolean).join(" "), "small"),
      word ? element("small", { class: tag, text: word, attributes: { title } }) : null,
    );
  }), more > 0 ? element("li", {}, element("small", { text: `and ${count(more)} more` })) : null);
}

/** Method, product and path; `picks`: a click on the path filters. */
export function routeCell(row, { picks = false } = {}) {
  return element(
    "span",
    { class: "route-name" },
    element("b", { class: "method", text: row.method }),
    element("span", { class: "product", text: row.product || "–" }),
    picks && row.route ? pathOf(row.route) : element("span", { class: "path", attributes: { title: row.route } }, ...breakable(row.route || "no route")),
  );
}

function pathOf(route) {
  const button = pickButton("route", route, "", "path");
  button.append(...breakable(route));
  return button;
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
    return element("li", {}, pickButton("key", key.sid, key.sid, "id"), element("small", { class: `tag ${kind}`, text: word }));
  }));
}

function last401(row) {
  return row.keys.reduce((latest, key) => Math.max(latest ?? 0, key.last_401_at ?? 0) || null, null);
}

function codeCell(row) {
  const name = pickButton(row.by === "Twilio" ? "code" : "slug", String(row.code), String(row.code), "id");
  if (!/^https:\/\//.test(row.url ?? "")) return name;
  const page = element("a", {
    class: "doc",
    text: "page",
    attributes: { href: row.url, rel: "noopener noreferrer", target: "_blank", "aria-label": `Twilio’s page on ${row.code}` },
  });
  return element("span", { class: "name" }, name, page);
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
