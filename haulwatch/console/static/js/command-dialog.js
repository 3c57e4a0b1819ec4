// The dialog of a command, on one order or on many: asks for what the command needs, then says what came of it.
import { HwElement } from "./element.js";
import { Problem, getJson, getOrNull, orderPath } from "./api.js";
import { complaint, fieldOf } from "./command-fields.js";
import { FINAL, EMPTY, ordersPath } from "./filter.js";
import { say, t } from "./i18n.js";
import { html, nothing } from "./lib.js";
import { exportPack } from "./pack.js";
import { plateChip, stageName } from "./parts.js";
import { state } from "./state.js";

const FAILURES_SHOWN = 100;

class CommandDialog extends HwElement {
  #row = null; // the transition
  #orders = null; // of a bulk command
  #values = {};
  #problem = null;
  #outcome = null;
  #nearest = null;
  #looking = false; // squads near the place are asked for
  #candidates = null;
  #pack = null; // { sha256, name } once exported

  // Carries a command out on the selected order, asking first for what it needs.
  ask(row, values = {}) {
    if (row.given.length === Object.keys(values).length && (state.me || state.actor)) {
      state.command(row, values);
      return;
    }
    this.#open(row, null, values);
    this.#lookUp();
  }

  askMany(row, orders) {
    this.#open(row, orders, {});
  }

