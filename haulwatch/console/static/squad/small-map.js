// A small map of a task: roads and zones of the city, the place, the truck. OpenLayers is loaded when it is first wanted.
import { ask } from "./api.js";

const LIBRARY = "/static/vendor/ol-10.11.0/dist/ol.js";

function library() {
  if (globalThis.ol) return Promise.resolve(globalThis.ol);
  return new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement("script"), { src: LIBRARY });
    script.onload = () => resolve(globalThis.ol);
    script.onerror = () => reject(new Error("no map library"));
    document.head.append(script);
  });
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

export class SmallMap {
  #ol;
  #map;
  #place;
  #truck;
  #fitted = false;

  static async in(target) {
    const [ol, city, basemap] = await Promise.all([library(), ask("/api/v1/city"), ask("/api/v1/city/basemap")]);
    target.hidden = false;
    return new SmallMap(ol, target, city.body, basemap.body);
  }

  constructor(ol, target, city, basemap) {
    this.#ol = ol;
    const point = (fill, radius) => {
      const feature = new ol.Feature();
      feature.setStyle(new ol.style.Style({ image: new ol.style.Circle({ radius, fill: new ol.style.Fill({ color: fill }), stroke: new ol.style.Stroke({ color: colour("map-halo"), width: 3 }) }) }));
      return feature;
    };
    this.#place = point(colour("critical"), 9);
    this.#truck = point(colour("accent"), 8);
    this.#map = new ol.Map({
      target,
      controls: [],
      layers: [
        this.#layer(basemap.water, { fill: "map-water" }),
        this.#layer(basemap.roads, { stroke: "map-road-major", width: 2.5 }),
        this.#layer(city.zones, { stroke: "line-strong", width: 1.5 }),
        new ol.layer.Vector({ source: new ol.source.Vector({ features: [this.#truck, this.#place] }) }),
      ],
      view: new ol.View({ center: ol.proj.fromLonLat([(city.bounds[0] + city.bounds[2]) / 2, (city.bounds[1] + city.bounds[3]) / 2]), zoom: 13, enableRotation: false }),
    });
  }

  show(order, truck) {
    const at = (thing) => (thing && thing.lon !== null ? new this.#ol.geom.Point(this.#ol.proj.fromLonLat([thing.lon, thing.lat])) : undefined);
    this.#place.setGeometry(at(order));
    this.#truck.setGeometry(at(truck));
    this.#map.updateSize();
    const points = [this.#place, this.#truck].map((feature) => feature.getGeometry()).filter(Boolean);
    if (this.#fitted || !points.length) return;
    this.#fitted = true;
    const extent = points.reduce((whole, one) => this.#ol.extent.extend(whole, one.getExtent()), this.#ol.extent.createEmpty());
    this.#map.getView().fit(extent, { padding: [40, 40, 40, 40], maxZoom: 16 });
  }

  #layer(collection, look) {
    const { Fill, Stroke, Style } = this.#ol.style;
    const features = collection ? new this.#ol.format.GeoJSON().readFeatures(collection, { featureProjection: "EPSG:3857" }) : [];
    const style = new Style({
      fill: look.fill ? new Fill({ color: colour(look.fill) }) : undefined,
      stroke: look.stroke ? new Stroke({ color: colour(look.stroke), width: look.width }) : undefined,
    });
    return new this.#ol.layer.Vector({ source: new this.#ol.source.Vector({ features }), style });
  }
}
