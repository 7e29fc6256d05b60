// The last 15 minutes, a point each second, as the charts need them. Loaded from /api/history, then grown by ticks;
// what the page saw before the gateway restarted stays until it is too old.

export const SPAN_SECONDS = 900;

const NOTHING = { rates: {}, total: {}, overhead: {}, queued: null, signals: null, retries: null, accounts: {} };

export class History {
  constructor() {
    this.points = [];
    this.step = 1;
  }

  /** Take in the columns of /api/history. They win over what was there for the same time. */
  load(columns) {
    this.step = columns.step_seconds || 1;
    const loaded = columns.t.map((_, at) => pointAt(columns, at));
    const from = loaded.length ? loaded[0].t : Infinity;
    const until = loaded.length ? loaded[loaded.length - 1].t : -Infinity;
    const before = this.points.filter((point) => point.t < from);
    const after = this.points.filter((point) => point.t > until && point.t >= from);
    this.points = [...before, ...loaded, ...after];
    this.trim();
  }

  /** A tick's point. One that is known already is passed over. */
  append(point) {
    if (!point || (this.points.length && point.t <= this.latest.t)) return;
    this.points.push(point);
    this.trim();
  }

  get latest() {
    return this.points[this.points.length - 1] ?? { t: 0, ...NOTHING };
  }

  /** Points with a hole where no second was recorded, so that no line is drawn across it. */
  withHoles() {
    const drawn = [];
    for (const point of this.points) {
      const last = drawn[drawn.length - 1];
      if (last && point.t - last.t > 3 * this.step) drawn.push({ t: last.t + this.step, ...NOTHING });
      drawn.push(point);
    }
    return drawn;
  }

  /** Names of the gates that were seen, sorted. */
  accounts() {
    return [...new Set(this.points.flatMap((point) => Object.keys(point.accounts ?? {})))].sort();
  }

  /** Whether any request ended in these 15 minutes. */
  hasTraffic() {
    return this.points.some((point) => Object.values(point.rates ?? {}).some((rate) => rate > 0));
  }

  trim() {
    const oldest = this.latest.t - SPAN_SECONDS;
    const keep = this.points.findIndex((point) => point.t >= oldest);
    if (keep > 0) this.points.splice(0, keep);
  }
}

function pointAt(columns, at) {
  const pick = (group) => Object.fromEntries(Object.entries(group).map(([key, column]) => [key, column[at]]));
  return {
    t: columns.t[at],
    rates: pick(columns.rates),
    total: pick(columns.total),
    overhead: pick(columns.overhead),
    queued: columns.queued[at],
    signals: columns.signals[at],
    retries: columns.retries[at],
    accounts: Object.fromEntries(Object.entries(columns.accounts).map(([name, group]) => [name, pick(group)])),
  };
}
