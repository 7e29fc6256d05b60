// What fits the filters, or all replicas together, over a range of time: asked for as a whole every ten seconds, in
// points of ten seconds or a minute. What the charts have second by second is history.js's.

import { ask } from "./api.js";
import { NOTHING, hasTraffic, namesOf, pointAt, withHoles } from "./history.js";
import { clock, count } from "./format.js";

const LEAST_SECONDS = 300;
export const ASK_EVERY_MS = 10_000;

export class AskedHistory {
  constructor() {
    this.points = [];
    this.told = null;
    this.asking = "";
    this.at = 0;
  }

  /** Ask for it, unless this very thing was asked for a moment ago. Raises `Error`. Answers whether it is new. */
  async refresh(query, seconds) {
    const wanted = JSON.stringify(query);
    if (wanted === this.asking && Date.now() - this.at < ASK_EVERY_MS) return false;
    this.asking = wanted;
    this.at = Date.now();
    const told = await ask("/api/history", query);
    if (this.asking !== wanted) return false; // the reader has gone on to something else
    this.told = told;
    this.seconds = seconds;
    this.points = told.t.map((_, at) => pointAt(told, at));
    return true;
  }

  forget() {
    this.asking = "";
    this.told = null;
    this.points = [];
  }

  get step() {
    return this.told?.step_seconds ?? 10;
  }

  get window() {
    const until = this.points.length ? this.latest.t + this.step : Date.now() / 1000;
    const most = Math.max(LEAST_SECONDS, until - (this.points[0]?.t ?? until));
    return [until - Math.min(Math.max(this.seconds ?? 0, 60), most), until];
  }

  get latest() {
    return this.points[this.points.length - 1] ?? { t: 0, ...NOTHING };
  }

  inSteps() {
    return withHoles(this.points, this.step);
  }

  accounts() {
    return namesOf(this.points);
  }

  hasTraffic() {
    return hasTraffic(this.points);
  }

  /** What the reader should know of the charts. */
  get note() {
    if (!this.told) return "Asking …";
    const { source, since, merged, replicas, note } = this.told;
    const step = this.step === 60 ? "a minute" : `${this.step} s`;
    const parts = [`A point is ${step}${replicas.length > 1 ? `, of ${replicas.length} replicas` : ""}.`];
    if (source === "exchanges") {
      parts.push(`These filters are not counted over time: charts are made of the exchanges that are kept${since ? `, since ${clock(since)}` : ""}.`);
    }
    if (merged) parts.push(`${count(merged)} exchanges are known by consumer only and are left out.`);
    if (note) parts.push(`${note}.`);
    return parts.join(" ");
  }
}
