// The fields that a command asks for, each in the form that suits it: a choice, a squad, an order, minutes, or words.
import { duration } from "./format.js";
import { heading, known, say, t } from "./i18n.js";
import { html, live, nothing } from "./lib.js";
import { placeOf, plateChip, stageChip, thingName } from "./parts.js";
import { state } from "./state.js";

const DAY_MIN = 1440;
const EXTENSIONS_MIN = [30, 60, 120, 240, DAY_MIN, 3 * DAY_MIN];

// `context`: { values, nearest, candidates, order, looking }; what is not known yet is null.
export function fieldOf(field, context) {
  if (field.name === "squad_id") return squads(field, context);
  if (field.name === "into") return targets(field, context);
  if (field.name === "minutes") return minutes(field, context);
  if (field.name === "department" && context.order?.tasks.length) return departments(field, context);
  if (field.name === "evidence_sha256") return nothing; // filled from the pack that is exported, see the dialog
  if (field.choices.length) return choice(field, context);
  const short = field.max_length <= 256;
  return html`<label>${heading(field.label)}${short
    ? html`<input name=${field.name} required maxlength=${field.max_length} .value=${context.values[field.name] ?? ""} />`
    : html`<textarea name=${field.name} rows="3" required maxlength=${field.max_length} .value=${context.values[field.name] ?? ""}></textarea>`}</label>`;
}

function choice(field, { values }) {
  return html`<label>${heading(field.label)}
    <select name=${field.name} required>
      <option value="" ?selected=${!values[field.name]} disabled>${t("field.choose")}</option>
      ${field.choices.map(({ code, label }) => html`<option value=${code} ?selected=${values[field.name] === code}>${say(label)}</option>`)}
    </select>
  </label>`;
}

function departments(field, { order, values }) {
  return html`<label>${heading(field.label)}
    <select name=${field.name} required>
      ${order.tasks.map((task) => html`<option value=${task.department} ?selected=${values.department === task.department}>${task.department}</option>`)}
    </select>
  </label>`;
}

function minutes(field, { values }) {
  const given = values.minutes ?? "";
  return html`<fieldset class="minutes">
    <legend>${heading(field.label)}</legend>
    ${EXTENSIONS_MIN.map((n) => html`<button type="button" class="toggle" aria-pressed=${given === String(n)} data-fill="minutes" value=${n}>${duration(n * 60, 1)}</button>`)}
    <input type="number" name="minutes" required min="1" max="43200" step="1" aria-label=${heading(field.label)} .value=${given} />
  </fieldset>`;
}

// With distance and load where the server knows them, the proposed one first; else the names alone. Nothing is shown
// until that is known: rows must not move under the hand that reaches for them.
function squads(field, { nearest, order, values, looking }) {
  if (looking) return html`<fieldset class="squads" aria-busy="true"><legend>${heading(field.label)}</legend><p class="dim">${t("list.loading")}</p></fieldset>`;
  const rows = nearest ?? (state.city?.squads ?? []).map(({ squad_id, name }) => ({ squad_id, name }));
  if (!rows.length) return html`<label>${heading(field.label)}<input name="squad_id" required maxlength=${field.max_length} /></label>`;
  const chosen = values.squad_id ?? order?.proposed_squad_id;
  return html`<fieldset class="squads">
    <legend>${heading(field.label)}</legend>
    ${rows.map((squad) => {
      const id = squad.squad_id;
      return html`<label class=${squad.on_duty === false ? "off" : ""}>
        <input type="radio" name="squad_id" required value=${id} .checked=${live(chosen === id)} />
        <b>${say(squad.name) || thingName(id)}</b>
        <span class="about">${aboutSquad(squad, order).join(" · ")}</span>
      </label>`;
    })}
  </fieldset>`;
}

function aboutSquad(squad, order) {
  const about = [];
  if (squad.squad_id === order?.proposed_squad_id) about.push(t("squads.proposed"));
  if (squad.distance_m !== null && squad.distance_m !== undefined) about.push(distance(squad.distance_m));
  if (Number.isInteger(squad.open_orders)) about.push(t("squads.load", { n: squad.open_orders }));
  if (squad.on_duty === false) about.push(t("squads.off_duty"));
  return about;
}

export const distance = (m) => (m < 950 ? `${Math.round(m / 10) * 10} m` : `${(m / 1000).toFixed(1)} km`);

// Orders into which this one may be merged: open ones of the same truck, and whatever number is typed.
function targets(field, { candidates, values }) {
  const known = candidates?.length ? candidates : [];
  return html`<fieldset class="targets">
    <legend>${heading(field.label)}</legend>
    ${candidates === null ? html`<p class="dim">${t("list.loading")}</p>` : nothing}
    ${known.map(
      (order) => html`<label>
        <input type="radio" name="into" value=${order.order_id} .checked=${values.into === order.order_id} />
        <span class="line">${plateChip(order.truck_id)}<b>${say(order.title)}</b>${stageChip(order.stage)}</span>
        <small>${order.order_id} · ${placeOf(order)}</small>
      </label>`,
    )}
    <label class="typed">${t(known.length ? "merge.other" : "merge.none")}
      <input data-fill="into" maxlength="32" placeholder="HW-20260501-0001" .value=${known.some((order) => order.order_id === values.into) ? "" : (values.into ?? "")} />
    </label>
  </fieldset>`;
}

// What is wrong with a field, by its name in the form.
export const complaint = (errors, row) =>
  errors
    .map(({ field, reason }) => `${say(row.given.find((one) => one.name === field)?.label) || known(`field.${field}`, field)}: ${say(reason)}`)
    .join("; ");
