// The last known state of every truck, in flat arrays: ten thousand of them are drawn in one pass.
const LOADS = { empty: 1, half: 2, full: 3 };
const RADIUS_M = 6378137;
const MOVED_M = 4;

// Web Mercator, as the map draws; stored data stays in degrees.
export function toMercator(lon, lat) {
  const x = (RADIUS_M * lon * Math.PI) / 180;
  const y = RADIUS_M * Math.log(Math.tan(Math.PI / 4 + (lat * Math.PI) / 360));
  return [x, y];
}

export class TruckTable {
  index = new Map(); // truck_id → row
  ids = [];
  details = []; // { atMs, lon, lat, speed, load, cover, phase, silent }
  x = new Float64Array(256);
  y = new Float64Array(256);
  heading = new Float32Array(256); // radians, clockwise from north; NaN: unknown
  look = new Uint8Array(256); // load 0–3, +4 moving, 8 silent
  newestMs = 0;
  receivedMs = 0;

  get size() {
    return this.ids.length;
  }

  apply({ full, columns, rows }) {
    const at = Object.fromEntries(columns.map((name, position) => [name, position]));
    if (full) this.#clear();
    for (const row of rows) this.#set(row, at);
    this.receivedMs = Date.now();
  }

  #clear() {
    this.index.clear();
    this.ids = [];
    this.details = [];
  }

  #set(row, at) {
    const id = row[at.truck_id];
    let i = this.index.get(id);
    const isNew = i === undefined;
    if (isNew) {
      i = this.ids.length;
      this.index.set(id, i);
      this.ids.push(id);
      if (i >= this.x.length) this.#grow();
    }
    const [x, y] = toMercator(row[at.lon], row[at.lat]);
    const given = row[at.heading_deg];
    if (given !== null) this.heading[i] = (given * Math.PI) / 180;
    else if (isNew) this.heading[i] = Number.NaN;
    else if (Math.hypot(x - this.x[i], y - this.y[i]) > MOVED_M) this.heading[i] = Math.atan2(x - this.x[i], y - this.y[i]);
    this.x[i] = x;
    this.y[i] = y;
    const speed = row[at.speed_kmh];
    const silent = row[at.silent];
    const moving = speed > 3 && !Number.isNaN(this.heading[i]);
    this.look[i] = silent ? 8 : (LOADS[row[at.load]] ?? 0) + (moving ? 4 : 0);
    const atMs = row[at.at_ms];
    this.newestMs = Math.max(this.newestMs, atMs);
    this.details[i] = {
      atMs,
      lon: row[at.lon],
      lat: row[at.lat],
      speed,
      load: row[at.load],
      cover: row[at.cover],
      phase: row[at.phase],
      silent,
    };
  }

  #grow() {
    for (const name of ["x", "y", "heading", "look"]) {
      const larger = new this[name].constructor(this[name].length * 2);
      larger.set(this[name]);
      this[name] = larger;
    }
  }

  get(id) {
    const i = this.index.get(id);
    return i === undefined ? null : { id, x: this.x[i], y: this.y[i], ...this.details[i] };
  }

  // How many look how: [unknown, empty, half, loaded, silent].
  tally() {
    const counts = [0, 0, 0, 0, 0];
    for (let i = 0; i < this.ids.length; i++) counts[this.look[i] === 8 ? 4 : this.look[i] & 3]++;
    return counts;
  }
}
