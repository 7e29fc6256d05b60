// Draws panels with uPlot over a range of time: one time axis and one cursor for all, a legend that reads the
// second under the cursor (or the latest), colours out of the style sheet. Knows nothing of what a series means.

import uPlot from "./vendor/uPlot.esm.js";
import { faded, lonely, stack } from "./chart_shapes.js";
import { element, reconcile, setText } from "./dom.js";
import { clock, minute } from "./format.js";

const HEIGHT = 148;
const STEP_SECONDS = 3; // a pixel or two of a panel; seconds by themselves are too restless to read
const OFF = { left: -10, top: -10 };
const cursors = uPlot.sync("time");

/** One panel. `accountOf()` names the gate that panels by account show, `windowOf()` is the stretch of time. */
export class Chart {
  constructor(panel, accountOf, windowOf) {
    this.panel = panel;
    this.accountOf = accountOf;
    this.windowOf = windowOf;
    this.points = [];
    this.every = STEP_SECONDS;
    this.readouts = new Map();
    this.headline = element("strong", { class: "headline" });
    this.time = element("span", { class: "at" });
    this.host = element("div", { class: "plot", attributes: { tabindex: "0", role: "img" } });
    this.note = element("p", { class: "empty", text: panel.empty });
    this.tools = element("span");
    this.explained = element("span", { class: "explained", text: panel.explained });
    this.root = element(
      "figure",
      { class: "panel", attributes: { id: `chart-${panel.id}` } },
      element(
        "figcaption",
        {},
        element("h3", { text: panel.title }),
        this.explained,
        this.headline,
      ),
      this.legend(),
      element("div", { class: "stage" }, this.time, this.host, this.note),
    );
    this.host.addEventListener("keydown", (event) => this.step(event));
    this.host.addEventListener("blur", () => this.plot?.setCursor(OFF, true, true));
  }

  legend() {
    const items = this.panel.series.map((series) => {
      const value = element("span", { class: "value" });
      const swatch = element("i", { class: `swatch tone-${series.tone}${series.dash ? " dashed" : ""}` });
      this.readouts.set(series.key, { value, swatch });
      return element("li", {}, swatch, element("span", { text: series.label }), value);
    });
    return element("ul", { class: "legend" }, ...items, element("li", { class: "tools" }, this.tools));
  }

  /** Draw once the panel stands in the document. */
  open() {
    this.plot = new uPlot(this.options(), this.columns(), this.host);
    cursors.sub(this.plot);
    new ResizeObserver(() => this.fit()).observe(this.host);
    document.documentElement.addEventListener("themechange", () => this.plot.redraw());
  }

