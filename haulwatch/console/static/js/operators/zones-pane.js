// Zones: a list, the map, and the one that is worked on; which of them hold a place.
import { fullTime } from "../format.js";
import { say, t } from "../i18n.js";
import { html, nothing } from "../lib.js";
import { ZONE_KINDS } from "../map/city-layers.js";
import { bench } from "./bench.js";
import { BenchElement } from "./element.js";
import { versions } from "./versions.js";
import { zoneForm } from "./zone-form.js";
import { drawings, importForm } from "./zone-import.js";
import "./zones-map.js";
import { zones } from "./zones.js";

const DATUMS = ["wgs84", "gcj02", "bd09"];
const PENS = ["Polygon", "LineString", "Circle"];
const MOST = 400;

class ZonesPane extends BenchElement {
  static properties = { zoneId: {}, mode: { state: true }, kind: { state: true }, text: { state: true }, hidden_: { state: true } };

  constructor() {
    super();
    this.mode = this.kind = this.text = "";
    zones.start();
  }

  render() {
    if (!zones.map) return html`${zones.problem ? problem() : html`<p class="dim">${t("list.loading")}</p>`}`;
    const all = zones.all;
    const selected = all.find((zone) => zone.zone_id === this.zoneId) ?? null;
    const shown = all.filter((zone) => zone === selected || this.#matches(zone));
    return html`<div class="zone-desk">
      ${this.#list(shown.filter((zone) => this.#matches(zone)), all)}
      <section class="zone-map">
        ${bench.can("operator") ? this.#pens() : nothing}
        <hw-zones-map
          .zones=${shown}
          .bounds=${zones.map.bounds}
          .selected=${this.zoneId}
          .mode=${selected || this.mode !== "move" ? this.mode : ""}
          .others=${[...overlaps(), ...drawings.shapes, ...before(this.zoneId)]}
          .pin=${zones.here?.wgs84 ?? null}
          @place=${({ detail }) => this.#placed(detail)}
          @drawn=${({ detail }) => this.#drawn(detail)}
          @moved=${({ detail }) => zones.move(selected, detail.geometry)}
          @cancel=${() => (this.mode = "")}
        ></hw-zones-map>
      </section>
      <aside class="zone-side" aria-label=${t("zones.chosen")} tabindex="0">
        ${zones.problem ? problem() : nothing}
        ${drawings.open ? importForm((id) => this.#select(id)) : nothing}
        ${selected
          ? zoneForm(selected, { editable: bench.can("operator"), mode: this.mode, setMode: (mode) => (this.mode = mode), select: (id) => this.#select(id) })
          : html`<p class="dim">${t("zones.choose")}</p>`}
        ${hereForm()}
      </aside>
    </div>`;
  }

  #list(shown, all) {
    const counts = Map.groupBy ? Map.groupBy(all, (zone) => zone.kind) : new Map(ZONE_KINDS.map((kind) => [kind, all.filter((zone) => zone.kind === kind)]));
    return html`<nav class="rule-list zone-list" aria-label=${t("zones.list")}>
      <div class="zone-filter">
        <input type="search" aria-label=${t("zones.search")} placeholder=${t("zones.search")} .value=${this.text} @input=${(event) => (this.text = event.target.value.trim().toLowerCase())} />
        <select aria-label=${t("zones.kind")} @change=${(event) => (this.kind = event.target.value)}>
          <option value="">${t("zones.all_kinds", { n: all.length })}</option>
          ${ZONE_KINDS.map((kind) => html`<option value=${kind} ?selected=${kind === this.kind}>${t(`zone.${kind}`)} ${counts.get(kind)?.length ?? 0}</option>`)}
          <option value="drafted" ?selected=${this.kind === "drafted"}>${t("zones.drafted")} ${all.filter((zone) => zone.state !== "same").length}</option>
        </select>
      </div>
      <ul>${shown.slice(0, MOST).map((zone) => item(zone, zone.zone_id === this.zoneId))}</ul>
      ${shown.length > MOST ? html`<p class="dim">${t("zones.more", { n: shown.length - MOST })}</p>` : nothing}
    </nav>`;
  }

