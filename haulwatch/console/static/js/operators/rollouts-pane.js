// What waits for its second person, and what was in force: approve, reject, go back.
import { fullTime } from "../format.js";
import { say, t } from "../i18n.js";
import { html, nothing } from "../lib.js";
import { bench } from "./bench.js";
import { changesView } from "./changes.js";
import { BenchElement } from "./element.js";
import { turnsView } from "./versions.js";

class RolloutsPane extends BenchElement {
  render() {
    const pending = bench.rollouts.filter((one) => ["proposed", "approved"].includes(one.state));
    const done = bench.rollouts.filter((one) => !pending.includes(one));
    return html`<div class="one-pane">
      <section>
        <h2>${t("rollouts.pending")}</h2>
        ${pending.length ? pending.map((one) => this.#pending(one)) : html`<p class="dim">${t("rollouts.nothing_pending")}</p>`}
      </section>
      <section>
        <h2>${t("rollouts.history")}</h2>
        <ol class="history">${done.map((one) => this.#done(one))}</ol>
      </section>
    </div>`;
  }

  #pending(one) {
    const mine = one.proposed_by === bench.me.actor_id;
    const coming = one.state === "approved";
    return html`<article class="rollout ${one.state}" data-rollout=${one.rollout_id}>
      ${this.#head(one)}
      ${changesView(one.changes)}
      ${turnsView(one)}
      ${coming ? html`<p class="coming" role="status">${t("rollouts.coming")} ${say(one.trouble)}</p>` : nothing}
      ${!coming && bench.can("rule_approver") && !mine ? this.#decision(one) : nothing}
      ${!coming && mine ? html`<p class="dim">${t("rollouts.needs_other")} <button data-withdraw @click=${() => bench.withdraw(one)}>${t("rollouts.withdraw")}</button></p>` : nothing}
    </article>`;
  }

  #decision(one) {
    const decide = (approve) => bench.decide(one, approve, this.querySelector(`#note-${one.rollout_id}`).value);
    return html`<div class="decision">
      <label for=${`note-${one.rollout_id}`}>${t("rollouts.note")}</label><input id=${`note-${one.rollout_id}`} maxlength="1000" />
      <button class="primary" data-approve @click=${() => decide(true)}>${t("rollouts.approve")}</button>
      <button data-reject @click=${() => decide(false)}>${t("rollouts.reject")}</button>
    </div>`;
  }

  #done(one) {
    const back = one.state === "replaced" && (bench.can("operator") || bench.can("rule_approver"));
    return html`<li class="rollout ${one.state}" data-rollout=${one.rollout_id}>
      ${this.#head(one)}
      <details><summary>${t("rollouts.changes")}</summary>${changesView(one.changes)}</details>
      ${turnsView(one)}
      ${one.trouble ? html`<p class="problem">${say(one.trouble)}</p>` : nothing}
      ${back ? html`<button data-back @click=${() => this.#back(one)}>${t("rollouts.back")}</button>` : nothing}
    </li>`;
  }

  #head(one) {
    return html`<p class="head"><b>#${one.rollout_id}</b> <span class="mark state ${one.state}">${t(`rollout_state.${one.state}`)}</span>
        <span class="mark">${t(`rollout_kind.${one.kind}`)}</span> <code>${one.city_hash.slice(0, 12)}</code></p>
      <p>${one.note}</p>
      <p class="dim">${t("rollouts.proposed", { who: one.proposed_by, at: fullTime(one.proposed_at) })}
        ${one.decided_by ? html`· ${t(`rollouts.decided.${one.state === "rejected" ? "rejected" : "approved"}`, { who: one.decided_by, at: fullTime(one.decided_at) })} ${one.decision_note}` : nothing}
        ${one.in_force_at ? html`· ${t("rollouts.in_force_at", { at: fullTime(one.in_force_at) })}` : nothing}</p>`;
  }

  // One click and a reason: it was approved once, and somebody is being wronged meanwhile.
  #back(one) {
    const note = prompt(t("rollouts.back_why", { n: one.rollout_id }), t("rollouts.back_default"));
    if (note?.trim()) bench.rollBack(note, one.rollout_id);
  }
}

customElements.define("hw-rollouts-pane", RolloutsPane);
