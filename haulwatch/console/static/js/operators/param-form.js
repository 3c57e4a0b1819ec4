// The params of a rule as a form: each with its range, what it is now and what it would be.
import { say, t } from "../i18n.js";
import { html, nothing } from "../lib.js";
import { bench } from "./bench.js";
import { durationOf, durationText } from "./durations.js";

export function paramForm(rule, editable) {
  if (!rule.params.length) return html`<p class="dim">${t("rules.no_params")}</p>`;
  return html`<div class="params">${rule.params.map((param) => row(rule, param, editable))}</div>`;
}

export const shown = (param, value) => (param.unit === "duration" ? durationText(value) : String(value));

function row(rule, param, editable) {
  const value = bench.value(rule, param);
  const changed = value !== param.value;
  const id = `param-${rule.rule_id}-${param.name}`;
  return html`<div class="param ${changed ? "changed" : ""}" data-param=${param.name}>
    <label for=${id}>${say(param.label) || param.name}<small>${param.name}</small></label>
    <div class="entry">${entry(rule, param, value, id, editable)}</div>
    <p class="range">${range(param)}</p>
    ${changed
      ? html`<p class="was">${t("rules.was", { value: param.shown })}
          <button class="quiet" @click=${() => bench.setParam(rule, param, param.value)}>${t("rules.reset")}</button></p>`
      : nothing}
    ${bench.wrong(rule, param).map((finding) => html`<p class="wrong" role="alert">${say(finding.text)}</p>`)}
  </div>`;
}

function entry(rule, param, value, id, editable) {
  const set = (next) => bench.setParam(rule, param, next);
  if (param.unit === "switch")
    return html`<input id=${id} type="checkbox" .checked=${value} ?disabled=${!editable} @change=${(event) => set(event.target.checked)} />`;
  if (param.unit === "text") return html`<input id=${id} .value=${value} ?disabled=${!editable} @change=${(event) => set(event.target.value.trim())} />`;
  return html`${slider(param, value, editable, set)}
    <input
      id=${id}
      class="n"
      inputmode=${param.unit === "duration" ? "text" : "decimal"}
      .value=${shown(param, value)}
      ?disabled=${!editable}
      @change=${(event) => typed(event, param, set)}
    />`;
}

// What cannot be read stays in the field, marked; what is out of range is the check's to say, at its place.
function typed(event, param, set) {
  const field = event.target;
  const value = param.unit === "duration" ? durationOf(field.value) : field.value.trim() === "" ? NaN : Number(field.value);
  const good = value !== null && Number.isFinite(value);
  field.setCustomValidity(good ? "" : t(param.unit === "duration" ? "rules.no_duration" : "rules.no_number"));
  if (good) set(value);
  else field.reportValidity();
}

function slider(param, value, editable, set) {
  if (param.minimum === null || param.maximum === null) return nothing;
  return html`<input
    type="range"
    aria-label=${say(param.label) || param.name}
    min=${param.minimum}
    max=${param.maximum}
    step=${step(param)}
    .value=${String(value)}
    ?disabled=${!editable}
    @change=${(event) => set(Number(event.target.value))}
  />`;
}

// About a hundred steps over the range, round ones.
function step(param) {
  const fine = (param.maximum - param.minimum) / 100;
  return param.unit === "duration" ? Math.max(1, Math.round(fine)) : 10 ** Math.floor(Math.log10(fine || 1));
}

function range(param) {
  if (param.minimum === null && param.maximum === null) return nothing;
  const [low, high] = [param.minimum, param.maximum].map((bound) => (bound === null ? "…" : shown(param, bound)));
  return t("rules.range", { low, high });
}
