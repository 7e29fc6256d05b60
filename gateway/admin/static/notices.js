// What operators should know in time: what ends, what the last reload changed, and creates that came again. Asked
// for once a minute, and when the configuration changes.

import { ask } from "./api.js";
import { element } from "./dom.js";
import { block, ends } from "./consumer_page.js";
import { pickButton } from "./filters.js";
import { ago, count } from "./format.js";

const SHOWN = 12;
const MINUTE_MS = 60_000;
const now = () => Date.now() / 1000;

export class Notices {
  constructor(root) {
    this.body = root.querySelector("#notices-body");
    this.asked = 0;
    this.config = "";
  }

  /** Ask, if it is due: a minute has passed, or the configuration is another. Raises `Error`. */
  async refresh(config) {
    if (Date.now() - this.asked < MINUTE_MS && config === this.config) return;
    if (this.body.contains(document.activeElement)) return;
    this.asked = Date.now();
    this.config = config;
    const [{ expiring }, { last }, { repeats, note }] = await Promise.all(
      ["/api/expiring", "/api/changes", "/api/repeats"].map((path) => ask(path)),
    );
    this.body.replaceChildren(changesOf(last), expiringOf(expiring), repeatsOf(repeats, note));
  }
}

function changesOf(last) {
  const lines = last?.changes ?? [];
  const rows = lines.slice(0, SHOWN).map((line) => [element("span", { class: "id wrap", text: line })]);
  const more = lines.length > SHOWN ? `, and ${count(lines.length - SHOWN)} more` : "";
  const note = last ? `${ago(last.at, now())}, asked for by ${last.reason}; configuration ${last.config.slice(0, 12)}${more}.` : "No reload has changed anything since the start.";
  return block("Last changes", ["Change"], rows, note);
}

function expiringOf(expiring) {
  const rows = expiring.slice(0, SHOWN).map((row) => [
    row.kind === "key" ? pickButton("key", row.name.replace("sha256:", ""), row.name, "id") : row.name,
    row.consumer ? pickButton("consumer", row.consumer) : "",
    ends(row.expires),
  ]);
  return block("What ends", ["Key or certificate", "Consumer", "Ends"], rows, expiring.length > SHOWN ? `${count(expiring.length - SHOWN)} more end later.` : "");
}

function repeatsOf(repeats, note) {
  const rows = repeats.slice(0, SHOWN).map((row) => [
    pickButton("consumer", row.consumer),
    Object.entries(row.events).map(([event, times]) => `${event.replaceAll("_", " ")} ${count(times)}`).join(", ") || "–",
    count(row.open),
  ]);
  return block("Creates that came again", ["Consumer", "Held by the repeat guard", "Open outcomes"], rows, note);
}
