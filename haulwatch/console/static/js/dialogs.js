// Two native dialogs: the fields that a command asks for, and the list of keys.
import { HwElement } from "./element.js";
import { KEYS } from "./keys.js";
import { say, t } from "./i18n.js";
import { html, nothing } from "./lib.js";
import { stageName } from "./parts.js";
import { state } from "./state.js";

class Command extends HwElement {
  #transition = null;
  #values = {};
  #problem = null;

  // Carries a command out, asking first for what it needs and for the name of who acts.
  ask(transition) {
    if (transition.given.length === 0 && state.actor) {
      state.command(transition, {});
      return;
    }
    this.#transition = transition;
    this.#values = {};
    this.#problem = null;
    this.requestUpdate();
    this.updateComplete.then(() => this.querySelector("dialog").showModal());
  }

  render() {
    const transition = this.#transition;
    return html`<dialog class="command" aria-labelledby="command-title" @close=${() => (this.#transition = null)}>
      ${transition ? this.#form(transition) : nothing}
    </dialog>`;
  }

  #form(transition) {
    const order = state.detail?.detail.order;
    const shown = transition.given.filter((field) => this.#needed(field));
    return html`<form @submit=${this.#submit} @input=${this.#onInput}>
      <h2 id="command-title">${say(transition.label)} <small>${order?.order_id} → ${stageName(transition.target)}</small></h2>
      ${state.actor
        ? nothing
        : html`<label>${t("actor.label")}<input name="actor" required maxlength="64" autocomplete="name" placeholder=${t("actor.placeholder")} /></label>`}
      ${shown.map((field) => this.#field(field))}
      ${shown.some((field) => field.name === "note")
        ? nothing
        : html`<label>${t("field.note")}<textarea name="note" rows="2" maxlength="2000"></textarea></label>`}
      ${this.#problem ? html`<p class="problem" role="alert">${this.#problem}</p>` : nothing}
      <div class="buttons">
        <button type="button" @click=${() => this.querySelector("dialog").close()}>${t("action.cancel")}</button>
        <button type="submit" class="primary" ?disabled=${state.sending}>${say(transition.label)}</button>
      </div>
    </form>`;
  }

  #needed(field) {
    return !field.when || this.#values[field.when[0]] === field.when[1];
  }

  #field(field) {
    const options = field.choices.length
      ? field.choices.map((choice) => [choice.code, say(choice.label)])
      : field.name === "squad_id"
        ? (state.city?.squads ?? []).map((squad) => [squad.squad_id, squad.name ?? squad.squad_id])
        : [];
    if (options.length) {
      return html`<label>${say(field.label)}
        <select name=${field.name} required>
          <option value="" selected disabled>${t("field.choose")}</option>
          ${options.map(([value, text]) => html`<option value=${value}>${text}</option>`)}
        </select>
      </label>`;
    }
    if (field.name === "squad_id") return html`<label>${say(field.label)}<input name=${field.name} required maxlength="128" /></label>`;
    return html`<label>${say(field.label)}<textarea name=${field.name} rows="3" required maxlength=${field.max_length}></textarea></label>`;
  }

  #onInput(event) {
    this.#values[event.target.name] = event.target.value;
    this.requestUpdate();
  }

  async #submit(event) {
    event.preventDefault();
    const { actor, ...data } = Object.fromEntries([...new FormData(event.target)].filter(([, value]) => value.trim()));
    if (actor) state.setActor(actor);
    const problem = await state.command(this.#transition, data);
    if (problem?.status === 422) {
      this.#problem = problem.errors.map((error) => say(error.reason)).join("; ") || say(problem.text);
      this.requestUpdate();
      return;
    }
    this.querySelector("dialog").close();
  }
}

class Help extends HwElement {
  toggle() {
    const dialog = this.querySelector("dialog");
    if (dialog.open) dialog.close();
    else dialog.showModal();
  }

  render() {
    return html`<dialog aria-labelledby="help-title">
      <h2 id="help-title">${t("keys.title")}</h2>
      <dl class="keys">${KEYS.map(([key, text]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${t(text)}</dd></div>`)}</dl>
      <div class="buttons"><button @click=${() => this.toggle()}>${t("action.close")}</button></div>
    </dialog>`;
  }
}

customElements.define("hw-command", Command);
customElements.define("hw-help", Help);
