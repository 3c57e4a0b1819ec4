// Orders as markers whose shape says what their colour says, and the selected one's track with its trigger point.
import { FINAL } from "../filter.js";
import { clock } from "../format.js";
import { t } from "../i18n.js";
import { ol } from "../lib.js";
import { label } from "./city-layers.js";

const { Circle, Fill, RegularShape, Stroke, Style, Text } = ol.style;
const SHAPES = { critical: { points: 8, angle: Math.PI / 8 }, major: { points: 3, angle: 0 }, minor: { points: 4, angle: Math.PI / 4 }, info: null };
const GLYPHS = { critical: "!!", major: "!", minor: "!", info: "i" };
const NEAR_PX = 14;

export class OrderMarkers {
  constructor(palette) {
    this.palette = palette;
    this.cache = new Map();
    this.source = new ol.source.Vector();
    this.layer = new ol.layer.Vector({ source: this.source, style: (feature) => this.#style(feature), zIndex: 12 });
    // The selected one lies over the others, in a layer of its own: to select does not draw thousands anew.
    this.picked = new ol.source.Vector();
    this.top = new ol.layer.Vector({ source: this.picked, style: (feature) => this.#style(feature), zIndex: 13 });
  }

  redraw(palette = this.palette) {
    if (palette !== this.palette) this.cache.clear();
    this.palette = palette;
    this.layer.changed();
    this.top.changed();
  }

  // Shows exactly these orders; draws only when one of them has changed.
  show(orders, selectedId) {
    let changed = false;
    const wanted = new Map(orders.filter((order) => order.lon !== null).map((order) => [order.order_id, order]));
    for (const feature of this.source.getFeatures()) {
      if (!wanted.has(feature.getId())) this.source.removeFeature(feature);
    }
    for (const [id, order] of wanted) {
      let feature = this.source.getFeatureById(id);
      if (!feature) {
        feature = new ol.Feature(new ol.geom.Point(ol.proj.fromLonLat([order.lon, order.lat])));
        feature.setId(id);
        this.source.addFeature(feature);
      }
      const final = FINAL.has(order.stage);
      if (feature.get("severity") === order.severity && feature.get("final") === final) continue;
      feature.setProperties({ severity: order.severity, final }, true);
      changed = true;
    }
    if (changed) this.layer.changed();
    this.#showSelected(wanted.get(selectedId));
  }

  #showSelected(order) {
    this.picked.clear();
    if (!order) return;
    const geometry = new ol.geom.Point(ol.proj.fromLonLat([order.lon, order.lat]));
    this.picked.addFeature(new ol.Feature({ geometry, severity: order.severity, final: FINAL.has(order.stage), selected: true }));
  }

  // The order whose marker is nearest to a point of the screen, or null. (Asking OpenLayers would read pixels back.)
  at([px, py], pixelOf) {
    let best = null;
    let bestSquare = NEAR_PX * NEAR_PX;
    for (const feature of this.source.getFeatures()) {
      const pixel = pixelOf(feature.getGeometry().getCoordinates());
      if (!pixel) return null;
      const square = (pixel[0] - px) ** 2 + (pixel[1] - py) ** 2;
      if (square >= bestSquare) continue;
      best = feature.getId();
      bestSquare = square;
    }
    return best;
  }

  #style(feature) {
    const selected = feature.get("selected") === true;
    const key = `${feature.get("severity")}${feature.get("final")}${selected}`;
    if (!this.cache.has(key)) this.cache.set(key, this.#make(feature.get("severity"), feature.get("final"), selected));
    return this.cache.get(key);
  }

  #make(severity, final, selected) {
    const colour = this.palette(severity);
    const fill = new Fill({ color: final ? this.palette("map-ground") : colour });
    const stroke = new Stroke({ color: selected ? this.palette("text") : final ? colour : this.palette("map-halo"), width: selected ? 3 : 2 });
    const radius = selected ? 13 : 10;
    const image = SHAPES[severity] ? new RegularShape({ ...SHAPES[severity], radius: radius * 1.12, fill, stroke }) : new Circle({ radius: radius * 0.9, fill, stroke });
    const text = new Text({
      text: GLYPHS[severity],
      font: "800 11px sans-serif",
      fill: new Fill({ color: final ? colour : this.palette("on-severity") }),
      offsetY: severity === "major" ? 2 : 0.5,
    });
    const marker = new Style({ image, text, zIndex: selected ? 9 : { critical: 4, major: 3, minor: 2, info: 1 }[severity] });
    if (!selected) return marker;
    const halo = new Circle({ radius: 21, stroke: new Stroke({ color: colour, width: 2 }) });
    return [new Style({ image: halo, zIndex: 8 }), marker];
  }
}

export class TrackLayer {
  constructor(palette) {
    this.palette = palette;
    this.source = new ol.source.Vector();
    this.pointed = null;
    this.layer = new ol.layer.Vector({ source: this.source, style: (feature) => this.#style(feature), zIndex: 9 });
  }

  redraw(palette = this.palette) {
    this.palette = palette;
    this.layer.changed();
  }

  // `breach` or null.
  show(breach) {
    this.source.clear();
    this.pointed = null;
    if (!breach || breach.track.length < 2) return;
    const points = breach.track.map(([, lon, lat]) => ol.proj.fromLonLat([lon, lat]));
    const line = new ol.Feature({ geometry: new ol.geom.LineString(points), part: "line" });
    const start = new ol.Feature({ geometry: new ol.geom.Point(points[0]), part: "start", at: breach.track[0][0] });
    this.source.addFeatures([line, start]);
    if (breach.lon !== null) {
      const place = ol.proj.fromLonLat([breach.lon, breach.lat]);
      this.source.addFeature(new ol.Feature({ geometry: new ol.geom.Point(place), part: "fired", at: breach.detected_at }));
    }
  }

  // A row of the track that the graph points at, or null.
  point(row) {
    if (this.pointed) this.source.removeFeature(this.pointed);
    this.pointed = row ? new ol.Feature({ geometry: new ol.geom.Point(ol.proj.fromLonLat([row[1], row[2]])), part: "pointed" }) : null;
    if (this.pointed) this.source.addFeature(this.pointed);
  }

  extent() {
    return this.source.isEmpty() ? null : this.source.getExtent();
  }

  #style(feature) {
    const palette = this.palette;
    const part = feature.get("part");
    if (part === "line") return this.#line(feature.getGeometry());
    if (part === "pointed") return new Style({ image: new Circle({ radius: 7, fill: new Fill({ color: palette("accent") }), stroke: new Stroke({ color: palette("map-halo"), width: 2 }) }) });
    const start = part === "start";
    const image = start
      ? new Circle({ radius: 4.5, fill: new Fill({ color: palette("map-track") }), stroke: new Stroke({ color: palette("map-halo"), width: 2 }) })
      : undefined;
    const words = start ? clock(feature.get("at")) : `${t("track.fired")} ${clock(feature.get("at"))}`;
    return new Style({ image, text: label(words, palette, { size: start ? 11 : 12.5, weight: 700, colour: "text", offsetY: start ? -14 : 34 }) });
  }

  #line(geometry) {
    const palette = this.palette;
    const styles = [
      new Style({ stroke: new Stroke({ color: palette("map-halo"), width: 7 }) }),
      new Style({ stroke: new Stroke({ color: palette("map-track"), width: 3.2, lineDash: [9, 5] }) }),
    ];
    const points = geometry.getCoordinates();
    const every = Math.max(1, Math.floor(points.length / 8));
    for (let i = every; i < points.length; i += every) {
      const [from, to] = [points[i - 1], points[i]];
      if (Math.hypot(to[0] - from[0], to[1] - from[1]) < 1) continue;
      const image = new RegularShape({
        points: 3,
        radius: 6.5,
        rotation: Math.atan2(to[0] - from[0], to[1] - from[1]),
        fill: new Fill({ color: palette("map-track") }),
        stroke: new Stroke({ color: palette("map-halo"), width: 1.5 }),
      });
      styles.push(new Style({ geometry: new ol.geom.Point(to), image }));
    }
    return styles;
  }
}
