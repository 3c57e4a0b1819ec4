// The city's own base map and its zones. Everything comes from GeoJSON: no tile server is needed.
import { lang, say } from "../i18n.js";
import { ol } from "../lib.js";
import { fade } from "./palette.js";

export const ZONE_KINDS = [
  "construction_site",
  "disposal_site",
  "transfer_site",
  "parking",
  "forbidden",
  "weigh_area",
  "route",
  "district",
  "township",
];
const HIDDEN_AT_FIRST = new Set(["route", "township"]);
const DRAW_ORDER = ["district", "township", "route", "weigh_area", "parking", "transfer_site", "disposal_site", "construction_site", "forbidden"];
const BORDERS = new Set(["district", "township"]);
const ROAD_WIDTHS = { ring: 3.4, tunnel: 3, arterial: 2.6, local: 1.2, access: 0.8, track: 0.7 };
const MAJOR = new Set(["ring", "arterial", "tunnel"]);
const FONT = '"Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", sans-serif';

const { Fill, Stroke, Style, Text } = ol.style;

function vectorLayer(collection, style, zIndex, options = {}) {
  const features = new ol.format.GeoJSON({ featureProjection: "EPSG:3857" }).readFeatures(collection);
  const source = new ol.source.Vector({ features });
  return new ol.layer.Vector({ source, style, zIndex, ...options });
}

export function label(text, palette, { size = 12, weight = 500, colour = "map-label", offsetY = 0 } = {}) {
  return new Text({
    text,
    font: `${weight} ${size}px ${FONT}`,
    fill: new Fill({ color: palette(colour) }),
    stroke: new Stroke({ color: palette("map-halo"), width: 3 }),
    overflow: true,
    offsetY,
  });
}

const inLanguage = (feature) => (lang() === "en" && feature.get("name_en")) || say(feature.get("name"));

export class BaseMap {
  constructor(basemap, palette) {
    this.palette = palette;
    this.layers = Object.entries(basemap).map(([name, collection], i) =>
      vectorLayer(collection, this.#styleOf(name), 1 + i * 0.1, { declutter: name === "labels", updateWhileAnimating: true }),
    );
    for (const layer of this.layers.filter((_, i) => Object.keys(basemap)[i] === "labels")) layer.setZIndex(8);
  }

  redraw(palette) {
    this.palette = palette;
    this.layers.forEach((layer) => layer.changed());
  }

  #styleOf(name) {
    if (name === "roads") return (feature, resolution) => this.#road(feature, resolution);
    if (name === "labels") return (feature, resolution) => this.#label(feature, resolution);
    return () => new Style({ fill: new Fill({ color: this.palette(name === "water" ? "map-water" : "map-green") }) });
  }

  #road(feature, resolution) {
    const kind = feature.get("class");
    if (resolution > (kind === "local" ? 60 : MAJOR.has(kind) ? 1000 : 20)) return null;
    const width = (ROAD_WIDTHS[kind] ?? 1) * Math.min(4, Math.max(0.55, 14 / resolution));
    const stroke = new Stroke({
      color: this.palette(MAJOR.has(kind) ? "map-road-major" : "map-road"),
      width: Math.min(width, 14),
      lineDash: kind === "tunnel" || kind === "track" ? [6, 4] : undefined,
    });
    return new Style({ stroke, zIndex: MAJOR.has(kind) ? 2 : 1 });
  }

  #label(feature, resolution) {
    const kind = feature.get("class");
    const near = { district: 200, river: 60, park: 14, township: 28, road: 14 }[kind] ?? 20;
    if (resolution > near || (kind === "district" && resolution < 14)) return null;
    const large = kind === "district";
    return new Style({ text: label(inLanguage(feature), this.palette, { size: large ? 15 : 11.5, weight: large ? 700 : 400 }) });
  }
}

export class Zones {
  hidden = new Set(HIDDEN_AT_FIRST);
  lit = new Set(); // ids of the zones of the selected order

