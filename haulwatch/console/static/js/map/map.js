// The map pane: base map, zones, trucks, orders, the selected order's track; legend with switches.
import { HwElement } from "../element.js";
import { ago, duration, plate } from "../format.js";
import { known, languageChanged, t } from "../i18n.js";
import { html, nothing, ol } from "../lib.js";
import { SEVERITIES, severityName, zoneKind } from "../parts.js";
import { state } from "../state.js";
import { BaseMap, Devices, ZONE_KINDS, Zones } from "./city-layers.js";
import { OrderMarkers, TrackLayer } from "./order-layers.js";
import { readPalette } from "./palette.js";
import { TruckLayer, drawTruck } from "./truck-layer.js";

const LOOKS = [
  [7, "loaded", 3],
  [6, "half", 2],
  [5, "empty", 1],
  [4, "unknown", 0],
  [8, "silent", 4],
];
const PADDING = [70, 70, 70, 70];
const LEGEND_WIDTH = 210;
const CROWD = 500; // from so many markers on the map jumps: gliding would draw them all some twenty times

// Permitted routes are lit up only where they are the matter.
function zonesOf(order) {
  const aboutRoutes = ["route", "time", "permit"].includes(order?.category);
  return (order?.zone_ids ?? []).filter((id) => aboutRoutes || zoneKind(id) !== "route");
}

class CityMap extends HwElement {
  #palette = readPalette();
  #map = null;
  #parts = null; // once the city is known: { base, zones, devices }
  #markers = new OrderMarkers(this.#palette);
  #track = new TrackLayer(this.#palette);
  #trucks = new TruckLayer(state.trucks, this.#palette, () => state.selected?.truck_id);
  #scene = false; // whether the zones are those of an order's moment
  #later = null; // what to show once the map has a size
  #near = null; // the truck under the pointer
  #legendOpen = matchMedia("(min-width: 1000px)").matches;