  #open(row, orders, values) {
    this.#row = row;
    this.#orders = orders;
    this.#values = { ...values };
    this.#problem = this.#outcome = this.#nearest = this.#candidates = this.#pack = null;
    this.#looking = false;
    this.requestUpdate();
    this.updateComplete.then(() => this.querySelector("dialog").showModal());
  }

  // What helps to decide: squads near the place, orders to merge into.
  async #lookUp() {
    const { order } = state.detail.detail;
    const row = this.#row;
    const asksFor = (name) => row.given.some((field) => field.name === name);
    this.#looking = asksFor("squad_id");
    try {
      if (this.#looking) this.#nearest = (await getOrNull(`${orderPath(order.order_id)}/nearest`))?.squads ?? null;
      if (asksFor("into")) {
        const page = await getJson(ordersPath({ ...EMPTY, view: "all", truckId: order.truck_id }, null));
        this.#candidates = page.orders.filter((other) => other.order_id !== order.order_id && !FINAL.has(other.stage));
      }
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem; // the form does without
      this.#candidates ??= [];
    } finally {
      if (this.#row === row) this.#looking = false;
    }
    this.requestUpdate();
    await this.updateComplete;
    const squad = this.querySelector(".squads input:checked") ?? this.querySelector(".squads input");
    if (!this.querySelector("textarea")?.value) squad?.focus(); // while they were looked for, the first field was the note
  }

  render() {
    return html`<dialog class="command" aria-labelledby="command-title" @close=${this.#closed}>
      ${this.#row ? (this.#outcome ? this.#result() : this.#form()) : nothing}
    </dialog>`;
  }

  #closed() {
    this.#row = null;
    this.requestUpdate();
  }

  #form() {
    const row = this.#row;
    const order = this.#orders ? null : state.detail?.detail.order;
    const shown = row.given.filter((field) => this.#needed(field));
    const context = { values: this.#values, nearest: this.#nearest, candidates: this.#candidates, order, looking: this.#looking };
    return html`<form @submit=${this.#submit} @input=${this.#onInput} @click=${this.#onFill}>
      <h2 id="command-title">${say(row.label)}
        <small>${order ? html`${order.order_id}${row.target === row.source ? nothing : ` → ${stageName(row.target)}`}` : t("bulk.on", { n: this.#orders.length })}</small></h2>
      ${needsApproval(row) ? html`<p class="hint">${t("approval.needed")}</p>` : nothing}
      ${state.me || state.actor
        ? nothing
        : html`<label>${t("actor.label")}<input name="actor" required maxlength="64" autocomplete="name" placeholder=${t("actor.placeholder")} /></label>`}
      ${shown.some((field) => field.name === "evidence_sha256") ? this.#evidence(order) : nothing}
      ${shown.map((field) => fieldOf(field, context))}
      ${shown.some((field) => field.name === "note")
        ? nothing
        : html`<label>${t("field.note")}<textarea name="note" rows="2" maxlength="2000"></textarea></label>`}
      ${this.#problem ? html`<p class="problem" role="alert">${this.#problem}</p>` : nothing}
      <div class="buttons">
        <button type="button" data-close>${t("action.cancel")}</button>
        <button type="submit" class="primary" ?disabled=${state.sending || this.#looking}>${say(row.label)}</button>
      </div>
    </form>`;
  }

  // A transfer hands the evidence over: first the pack, then its checksum goes on record.
  #evidence(order) {
    const { sha256, name } = this.#pack ?? {};
    return html`<fieldset class="pack">
      <legend>${t("pack.title")}</legend>
      <p class="hint">${t("pack.first")}</p>
      <button type="button" @click=${() => this.#export(order)}>${t("pack.export")}</button>
      ${sha256 ? html`<p class="good" role="status">${name}</p><code>SHA-256 ${sha256}</code>` : nothing}
      <input type="hidden" name="evidence_sha256" .value=${sha256 ?? ""} />
    </fieldset>`;
  }

  async #export(order) {
    try {
      this.#pack = await exportPack(order);
      this.#problem = null;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.#problem = say(problem.text) || problem.message;
    }
    this.requestUpdate();
  }

  #needed(field) {
    return !field.when || this.#values[field.when[0]] === field.when[1];
  }

  #onInput(event) {
    const { name, value, dataset } = event.target;
    this.#values[dataset.fill ?? name] = value;
    this.requestUpdate();
  }

  #onFill(event) {
    if (event.target.closest("[data-close]")) this.querySelector("dialog").close();
    const button = event.target.closest("button[data-fill]");
    if (!button) return;
    this.#values[button.dataset.fill] = button.value;
    this.requestUpdate();
  }

  async #submit(event) {
    event.preventDefault();
    const given = Object.fromEntries([...new FormData(event.target)].filter(([, value]) => value.trim()));
    const { actor, ...data } = this.#values.into ? { ...given, into: this.#values.into } : given;
    if (actor) state.setActor(actor);
    if (this.#row.given.some((field) => field.name === "evidence_sha256") && !data.evidence_sha256) {
      this.#problem = t("pack.missing");
      this.requestUpdate();
      return;
    }
    if (this.#orders) await this.#many(data);
    else await this.#one(data);
  }

  async #one(data) {
    const problem = await state.command(this.#row, data);
    if (problem?.status === 422) this.#complain(problem);
    else this.querySelector("dialog").close();
  }

  async #many(data) {
    const outcome = await state.bulk(this.#row.command, data, this.#orders);
    if (outcome.problem) {
      this.#complain(outcome.problem);
      return;
    }
    this.#outcome = outcome;
    this.requestUpdate();
  }

  #complain(problem) {
    this.#problem = complaint(problem.errors, this.#row) || say(problem.text) || problem.message;
    this.requestUpdate();
  }

  #result() {
    const { done, failed, tookMs } = this.#outcome;
    return html`<div class="outcome">
      <h2 id="command-title">${say(this.#row.label)}</h2>
      <p class="good" role="status">${t("bulk.done", { n: done.length, seconds: (tookMs / 1000).toFixed(2) })}</p>
      ${failed.length
        ? html`<p class="problem" role="alert">${t("bulk.failed", { n: failed.length })}</p>
            <ul class="failures" tabindex="0">
              ${failed.slice(0, FAILURES_SHOWN).map(({ order_id, problem }) => {
                const truck = state.orders.get(order_id)?.truck_id;
                return html`<li><a href="/orders/${order_id}">${order_id}</a> ${truck ? plateChip(truck) : nothing}<span>${say(problem.text) || problem.detail}</span></li>`;
              })}
            </ul>`
        : nothing}
      <div class="buttons"><button class="primary" autofocus @click=${() => this.querySelector("dialog").close()}>${t("action.close")}</button></div>
    </div>`;
  }
}

// These only ask; a duty officer decides.
export const needsApproval = (row) => row.approval === true;

customElements.define("hw-command", CommandDialog);
