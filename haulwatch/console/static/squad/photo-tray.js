// Photos of a task: those that wait on the phone and those that have arrived. The camera's bytes are kept as they are;
// the digest is taken at once, so that it can be shown later that nothing changed on the way.
import { t } from "../js/i18n.js";
import { html, nothing, repeat } from "../js/lib.js";
import { SquadElement } from "./element.js";
import { outbox } from "./outbox.js";
import { sha256 } from "./sha256.js";
import { tasks } from "./tasks.js";

const TYPES = "image/jpeg,image/png,image/webp"; // named so, phones that keep HEIC hand over a JPEG
const PLACE_WAIT_MS = 5000;

class PhotoTray extends SquadElement {
  static properties = { orderId: {} };
  #arrived = [];
  #loadedFor = null;
  #busy = 0;
  #previews = new Map(); // seq -> ImageBitmap

  connectedCallback() {
    super.connectedCallback();
    this.onSent = ({ detail }) => detail.item.kind === "photo" && detail.item.orderId === this.orderId && this.#load();
    outbox.addEventListener("sent", this.onSent);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    outbox.removeEventListener("sent", this.onSent);
  }

  render() {
    if (this.#loadedFor !== this.orderId && tasks.connection === "live") this.#load();
    const waiting = outbox.of(this.orderId).filter((item) => item.kind === "photo");
    return html`<section class="photos">
      <h3>${t("squad.photos")} <small>${t("squad.photos_count", { arrived: this.#arrived.length, waiting: waiting.length })}</small></h3>
      <ul>
        ${repeat(this.#arrived, (photo) => photo.photo_id, (photo) => html`<li>
          <a href="/api/v1/photos/${photo.photo_id}" target="_blank" rel="noopener"><img src="/api/v1/photos/${photo.photo_id}?copy=small" alt=${t("squad.photo_arrived")} loading="lazy" /></a>
        </li>`)}
        ${repeat(waiting, (item) => item.seq, (item) => html`<li class="waits"><canvas data-seq=${item.seq} width="96" height="96" role="img" aria-label=${t("squad.photo_waits")}></canvas><span>${t("squad.not_sent")}</span></li>`)}
      </ul>
      <label class="button">
        <input type="file" accept=${TYPES} capture="environment" multiple @change=${this.#take} />
        <span>${this.#busy ? t("squad.photo_busy") : t("squad.photo_take")}</span>
      </label>
    </section>`;
  }

  updated() {
    for (const canvas of this.querySelectorAll("canvas")) this.#draw(canvas);
  }

  async #load() {
    this.#loadedFor = this.orderId;
    try {
      this.#arrived = await tasks.photos(this.orderId);
    } catch (failure) {
      if (failure.status === undefined) throw failure;
      this.#loadedFor = null; // once the server can be reached again
      return;
    }
    this.requestUpdate();
  }

  async #take(event) {
    const input = event.target;
    const files = [...input.files];
    input.value = "";
    const { orderId } = this;
    this.#busy++;
    this.requestUpdate();
    const place = await whereNow();
    for (const file of files) {
      const bytes = await file.arrayBuffer();
      const takenAt = new Date(file.lastModified || Date.now()).toISOString();
      const photo = { bytes, type: file.type, sha256: await sha256(bytes), takenAt, place, size: bytes.byteLength };
      await outbox.addPhoto(photo, orderId, tasks.answer.actor_id);
    }
    this.#busy--;
    this.requestUpdate();
  }

  async #draw(canvas) {
    const seq = Number(canvas.dataset.seq);
    const item = outbox.items.find((one) => one.seq === seq);
    if (!item) return;
    try {
      if (!this.#previews.has(seq)) this.#previews.set(seq, await createImageBitmap(new Blob([item.bytes]), { resizeWidth: 96, resizeHeight: 96 }));
      canvas.getContext("2d").drawImage(this.#previews.get(seq), 0, 0);
    } catch {
      // not a picture that this browser can show; it is sent all the same, and the server says what it is
    }
  }
}

// Where the phone is, if its owner lets us know soon enough; a photo does not wait for it.
function whereNow() {
  if (!navigator.geolocation || !isSecureContext) return Promise.resolve(null);
  return new Promise((resolve) => {
    const none = setTimeout(() => resolve(null), PLACE_WAIT_MS);
    const found = ({ coords }) => resolve({ lon: coords.longitude, lat: coords.latitude });
    navigator.geolocation.getCurrentPosition(
      (at) => (clearTimeout(none), found(at)),
      () => (clearTimeout(none), resolve(null)),
      { maximumAge: 60_000, timeout: PLACE_WAIT_MS, enableHighAccuracy: true },
    );
  });
}

customElements.define("hw-photo-tray", PhotoTray);