  firstUpdated() {
    this.#map = new ol.Map({
      target: this.querySelector(".canvas"),
      layers: [this.#track.layer, this.#trucks.layer, this.#markers.layer, this.#markers.top],
      controls: [new ol.control.ScaleLine({ minWidth: 80 })],
      view: new ol.View({ center: ol.proj.fromLonLat([120.1, 30.87]), zoom: 12, minZoom: 8, maxZoom: 19, enableRotation: false }),
    });
    this.#map.on("pointermove", (event) => this.#onPointer(event));
    this.#map.on("singleclick", (event) => this.#onClick(event));
    new ResizeObserver(() => this.#onResize()).observe(this);
    const on = (type, act) => state.addEventListener(type, act);
    on("city", () => this.#showCity());
    on("trucks", () => {
      this.#trucks.redraw();
      this.requestUpdate(); // the legend counts them
    });
    on("listed", () => this.#showOrders());
    on("selection", () => this.#showSelection());
    on("detail", () => this.#showDetail());
    on("zoom", () => this.#zoomToSelection());
    on("point", (event) => this.#track.point(event.detail));
    on("scene", (event) => this.#showScene(event.detail));
    on("theme", () => this.#redrawAll());
    languageChanged.addEventListener("change", () => this.#redrawAll());
    if (state.city) this.#showCity();
  }

  // Content

  #showCity() {
    const { city, basemap } = state;
    const palette = this.#palette;
    this.#parts = { base: new BaseMap(basemap, palette), zones: new Zones(city.zones, palette), devices: new Devices(city, palette) };
    for (const part of Object.values(this.#parts)) part.layers.forEach((layer) => this.#map.addLayer(layer));
    this.#fitCity(0);
    if (state.detail) this.#showDetail();
    this.requestUpdate();
  }

  #fitCity(duration = 350) {
    if (!state.city) return;
    const extent = ol.proj.transformExtent(state.city.bounds, "EPSG:4326", "EPSG:3857");
    this.#fit(extent, { padding: this.#padding([16, 16, 16, 16]), duration });
  }

  // A hidden map (the other pane of a phone) has no size to fit anything into: then when it is shown.
  #fit(extent, options) {
    this.#later = this.clientWidth ? null : () => this.#fit(extent, { ...options, duration: 0 });
    if (!this.#later) this.#map.getView().fit(extent, options);
  }

  #onResize() {
    this.#map.updateSize();
    if (this.clientWidth) this.#later?.();
  }

  // Room for the open legend, where there is room at all.
  #padding([top, right, bottom, left]) {
    const legend = this.#legendOpen && this.clientWidth > 3 * LEGEND_WIDTH;
    return [top, right, bottom, left + (legend ? LEGEND_WIDTH : 0)];
  }

  #showOrders() {
    const shown = state.listed.map((id) => state.orders.get(id));
    if (state.selected && !state.listed.includes(state.selectedId)) shown.push(state.selected);
    for (const id of state.waiting) shown.push(state.orders.get(id));
    this.#markers.show(shown, state.selectedId);
  }

  #showScene(zones) {
    this.#parts?.zones.show(zones);
    this.#scene = zones !== null;
    this.requestUpdate();
  }

  #showSelection() {
    this.#track.show(null);
    if (this.#scene) this.#showScene(null);
    this.#parts?.zones.light(zonesOf(state.selected));
    this.#showOrders();
    this.#trucks.redraw();
  }

  #showDetail() {
    const { order, breach } = state.detail.detail;
    this.#track.show(breach);
    this.#parts?.zones.light(zonesOf(order));
    this.#showOrders();
    this.#bringIntoView();
  }

  // Moves the map only when the place is not to be seen well already.
  #bringIntoView() {
    const order = state.selected;
    if (!order || order.lon === null) return;
    const size = this.#map.getSize();
    const pixel = this.#map.getPixelFromCoordinate(ol.proj.fromLonLat([order.lon, order.lat]));
    const inside = pixel && size && pixel[0] > 60 && pixel[1] > 60 && pixel[0] < size[0] - 60 && pixel[1] < size[1] - 60;
    if (!inside || this.#map.getView().getResolution() > 14) this.#zoomToSelection();
  }

  #zoomToSelection() {
    const order = state.selected;
    if (!order || order.lon === null) return;
    const place = ol.proj.fromLonLat([order.lon, order.lat]);
    const extent = this.#track.extent() ?? [place[0] - 500, place[1] - 500, place[0] + 500, place[1] + 500];
    this.#fit(ol.extent.extend(extent.slice(), [...place, ...place]), {
      padding: this.#padding(PADDING),
      maxZoom: 15,
      duration: state.listed.length > CROWD ? 0 : 350,
    });
  }

  #redrawAll() {
    if (!this.#map) return;
    this.#palette = readPalette();
    for (const part of [this.#markers, this.#track, this.#trucks, ...Object.values(this.#parts ?? {})]) part.redraw(this.#palette);
    this.requestUpdate();
  }

  // Pointer

  #orderAt(pixel) {
    return this.#markers.at(pixel, (coordinate) => this.#map.getPixelFromCoordinate(coordinate));
  }

  #onPointer(event) {
    if (event.dragging) return;
    const order = this.#orderAt(event.pixel);
    const truck = order ? null : this.#trucks.at(event.pixel);
    this.querySelector(".canvas").classList.toggle("over", Boolean(order || truck));
    if (truck?.id !== this.#near?.truck.id) {
      this.#near = truck ? { truck, pixel: event.pixel } : null;
      this.requestUpdate();
    }
  }

  #onClick(event) {
    const id = this.#orderAt(event.pixel);
    if (id) {
      state.select(id);
      return;
    }
    const truck = this.#trucks.at(event.pixel);
    this.#near = truck ? { truck, pixel: event.pixel } : null;
    this.requestUpdate();
  }

  // Page

