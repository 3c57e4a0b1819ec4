// The map of zones: looked at, asked about a place, drawn on. Whatever is drawn is told to the pane, which keeps the draft.
import { getJson } from "../api.js";
import { say, t } from "../i18n.js";
import { LitElement, html, ol } from "../lib.js";
import { BaseMap, label } from "../map/city-layers.js";
import { fade, readPalette } from "../map/palette.js";

const { Circle, Fill, Stroke, Style } = ol.style;
const BORDERS = new Set(["district", "township"]);
const ORDER = ["district", "township", "route", "weigh_area", "parking", "transfer_site", "disposal_site", "construction_site", "forbidden"];
const DECIMALS = 7; // a centimetre
const format = new ol.format.GeoJSON({ featureProjection: "EPSG:3857" });
const read = (geometry) => format.readGeometry(geometry, { dataProjection: "EPSG:4326", featureProjection: "EPSG:3857" });

class ZonesMap extends LitElement {
  // `zones` as the store has them; `others`: further shapes [{geometry, look}]; `mode`: "", "move", or what is drawn.
  static properties = { zones: { attribute: false }, selected: {}, mode: {}, others: { attribute: false }, pin: { attribute: false } };
  #areas = new ol.source.Vector();
  #marks = new ol.source.Vector();
  #editing = new ol.Collection();
  #map = null;
  #tools = [];
  #dragging = false;
  #toolsOf = "";

  createRenderRoot() {
    return this;
  }

  render() {
    return html`<div class="canvas" role="application" aria-label=${t("zones.map")} tabindex="0" @keydown=${(event) => event.key === "Escape" && this.#tell("cancel")}></div>`;
  }

