// Photos that squads took: with when, where and by whom, and the checksum of the original.
import { Problem, getOrNull, orderPath } from "./api.js";
import { HwElement } from "./element.js";
import { fullTime, position } from "./format.js";
import { t } from "./i18n.js";
import { html, nothing } from "./lib.js";

class Photos extends HwElement {
  static properties = { order: { attribute: false } };
  #photos = [];
  #of = null; // the order and version that they were asked for

  willUpdate() {
    const wanted = `${this.order.order_id}/${this.order.change_id}`;
    if (this.#of === wanted) return;
    if (this.#of?.split("/")[0] !== this.order.order_id) this.#photos = [];
    this.#of = wanted;
    this.#load(this.order.order_id);
  }

  async #load(id) {
    try {
      const found = await getOrNull(`${orderPath(id)}/photos`);
      if (id !== this.order.order_id) return;
      this.#photos = found?.photos ?? [];
      this.requestUpdate();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem; // the detail says that the server is away
    }
  }

  render() {
    if (!this.#photos.length) return nothing;
    return html`<section>
      <h3>${t("photos.title")}</h3>
      <div class="photos">${this.#photos.map((photo, i) => this.#photo(photo, i + 1))}</div>
    </section>`;
  }

  #photo(photo, number) {
    const address = `/api/v1/photos/${photo.photo_id}`;
    const place = photo.lon === null || photo.lon === undefined ? nothing : html` · ${position(photo.lon, photo.lat)}`;
    return html`<figure class="image">
      <a href="${address}?copy=marked" target="_blank" rel="noopener"><img src="${address}?copy=small" alt=${`${t("why.image")} ${number}`} loading="lazy" decoding="async" /></a>
      <figcaption>${fullTime(photo.taken_at ?? photo.received_at)} · ${photo.by}${place}<br />
        <small title=${photo.sha256}>SHA-256 ${photo.sha256.slice(0, 12)}…</small> <a href="${address}?copy=original" download>${t("photos.original")}</a></figcaption>
    </figure>`;
  }
}

customElements.define("hw-photos", Photos);
