// Why: each condition observed against required, and the numbered records that it was observed on.
import { clock, fullTime, operator, value } from "./format.js";
import { known, t } from "./i18n.js";
import { html, nothing } from "./lib.js";
import { thingName } from "./parts.js";

const UNITS = { _kmh: "km/h", _kg: "kg", _km: "km", _pct: "%", _deg: "deg", _ratio: "ratio", _share: "ratio", _confidence: "ratio", _m: "m", _t: "t", _s: "s" };
const NOT_FACTS = new Set(["kind", "event_id", "truck_id", "at", "at_ms", "since_ms", "received_at", "source", "resent", "images", "lon", "lat"]);
const NUMERALS = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳";

export function why(breach, pictures) {
  const named = new Set(breach.conditions.flatMap((one) => one.name.match(/\w+/g) ?? []));
  const numbers = new Map(breach.evidence.map((record, i) => [record.event_id, NUMERALS[i] ?? `(${i + 1})`]));
  return html`
    <section class="why">
      <h3>${t("detail.why")}</h3>
      ${breach.conditions.length ? conditions(breach.conditions, numbers) : html`<p class="dim">${t("why.none")}</p>`}
    </section>
    ${breach.evidence.length
      ? html`<section><h3>${t("detail.records")}</h3><ol class="records">
          ${breach.evidence.map((record) => recordOf(record, numbers.get(record.event_id), named, pictures))}
        </ol></section>`
      : nothing}
  `;
}

function conditions(list, numbers) {
  return html`<table class="conditions">
    <thead><tr><th>${t("why.condition")}</th><th class="observed">${t("why.observed")}</th><th>${t("why.required")}</th><th><span class="unseen">${t("detail.records")}</span></th></tr></thead>
    <tbody>
      ${inOrder(list, numbers).map(
        (one) => html`<tr title=${one.text}>
          <td>${conditionName(one)}</td>
          <td class="observed">${valueOf(one.observed, one.unit)}</td>
          <td class="required">${required(one)}</td>
          <td class="ref">${one.refs.join("")}</td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}

// The same observation on several records is one row; durations and counts, which decided, come first, then what exceeds.
function inOrder(list, numbers) {
  const rows = new Map();
  for (const one of list) {
    const key = JSON.stringify([one.text, one.name, one.observed, one.operator, one.threshold]);
    const row = rows.get(key) ?? { ...one, refs: [] };
    const ref = numbers.get(one.event_id);
    if (ref && !row.refs.includes(ref)) row.refs.push(ref);
    rows.set(key, row);
  }
  return [...rows.values()].sort((a, b) => rank(a) - rank(b));
}

function rank({ name, text, threshold, operator: symbol }) {
  if (["held", "count"].includes(name) || text.startsWith("absent ")) return 0;
  if (typeof threshold === "number") return symbol.startsWith(">") ? 1 : 2;
  return 3;
}

// "absent cover_change where …" reads as "no cover change for"; other names by the dictionary.
function conditionName(condition) {
  const absent = /^absent (\w+)(?: where (.*))?$/.exec(condition.text);
  if (absent) {
    return html`${t("why.absent", { kind: known(`kind.${absent[1]}`, absent[1]) })}${absent[2] ? html` <code>${absent[2]}</code>` : nothing}`;
  }
  return nameOf(condition.name);
}

// "over_ratio(gross_kg)" → the function's name; "truck.load" → scope and field; a calculation stays as written.
export function nameOf(name) {
  const whole = known(`name.${name}`, null);
  if (whole) return whole;
  const call = /^(\w+)\((.*)\)$/.exec(name);
  if (call) return html`${known(`call.${call[1]}`, call[1])} <small>${argumentsOf(call[2])}</small>`;
  const dotted = /^(\w+)\.(\w+)$/.exec(name);
  if (!dotted) return name;
  const [, scope, field] = dotted;
  const label = known(`name.${field}`, field);
  return known(`scope.${scope}`, null) === null ? `${scope} · ${label}` : `${t(`scope.${scope}`)}${label}`;
}

function argumentsOf(text) {
  const parts = text.split(", ");
  if (!parts.every((part) => /^[\w.]*$/.test(part))) return text;
  return parts.map((part, i) => html`${i ? " – " : nothing}${nameOf(part)}`);
}

// "any" and "none" speak for themselves; the others compare with a threshold.
function required({ operator: symbol, threshold, unit }) {
  return threshold === null ? operator(symbol) : `${operator(symbol)} ${valueOf(threshold, unit)}`;
}

// Ids of places and devices by their names.
function valueOf(raw, unit) {
  if (Array.isArray(raw)) return value(raw.map(thingName), unit);
  return value(typeof raw === "string" ? thingName(raw) : raw, unit);
}

function unitOf(field) {
  return Object.entries(UNITS).find(([ending]) => field.endsWith(ending))?.[1] ?? null;
}

// What the conditions speak of comes first.
function recordOf(record, number, named, pictures) {
  const facts = Object.entries(record.payload)
    .filter(([field, fact]) => !NOT_FACTS.has(field) && fact !== null)
    .sort(([a], [b]) => named.has(b) - named.has(a));
  const images = record.payload.images ?? [];
  return html`<li class="record">
    <div class="line">
      <span class="ref">${number}</span><b>${known(`kind.${record.kind}`, record.kind)}</b>
      <time datetime=${record.at} title=${fullTime(record.at)}>${clock(record.at)}</time>
      ${record.payload.source ? html`<small>${record.payload.source}</small>` : nothing}
    </div>
    <dl>${facts.map(([field, fact]) => html`<div class=${named.has(field) ? "named" : ""}><dt>${nameOf(field)}</dt><dd>${valueOf(fact, unitOf(field))}</dd></div>`)}</dl>
    ${images.map((image, i) => imageOf(image, pictures, `${t("why.image")} ${i + 1}`))}
    <details><summary>${t("why.raw")}</summary><pre>${JSON.stringify(record.payload, null, 2)}</pre></details>
  </li>`;
}

// A picture that is kept here is shown; of others there is the address that the sender gave. Its digest is that of the evidence.
function imageOf(image, pictures, label) {
  const digest = image.sha256 ? html` <small title=${image.sha256}>SHA-256 ${image.sha256.slice(0, 12)}…</small>` : nothing;
  if (!pictures || !image.uri.startsWith("picture:") || !image.sha256) {
    return html`<p class="image">${label} <code>${image.uri}</code>${digest}</p>`;
  }
  const address = `/api/v1/pictures/${image.sha256}`;
  return html`<figure class="image">
    <a href=${address} target="_blank" rel="noopener"><img src=${address} alt=${label} loading="lazy" decoding="async" /></a>
    <figcaption>${label}${digest}</figcaption>
  </figure>`;
}