  async firstUpdated() {
    const basemap = await getJson("/api/v1/city/basemap").catch(() => ({}));
    this.palette = readPalette();
    const layer = (source, zIndex, style, more = {}) => new ol.layer.Vector({ source, zIndex, style, ...more });
    this.#map = new ol.Map({
      target: this.querySelector(".canvas"),
      layers: [
        ...new BaseMap(basemap, this.palette).layers,
        layer(this.#areas, 5, (feature) => this.#look(feature)),
        layer(this.#areas, 7, (feature, resolution) => this.#name(feature, resolution), { declutter: true }),
        layer(this.#marks, 20, (feature) => this.#markLook(feature)),
        layer(new ol.source.Vector({ features: this.#editing }), 21, () => this.#editLook()),
      ],
      controls: [new ol.control.Zoom({ zoomInTipLabel: t("map.zoom_in"), zoomOutTipLabel: t("map.zoom_out") }), new ol.control.ScaleLine({ minWidth: 80 })],
      view: new ol.View({ minZoom: 7, maxZoom: 20, enableRotation: false }),
    });
    this.#map.on("click", (event) => this.#clicked(event));
    this.fit(this.bounds);
    this.#draw();
    this.#equip();
  }

  updated(changed) {
    if (!this.#map) return;
    if (changed.has("selected") || changed.has("mode")) this.#equip();
    if (!this.#dragging) this.#draw();
    if (changed.has("selected")) this.#show();
  }

  fit(bounds) {
    this.#map.getView().fit(ol.proj.transformExtent(bounds, "EPSG:4326", "EPSG:3857"), { padding: [24, 24, 24, 24] });
  }

  // Where a place is on the screen.
  pixelOf(lon, lat) {
    this.#map.renderSync();
    return this.#map.getPixelFromCoordinate(ol.proj.fromLonLat([lon, lat]));
  }

  #draw() {
    const features = this.zones.map((zone) => new ol.Feature({ geometry: read(zone.area ?? zone.outline), zone }));
    this.#areas.clear(true);
    this.#areas.addFeatures(features);
    this.#marks.clear(true);
    this.#marks.addFeatures((this.others ?? []).map(({ geometry, look }) => new ol.Feature({ geometry: read(geometry), look })));
    if (this.pin) this.#marks.addFeature(new ol.Feature({ geometry: new ol.geom.Point(ol.proj.fromLonLat(this.pin)), look: "pin" }));
    const zone = this.mode === "move" && this.zones.find((one) => one.zone_id === this.selected);
    this.#editing.clear();
    if (zone) this.#editing.push(new ol.Feature({ geometry: read(zone.outline) }));
  }

  // A zone that was chosen elsewhere comes into sight.
  #show() {
    const zone = this.zones.find((one) => one.zone_id === this.selected);
    const view = this.#map.getView();
    if (!zone) return;
    const extent = read(zone.area ?? zone.outline).getExtent();
    const near = view.getResolution() < Math.max(...ol.extent.getSize(extent)) / 24;
    if (near && ol.extent.containsExtent(view.calculateExtent(), extent)) return;
    view.fit(extent, { padding: [70, 70, 70, 70], maxZoom: 17, duration: 250 });
  }

  #equip() {
    const wanted = `${this.mode} ${this.selected}`;
    if (wanted === this.#toolsOf) return;
    this.#toolsOf = wanted;
    this.#tools.forEach((tool) => this.#map.removeInteraction(tool));
    this.#tools = this.mode === "move" ? [this.#mover()] : this.mode ? [this.#pen(this.mode)] : [];
    if (this.mode && this.mode !== "Circle") this.#tools.push(new ol.interaction.Snap({ source: this.#areas, pixelTolerance: 8 }));
    this.#tools.forEach((tool) => this.#map.addInteraction(tool));
  }

  #mover() {
    const tool = new ol.interaction.Modify({ features: this.#editing });
    tool.on("modifystart", () => (this.#dragging = true));
    tool.on("modifyend", () => {
      this.#dragging = false;
      this.#tell("moved", { geometry: written(this.#editing.item(0).getGeometry()) });
    });
    return tool;
  }

  #pen(type) {
    const tool = new ol.interaction.Draw({ type, source: new ol.source.Vector(), stopClick: true });
    tool.on("drawend", ({ feature }) => {
      const geometry = feature.getGeometry();
      if (type !== "Circle") return this.#tell("drawn", { geometry: written(geometry) });
      const [centre, edge] = [geometry.getCenter(), [geometry.getCenter()[0] + geometry.getRadius(), geometry.getCenter()[1]]].map((one) => ol.proj.toLonLat(one));
      const radius_m = Math.max(1, Math.round(ol.sphere.getDistance(centre, edge)));
      return this.#tell("drawn", { geometry: written(new ol.geom.Point(geometry.getCenter())), radius_m });
    });
    return tool;
  }

  #clicked(event) {
    if (this.mode) return;
    const found = this.#map.getFeaturesAtPixel(event.pixel, { hitTolerance: 2, layerFilter: (layer) => layer.getSource() === this.#areas });
    const zones = [...new Set(found.map((feature) => feature.get("zone")))].sort((a, b) => (a.area_m2 ?? 0) - (b.area_m2 ?? 0));
    const [lon, lat] = ol.proj.toLonLat(event.coordinate).map((degrees) => Number(degrees.toFixed(DECIMALS)));
    this.#tell("place", { lon, lat, zoneId: zones.find((zone) => !BORDERS.has(zone.kind))?.zone_id ?? null });
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #look(feature) {
    const zone = feature.get("zone");
    const chosen = zone.zone_id === this.selected;
    const border = BORDERS.has(zone.kind);
    const colour = this.palette(zone.state === "removed" ? "bad" : `zone-${zone.kind}`) || this.palette("accent");
    const quiet = !zone.counts && !chosen;
    const stroke = new Stroke({
      color: zone.state === "same" || zone.state === "removed" ? fade(colour, quiet ? 0.5 : 0.95) : this.palette("accent"),
      width: chosen ? 3 : zone.state === "same" ? (border ? 1.2 : 1.6) : 2.4,
      lineDash: zone.state === "removed" ? [2, 6] : { forbidden: [7, 4], district: [10, 5], township: [3, 5] }[zone.kind],
    });
    // Borders are no areas to look at, but a click inside has to find them.
    const fill = new Fill({ color: fade(colour, border ? 0 : chosen ? 0.3 : quiet ? 0.06 : 0.16) });
    return new Style({ stroke, fill, zIndex: chosen ? 20 : ORDER.indexOf(zone.kind) });
  }

  #name(feature, resolution) {
    const zone = feature.get("zone");
    const chosen = zone.zone_id === this.selected;
    if (!chosen && (resolution > 12 || BORDERS.has(zone.kind) || zone.kind === "route")) return null;
    return new Style({ text: label(say(zone.name), this.palette, { size: chosen ? 13 : 11.5, weight: 600, colour: `zone-${zone.kind}`, offsetY: 17 }), zIndex: chosen ? 1 : 0 });
  }

  #markLook(feature) {
    const look = feature.get("look");
    if (look === "pin") return new Style({ image: new Circle({ radius: 6, fill: new Fill({ color: this.palette("accent") }), stroke: new Stroke({ color: this.palette("map-halo"), width: 2 }) }) });
    const colour = this.palette({ overlap: "bad", before: "warn", added: "good", changed: "warn", rejected: "bad" }[look] ?? "accent");
    const dashed = look === "before";
    return new Style({ stroke: new Stroke({ color: colour, width: 2, lineDash: dashed ? [6, 5] : undefined }), fill: new Fill({ color: fade(colour, dashed ? 0.08 : 0.35) }) });
  }

  #editLook() {
    const points = (geometry) => {
      const drawn = geometry.getType() === "Point" ? [geometry.getCoordinates()] : geometry.getCoordinates().flat(Infinity);
      if (geometry.getType() === "Point") return geometry;
      return new ol.geom.MultiPoint(drawn.flatMap((_, i) => (i % 2 ? [] : [[drawn[i], drawn[i + 1]]])));
    };
    const dots = new Circle({ radius: 5, fill: new Fill({ color: this.palette("accent") }), stroke: new Stroke({ color: this.palette("map-halo"), width: 1.5 }) });
    return [
      new Style({ stroke: new Stroke({ color: this.palette("accent"), width: 2 }) }),
      new Style({ image: dots, geometry: (feature) => points(feature.getGeometry()) }),
    ];
  }
}

// As GeoJSON in degrees.
function written(geometry) {
  return JSON.parse(format.writeGeometry(geometry, { dataProjection: "EPSG:4326", featureProjection: "EPSG:3857", decimals: DECIMALS }));
}

customElements.define("hw-zones-map", ZonesMap);
