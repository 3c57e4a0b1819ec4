// The rules of the city in force, and one of them to work on.
import { say, t } from "../i18n.js";
import { html, nothing } from "../lib.js";
import { bench } from "./bench.js";
import { BenchElement } from "./element.js";
import "./evidence.js";
import { exceptionsForm } from "./exceptions-form.js";
import { paramForm } from "./param-form.js";
import { inShadow, shadowView } from "./shadow.js";
import { trials } from "./trials.js";
import { versionsView } from "./versions.js";

const STATUSES = ["draft", "shadow", "active", "deprecated"];

class RulesPane extends BenchElement {
  static properties = { ruleId: {} };

  render() {
    const rule = bench.rule(this.ruleId) ?? bench.shop.rules[0];
    return html`<div class="panes">
      <nav class="rule-list" aria-label=${t("rules.list")}>
        <ul>${bench.shop.rules.map((one) => this.#item(one, one === rule))}</ul>
      </nav>
      ${rule ? this.#rule(rule) : html`<p class="dim">${t("rules.none")}</p>`}
    </div>`;
  }

  #item(rule, selected) {
    const drafted = bench.draft.rules[rule.rule_id];
    return html`<li>
      <a href=${`#rules/${encodeURIComponent(rule.rule_id)}`} aria-current=${selected ? "true" : nothing}>
        <span>${say(rule.title)}</span>
        <small>${rule.rule_id}</small>
        <span class="marks">${statusMark(drafted?.status ?? rule.status)}${shadowed(rule)}${remarks(rule)}${drafted ? html`<span class="mark draft">${t("rules.drafted")}</span>` : nothing}</span>
      </a>
    </li>`;
  }

  #rule(rule) {
    const editable = bench.can("operator");
    const status = bench.ruleDraft(rule.rule_id).status ?? rule.status;
    return html`<article class="rule" data-rule=${rule.rule_id}>
      <h2>${say(rule.title)} <small>${rule.rule_id}</small></h2>
      <p class="facts">
        <span class="chip severity ${rule.severity}">${t(`severity.${rule.severity}`)}</span> ${t(`category.${rule.category}`)} · ${rule.owner} ·
        <a href=${`#files/${encodeURIComponent(rule.file)}:${rule.line}`}>${rule.file}:${rule.line}</a>
        ${rule.tuned ? html`· ${t("rules.tuned")}` : nothing}
      </p>
      <section>
        <h3>${t("rules.status")}</h3>
        <div class="statuses" role="group" aria-label=${t("rules.status")}>
          ${STATUSES.map(
            (one) => html`<button class="toggle" aria-pressed=${one === status} ?disabled=${!editable} title=${t(`rule_status.${one}.long`)} @click=${() => bench.setStatus(rule, one)}>${t(`rule_status.${one}`)}</button>`,
          )}
        </div>
        <p class="dim">${t(`rule_status.${status}.long`)}</p>
      </section>
      <section><h3>${t("rules.params")}</h3>${paramForm(rule, editable)}</section>
      <hw-evidence .ruleId=${rule.rule_id}></hw-evidence>
      ${shadowView(rule)}
      <section><h3>${t("exceptions.title")}</h3>${exceptionsForm(rule, editable)}</section>
      ${rule.runbook ? html`<section><h3>${t("rules.runbook")}</h3><p>${say(rule.runbook)}</p></section>` : nothing}
      <section><h3>${t("rules.law")}</h3><p class="dim">${rule.law.join(", ") || t("rules.no_law")}</p></section>
      ${versionsView("rule", rule.rule_id)}
    </article>`;
  }
}

export const statusMark = (status) => html`<span class="mark status ${status}">${t(`rule_status.${status}`)}</span>`;

const shadowed = (rule) => (rule.status === "shadow" ? html`<span class="mark" title=${t("shadow.count.long")}>${t("shadow.count", { n: inShadow(rule) })}</span>` : nothing);

// Noisy and silent ones are seen at a glance.
const remarks = (rule) => (trials.scores?.get(rule.rule_id)?.remarks ?? []).map((remark) => html`<span class="mark ${remark}" title=${t(`remark.${remark}.long`)}>${t(`remark.${remark}`)}</span>`);

customElements.define("hw-rules-pane", RulesPane);
