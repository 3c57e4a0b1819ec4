// Calling the driver of an order's truck: a text that the terminal shows and reads out, or where the truck is now.
import { HwElement } from "./element.js";
import { Problem, postJson } from "./api.js";
import { clock, position } from "./format.js";
import { say, t } from "./i18n.js";
import { html, nothing } from "./lib.js";
import { plateChip } from "./parts.js";
import { state } from "./state.js";

const READY = ["cover", "stop", "return"];

class Call extends HwElement {
  #order = null;
  #text = "";
  #waiting = false;
  #outcome = null; // { good, text }

  open(order) {
    this.#order = order;
    this.#text = "";
    this.#outcome = null;
    this.requestUpdate();
    this.updateComplete.then(() => this.querySelector("dialog").showModal());
  }

  render() {
    return html`<dialog class="call" aria-labelledby="call-title" @close=${() => (this.#order = null)}>
      ${this.#order ? this.#form() : nothing}
    </dialog>`;
  }

  #form() {
    return html`<form @submit=${this.#send}>
      <h2 id="call-title">${t("call.title")} ${plateChip(this.#order.truck_id)} <small>${this.#order.order_id}</small></h2>
      <div class="ready" role="group" aria-label=${t("call.ready")}>
        ${READY.map((name) => html`<button type="button" class="quiet" @click=${() => this.#write(t(`call.ready.${name}`))}>${t(`call.ready.${name}`)}</button>`)}
      </div>
      <label>${t("call.text")}
        <textarea name="text" rows="3" maxlength="400" .value=${this.#text} @input=${(event) => (this.#text = event.target.value)}></textarea>
      </label>
      <label class="check"><input type="checkbox" name="urgent" /> ${t("call.urgent")}</label>
      <p class="dim">${t("call.hint")}</p>
      <div role="status" aria-live="polite">
        ${this.#waiting ? html`<p class="dim">${t("call.waiting")}</p>` : nothing}
        ${this.#outcome ? html`<p class=${this.#outcome.good ? "good" : "problem"}>${this.#outcome.text}</p>` : nothing}
      </div>
      <div class="buttons">
        <button type="button" @click=${() => this.querySelector("dialog").close()}>${t("action.close")}</button>
        <button type="submit" value="location" ?disabled=${this.#waiting}>${t("call.locate")}</button>
        <button type="submit" value="text" class="primary" ?disabled=${this.#waiting}>${t("call.send")}</button>
      </div>
    </form>`;
  }

  #write(text) {
    this.#text = text;
    this.requestUpdate();
  }

  async #send(event) {
    event.preventDefault();
    const ask = event.submitter?.value ?? "text";
    const given = new FormData(event.target);
    if (ask === "text" && !this.#text.trim()) {
      this.#ended(false, t("call.empty"));
      return;
    }
    const body = { ask };
    if (ask === "text") Object.assign(body, { text: this.#text.trim(), urgent: given.has("urgent") });
    this.#waiting = true;
    this.#outcome = null;
    this.requestUpdate();
    const order = this.#order;
    try {
      const answer = await postJson(`/api/v1/orders/${encodeURIComponent(order.order_id)}/driver`, body);
      this.#ended(answer.result === "done", this.#told(ask, answer));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.#ended(false, say(problem.text) || problem.message);
    }
    if (order.order_id === state.selectedId) state.reloadDetail(); // its history has grown
  }

  #told(ask, { result, position: at }) {
    if (result !== "done") return t(`call.result.${result}`);
    if (ask === "text") return t("call.result.shown");
    return at
      ? t("call.result.at", { time: clock(new Date(at.at)), place: position(at.lon, at.lat), speed: Math.round(at.speed_kmh ?? 0) })
      : t("call.result.done");
  }

  #ended(good, text) {
    this.#waiting = false;
    this.#outcome = { good, text };
    this.requestUpdate();
  }
}

customElements.define("hw-call", Call);
