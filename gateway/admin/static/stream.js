// The one connection to /api/events: opens it, notices when it breaks or falls silent, comes back with a growing
// pause, and lets go of it while the tab is hidden. Knows nothing of what the events mean.

const SILENCE_MS = 6000; // the gateway ticks each second
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5000;

/** `handlers`: `opened()`, `tick(data)`, `exchanges(data)`, `status("live" | "broken" | "asleep")`. */
export class Stream {
  constructor(url, handlers) {
    this.url = url;
    this.handlers = handlers;
    this.source = null;
    this.pause = FIRST_PAUSE_MS;
    this.timer = 0;
    this.watchdog = 0;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.sleep() : this.open()));
    addEventListener("online", () => this.open());
  }

  /** Open, or reopen with the current `url()`. */
  open() {
    this.close();
    if (document.hidden) return;
    const source = new EventSource(this.url());
    this.source = source;
    this.watch();
    source.addEventListener("open", () => {
      this.pause = FIRST_PAUSE_MS;
      this.handlers.opened();
    });
    source.addEventListener("tick", (event) => {
      this.watch();
      this.handlers.status("live");
      this.handlers.tick(JSON.parse(event.data));
    });
    source.addEventListener("exchanges", (event) => this.handlers.exchanges(JSON.parse(event.data)));
    source.addEventListener("error", () => this.broke());
  }

  close() {
    clearTimeout(this.timer);
    clearTimeout(this.watchdog);
    this.source?.close();
    this.source = null;
  }

  sleep() {
    this.close();
    this.handlers.status("asleep");
  }

  watch() {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.broke(), SILENCE_MS);
  }

  broke() {
    this.close();
    this.handlers.status("broken");
    this.timer = setTimeout(() => this.open(), this.pause * (0.75 + Math.random() / 2));
    this.pause = Math.min(LONGEST_PAUSE_MS, this.pause * 1.6);
  }
}
