// Speed along the track, with the instant at which the rule was satisfied; pointing at it shows the place on the map.
import { HwElement } from "./element.js";
import { clock } from "./format.js";
import { t } from "./i18n.js";
import { html, nothing, svg } from "./lib.js";
import { state } from "./state.js";

const WIDTH = 420;
const HEIGHT = 74;
const TOP = 16;
const BASE = 60;

class Track extends HwElement {
  static properties = { track: { attribute: false }, at: {}, pointed: { state: true } };

  render() {
    const rows = this.track;
    const from = rows[0][0];
    const span = Math.max(1, rows.at(-1)[0] - from);
    const top = Math.max(40, ...rows.map((row) => row[3] ?? 0));
    const x = (ms) => ((ms - from) / span) * WIDTH;
    const y = (speed) => BASE - (speed / top) * (BASE - TOP);
    const fired = Math.min(WIDTH, Math.max(0, x(new Date(this.at).getTime())));
    const points = rows.filter((row) => row[3] !== null).map((row) => `${x(row[0]).toFixed(1)},${y(row[3]).toFixed(1)}`);
    const pointed = this.pointed;
    return html`<section>
      <h3>${t("detail.track")}</h3>
      <svg class="speed" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label=${t("track.label")} @pointermove=${this.#onMove} @pointerleave=${this.#onLeave}>
        <line class="axis" x1="0" y1=${BASE} x2=${WIDTH} y2=${BASE}></line>
        <polyline class="curve" points=${points.join(" ")}></polyline>
        <line class="fired" x1=${fired} y1="0" x2=${fired} y2=${BASE}></line>
        ${pointed ? svg`<circle class="pointed" cx=${x(pointed[0])} cy=${y(pointed[3] ?? 0)} r="4"></circle>` : nothing}
        <text x="2" y="73">${clock(from)}</text>
        <text x=${WIDTH - 2} y="73" text-anchor="end">${clock(rows.at(-1)[0])}</text>
        <text class="fired" x=${fired > WIDTH / 2 ? fired - 4 : fired + 4} y="10" text-anchor=${fired > WIDTH / 2 ? "end" : "start"}>${t("track.fired")}</text>
      </svg>
      <p class="dim reading">${pointed
        ? `${clock(pointed[0])} · ${pointed[3] === null ? t("value.unknown") : `${Math.round(pointed[3])} km/h`}`
        : t("track.caption", { n: rows.length, top: Math.round(Math.max(0, ...rows.map((row) => row[3] ?? 0))) })}</p>
    </section>`;
  }

  #onMove(event) {
    const box = event.currentTarget.getBoundingClientRect();
    const rows = this.track;
    const ms = rows[0][0] + ((event.clientX - box.left) / box.width) * (rows.at(-1)[0] - rows[0][0]);
    this.pointed = rows.reduce((best, row) => (Math.abs(row[0] - ms) < Math.abs(best[0] - ms) ? row : best));
    state.dispatchEvent(new CustomEvent("point", { detail: this.pointed }));
  }

  #onLeave() {
    this.pointed = null;
    state.dispatchEvent(new CustomEvent("point", { detail: null }));
  }
}

customElements.define("hw-track", Track);
