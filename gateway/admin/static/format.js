// Numbers and times as people read them. Everything takes null for "nothing to measure" and answers a dash.

const DASH = "–";
const GROUPS = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const FULL = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

const missing = (value) => value === null || value === undefined || Number.isNaN(value);

/** Three significant digits at most, without trailing zeros. */
function short(value) {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return String(Number(value.toFixed(digits)));
}

/** Seconds as `0.31 ms`, `48 ms`, `1.24 s`, `2 min 5 s`. */
export function duration(seconds) {
  if (missing(seconds)) return DASH;
  if (seconds === 0) return "0 ms";
  if (seconds < 0.00001) return "< 0.01 ms";
  if (seconds < 0.9995) return `${short(seconds * 1000)} ms`;
  if (seconds < 120) return `${short(seconds)} s`;
  return span(seconds);
}

/** Seconds of the kind that uptimes are made of: `3 d 4 h`, `12 min`, `40 s`. */
export function span(seconds) {
  if (missing(seconds)) return DASH;
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = parts.findIndex(([size]) => whole >= size);
  if (first < 0) return "0 s";
  return parts
    .slice(first, first + 2)
    .map(([size, unit], at) => [Math.floor((at ? whole % parts[first][0] : whole) / size), unit])
    .filter(([number], at) => !at || number)
    .map(([number, unit]) => `${number} ${unit}`)
    .join(" ");
}

export function count(number) {
  return missing(number) ? DASH : GROUPS.format(number).replaceAll(",", "\u202f");
}

/** A number with few digits, for axes and readouts: `0.4`, `12.5`, `1 240`. */
export function amount(number) {
  if (missing(number)) return DASH;
  return number >= 1000 ? count(number) : short(number);
}

export function rate(perSecond) {
  return missing(perSecond) ? DASH : `${amount(perSecond)}/s`;
}

export function percent(share) {
  if (missing(share)) return DASH;
  const hundredths = share * 100;
  if (hundredths > 0 && hundredths < 0.1) return "< 0.1 %";
  return `${hundredths < 10 ? Number(hundredths.toFixed(1)) : Math.round(hundredths)} %`;
}

export function size(bytes) {
  if (missing(bytes)) return DASH;
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${short(bytes / 1000)} kB` : `${short(bytes / 1e6)} MB`;
}

/** `14:03:22`, local time. */
export function clock(epoch) {
  return missing(epoch) ? DASH : CLOCK.format(epoch * 1000);
}

/** `14:03` of today, for axes. */
export function minute(epoch) {
  return CLOCK.format(epoch * 1000).slice(0, 5);
}

/** Date and time in full. */
export function moment(epoch) {
  return missing(epoch) ? DASH : FULL.format(epoch * 1000);
}

/** `12 s ago`; a date once it is older than a day. */
export function ago(epoch, now) {
  if (missing(epoch) || epoch === 0) return DASH;
  const age = now - epoch;
  if (age < 1) return "just now";
  return age < 86400 ? `${span(age < 60 ? age : Math.floor(age / 60) * 60)} ago` : DAY.format(epoch * 1000);
}
