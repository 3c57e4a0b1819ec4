// A zone's properties as a form, what is wrong or doubtful about it, and what can be done with it.
import { say, t } from "../i18n.js";
import { html, nothing } from "../lib.js";
import { ZONE_KINDS } from "../map/city-layers.js";
import { bench } from "./bench.js";
import { versionsView } from "./versions.js";
import { zones } from "./zones.js";

export function zoneForm(zone, { editable, mode, setMode, select }) {
  const draft = bench.draft.zones[zone.zone_id];
  const open = editable && zone.state !== "removed";
  return html`<article class="zone" data-zone=${zone.zone_id}>
    <h2>${say(zone.name)} <small>${zone.zone_id}</small></h2>
    <p class="facts"><span class="swatch ${zone.kind}"></span>${t(`zone.${zone.kind}`)}
      ${zone.area_m2 ? html`· ${size(zone.area_m2)}` : nothing}
      ${zone.counts ? nothing : html`· <b class="warn">${t("zones.not_now")}</b>`}
      ${zone.state === "same" ? nothing : html`<span class="mark ${zone.state}">${t(`changes.${zone.state}`)}</span>`}
      ${zone.file ? html`· <a href=${`#files/${encodeURIComponent(zone.file)}:${zone.line}`}>${t("zones.in_file")}</a>` : nothing}</p>
    ${remarks(zone, select)}
    ${editable ? actions(zone, draft, mode, setMode, select) : nothing}
    <div class="fields">${fields(zone, open, select)}</div>
    ${draft?.added ? nothing : versionsView("zone", zone.zone_id)}
  </article>`;
}

function remarks(zone, select) {
  const troubles = zones.troubles(zone.zone_id);
  const doubts = zones.doubts(zone.zone_id);
  if (!troubles.length && !doubts.length) return nothing;
  return html`<div role="status"><ul class="findings">
    ${troubles.map((one) => html`<li class=${one.severity}><b>${one.code}</b> ${say(one.text)} ${one.hint ? html`<p class="hint">${say(one.hint)}</p>` : nothing}</li>`)}
    ${doubts.map(
      (doubt) => html`<li class="warning" data-doubt=${doubt.code}><b>${doubt.code}</b> ${say(doubt.text)}
        ${doubt.zone_ids.filter((id) => id !== zone.zone_id).map((id) => html`<button class="quiet" @click=${() => select(id)}>${id}</button>`)}</li>`,
    )}
  </ul></div>`;
}

function actions(zone, draft, mode, setMode, select) {
  const gone = zone.state === "removed";
  const remove = () => {
    zones.remove(zone);
    if (draft?.added) select(null);
  };
  return html`<p class="actions">
    ${gone ? nothing : html`<button class="toggle" data-move aria-pressed=${mode === "move"} @click=${() => setMode(mode === "move" ? "" : "move")}>${t("zones.move")}</button>`}
    ${gone || draft?.added ? nothing : html`<button data-end title=${t("zones.end.long")} @click=${() => zones.set(zone, "valid_to", bench.shop.today)}>${t("zones.end")}</button>`}
    ${gone ? nothing : html`<button data-remove title=${t("zones.remove.long")} @click=${remove}>${t("zones.remove")}</button>`}
    ${draft !== undefined && !draft?.added ? html`<button data-reset @click=${() => bench.setZone(zone.zone_id, undefined)}>${t("zones.reset")}</button>` : nothing}
    ${mode === "move" ? html`<small class="dim">${t("zones.move.how")}</small>` : nothing}
  </p>`;
}

function fields(zone, open, select) {
  const { properties } = zone;
  const name = typeof properties.name === "string" ? { zh: properties.name } : (properties.name ?? {});
  const named = (change) => {
    const { zh, en } = { ...name, ...change };
    zones.set(zone, "name", en ? { zh, en } : zh || null);
  };
  const text = (key, value, set, more = {}) => field(zone, key, open, html`<input name=${key} .value=${value ?? ""} ?disabled=${!open} type=${more.type ?? "text"} inputmode=${more.mode ?? nothing} placeholder=${more.hint ?? nothing} list=${more.list ?? nothing} @change=${(event) => set(event.target.value.trim(), event.target)} />`);
  const metres = (value) => (value === "" ? null : Number.isFinite(Number(value)) ? Number(value) : value);
  return html`
    ${bench.draft.zones[zone.zone_id]?.added ? text("zone_id", zone.zone_id, (value, input) => renamed(zone, value, input, select)) : nothing}
    ${text("name_zh", name.zh, (value) => named({ zh: value }))}
    ${text("name_en", name.en, (value) => named({ en: value }))}
    ${field(zone, "kind", open, html`<select name="kind" ?disabled=${!open} @change=${(event) => zones.set(zone, "kind", event.target.value)}>
      ${ZONE_KINDS.map((kind) => html`<option value=${kind} ?selected=${kind === zone.kind}>${t(`zone.${kind}`)}</option>`)}</select>`)}
    ${text("parent", properties.parent, (value) => zones.set(zone, "parent", value || null), { list: "zone-parents" })}
    ${text("valid_from", properties.valid_from, (value) => zones.set(zone, "valid_from", value || null), { type: "date" })}
    ${text("valid_to", properties.valid_to, (value) => zones.set(zone, "valid_to", value || null), { type: "date" })}
    ${text("hours", (properties.hours ?? []).join(", "), (value) => zones.set(zone, "hours", value ? value.split(/[,，、;；\s]+/).filter(Boolean) : null), { hint: "22:00-05:00" })}
    ${zone.outline.type === "Point" ? text("radius_m", properties.radius_m, (value) => zones.set(zone, "radius_m", metres(value)), { mode: "decimal" }) : nothing}
    ${text("buffer_m", properties.buffer_m, (value) => zones.set(zone, "buffer_m", metres(value)), { mode: "decimal", hint: zone.kind === "route" ? "50" : "0" })}
    <datalist id="zone-parents">${zones.all.filter((one) => ["district", "township"].includes(one.kind)).map((one) => html`<option value=${one.zone_id}>${say(one.name)}</option>`)}</datalist>`;
}

function field(zone, key, open, input) {
  const of = key.startsWith("name_") ? "name" : key;
  const changed = of in (bench.draft.zones[zone.zone_id]?.properties ?? {});
  return html`<label class="field ${changed ? "changed" : ""}"><span>${t(`zones.${key}`)}</span>${input}</label>`;
}

function renamed(zone, value, input, select) {
  if (value === zone.zone_id) return;
  if (zones.rename(zone, value)) select(value);
  else {
    input.setCustomValidity(t("zones.id_taken"));
    input.reportValidity();
    input.setCustomValidity("");
  }
}

export const size = (m2) => (m2 >= 1e5 ? `${(m2 / 1e6).toFixed(2)} km²` : `${Math.round(m2).toLocaleString()} m²`);
