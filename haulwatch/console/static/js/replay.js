// The track played again: it rests at the instant at which the rule fired. Speed, cover and load run in step with the map;
// the map shows the zones as they were at that moment, or says that these are today's.
import { HwElement } from "./element.js";
import { Problem, getOrNull, orderPath } from "./api.js";
import { clock } from "./format.js";
import { known, t } from "./i18n.js";
import { classMap, html, nothing, svg } from "./lib.js";
import { state } from "./state.js";

const WIDTH = 420;
const TOP = 16;
const BASE = 62;
const STRIP = 12; // height of the strips for cover and load
export const SPEEDS = [1, 2, 5, 10, 20];

class Replay extends HwElement {
  static properties = { order: { attribute: false }, breach: { attribute: false }, at: { state: true }, playing: { state: true } };
  #speed = 5;
  #frame = 0;
  #last = 0;
  #scene = null; // { exact } once the replay has begun
  #shown = null; // breach_id

  connectedCallback() {
    super.connectedCallback();
    state.addEventListener("replay", this.#onKey);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    cancelAnimationFrame(this.#frame);
    state.removeEventListener("replay", this.#onKey);
    state.dispatchEvent(new CustomEvent("point", { detail: null }));
  }

  // Another order: paused at its trigger.
  willUpdate(changed) {
    if (!changed.has("breach") || this.#shown === this.breach.breach_id) return;
    this.#shown = this.breach.breach_id;
    this.#scene = null;
    this.playing = false;
    cancelAnimationFrame(this.#frame);
    this.at = Math.min(this.#to, Math.max(this.#from, this.#fired));
  }

  get #track() {
    return this.breach.track;
  }

  get #from() {
    return this.#track[0][0];
  }

  get #to() {
    return this.#track.at(-1)[0];
  }

  get #fired() {
    return new Date(this.breach.detected_at).getTime();
  }

  #onKey = ({ detail }) => {
    if (detail === "toggle") this.#toggle();
    else this.#go(this.at + detail * 15_000);
  };

  #toggle() {
    if (this.playing) {
      this.playing = false;
      return;
    }
    this.#begin();
    if (this.at >= this.#to) this.at = this.#from;
    this.playing = true;
    this.#last = performance.now();
    this.#frame = requestAnimationFrame(this.#step);
  }

  #step = (now) => {
    if (!this.playing) return;
    this.#put(this.at + (now - this.#last) * this.#speed);
    this.#last = now;
    if (this.at >= this.#to) this.playing = false;
    else this.#frame = requestAnimationFrame(this.#step);
  };