  #pens() {
    return html`<div class="pens" role="toolbar" aria-label=${t("zones.draw")}>
      ${PENS.map((pen) => html`<button class="toggle" data-pen=${pen} aria-pressed=${this.mode === pen} @click=${() => (this.mode = this.mode === pen ? "" : pen)}>${t(`zones.pen.${pen}`)}</button>`)}
      <button class="toggle" data-open-import aria-pressed=${drawings.open} @click=${() => drawings.toggle()}>${t("import.open")}</button>
      ${PENS.includes(this.mode) ? html`<small>${t(`zones.pen.${this.mode}.how`)}</small>` : nothing}
    </div>`;
  }

  #matches(zone) {
    if (this.kind === "drafted" ? zone.state === "same" : this.kind && zone.kind !== this.kind) return false;
    if (!this.text) return true;
    const { name } = zone;
    return [zone.zone_id, name.zh ?? name, name.en ?? ""].some((one) => String(one).toLowerCase().includes(this.text));
  }

  #placed({ lon, lat, zoneId }) {
    if (zoneId) this.#select(zoneId);
    zones.ask({ lon, lat, datum: "wgs84", at: null });
  }

  #drawn({ geometry, radius_m }) {
    const line = geometry.type === "LineString";
    const kind = line ? "route" : ZONE_KINDS.includes(this.kind) ? this.kind : "construction_site";
    this.mode = "";
    this.#select(zones.add(geometry, { kind, name: t("zones.new"), ...(radius_m ? { radius_m } : {}) }));
  }

  #select(zoneId) {
    location.hash = zoneId ? `#zones/${encodeURIComponent(zoneId)}` : "#zones";
  }
}

const overlaps = () => (zones.drafted?.doubts ?? []).filter((doubt) => doubt.shape).map((doubt) => ({ geometry: doubt.shape, look: "overlap" }));

// The version of the chosen zone that is compared with what it is now.
function before(zoneId) {
  const zone = versions.shown?.zone;
  return zone?.zone_id === zoneId ? [{ geometry: zone.area ?? zone.outline, look: "before" }] : [];
}

function item(zone, selected) {
  const wrong = zones.troubles(zone.zone_id).filter((one) => one.severity === "error").length;
  return html`<li><a href=${`#zones/${encodeURIComponent(zone.zone_id)}`} aria-current=${selected ? "true" : nothing}>
    <span><span class="swatch ${zone.kind}"></span>${say(zone.name)}</span>
    <small>${zone.zone_id} · ${t(`zone.${zone.kind}`)}</small>
    <span class="marks">${zone.state === "same" ? nothing : html`<span class="mark ${zone.state}">${t(`changes.${zone.state}`)}</span>`}
      ${wrong ? html`<span class="mark error">${t("files.errors", { n: wrong })}</span>` : nothing}
      ${zone.counts ? nothing : html`<span class="mark">${t("zones.not_now")}</span>`}</span>
  </a></li>`;
}

// Typed as maps give them: "120.15, 30.9".
function hereForm() {
  const { here } = zones;
  const ask = (event) => {
    event.preventDefault();
    const { place, datum, at } = Object.fromEntries(new FormData(event.target));
    const numbers = place.split(/[,，\s]+/).filter(Boolean).map(Number);
    const input = event.target.elements.place;
    const good = numbers.length === 2 && Math.abs(numbers[0]) <= 180 && Math.abs(numbers[1]) <= 90;
    input.setCustomValidity(good ? "" : t("zones.no_place"));
    if (!good) return void input.reportValidity();
    return zones.ask({ lon: numbers[0], lat: numbers[1], datum, at: at || null });
  };
  return html`<section class="here">
    <h3>${t("zones.here")}</h3>
    <form @submit=${ask} novalidate>
      <label><span>${t("zones.place")}</span><input name="place" required inputmode="text" placeholder="120.15, 30.90" @input=${(event) => event.target.setCustomValidity("")} /></label>
      <label><span>${t("zones.datum")}</span><select name="datum">${DATUMS.map((datum) => html`<option value=${datum}>${t(`datum.${datum}`)}</option>`)}</select></label>
      <label><span>${t("zones.when")}</span><input name="at" type="datetime-local" /></label>
      <button data-here>${t("zones.ask")}</button>
    </form>
    ${here ? hereView(here) : html`<p class="dim">${t("zones.here.how")}</p>`}
  </section>`;
}

function hereView(here) {
  const degrees = (pair) => pair.map((one) => one.toFixed(6)).join(", ");
  return html`<div role="status" data-here-answer>
    <p class="dim">${fullTime(here.at)} <button class="quiet" @click=${() => zones.forget()}>${t("zones.forget")}</button></p>
    ${here.zones.length
      ? html`<ul class="held">${here.zones.map(
          (zone) => html`<li class=${zone.counts ? "" : "off"}><span class="swatch ${zone.kind}"></span>
            <a href=${`#zones/${encodeURIComponent(zone.zone_id)}`}>${say(zone.name)}</a> <small>${zone.zone_id} · ${t(`zone.${zone.kind}`)}</small>
            ${zone.counts ? nothing : html`<b class="warn">${say(zone.why)}</b>`}</li>`,
        )}</ul>`
      : html`<p>${t("zones.nowhere")}</p>`}
    <dl class="degrees">${DATUMS.map((datum) => html`<dt>${t(`datum.${datum}`)}</dt><dd><code>${degrees(here[datum])}</code></dd>`)}</dl>
  </div>`;
}

const problem = () => html`<p class="problem" role="alert">${say(zones.problem.text) || zones.problem.message}</p>`;

customElements.define("hw-zones-pane", ZonesPane);
