// A test event: which rules would fire on it now and after the draft, and why the others would not. Nothing of it is kept.
import { Problem, postJson } from "../api.js";
import { say, t } from "../i18n.js";
import { html, nothing } from "../lib.js";
import { bench } from "./bench.js";
import { BenchElement } from "./element.js";
import { zones } from "./zones.js";

const LOAD = ["", "empty", "half", "full"];
const COVER = ["", "closed", "half", "open"];
const LIFT = ["", "lowered", "raised"];
// What each kind asks for: a name, and what it is to begin with (a list: one of these).
const KINDS = {
  position: { lon: "", lat: "", speed_kmh: "40", load: LOAD, load_kg: "", cover: COVER, lift: LIFT },
  weighing: { station_id: "S-1", gross_kg: "60000", axle_count: "4" },
  sighting: { camera_id: "C-1", load: LOAD, cover: COVER, cover_confidence: "0.95", plate_confidence: "0.95" },
};
const NUMBERS = new Set(["lon", "lat", "speed_kmh", "load_kg", "gross_kg", "axle_count", "cover_confidence", "plate_confidence"]);
const ORDER = ["fired", "held_back", "waiting", "not_met", "no_events"];

class Probe extends BenchElement {
  static properties = { kind: { state: true }, answer: { state: true }, problem: { state: true }, asking: { state: true } };

  constructor() {
    super();
    this.kind = "position";
  }

  render() {
    return html`<section class="probe">
      <h3>${t("probe.title")}</h3>
      <p class="dim">${t("probe.what")}</p>
      <form @submit=${(event) => this.#ask(event)}>
        <label><span>${t("probe.kind")}</span><select name="kind" @change=${(event) => (this.kind = event.target.value)}>
          ${Object.keys(KINDS).map((kind) => html`<option value=${kind} ?selected=${kind === this.kind}>${t(`kind.${kind}`)}</option>`)}</select></label>
        <label><span>${t("probe.truck_id")}</span><input name="truck_id" required maxlength="32" placeholder="浙E12345" /></label>
        ${Object.entries({ ...KINDS[this.kind], ...this.#place() }).map(([name, value]) => field(name, value))}
        <label><span>${t("probe.at")}</span><input name="at" type="datetime-local" /></label>
        <label><span>${t("probe.repeat")}</span><input name="repeat" type="number" min="1" max="360" value="1" required /></label>
        <label><span>${t("probe.every_s")}</span><input name="every_s" type="number" min="1" max="3600" value="10" required /></label>
        <button class="primary" data-probe ?disabled=${this.asking}>${t("probe.ask")}</button>
      </form>
      ${this.problem ? html`<p class="problem" role="alert">${say(this.problem.text) || this.problem.message}</p>` : nothing}
      ${this.answer ? answerView(this.answer) : nothing}
    </section>`;
  }

  // Where the map was asked about last.
  #place() {
    if (this.kind !== "position" || !zones.here) return {};
    const [lon, lat] = zones.here.wgs84.map((degrees) => degrees.toFixed(6));
    return { lon, lat };
  }

  async #ask(event) {
    event.preventDefault();
    const { kind, at, repeat, every_s, ...given } = Object.fromEntries(new FormData(event.target));
    const told = Object.entries(given).filter(([, value]) => value.trim() !== "").map(([name, value]) => [name, NUMBERS.has(name) ? Number(value) : value.trim()]);
    const when = at ? new Date(at) : new Date();
    this.asking = true;
    try {
      const body = { draft: bench.draft, event: { kind, event_id: "probe", at: when.toISOString(), ...Object.fromEntries(told) }, repeat: Number(repeat), every_s: Number(every_s) };
      this.answer = await postJson("/api/v1/workbench/probes", body);
      this.problem = null;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      Object.assign(this, { problem, answer: null });
    }
    this.asking = false;
  }
}

function field(name, value) {
  const asked = html`<span>${t(`probe.${name}`)}</span>`;
  if (Array.isArray(value)) return html`<label>${asked}<select name=${name}>${value.map((one) => html`<option value=${one}>${t(`probe.${name}.${one || "none"}`)}</option>`)}</select></label>`;
  return html`<label>${asked}<input name=${name} value=${value} inputmode=${NUMBERS.has(name) ? "decimal" : nothing} ?required=${["lon", "lat", "gross_kg", "station_id", "camera_id"].includes(name)} /></label>`;
}

function answerView(answer) {
  const drafted = new Map((answer.drafted ?? []).map((one) => [one.rule_id, one]));
  const rows = [...answer.in_force, ...(answer.drafted ?? []).filter((one) => !answer.in_force.some((other) => other.rule_id === one.rule_id))];
  const ranked = rows.sort((a, b) => rank(a, drafted) - rank(b, drafted));
  const told = ranked.filter((one) => rank(one, drafted) < ORDER.length - 1);
  const fired = answer.in_force.filter((one) => one.verdict === "fired").length;
  const then = (answer.drafted ?? []).filter((one) => one.verdict === "fired").length;
  const sum = answer.drafted ? t("probe.sum_both", { fired, then }) : t("probe.sum", { fired });
  return html`<p class="verdict" role="status" data-fired=${fired}>${sum}</p>
    <table data-probed><thead><tr><th scope="col">${t("tab.rules")}</th><th scope="col">${t("probe.in_force")}</th>
      ${answer.drafted ? html`<th scope="col">${t("draft.title")}</th>` : nothing}</tr></thead>
      <tbody>${told.map((one) => row(one, answer, drafted))}</tbody></table>
    ${told.length < ranked.length ? html`<p class="dim">${t("probe.others", { n: ranked.length - told.length })}</p>` : nothing}`;
}

const rank = (one, drafted) => Math.min(ORDER.indexOf(one.verdict), ORDER.indexOf(drafted.get(one.rule_id)?.verdict ?? "no_events"));

function row(one, answer, drafted) {
  const now = answer.in_force.find((other) => other.rule_id === one.rule_id);
  return html`<tr data-rule=${one.rule_id}>
    <th scope="row"><a href=${`#rules/${encodeURIComponent(one.rule_id)}`}>${say(one.title)}</a> <small>${one.rule_id}</small></th>
    <td>${cell(now)}</td>${answer.drafted ? html`<td>${cell(drafted.get(one.rule_id))}</td>` : nothing}
  </tr>`;
}

function cell(one) {
  if (!one) return "–";
  return html`<details><summary><span class="mark ${one.verdict}">${t(`probe.${one.verdict}`)}</span></summary>
    <ul class="reasons">${one.reasons.map(reason)}</ul></details>`;
}

function reason(one) {
  const seen = one.unknown.length ? t("probe.unknown", { names: one.unknown.join(", ") }) : one.observed !== null && one.observed !== undefined ? t("probe.seen", { value: String(one.observed) }) : "";
  const plain = one.threshold === null || (one.role === "condition" && !one.text.includes("$"));
  const asked = plain ? "" : `${one.operator} ${one.threshold}${one.unit ?? ""}`;
  return html`<li class=${one.result.toLowerCase()}><span aria-hidden="true">${{ PASS: "✔", FAIL: "✘", UNKNOWN: "?", WAIT: "…" }[one.result] ?? "·"}</span>
    ${one.role === "condition" ? html`<code>${one.text}</code>` : html`${t(`probe.role.${one.role}`)} ${one.text ?? ""}`} ${asked} <small>${seen} ${say(one.note)}</small></li>`;
}

customElements.define("hw-probe", Probe);
