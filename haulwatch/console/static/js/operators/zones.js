// The zones of the city in force with the draft laid over them, what a check said of them, and what was asked of a place.
import { Problem, getJson, postJson } from "../api.js";
import { bench } from "./bench.js";

const BASE = "/api/v1/workbench/zones";
const CHECK_AFTER_MS = 350;

class Zones {
  map = null; // ZoneMap of the city in force
  drafted = null; // DraftedZones of the draft as it is
  here = null; // ZonesHere
  asked = null; // the place that `here` is of
  problem = null;
  checking = false;
  #loading = null;
  #key = "";
  #timer = null;

  constructor() {
    bench.addEventListener("change", () => this.#follow());
  }

  // Asked by what shows zones; nothing is loaded for a page that shows none.
  start() {
    this.wanted = true;
    this.#follow();
  }

  get bases() {
    return new Map((this.map?.zones ?? []).map((zone) => [zone.zone_id, zone]));
  }

  // Every zone as it is, would be, or would be no more.
  get all() {
    const sheets = new Map((this.drafted?.zones ?? []).map((zone) => [zone.zone_id, zone]));
    const removed = new Set(this.drafted?.removed ?? []);
    const found = new Map(this.map.zones.map((zone) => [zone.zone_id, removed.has(zone.zone_id) ? { ...zone, state: "removed" } : { ...zone, state: "same" }]));
    for (const sheet of sheets.values()) found.set(sheet.zone_id, { ...sheet, state: found.has(sheet.zone_id) ? "changed" : "added" });
    for (const [zoneId, draft] of Object.entries(bench.draft.zones)) {
      const zone = overlaid(zoneId, found.get(zoneId), sheets.get(zoneId), draft);
      if (zone) found.set(zoneId, zone);
    }
    return [...found.values()];
  }

  get(zoneId) {
    return this.map ? (this.all.find((zone) => zone.zone_id === zoneId) ?? null) : null;
  }

  // A property as it is to be; what is set back to what it was leaves the draft.
  set(zone, key, value) {
    const base = this.bases.get(zone.zone_id)?.properties ?? {};
    const draft = bench.draft.zones[zone.zone_id] ?? { properties: {}, geometry: null, added: false };
    const properties = { ...draft.properties, [key]: value };
    if (!draft.added && JSON.stringify(base[key] ?? null) === JSON.stringify(value)) delete properties[key];
    bench.setZone(zone.zone_id, { ...draft, properties });
  }

  move(zone, geometry) {
    const draft = bench.draft.zones[zone.zone_id] ?? { properties: {}, geometry: null, added: false };
    bench.setZone(zone.zone_id, { ...draft, geometry });
  }

  // A new zone with an id that is free; answers the id.
  add(geometry, properties) {
    const taken = new Set(this.all.map((zone) => zone.zone_id));
    let number = 1;
    while (taken.has(`N-${number}`)) number++;
    bench.setZone(`N-${number}`, { properties, geometry, added: true });
    return `N-${number}`;
  }

  // False where the id is taken.
  rename(zone, zoneId) {
    if (!zoneId || this.all.some((other) => other.zone_id === zoneId)) return false;
    const draft = bench.draft.zones[zone.zone_id];
    bench.setZone(zone.zone_id, undefined);
    bench.setZone(zoneId, draft);
    return true;
  }

  remove(zone) {
    bench.setZone(zone.zone_id, bench.draft.zones[zone.zone_id]?.added ? undefined : null);
  }

  troubles(zoneId) {
    return (this.drafted?.troubles ?? []).filter((one) => one.zone_id === zoneId).map((one) => one.finding);
  }

  doubts(zoneId) {
    return (this.drafted?.doubts ?? []).filter((doubt) => doubt.zone_ids.includes(zoneId));
  }

  // The zone that a finding of the draft's files is about.
  of(finding) {
    const same = (other) => ["file", "line", "column", "code"].every((key) => other[key] === finding[key]);
    return this.drafted?.troubles.find((one) => same(one.finding))?.zone_id ?? null;
  }

  async ask(place) {
    this.asked = place;
    await this.#try(async () => {
      const draft = bench.empty || !(bench.can("operator") || bench.can("rule_approver")) ? null : bench.draft;
      const here = await postJson(`${BASE}/at`, { ...place, draft });
      if (this.asked === place) this.here = here;
    });
  }

  forget() {
    this.here = this.asked = null;
    bench.changed();
  }

  #follow() {
    if (!this.wanted || !bench.shop) return;
    const { city_hash } = bench.shop;
    if (this.map?.city_hash !== city_hash && this.#loading !== city_hash) this.#load(city_hash);
    const { zones, files } = bench.draft;
    const key = JSON.stringify([bench.draft.base_hash, zones, files]);
    if (key === this.#key) return;
    this.#key = key;
    clearTimeout(this.#timer);
    if (!Object.keys(zones).length && !Object.keys(files).length) this.drafted = null;
    else this.#timer = setTimeout(() => this.#check(key), CHECK_AFTER_MS);
  }

  async #load(cityHash) {
    this.#loading = cityHash;
    await this.#try(async () => {
      this.map = await getJson(BASE);
    });
    this.#loading = null;
  }

  async #check(key) {
    this.checking = true;
    await this.#try(async () => {
      const drafted = await postJson(`${BASE}/draft`, { ...bench.draft, rules: {} });
      if (key === this.#key) this.drafted = drafted;
    });
    this.checking = false;
    bench.changed();
  }

  async #try(action) {
    try {
      this.problem = null;
      await action();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.problem = problem;
    }
    bench.changed();
  }
}

// A drafted zone as it would be, from what the server said of it last and what was changed since.
function overlaid(zoneId, found, sheet, draft) {
  if (draft === null) return found && { ...found, state: "removed" };
  const merged = { ...(draft.added ? {} : (found?.properties ?? {})), ...draft.properties, zone_id: zoneId };
  const properties = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
  const outline = draft.geometry ?? found?.outline;
  if (!outline) return null;
  const asChecked = sheet && JSON.stringify(sheet.outline) === JSON.stringify(outline);
  const known = found ?? { area_m2: null, counts: true, file: null, line: 0 };
  return {
    ...known,
    zone_id: zoneId,
    kind: properties.kind,
    name: properties.name ?? zoneId,
    properties,
    outline,
    area: asChecked || !draft.geometry ? (known.area ?? null) : null,
    state: draft.added ? "added" : "changed",
  };
}

export const zones = new Zones();
