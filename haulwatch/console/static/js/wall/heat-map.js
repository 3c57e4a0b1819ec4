// The city with a coarse grid over it: how many orders lie in each cell. Colour goes with the number that stands in it.
import { getJson } from "../api.js";
import { LitElement, html, ol } from "../lib.js";
import { BaseMap, Zones } from "../map/city-layers.js";
import { fade, readPalette } from "../map/palette.js";
import { t } from "../i18n.js";

const LEVELS = ["heat-1", "heat-2", "heat-3", "heat-4"];
const { Fill, Stroke, Style, Text } = ol.style;

class Heat extends LitElement {
  static properties = { cells: { attribute: false }, cellDeg: { attribute: false }, bounds: { attribute: false } };
  #palette = readPalette();
  #source = new ol.source.Vector();
  #map = null;

  createRenderRoot() {
    return this;
  }

  render() {
    const most = Math.max(0, ...(this.cells ?? []).map((cell) => cell.orders));
    return html`<div class="canvas" role="img" aria-label=${t("wall.heat_long", { n: this.cells?.length ?? 0, most })}></div>
      <p class="scale" aria-hidden="true">${t("wall.few")} ${LEVELS.map((level) => html`<i class=${level}></i>`)} ${t("wall.many")}</p>`;
  }

  async firstUpdated() {
    const cells = new ol.layer.Vector({ source: this.#source, style: (feature) => this.#style(feature), zIndex: 6 });
    this.#map = new ol.Map({
      target: this.querySelector(".canvas"),
      layers: [cells],
      controls: [],
      interactions: [],
      view: new ol.View({ center: ol.proj.fromLonLat([120.1, 30.87]), zoom: 12, enableRotation: false }),
    });
    new ResizeObserver(() => this.#fit()).observe(this);
    const [city, basemap] = await Promise.all([getJson("/api/v1/city"), getJson("/api/v1/city/basemap")]);
    const districts = { ...city.zones, features: city.zones.features.filter(({ properties }) => properties.kind === "district") };
    for (const part of [new BaseMap(basemap, this.#palette), new Zones(districts, this.#palette)]) {
      part.layers.forEach((layer) => this.#map.addLayer(layer));
    }
  }

  updated(changed) {
    if (changed.has("bounds") && JSON.stringify(changed.get("bounds")) !== JSON.stringify(this.bounds)) this.#fit();
    if (changed.has("cells")) this.#show();
  }

  #fit() {
    if (!this.bounds || !this.#map || !this.clientWidth) return;
    this.#map.updateSize();
    this.#map.getView().fit(ol.proj.transformExtent(this.bounds, "EPSG:4326", "EPSG:3857"), { padding: [10, 10, 10, 10] });
  }

  #show() {
    // A few orders are few, also where no place has more.
    const most = Math.max(LEVELS.length, ...this.cells.map((cell) => cell.orders));
    const half = this.cellDeg / 2;
    this.#source.clear(true);
    this.#source.addFeatures(
      this.cells.map(({ lon, lat, orders }) => {
        const extent = ol.proj.transformExtent([lon - half, lat - half, lon + half, lat + half], "EPSG:4326", "EPSG:3857");
        const level = Math.ceil((orders / most) * LEVELS.length) - 1;
        return new ol.Feature({ geometry: boxOf(extent), orders, level });
      }),
    );
  }

  #style(feature) {
    const colour = this.#palette(LEVELS[feature.get("level")]);
    return new Style({
      fill: new Fill({ color: fade(colour, 0.85) }),
      stroke: new Stroke({ color: colour, width: 1 }),
      text: new Text({ text: String(feature.get("orders")), font: '700 22px Arial, "Noto Sans CJK SC", sans-serif', fill: new Fill({ color: this.#palette("on-heat") }) }),
    });
  }
}

function boxOf([west, south, east, north]) {
  const corners = [[west, south], [east, south], [east, north], [west, north], [west, south]];
  return new ol.geom.Polygon([corners]);
}

customElements.define("hw-heat", Heat);
