// The last 15 minutes, a point each second, as the charts need them. Loaded from /api/history, then grown by ticks;
// what the page saw before the gateway restarted stays until it is too old.

const SPAN_SECONDS = 900;
const LEAST_SECONDS = 300;

export const NOTHING = { rates: {}, total: {}, overhead: {}, queued: null, signals: null, retries: null, accounts: {} };

export class History {
  constructor() {
    this.points = [];
    this.step = 1;
    this.span = SPAN_SECONDS;
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

  /** From when to when the charts reach: what there is, at least five minutes and at most fifteen. */
  get window() {
    if (!this.points.length) return [Date.now() / 1000 - LEAST_SECONDS, Date.now() / 1000];
    const { t } = this.latest;
    return [t - Math.min(this.span, Math.max(LEAST_SECONDS, t - this.points[0].t)), t];
  }

  get latest() {
    return this.points[this.points.length - 1] ?? { t: 0, ...NOTHING };
  }

  /** Points of `seconds` each, with a hole where nothing was recorded, so that no line is drawn across it. */
  inSteps(seconds) {
    const groups = [];
    for (const point of this.points) {
      const t = Math.floor(point.t / seconds) * seconds;
      const last = groups[groups.length - 1];
      if (last?.t === t) last.points.push(point);
      else groups.push({ t, points: [point] });
    }
    return withHoles(groups.map(({ t, points }) => (points.length === 1 ? { ...points[0], t } : summed(t, points))), seconds);
  }

  /** Names of the gates that were seen, the busiest first. */
  accounts() {
    return namesOf(this.points);
  }

  /** Whether any request ended in these 15 minutes. */
  hasTraffic() {
    return hasTraffic(this.points);
  }

  trim() {
    const oldest = this.latest.t - SPAN_SECONDS;
    const keep = this.points.findIndex((point) => point.t >= oldest);
    if (keep > 0) this.points.splice(0, keep);
  }
}

/** Points that are `seconds` apart, with one of nothing in each hole, so that no line is drawn across it. */
export function withHoles(points, seconds) {
  const drawn = [];
  for (const point of points) {
    const last = drawn[drawn.length - 1];
    if (last && point.t - last.t > 2 * seconds) drawn.push({ t: last.t + seconds, ...NOTHING });
    drawn.push(point);
  }
  return drawn;
}

/** Names of the gates that were seen in these points, the busiest first. */
export function namesOf(points) {
  const work = new Map();
  for (const point of points) {
    for (const [name, gate] of Object.entries(point.accounts)) {
      work.set(name, (work.get(name) ?? 0) + (gate.in_flight ?? 0) + (gate.queued ?? 0));
    }
  }
  return [...work.keys()].sort((a, b) => work.get(b) - work.get(a) || a.localeCompare(b));
}

/** Whether any request ended in these points. */
export function hasTraffic(points) {
  return points.some((point) => Object.values(point.rates).some((rate) => rate > 0));
}

/** Several seconds as one point: rates are means; times, queues and what is in flight are the worst of them. */
function summed(t, points) {
  const over = (read, fold) => {
    const values = points.map(read).filter((value) => value !== null && value !== undefined);
    return values.length ? fold(values) : null;
  };
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const most = (values) => Math.max(...values);
  const each = (group, fold) =>
    Object.fromEntries(Object.keys(points[0][group]).map((key) => [key, over((point) => point[group][key], fold)]));
  const names = new Set(points.flatMap((point) => Object.keys(point.accounts)));
  const gate = (name) => ({
    limit: over((point) => point.accounts[name]?.limit, (values) => values[values.length - 1]),
    in_flight: over((point) => point.accounts[name]?.in_flight, most),
    queued: over((point) => point.accounts[name]?.queued, most),
  });
  return {
    t,
    rates: each("rates", mean),
    total: each("total", most),
    overhead: each("overhead", most),
    queued: over((point) => point.queued, most),
    signals: over((point) => point.signals, mean),
    retries: over((point) => point.retries, mean),
    accounts: Object.fromEntries([...names].map((name) => [name, gate(name)])),
  };
}

export function pointAt(columns, at) {
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