  constructor(collection, palette) {
    this.palette = palette;
    this.collection = collection;
    this.cache = new Map();
    this.areas = vectorLayer(collection, (feature) => this.#area(feature), 4);
    this.names = vectorLayer(collection, (feature, resolution) => this.#name(feature, resolution), 7, { declutter: true });
    this.layers = [this.areas, this.names];
    this.counts = new Map();
    for (const { properties } of collection.features) {
      this.counts.set(properties.kind, (this.counts.get(properties.kind) ?? 0) + 1);
    }
  }

  redraw(palette = this.palette) {
    this.palette = palette;
    this.cache.clear();
    this.layers.forEach((layer) => layer.changed());
  }

  toggle(kind) {
    if (!this.hidden.delete(kind)) this.hidden.add(kind);
    this.redraw();
  }

  // Other zones in place of these (as they were at some moment), or these again.
  show(collection) {
    const wanted = collection ?? this.collection;
    for (const layer of this.layers) {
      layer.getSource().clear(true);
      layer.getSource().addFeatures(new ol.format.GeoJSON({ featureProjection: "EPSG:3857" }).readFeatures(wanted));
    }
  }

  light(ids) {
    if (ids.length === this.lit.size && ids.every((id) => this.lit.has(id))) return;
    this.lit = new Set(ids);
    this.redraw();
  }

  #area(feature) {
    const kind = feature.get("kind");
    const lit = this.lit.has(feature.get("zone_id")) && !BORDERS.has(kind);
    if (this.hidden.has(kind) && !lit) return null;
    const key = `${kind}${lit}`;
    if (!this.cache.has(key)) this.cache.set(key, this.#make(kind, lit));
    return this.cache.get(key);
  }

  #make(kind, lit) {
    const colour = this.palette(`zone-${kind}`);
    const border = BORDERS.has(kind);
    const stroke = new Stroke({
      color: fade(colour, border ? 0.6 : 0.95),
      width: lit ? 3 : border ? 1.2 : 1.6,
      lineDash: { forbidden: [7, 4], district: [10, 5], township: [3, 5] }[kind],
    });
    const fill = border || kind === "route" ? undefined : new Fill({ color: fade(colour, lit ? 0.24 : 0.16) });
    return new Style({ stroke, fill, zIndex: DRAW_ORDER.indexOf(kind) });
  }

  #name(feature, resolution) {
    const kind = feature.get("kind");
    if (this.hidden.has(kind) || BORDERS.has(kind) || kind === "route") return null;
    const lit = this.lit.has(feature.get("zone_id"));
    if (resolution > (lit ? 60 : 12)) return null;
    return new Style({ text: label(inLanguage(feature), this.palette, { size: 11.5, weight: 600, colour: `zone-${kind}`, offsetY: 17 }) });
  }
}

// Weigh stations and cameras, small until one comes near.
export class Devices {
  shown = true;

  constructor(city, palette) {
    this.palette = palette;
    const features = [
      ...city.stations.map((one) => ({ ...one, device: "station" })),
      ...city.cameras.map((one) => ({ ...one, device: "camera" })),
    ].filter((one) => one.lon !== null && one.lat !== null);
    const source = new ol.source.Vector({
      features: features.map((one) => new ol.Feature({ ...one, geometry: new ol.geom.Point(ol.proj.fromLonLat([one.lon, one.lat])) })),
    });
    const style = (feature, resolution) => this.#style(feature, resolution);
    this.layers = [new ol.layer.Vector({ source, style, zIndex: 6, declutter: true })];
  }

  redraw(palette = this.palette) {
    this.palette = palette;
    this.layers.forEach((layer) => layer.changed());
  }

  toggle() {
    this.shown = !this.shown;
    this.redraw();
  }

  #style(feature, resolution) {
    if (!this.shown || resolution > 20) return null;
    const station = feature.get("device") === "station";
    const shape = {
      radius: station ? 6 : 5,
      points: station ? 4 : 3,
      angle: station ? Math.PI / 4 : Math.PI,
      fill: new Fill({ color: this.palette("map-ground") }),
      stroke: new Stroke({ color: this.palette(station ? "zone-weigh_area" : "map-label"), width: 1.8 }),
    };
    const name = resolution < 5 ? feature.get("name") : null;
    return new Style({
      image: new ol.style.RegularShape(shape),
      text: name ? label(name, this.palette, { size: 11, offsetY: 14 }) : undefined,
    });
  }
}
