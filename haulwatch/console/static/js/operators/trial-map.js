// Findings that appear and that go, on the city's own map. Colour and shape tell them apart.
import { getJson } from "../api.js";
import { t } from "../i18n.js";
import { LitElement, html, ol } from "../lib.js";
import { BaseMap, Zones } from "../map/city-layers.js";
import { readPalette } from "../map/palette.js";

const { Circle, Fill, RegularShape, Stroke, Style } = ol.style;

class TrialMap extends LitElement {
  static properties = { difference: { attribute: false } };
  #source = new ol.source.Vector();
  #map = null;

  createRenderRoot() {
    return this;
  }

  render() {
    return html`<figure class="trial-map">
      <div class="canvas" role="img" aria-label=${t("trial.map")}></div>
      <figcaption><span class="appearing">▲ ${t("trial.appearing")}</span> <span class="disappearing">● ${t("trial.disappearing")}</span> <span class="confirmed">◎ ${t("trial.disappearing_confirmed")}</span></figcaption>
    </figure>`;
  }

  async firstUpdated() {
    const palette = readPalette();
    const [city, basemap] = await Promise.all([getJson("/api/v1/city"), getJson("/api/v1/city/basemap").catch(() => ({}))]);
    const layers = [new BaseMap(basemap, palette), new Zones(city.zones, palette)].flatMap((part) => part.layers);
    const marks = new ol.layer.Vector({ source: this.#source, style: (feature) => styleOf(feature.get("kind"), palette), zIndex: 20 });
    this.#map = new ol.Map({
      target: this.querySelector(".canvas"),
      layers: [...layers, marks],
      controls: [new ol.control.ScaleLine({ minWidth: 80 })],
      view: new ol.View({ minZoom: 8, maxZoom: 19, enableRotation: false }),
    });
    this.#map.getView().fit(ol.proj.transformExtent(city.bounds, "EPSG:4326", "EPSG:3857"), { padding: [12, 12, 12, 12] });
  }

  updated() {
    this.#source.clear();
    const features = ["disappearing", "appearing"].flatMap((kind) => this.difference[kind].filter((one) => one.lon !== null).map((one) => feature(one, kind)));
    this.#source.addFeatures(features);
  }
}

const feature = (one, kind) =>
  new ol.Feature({ geometry: new ol.geom.Point(ol.proj.fromLonLat([one.lon, one.lat])), kind: kind === "disappearing" && one.verdict === "confirmed" ? "confirmed" : kind });

function styleOf(kind, palette) {
  const stroke = new Stroke({ color: palette("map-halo"), width: 1.5 });
  if (kind === "appearing") return new Style({ image: new RegularShape({ points: 3, radius: 8, fill: new Fill({ color: palette("warn") }), stroke }) });
  const fill = new Fill({ color: palette(kind === "confirmed" ? "bad" : "good") });
  const look = new Style({ image: new Circle({ radius: 6, fill, stroke }) });
  if (kind !== "confirmed") return look;
  return [new Style({ image: new Circle({ radius: 10, stroke: new Stroke({ color: palette("bad"), width: 2 }) }) }), look];
}

customElements.define("hw-trial-map", TrialMap);
