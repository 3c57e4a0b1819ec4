// All trucks in one canvas pass: pictures drawn once per look, then copied. 10,000 need no feature objects, no index.
import { plate } from "../format.js";
import { ol } from "../lib.js";

const SIZE = 22;
const DOTS_ABOVE = 1500; // dots instead of arrows when more trucks are in sight, from afar when some hundreds are
const DOTS_AFAR_ABOVE = 400;
const DOT_RESOLUTION = 30;
const LABEL_RESOLUTION = 3.2;
const LABELS_AT_MOST = 120;
const NEAR_PX = 12;
const COLOURS = ["truck-unknown", "truck-empty", "truck-half", "truck-loaded"];

export class TruckLayer {
  shown = true;
  #canvas = document.createElement("canvas");
  #box = document.createElement("div"); // around the canvas: OpenLayers would draw its next layer into a bare one
  #sprites = null;
  #placed = { count: 0, rows: new Int32Array(256), x: new Float32Array(256), y: new Float32Array(256) };

  constructor(trucks, palette, pickedId) {
    this.trucks = trucks;
    this.palette = palette;
    this.pickedId = pickedId; // () => truck_id to point out
    this.#box.className = "truck-layer";
    this.#box.append(this.#canvas);
    this.layer = new ol.layer.Layer({ render: (frame) => this.#render(frame), source: new ol.source.Source({}), zIndex: 10 });
  }

  redraw(palette = this.palette) {
    if (palette !== this.palette) this.#sprites = null;
    this.palette = palette;
    this.layer.changed();
  }

  toggle() {
    this.shown = !this.shown;
    this.redraw();
  }

  // The truck nearest to a point of the screen, or null.
  at([px, py]) {
    const { count, rows, x, y } = this.#placed;
    let best = -1;
    let bestSquare = NEAR_PX * NEAR_PX;
    for (let i = 0; i < count; i++) {
      const square = (x[i] - px) ** 2 + (y[i] - py) ** 2;
      if (square < bestSquare) {
        best = rows[i];
        bestSquare = square;
      }
    }
    return best < 0 ? null : this.trucks.get(this.trucks.ids[best]);
  }

  #render(frame) {
    const [width, height] = frame.size;
    const ratio = frame.pixelRatio;
    const canvas = this.#canvas;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    this.#placed.count = 0;
    if (this.shown) {
      this.#place(frame.coordinateToPixelTransform, width, height);
      this.#draw(context, ratio, frame.viewState);
    }
    return this.#box;
  }

  #place([a, b, c, d, e, f], width, height) {
    const { trucks } = this;
    const placed = this.#placed;
    if (placed.rows.length < trucks.size) {
      placed.rows = new Int32Array(trucks.x.length);
      placed.x = new Float32Array(trucks.x.length);
      placed.y = new Float32Array(trucks.x.length);
    }
    let count = 0;
    for (let i = 0; i < trucks.size; i++) {
      const px = a * trucks.x[i] + c * trucks.y[i] + e;
      const py = b * trucks.x[i] + d * trucks.y[i] + f;
      if (px < -SIZE || py < -SIZE || px > width + SIZE || py > height + SIZE) continue;
      placed.rows[count] = i;
      placed.x[count] = px;
      placed.y[count] = py;
      count++;
    }
    placed.count = count;
  }

  #draw(context, ratio, { resolution, rotation }) {
    const { count, rows, x, y } = this.#placed;
    const { trucks } = this;
    this.#sprites ??= this.#makeSprites(Math.ceil(ratio * 2) / 2);
    const dots = count > (resolution > DOT_RESOLUTION ? DOTS_AFAR_ABOVE : DOTS_ABOVE);
    const scale = (dots ? 0.56 : Math.min(1.15, Math.max(0.72, 14 / resolution))) * SIZE;
    for (let i = 0; i < count; i++) {
      const row = rows[i];
      const look = trucks.look[row];
      const turn = look >= 4 && look < 8 && !dots ? trucks.heading[row] + rotation : 0;
      const picture = this.#sprites[dots ? look & 11 : look];
      const cos = Math.cos(turn) * ratio;
      const sin = Math.sin(turn) * ratio;
      context.setTransform(cos, sin, -sin, cos, x[i] * ratio, y[i] * ratio);
      context.drawImage(picture, -scale / 2, -scale / 2, scale, scale);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (resolution < LABEL_RESOLUTION && count <= LABELS_AT_MOST) this.#labels(context);
    this.#ring(context);
  }

  #labels(context) {
    const { count, rows, x, y } = this.#placed;
    context.font = '600 11px Arial, "Liberation Sans", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif';
    context.textAlign = "center";
    context.lineWidth = 3;
    context.strokeStyle = this.palette("map-halo");
    context.fillStyle = this.palette("map-label");
    const picked = this.trucks.index.get(this.pickedId());
    for (let i = 0; i < count; i++) {
      const text = plate(this.trucks.ids[rows[i]]);
      const below = y[i] + (rows[i] === picked ? 28 : 20);
      context.strokeText(text, x[i], below);
      context.fillText(text, x[i], below);
    }
  }

  #ring(context) {
    const row = this.trucks.index.get(this.pickedId());
    const { count, rows, x, y } = this.#placed;
    for (let i = 0; i < count; i++) {
      if (rows[i] !== row) continue;
      context.beginPath();
      context.arc(x[i], y[i], 15, 0, 2 * Math.PI);
      context.lineWidth = 2.5;
      context.strokeStyle = this.palette("accent");
      context.stroke();
      return;
    }
  }

  // Indexes as in TruckTable.look: load 0–3 standing, 4–7 moving, 8 silent. Shape tells what colour tells.
  #makeSprites(ratio) {
    const sprites = [];
    for (let look = 0; look <= 8; look++) sprites.push(this.#sprite(look, ratio));
    return sprites;
  }

  #sprite(look, ratio) {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SIZE * ratio;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.translate(SIZE / 2, SIZE / 2);
    drawTruck(context, look, this.palette);
    return canvas;
  }
}

// One truck around the origin, nose up; also used by the legend.
export function drawTruck(context, look, palette) {
  const silent = look === 8;
  const colour = palette(silent ? "truck-silent" : COLOURS[look & 3]);
  const hollow = silent || (look & 3) < 2;
  context.beginPath();
  if (silent || look < 4) context.arc(0, 0, 4.5, 0, 2 * Math.PI);
  else {
    context.moveTo(0, -8);
    context.lineTo(5.5, 6.5);
    context.lineTo(0, 3.8);
    context.lineTo(-5.5, 6.5);
    context.closePath();
  }
  context.lineJoin = "round";
  context.lineWidth = 3.6;
  context.strokeStyle = palette("map-halo");
  context.stroke();
  context.fillStyle = hollow ? palette("map-ground") : colour;
  context.fill();
  context.lineWidth = 1.7;
  context.strokeStyle = colour;
  context.stroke();
  if (silent) {
    context.beginPath();
    context.moveTo(-6, 6);
    context.lineTo(6, -6);
    context.stroke();
  }
}
