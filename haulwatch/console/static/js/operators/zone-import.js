// A file drawn elsewhere: what it would bring is shown on the map and in a list before any of it comes into the draft.
import { say, t } from "../i18n.js";
import { html, nothing } from "../lib.js";
import { Problem, postJson } from "../api.js";
import { ZONE_KINDS } from "../map/city-layers.js";
import { bench } from "./bench.js";

const MAX_BYTES = 8 * 1024 * 1024;
const DATUMS = ["", "wgs84", "gcj02", "bd09"];
const CHANGES = ["added", "changed", "rejected", "same"];
const MOST = 200;

class Import {
  open = false;
  found = null; // ZoneImport
  problem = null;
  reading = false;
  taken = new Set(["added", "changed"]);
  #file = null; // {file, data}
  #asked = { datum: "", kind: "construction_site", id_field: "", name_field: "" };

  get asked() {
    return this.#asked;
  }

  // What the map shows of it.
  get shapes() {
    if (!this.open) return [];
    return (this.found?.zones ?? []).filter((zone) => zone.geometry && zone.change !== "same" && zone.change !== "rejected").map((zone) => ({ geometry: zone.geometry, look: zone.change }));
  }

  toggle() {
    this.open = !this.open;
    if (!this.open) Object.assign(this, { found: null, problem: null });
    bench.changed();
  }

  async choose(file) {
    this.problem = this.found = null;
    if (!file) return;
    if (file.size > MAX_BYTES) this.problem = { text: t("import.too_large") };
    else this.#file = { file: file.name, data: await base64(file) };
    await this.#read();
  }

  async ask(change) {
    Object.assign(this.#asked, change);
    await this.#read();
  }

  take(change, wanted) {
    if (wanted) this.taken.add(change);
    else this.taken.delete(change);
    bench.changed();
  }

  accept() {
    const chosen = this.chosen.map((zone) => [zone.zone_id, { properties: zone.properties, geometry: zone.geometry, added: zone.change === "added" }]);
    bench.setZones(Object.fromEntries(chosen));
    this.toggle();
    return chosen[0]?.[0] ?? null;
  }

  get chosen() {
    return (this.found?.zones ?? []).filter((zone) => this.taken.has(zone.change) && ["added", "changed"].includes(zone.change));
  }

  async #read() {
    if (this.#file && !this.problem?.text) {
      this.reading = true;
      bench.changed();
      await this.#ask();
      this.reading = false;
    }
    bench.changed();
  }

  async #ask() {
    const asked = Object.fromEntries(Object.entries(this.#asked).map(([key, value]) => [key, value || null]));
    try {
      this.found = await postJson("/api/v1/workbench/zones/import", { draft: { ...bench.draft, rules: {} }, ...this.#file, ...asked });
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.problem = problem;
    }
  }
}

export const drawings = new Import();

async function base64(file) {
  const url = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
  return url.slice(url.indexOf(",") + 1);
}

export function importForm(select) {
  const { found } = drawings;
  return html`<section class="zone import" aria-label=${t("import.title")}>
    <h2>${t("import.title")}</h2>
    <p class="dim">${t("import.what")}</p>
    <input type="file" accept=".geojson,.json,.kml,.kmz,.zip" aria-label=${t("import.file")} @change=${(event) => drawings.choose(event.target.files[0])} />
    <div class="fields">
      ${choice("datum", DATUMS.map((datum) => [datum, datum ? t(`datum.${datum}`) : t("import.datum.said")]))}
      ${choice("kind", ZONE_KINDS.map((kind) => [kind, t(`zone.${kind}`)]))}
      ${found ? choice("id_field", [["", "zone_id"], ...named(found)]) : nothing}
      ${found ? choice("name_field", [["", "name"], ...named(found)]) : nothing}
    </div>
    ${drawings.reading ? html`<p class="dim" role="status">${t("draft.checking")}</p>` : nothing}
    ${drawings.problem ? troubleView(drawings.problem) : nothing}
    ${found ? preview(found, select) : nothing}
    <p class="actions"><button @click=${() => drawings.toggle()}>${t("import.cancel")}</button></p>
  </section>`;
}

const named = (found) => found.fields.map((name) => [name, name]);

function choice(key, options) {
  return html`<label class="field"><span>${t(`import.${key}`)}</span>
    <select name=${key} @change=${(event) => drawings.ask({ [key]: event.target.value })}>
      ${options.map(([value, text]) => html`<option value=${value} ?selected=${value === drawings.asked[key]}>${text}</option>`)}
    </select></label>`;
}

function troubleView(problem) {
  if (!problem.errors?.length) return html`<p class="problem" role="alert">${say(problem.text) || problem.message}</p>`;
  return html`<div role="alert"><ul class="findings">${problem.errors.map((one) => html`<li class="error"><b>${one.code}</b> ${say(one.text)} ${one.hint ? html`<p class="hint">${say(one.hint)}</p>` : nothing}</li>`)}</ul></div>`;
}

function preview(found, select) {
  const { chosen } = drawings;
  const accept = () => select(drawings.accept());
  return html`<div role="status" data-import>
      <p class="dim">${t(found.said ? "import.as_said" : "import.as_asked", { datum: t(`datum.${found.datum}`) })}</p>
      ${CHANGES.map((change) => group(change, found.zones.filter((zone) => zone.change === change)))}
    </div>
    <p class="actions"><button class="primary" data-accept ?disabled=${!chosen.length} @click=${accept}>${t("import.accept", { n: chosen.length })}</button></p>`;
}

function group(change, zones) {
  if (!zones.length) return nothing;
  const open = ["added", "changed"].includes(change);
  return html`<details ?open=${change !== "same"} data-change=${change}>
    <summary><span class="mark ${change === "rejected" ? "error" : change}">${t(`import.${change}`)}</span> ${zones.length}</summary>
    ${open ? html`<label><input type="checkbox" .checked=${drawings.taken.has(change)} @change=${(event) => drawings.take(change, event.target.checked)} /> ${t("import.take")}</label>` : nothing}
    <ul class="held">${zones.slice(0, MOST).map(
      (zone) => html`<li><span class="swatch ${zone.properties.kind ?? ""}"></span>${say(zone.properties.name ?? zone.zone_id)} <small>${zone.zone_id}</small>
        ${zone.reasons.map((reason) => html`<p class="bad">${say(reason)}</p>`)}</li>`,
    )}</ul>
    ${zones.length > MOST ? html`<p class="dim">${t("trial.more", { n: zones.length - MOST })}</p>` : nothing}
  </details>`;
}
