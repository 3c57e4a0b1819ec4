// The fields of a command: why it goes back, what was done, what a department answers. Half-typed words survive.
import { t } from "../js/i18n.js";
import { html, nothing } from "../js/lib.js";
import { SquadElement } from "./element.js";

const READY = { handle: ["unloaded", "cleaned", "ticket", "ordered", "left"], return: ["far", "busy", "wrong"], answer: [] };
const FIELD = { handle: "outcome", return: "reason", answer: "answer" };
const MOST = 2000;

class CommandForm extends SquadElement {
  static properties = { task: {}, command: {}, department: {} };

  render() {
    const field = FIELD[this.command];
    return html`<form class="command" @submit=${this.#submit}>
      <h3>${t(`squad.form.${this.command}`, { department: this.department ?? "" })}</h3>
      ${READY[this.command].length
        ? html`<div class="ready" role="group" aria-label=${t("squad.ready")}>
            ${READY[this.command].map((name) => html`<button type="button" @click=${() => this.#write(t(`squad.ready.${this.command}.${name}`))}>${t(`squad.ready.${this.command}.${name}`)}</button>`)}
          </div>`
        : nothing}
      <label>${t(`squad.field.${field}`)}
        <textarea name="said" rows="4" required maxlength=${MOST} .value=${sessionStorage.getItem(this.#draft) ?? ""} @input=${this.#remember}></textarea>
      </label>
      <div class="actions">
        <button type="submit" class="primary">${t("squad.form.send")}</button>
        <button type="button" @click=${() => this.dispatchEvent(new Event("cancel"))}>${t("squad.form.cancel")}</button>
      </div>
    </form>`;
  }

  get #draft() {
    return `squad.draft.${this.task.order.order_id}.${this.command}.${this.department ?? ""}`;
  }

  get #area() {
    return this.querySelector("textarea");
  }

  #remember() {
    sessionStorage.setItem(this.#draft, this.#area.value);
  }

  #write(words) {
    const before = this.#area.value.trim();
    this.#area.value = before ? `${before}\n${words}` : words;
    this.#remember();
  }

  #submit(event) {
    event.preventDefault();
    const said = this.#area.value.trim();
    if (!said) return;
    sessionStorage.removeItem(this.#draft);
    const data = { [FIELD[this.command]]: said, ...(this.department ? { department: this.department } : {}) };
    this.dispatchEvent(new CustomEvent("given", { detail: { command: this.command, data } }));
  }
}

customElements.define("hw-command-form", CommandForm);
