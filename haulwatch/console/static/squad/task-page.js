// One task: what happened, where, where the truck is now, the way there, photos, and what may be done next.
import { plate, whenShort } from "../js/format.js";
import { say, t } from "../js/i18n.js";
import { html, nothing } from "../js/lib.js";
import "./command-form.js";
import { SquadElement } from "./element.js";
import { outbox } from "./outbox.js";
import { outboxItem } from "./outbox-item.js";
import "./photo-tray.js";
import { clockLine, placeOf, stageChip } from "./task-card.js";
import { tasks } from "./tasks.js";
import "./truck-now.js";

class Task extends SquadElement {
  static properties = { orderId: {} };
  #asked = null; // the command whose fields are being filled in

  willUpdate(changed) {
    if (changed.has("orderId")) this.#asked = null;
    tasks.fresh.delete(this.orderId);
  }

  render() {
    const task = tasks.find(this.orderId);
    if (!task) return this.#elsewhere();
    const { order } = task;
    return html`<article class="task">
      <div class="line">${stageChip(task)} ${clockLine(order)}</div>
      <h2>${say(order.title)} <span class="plate">${plate(order.truck_id)}</span></h2>
      <p>${say(order.summary)}</p>
      <p class="dim">${order.order_id} · ${whenShort(order.detected_at)}</p>
      <p class="place">${placeOf(task)}</p>
      <hw-truck-now .task=${task}></hw-truck-now>
      ${task.runbook ? html`<section><h3>${t("squad.runbook")}</h3><p>${say(task.runbook)}</p></section>` : nothing}
      ${this.#law(task.law)}
      ${tasks.answer.photos ? html`<hw-photo-tray .orderId=${order.order_id}></hw-photo-tray>` : nothing}
      ${this.#stopped()}
      ${this.#next(task)}
    </article>`;
  }

  // Which of these there are decides the life cycle; the rest of it belongs to the desk.
  #next(task) {
    const rows = new Map(tasks.actions(task).map((row) => [row.command, row]));
    const offered = ["accept", "arrive", "handle", "return"].filter((command) => rows.has(command));
    const departments = tasks.unanswered(task);
    if (this.#asked) {
      return html`<hw-command-form .task=${task} .command=${this.#asked.command} .department=${this.#asked.department ?? null}
        @given=${(event) => this.#give(task, event.detail.command, event.detail.data)}
        @cancel=${() => this.#ask(null)}></hw-command-form>`;
    }
    return html`<div class="actions">
      ${offered.map((command) => html`<button class=${command === "return" ? "" : "primary"} data-command=${command} @click=${() => this.#begin(task, command)}>${t(`squad.do.${command}`)}</button>`)}
      ${departments.map((one) => html`<button data-command="answer" @click=${() => this.#ask({ command: "answer", department: one.department })}>${t("squad.do.answer", { department: one.department })}</button>`)}
      ${!offered.length && !departments.length ? html`<p class="dim">${t("squad.nothing_to_do")}</p>` : nothing}
    </div>`;
  }

  #law(law) {
    const text = law?.suggestion?.text;
    if (!law || (!text && !law.basis.length)) return nothing;
    return html`<details><summary>${t("squad.law")}</summary>
      ${text ? html`<p>${say(text)}</p>` : nothing} ${law.basis.map((article) => html`<p class="dim">${article}</p>`)}
      ${(law.suggestion?.packs ?? []).filter((pack) => pack.applies).map((pack) => html`<p>${say(pack.text)} <small>${say(pack.title)} ${say(pack.article)}</small></p>`)}
      ${law.suggestion?.to_check?.length ? html`<p>${t("law.to_check")}</p><ul>${law.suggestion.to_check.map((question) => html`<li>${say(question)}</li>`)}</ul>` : nothing}
    </details>`;
  }

  #stopped() {
    const items = outbox.of(this.orderId).filter((item) => item.state === "stopped" || !outbox.isMine(item));
    return items.length ? html`<section class="stopped">${items.map((item) => outboxItem(item))}</section>` : nothing;
  }

  // Not among our tasks: it went to somebody else, has ended, or was never ours.
  #elsewhere() {
    if (!tasks.answer) return html`<p class="empty">${t("squad.loading")}</p>`;
    return html`<article class="task">
      <h2>${t("squad.elsewhere")}</h2>
      <p><hw-whereabouts .orderId=${this.orderId}></hw-whereabouts></p>
      <ul class="items">${outbox.of(this.orderId).map((item) => html`<li>${outboxItem(item)}</li>`)}</ul>
    </article>`;
  }

  #begin(task, command) {
    if (command === "accept" || command === "arrive") this.#give(task, command, {});
    else this.#ask({ command });
  }

  #ask(asked) {
    this.#asked = asked;
    this.requestUpdate();
  }

  async #give(task, command, data) {
    this.#asked = null;
    await outbox.addCommand(task.order, command, data, tasks.answer.actor_id);
    const kept = tasks.connection === "live" ? "" : t("squad.kept");
    this.dispatchEvent(new CustomEvent("say", { detail: `${t(`squad.told.${command}`)}${kept}`, bubbles: true }));
  }
}

customElements.define("hw-task", Task);