  render() {
    return html`
      <div class="canvas" tabindex="0" aria-label=${t("map.label")}></div>
      <div class="map-tools">
        <button aria-label=${t("map.zoom_in")} title=${t("map.zoom_in")} @click=${() => this.#zoom(1)}>+</button>
        <button aria-label=${t("map.zoom_out")} title=${t("map.zoom_out")} @click=${() => this.#zoom(-1)}>−</button>
        <button aria-label=${t("map.whole")} title=${t("map.whole")} @click=${() => this.#fitCity()}>⤢</button>
      </div>
      ${this.#legend()} ${this.#tip()}
      ${this.#scene ? html`<p class="scene" role="status">${t("replay.zones_then")} <button class="quiet" @click=${() => this.#showScene(null)}>${t("replay.zones_today")}</button></p>` : nothing}
    `;
  }

  updated() {
    for (const canvas of this.querySelectorAll(".legend canvas")) {
      const context = canvas.getContext("2d");
      const ratio = canvas.width / 18;
      context.setTransform(ratio, 0, 0, ratio, canvas.width / 2, canvas.height / 2);
      context.clearRect(-9, -9, 18, 18);
      drawTruck(context, Number(canvas.dataset.look), this.#palette);
    }
    const tip = this.querySelector(".tip");
    if (tip && this.#near) {
      const [x, y] = this.#near.pixel;
      tip.style.left = `${Math.min(x + 14, this.clientWidth - tip.offsetWidth - 8)}px`;
      tip.style.top = `${Math.min(y + 14, this.clientHeight - tip.offsetHeight - 8)}px`;
    }
  }

  #zoom(step) {
    const view = this.#map.getView();
    view.animate({ zoom: view.getZoom() + step, duration: 150 });
  }

  #legend() {
    const tally = state.trucks.tally();
    const parts = this.#parts;
    return html`<details class="legend" ?open=${this.#legendOpen} @toggle=${(event) => (this.#legendOpen = event.target.open)}>
      <summary>${t("legend.title")}</summary>
      <fieldset>
        <legend>${this.#switch(t("legend.trucks"), this.#trucks.shown, () => this.#trucks.toggle())}</legend>
        ${LOOKS.map(([look, name, index]) => html`<p><canvas width="36" height="36" data-look=${look}></canvas>${t(`truck.${name}`)}<b>${tally[index]}</b></p>`)}
      </fieldset>
      <fieldset>
        <legend>${t("legend.orders")}</legend>
        <div class="pairs">${SEVERITIES.map((severity) => html`<p><span class="glyph ${severity}" aria-hidden="true"></span>${severityName(severity)}</p>`)}</div>
      </fieldset>
      ${parts
        ? html`<fieldset>
            <legend>${t("legend.zones")}</legend>
            ${ZONE_KINDS.filter((kind) => parts.zones.counts.has(kind)).map(
              (kind) => html`<p>${this.#switch(
                html`<span class="swatch ${kind}" aria-hidden="true"></span>${t(`zone.${kind}`)}`,
                !parts.zones.hidden.has(kind),
                () => parts.zones.toggle(kind),
              )}<b>${parts.zones.counts.get(kind)}</b></p>`,
            )}
            <p>${this.#switch(t("legend.devices"), parts.devices.shown, () => parts.devices.toggle())}<b>${state.city.stations.length + state.city.cameras.length}</b></p>
          </fieldset>`
        : nothing}
    </details>`;
  }

  #switch(words, on, act) {
    return html`<label><input type="checkbox" .checked=${on} @change=${() => {
      act();
      this.requestUpdate();
    }} />${words}</label>`;
  }

  #tip() {
    if (!this.#near) return nothing;
    const { id, speed, load, cover, phase, silent, atMs } = this.#near.truck;
    return html`<div class="tip" role="status">
      <p><span class="plate">${plate(id)}</span> ${silent ? html`<span class="mark warn">${t("truck.silent")}</span>` : nothing}</p>
      <p>${speed === null ? t("value.unknown") : `${Math.round(speed)} km/h`} · ${t("name.load")} ${known(`value.${load}`, t("value.unknown"))} · ${t("name.cover")} ${known(`value.${cover}`, t("value.unknown"))}</p>
      <p class="dim">${t(`phase.trip.${phase}`)} · ${ago(atMs) || duration(0, 1)}</p>
    </div>`;
  }
}

customElements.define("hw-map", CityMap);
