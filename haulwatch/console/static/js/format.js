// How instants, durations, masses and positions read on the screen. Local time is the city's, not the browser's.
import { known, lang, t } from "./i18n.js";

const ZONE = "Asia/Shanghai";
const time = new Intl.DateTimeFormat("sv-SE", { timeZone: ZONE, hour: "2-digit", minute: "2-digit", second: "2-digit" });
const date = new Intl.DateTimeFormat("sv-SE", { timeZone: ZONE, year: "numeric", month: "2-digit", day: "2-digit" });
const shortDate = new Intl.DateTimeFormat("sv-SE", { timeZone: ZONE, month: "2-digit", day: "2-digit" });
const number = new Intl.NumberFormat("en-US", { maximumFractionDigits: 2 });

export const clock = (at) => (at ? time.format(new Date(at)) : "–");
export const day = (at) => (at ? date.format(new Date(at)) : "–");
export const fullTime = (at) => (at ? `${day(at)} ${clock(at)}` : "–");

// The time of day; with the date in front when that is not today.
export function whenShort(at, now = Date.now()) {
  if (!at) return "–";
  return day(at) === day(now) ? clock(at) : `${shortDate.format(new Date(at))} ${clock(at).slice(0, 5)}`;
}

// "3 min ago"; empty for instants ahead of this computer's clock.
export function ago(at, now = Date.now()) {
  const seconds = Math.floor((now - new Date(at).getTime()) / 1000);
  if (!Number.isFinite(seconds) || seconds < 0) return "";
  if (seconds < 10) return t("time.just_now");
  return t("time.ago", { duration: duration(seconds, 1) });
}

const STEPS = [
  ["d", 86400],
  ["h", 3600],
  ["min", 60],
  ["s", 1],
];

// Seconds in words, the `parts` largest units: "2 min 5 s".
export function duration(seconds, parts = 2) {
  let rest = Math.abs(seconds);
  if (rest < 1) return `${number.format(rest)} ${t("unit.s")}`;
  rest = Math.round(rest);
  const words = [];
  for (const [unit, size] of STEPS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) words.push(`${count} ${t(`unit.${unit}`)}`);
    if (words.length === parts) break;
  }
  return words.join(" ");
}

// An observed or threshold value with its unit; enumeration values in the reader's language.
export function value(raw, unit) {
  if (raw === null || raw === undefined) return t("value.unknown");
  if (Array.isArray(raw)) return raw.map((item) => value(item, unit)).join(lang() === "zh" ? "、" : ", ") || t("value.none");
  if (typeof raw === "boolean") return t(raw ? "value.true" : "value.false");
  if (typeof raw === "string") return known(`value.${raw}`, raw);
  if (unit === "s") return duration(raw);
  if (unit === "ratio") return `${number.format(raw * 100)} %`;
  return unit && unit !== "count" ? `${number.format(raw)} ${known(`unit.${unit}`, unit)}` : number.format(raw);
}

const OPERATORS = { ">=": "≥", "<=": "≤", "==": "=", "!=": "≠" };
export function operator(symbol) {
  return OPERATORS[symbol] ?? known(`operator.${symbol}`, symbol);
}

// A plate with the customary dot after the city's letter.
export function plate(id) {
  return /^[\u4e00-\u9fa5][A-Z][A-Z0-9]{5,6}$/.test(id) ? `${id.slice(0, 2)}·${id.slice(2)}` : id;
}

export function position(lon, lat) {
  return `${lon.toFixed(5)}, ${lat.toFixed(5)}`;
}
