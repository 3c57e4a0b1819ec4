// Where the truck is now, how old that is, the way there, and a small map once somebody wants to see it.
import { duration, position } from "../js/format.js";
import { t } from "../js/i18n.js";
import { html, nothing } from "../js/lib.js";
import { ask } from "./api.js";
import { SquadElement } from "./element.js";
import { tasks } from "./tasks.js";

const EVERY_MS = 5000;

class TruckNow extends SquadElement {
  static properties = { task: {} };
  #now = null; // TruckPositionAnswer
  #map = null;
  #mapFailed = false;

  connectedCallback() {
    super.connectedCallback();
    this.timer = setInterval(() => this.#look(), EVERY_MS);
    queueMicrotask(() => this.#look());
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearInterval(this.timer);
  }

  render() {
    const truck = this.#truck;
    const nav = this.#now?.nav;
    return html`<section class="truck-now">
      <h3>${t("squad.truck_now")}</h3>
      ${truck
        ? html`<p><span>${t("squad.truck_at", { place: position(truck.lon, truck.lat), speed: Math.round(truck.speed_kmh ?? 0) })}</span>
            <strong class="age ${this.#ageS > 300 ? "old" : ""}">${t("squad.age", { age: duration(this.#ageS, 1) })}</strong></p>`
        : html`<p class="dim">${t("squad.truck_unknown")}</p>`}
      <div class="actions">
        ${this.task.nav ? html`<a class="button" data-nav href=${this.task.nav.amap_url} target="_blank" rel="noopener noreferrer">${t("squad.nav_place")}</a>` : nothing}
        ${nav ? html`<a class="button" href=${nav.amap_url} target="_blank" rel="noopener noreferrer">${t("squad.nav_truck")}</a>` : nothing}
        ${this.task.nav ? html`<a class="button" href=${this.task.nav.geo_uri}>${t("squad.nav_other")}</a>` : nothing}
        ${this.#map ? nothing : html`<button data-map @click=${this.#showMap}>${t("squad.map")}</button>`}
      </div>
      <div class="small-map" role="img" aria-label=${t("squad.map_label")} ?hidden=${!this.#map}></div>
      ${this.#mapFailed ? html`<p class="dim">${t("squad.map_failed")}</p>` : nothing}
    </section>`;
  }

  updated() {
    this.#map?.show(this.task.order, this.#truck);
  }

  get #truck() {
    return this.#now?.truck ?? this.task.truck;
  }

  get #ageS() {
    return Math.max(0, (tasks.now - this.#truck.at_ms) / 1000);
  }

  async #look() {
    if (!this.task || document.visibilityState !== "visible" || !navigator.onLine) return;
    try {
      this.#now = (await ask(`/api/v1/trucks/${encodeURIComponent(this.task.order.truck_id)}/position`)).body;
    } catch (failure) {
      if (failure.status === undefined) throw failure;
    }
    this.requestUpdate();
  }

  async #showMap() {
    try {
      const { SmallMap } = await import("./small-map.js");
      this.#map = await SmallMap.in(this.querySelector(".small-map"));
      this.#mapFailed = false;
    } catch (failure) {
      this.#mapFailed = true;
    }
    this.requestUpdate();
  }
}

customElements.define("hw-truck-now", TruckNow);
