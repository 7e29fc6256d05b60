// Puts the page together: one stream feeds state, charts and list; tables are asked for every few seconds while
// the page is visible. After each (re)connection everything is read again, so that nothing is missing.

import { ask, searchOf } from "./api.js";
import { ASK_EVERY_MS, AskedHistory } from "./asked_history.js";
import { Charts } from "./charts.js";
import { ConsumerPage } from "./consumer_page.js";
import { ExchangeList } from "./exchanges.js";
import { Filters } from "./filters.js";
import { History } from "./history.js";
import { Notices } from "./notices.js";
import { PANELS } from "./panels.js";
import { StateView } from "./state.js";
import { StopsView } from "./stops.js";
import { Stream } from "./stream.js";
import { Tables } from "./tables.js";
import { startTips } from "./tips.js";
import { WebhooksView } from "./webhooks.js";

const TABLES_EVERY_MS = 5000;
const LISTED = 120;

const past = new History();
const asked = new AskedHistory();
const chartsNote = document.getElementById("charts-note");
const CHARTS_NOTE = chartsNote.textContent;
const header = document.querySelector(".top");
new ResizeObserver(() => document.documentElement.style.setProperty("--top-height", `${header.offsetHeight}px`)).observe(header);
const state = new StateView(document);
const charts = new Charts(document.getElementById("charts-grid"), PANELS, past);
const tables = new Tables(document);
const stops = new StopsView(document);
const webhooks = new WebhooksView(document);
const notices = new Notices(document);
const list = new ExchangeList(document.getElementById("exchanges"), (oldest) => exchanges(olderThan(oldest)));
const [form, chips, range] = ["filters", "chips", "range"].map((id) => document.getElementById(id));
const filters = new Filters(form, chips, range, () => {
  show();
  list.clear();
  stream.open();
});
const consumerPage = new ConsumerPage(document, (name) => {
  if (filters.query().consumer !== name) filters.pick("consumer", name);
}, () => replica);
let replica = ""; // "all" where several replicas share what they see
const stream = new Stream(() => `/api/events${searchOf({ ...filters.query(), replica })}`, {
  opened: () => attempt(readAll),
  status: (link) => {
    state.connection(link);
    if (link === "broken") attempt(() => ask("/api/state")); // a session that has ended shows here, not in the stream
  },
  exchanges: (batch) => list.add(batch),
  tick: (tick) => {
    past.append(tick.point);
    state.update(stateOf(tick.state));
    charts.update();
  },
});

/** A tick may tell the state's name alone. */
function stateOf(told) {
  return typeof told === "string" ? { ...state.state, state: told } : told;
}

function exchanges(query) {
  return ask("/api/exchanges", { ...filters.query(), since: filters.since, replica, limit: LISTED, ...query });
}

/** Numbers are of one replica: over several, time tells, and what is known already is passed over. */
function olderThan({ seq, at }) {
  return replica ? { until: (at + 0.001).toFixed(3) } : { before: seq };
}

async function readAll() {
  const { choice } = list;
  const [told, columns, latest] = await Promise.all([ask("/api/state"), ask("/api/history"), exchanges({})]);
  past.load(columns);
  state.update(told);
  charts.update();
  attempt(readCharts);
  if (choice !== list.choice) return; // of other exchanges; those of the new choice are being read
  list.load(latest.exchanges, { more: latest.exchanges.length >= LISTED, only: Boolean(filters.query().request_id) });
  await readTables();
}

/** All at once, so that a tab that is hidden meanwhile has no further question to ask. */
async function readTables() {
  if (document.hidden) return;
  const [{ consumers, routes }] = await Promise.all([
    tables.refresh(replica), webhooks.refresh(), stops.refresh(), consumerPage.refresh(), notices.refresh(state.state?.config?.hash),
  ]);
  filters.offer("consumer", consumers);
  filters.offer("route", routes);
}

/** Where the page has a login, /login is also the way out; elsewhere it leads straight back here. */
async function offerLogout() {
  const answer = await fetch("/login", { redirect: "manual" });
  document.getElementById("log-out").hidden = !answer.ok;
}

/** Do what asks the gateway. That it is away is the stream's to notice and to tell. */
async function attempt(asking) {
  try {
    await asking();
  } catch (error) {
    console.info("The gateway did not answer:", error.message);
  }
}

setInterval(() => {
  if (!document.hidden && state.link === "live") attempt(readTables);
}, TABLES_EVERY_MS);

setInterval(() => {
  if (!document.hidden && state.link === "live") attempt(readCharts);
}, ASK_EVERY_MS);

/** Whether the charts show something else than all traffic of this replica in the last 15 minutes. */
function mustAsk() {
  return Boolean(replica) || filters.seconds > 900 || Object.values(filters.query()).some(Boolean);
}

/** What the charts show where that is not what the ticks bring. */
async function readCharts() {
  if (!mustAsk()) return;
  if (!(await asked.refresh({ ...filters.query(), range: filters.range.value, replica }, filters.seconds))) return;
  if (!mustAsk()) return;
  charts.show(asked);
  chartsNote.textContent = asked.note;
}

/** What follows from the filters: tables at once, charts once the answer is there. */
function show() {
  past.span = filters.seconds;
  tables.narrow(filters.query());
  if (mustAsk()) {
    attempt(readCharts);
    return;
  }
  asked.forget();
  charts.show(null);
  chartsNote.textContent = CHARTS_NOTE;
}

/** Several replicas are shown together where they share what they see. */
async function findReplicas() {
  const { shared, replicas } = await ask("/api/replicas");
  replica = shared && replicas.filter((each) => each.state === "live").length > 1 ? "all" : "";
}

document.addEventListener("click", (event) => {
  const picked = event.target.closest?.("[data-pick]");
  if (!picked) return;
  filters.pick(picked.dataset.pick, picked.dataset.value);
  document.getElementById("exchanges").scrollIntoView({ block: "start" });
});

startTips(document);
attempt(offerLogout);
attempt(findReplicas).then(() => {
  show();
  consumerPage.follow();
  stream.open();
});