  fit() {
    const width = this.host.clientWidth;
    if (width && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
  }

  /** Show these points, which are `every` seconds apart; `traffic` tells whether there is anything to see in them,
   * `scope` what they are of where that is not what the other panels show. */
  update(points, every, traffic, scope) {
    this.points = points;
    this.every = every;
    setText(this.explained, scope ? `${this.panel.explained} · ${scope}` : this.panel.explained);
    this.note.hidden = traffic;
    this.root.classList.toggle("is-empty", !traffic);
    this.plot.setData(this.columns());
    this.read();
  }

  columns() {
    const name = this.accountOf();
    const plain = this.panel.series.map((series) => this.points.map((point) => series.read(point, name) ?? null));
    this.values = plain;
    return [this.points.map((point) => point.t), ...(this.panel.stacked ? stack(plain) : plain)];
  }

  colour(key) {
    return getComputedStyle(this.readouts.get(key).swatch).color;
  }

  /** Write legend, headline and label: of the second under the cursor, else of the latest. */
  read() {
    const last = this.points.length - 1;
    const under = this.plot.cursor.left >= 0 ? this.plot.cursor.idx : null;
    const at = under ?? last;
    const point = this.points[at];
    this.panel.series.forEach((series, place) => {
      setText(this.readouts.get(series.key).value, this.panel.text(this.values[place][at] ?? null));
    });
    setText(this.time, under === null || !point ? "" : clock(point.t));
    setText(this.headline, point ? this.panel.headline(point, this.accountOf()) : "–");
    this.headline.dataset.label = this.panel.headlineLabel ?? "";
    const spoken = this.panel.series.map(
      (series) => `${series.label} ${this.readouts.get(series.key).value.textContent}`,
    );
    this.host.setAttribute("aria-label", `${this.panel.title}, ${this.time.textContent || "now"}: ${spoken.join(", ")}. Arrow keys read earlier ones.`);
  }

  /** Arrow keys move the cursor of all charts by a point, with Shift by ten; Escape lets go. */
  step(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") this.plot.setCursor(OFF, true, true);
    if (!steps || !this.points.length) return;
    event.preventDefault();
    const last = this.points.length - 1;
    const from = this.plot.cursor.left >= 0 ? (this.plot.cursor.idx ?? last) : last + (steps < 0 ? 0 : -1);
    const to = Math.min(last, Math.max(0, from + steps * (event.shiftKey ? 10 : 1)));
    this.plot.setCursor({ left: this.plot.valToPos(this.points[to].t, "x"), top: 4 }, true, true);
  }

  options() {
    const { panel } = this;
    const muted = () => getComputedStyle(this.time).color;
    const grid = { stroke: () => getComputedStyle(this.host).borderTopColor, width: 1 };
    const font = "11px system-ui, sans-serif";
    return {
      width: this.host.clientWidth || 320,
      height: HEIGHT,
      padding: [8, 18, 0, 0], // on the right, half of the time axis's last label
      legend: { show: false },
      cursor: { sync: { key: "time" }, drag: { x: false, y: false }, y: false, points: { size: 6 } },
      hooks: { setCursor: [() => this.plot && this.read()] },
      scales: {
        x: { time: true, range: () => this.windowOf() },
        y: { range: (_, low, high) => [0, Math.max(panel.floor, (panel.ceiling?.(this.values) ?? high ?? 0) * 1.08)] },
      },
      axes: [
        { stroke: muted, grid: { show: false }, ticks: { show: false }, font, size: 22, gap: 4, space: 56, incrs: [15, 60, 120, 300, 900, 1800, 3600, 7200], values: (_, at) => at.map(minute) },
        {
          stroke: muted, grid, ticks: { show: false }, font, size: 54, gap: 6, space: 27,
          incrs: panel.whole ? [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] : undefined,
          values: (_, at) => at.map((value) => (value === 0 ? "0" : panel.text(value))),
        },
      ],
      series: [{}, ...panel.series.map((series) => this.line(series))],
      bands: panel.stacked ? panel.series.slice(1).map((_, at) => ({ series: [at + 2, at + 1] })) : [],
    };
  }

  line(series) {
    const colour = () => this.colour(series.key);
    const filled = this.panel.stacked || series.fill;
    return {
      label: series.label,
      stroke: this.panel.stacked ? undefined : colour,
      width: this.panel.stacked ? 0 : 1.5,
      dash: series.dash,
      fill: filled ? () => faded(colour(), this.panel.stacked ? 0.85 : 0.22) : undefined,
      gaps: (plot, at, from, to, found) => this.lasting(plot, found),
      points: { show: !this.panel.stacked, size: 4, fill: colour, filter: (plot, at) => lonely(plot, at, this.reach) },
    };
  }

  /** How many seconds without a measurement do not interrupt a line. */
  get reach() {
    return this.panel.bridge ? Math.max(this.panel.bridge, this.every === STEP_SECONDS ? 0 : 3 * this.every) : this.every;
  }

  /** A line goes on across short stretches without a measurement: few requests are no hole. */
  lasting(plot, found) {
    if (!this.panel.bridge) return found;
    const ratio = devicePixelRatio || 1;
    const most = (plot.valToPos(this.reach, "x") - plot.valToPos(0, "x")) * ratio;
    return found.filter(([from, to]) => to - from > most);
  }
}

function shownOf(history, every) {
  return { points: history.inSteps(every), every, traffic: history.hasTraffic() };
}

/** The panels of a grid, kept in step with the history. */
export class Charts {
  constructor(grid, panels, history) {
    this.history = history;
    this.asked = null;
    this.account = "";
    this.choice = element("select", { attributes: { "aria-label": "Account", id: "account" } });
    this.choice.addEventListener("change", () => {
      this.account = this.choice.value;
      this.update();
    });
    this.charts = panels.map((panel) => new Chart(panel, () => this.account, () => (this.asked ?? this.history).window));
    grid.append(...this.charts.map((chart) => chart.root));
    for (const chart of this.charts) {
      if (chart.panel.byAccount) chart.tools.append(this.choice);
      chart.open();
    }
    this.update();
  }

  /** Show what was asked for instead of all seconds of this replica; null ends that. */
  show(asked) {
    this.asked = asked;
    this.update();
  }

  update() {
    const live = shownOf(this.history, STEP_SECONDS);
    const asked = this.asked && shownOf(this.asked, this.asked.step);
    const minutes = asked && this.asked.step > 10; // the seconds do not reach as far
    this.offer((minutes ? this.asked : this.history).accounts());
    for (const chart of this.charts) {
      const apart = asked && chart.panel.unfiltered;
      const { points, every, traffic } = (apart && !minutes) || !asked ? live : asked;
      chart.update(points, every, apart ? points.some((point) => point.queued !== null) : traffic, apart ? "all traffic, this replica" : "");
    }
  }

  /** Let the reader choose among accounts, if there are several. */
  offer(names) {
    this.choice.hidden = names.length < 2;
    if (!names.includes(this.account)) this.account = names[0] ?? "";
    if ([...this.choice.options].map((option) => option.value).join() !== names.join()) {
      reconcile(this.choice, names.map((name) => element("option", { text: name, attributes: { value: name } })));
    }
    this.choice.value = this.account;
  }
}