  #go(ms) {
    this.playing = false;
    this.#begin();
    this.#put(ms);
  }

  #put(ms) {
    this.at = Math.min(this.#to, Math.max(this.#from, ms));
    state.dispatchEvent(new CustomEvent("point", { detail: placeAt(this.#track, this.at) }));
  }

  // What the city was like then is asked for only now: that somebody looked is put on record.
  async #begin() {
    if (this.#scene) return;
    this.#scene = { exact: null };
    const id = this.order.order_id;
    try {
      const scene = await getOrNull(`${orderPath(id)}/scene`);
      if (id !== this.order.order_id) return;
      this.#scene = { exact: scene?.exact === true };
      if (scene?.exact) state.dispatchEvent(new CustomEvent("scene", { detail: scene.zones }));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.#scene = { exact: false };
    }
    this.requestUpdate();
  }

  render() {
    const rows = this.#track;
    const here = placeAt(rows, this.at);
    const marks = stretches(this.breach);
    return html`<section class="replay" aria-label=${t("replay.title")}>
      <h3>${t("replay.title")}</h3>
      ${this.#graph(rows, marks, here)}
      <div class="controls">
        <button class="play" aria-label=${t(this.playing ? "replay.pause" : "replay.play")} title=${t("replay.play")} @click=${() => this.#toggle()}>${this.playing ? "❚❚" : "►"}</button>
        <input
          type="range"
          min=${this.#from}
          max=${this.#to}
          step="1000"
          aria-label=${t("replay.scrub")}
          aria-valuetext=${clock(this.at)}
          .value=${String(Math.round(this.at))}
          @input=${(event) => this.#go(Number(event.target.value))}
        />
        <select aria-label=${t("replay.speed")} @change=${(event) => (this.#speed = Number(event.target.value))}>
          ${SPEEDS.map((speed) => html`<option value=${speed} ?selected=${speed === this.#speed}>${speed}×</option>`)}
        </select>
        <button class="quiet" @click=${() => this.#go(this.#fired)}>${t("replay.to_trigger")}</button>
      </div>
      <p class="reading"><b>${clock(this.at)}</b> ${this.#reading(here, marks)}</p>
      ${this.#scene?.exact === null || !this.#scene
        ? nothing
        : html`<p class=${classMap({ dim: this.#scene.exact, warn: !this.#scene.exact })}>${t(this.#scene.exact ? "replay.zones_then" : "replay.zones_now")}</p>`}
    </section>`;
  }

  #reading(here, marks) {
    const words = [here[3] === null ? t("value.unknown") : `${Math.round(here[3])} km/h`];
    for (const { field, parts } of marks) {
      const part = parts.findLast(({ from }) => from <= this.at);
      if (part) words.push(`${t(`name.${field}`)} ${known(`value.${part.value}`, part.value)}`);
    }
    return words.join(" · ");
  }

  #graph(rows, marks, here) {
    const span = Math.max(1, this.#to - this.#from);
    const top = Math.max(40, ...rows.map((row) => row[3] ?? 0));
    const x = (ms) => Math.min(WIDTH, Math.max(0, ((ms - this.#from) / span) * WIDTH));
    const y = (speed) => BASE - (speed / top) * (BASE - TOP);
    const points = rows.filter((row) => row[3] !== null).map((row) => `${x(row[0]).toFixed(1)},${y(row[3]).toFixed(1)}`);
    const height = BASE + marks.length * (STRIP + 3) + 15;
    const fired = x(this.#fired);
    const aside = fired > WIDTH / 2 ? "end" : "start";
    return html`<svg class="speed" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label=${t("replay.graph", { top: Math.round(top) })} @pointerdown=${this.#onPointer} @pointermove=${this.#onPointer}>
      <line class="axis" x1="0" y1=${BASE} x2=${WIDTH} y2=${BASE}></line>
      <polyline class="curve" points=${points.join(" ")}></polyline>
      <text x="2" y="12">${Math.round(top)} km/h</text>
      ${marks.map(({ field, parts }, i) => strip(field, parts, x, BASE + 3 + i * (STRIP + 3)))}
      <line class="fired" x1=${fired} y1="0" x2=${fired} y2=${height - 15}></line>
      <text class="fired" x=${fired + (aside === "end" ? -4 : 4)} y="11" text-anchor=${aside}>${t("track.fired")}</text>
      <line class="now" x1=${x(this.at)} y1="0" x2=${x(this.at)} y2=${height - 15}></line>
      <circle class="pointed" cx=${x(this.at)} cy=${y(here[3] ?? 0)} r="4"></circle>
      <text x="2" y=${height - 3}>${clock(this.#from)}</text>
      <text x=${WIDTH - 2} y=${height - 3} text-anchor="end">${clock(this.#to)}</text>
    </svg>`;
  }

  #onPointer(event) {
    if (event.type === "pointermove" && event.buttons === 0) return;
    const box = event.currentTarget.getBoundingClientRect();
    this.#go(this.#from + ((event.clientX - box.left) / box.width) * (this.#to - this.#from));
  }
}

// Where the truck was at an instant: [ms, lon, lat, speed], between two fixes on the line between them.
export function placeAt(rows, ms) {
  const after = rows.findIndex((row) => row[0] >= ms);
  if (after <= 0) return after < 0 ? rows.at(-1) : rows[0];
  const [a, b] = [rows[after - 1], rows[after]];
  const share = (ms - a[0]) / Math.max(1, b[0] - a[0]);
  const between = (i) => a[i] + (b[i] - a[i]) * share;
  return [ms, between(1), between(2), a[3] === null || b[3] === null ? a[3] : between(3)];
}

// What the records say of cover and load, from each record until the next one that says something else.
export function stretches(breach) {
  const to = breach.track.at(-1)[0];
  return ["cover", "load"]
    .map((field) => {
      const parts = [];
      for (const { at, payload } of [...breach.evidence].sort((a, b) => (a.at < b.at ? -1 : 1))) {
        const value = payload[field];
        if (typeof value !== "string" || value === "unknown" || parts.at(-1)?.value === value) continue;
        parts.push({ from: new Date(at).getTime(), value });
      }
      parts.forEach((part, i) => (part.to = parts[i + 1]?.from ?? Math.max(to, part.from)));
      return { field, parts };
    })
    .filter(({ parts }) => parts.length);
}

function strip(field, parts, x, y) {
  return svg`${parts.map(
    ({ from, to, value }) => svg`<rect class="strip ${field} ${value}" x=${x(from)} y=${y} width=${Math.max(2, x(to) - x(from))} height=${STRIP}></rect>
      <text class="of" x=${Math.min(x(from) + 4, WIDTH - 62)} y=${y + STRIP - 2}>${t(`name.${field}`)} ${known(`value.${value}`, value)}</text>`,
  )}`;
}

customElements.define("hw-replay", Replay);
