// A rule in shadow beside the active ones of its category: what each found, and what people said to it.
import { say, t } from "../i18n.js";
import { html, nothing } from "../lib.js";
import { bench } from "./bench.js";
import { percent } from "./evidence.js";
import { trials } from "./trials.js";

export const inShadow = (rule) => (rule.status === "shadow" ? (trials.scores?.get(rule.rule_id)?.in_shadow ?? 0) : 0);

export function shadowView(rule) {
  if (rule.status !== "shadow" || !trials.scores) return nothing;
  const beside = bench.shop.rules.filter((other) => other === rule || (other.category === rule.category && other.status === "active"));
  const tried = trials.ruleTrial(rule.rule_id) !== null;
  return html`<section data-shadow>
    <h3>${t("shadow.title", { category: t(`category.${rule.category}`) })}</h3>
    <table><thead><tr>
      <th scope="col">${t("tab.rules")}</th><th scope="col" class="n">${t("shadow.found", { days: 30 })}</th>
      <th scope="col" class="n">${t("verdicts.confirmed")}</th><th scope="col" class="n">${t("verdicts.false_alarm")}</th><th scope="col" class="n">${t("score.precision")}</th>
      ${tried ? html`<th scope="col" class="n">${t("shadow.tried")}</th>` : nothing}
    </tr></thead><tbody>${beside.map((one) => row(one, tried))}</tbody></table>
    ${beside.length === 1 ? html`<p class="dim">${t("shadow.alone")}</p>` : nothing}
    ${tried ? nothing : html`<p class="dim">${t("shadow.try")}</p>`}
  </section>`;
}

function row(rule, tried) {
  const score = trials.scores.get(rule.rule_id);
  return html`<tr data-rule=${rule.rule_id}>
    <th scope="row">${say(rule.title)} <small>${rule.rule_id}</small> <span class="mark status ${rule.status}">${t(`rule_status.${rule.status}`)}</span></th>
    <td class="n">${score?.reported ?? 0}</td><td class="n">${score?.verdicts.confirmed ?? 0}</td><td class="n">${score?.verdicts.false_alarm ?? 0}</td>
    <td class="n">${percent(score?.precision ?? null)}</td>
    ${tried ? html`<td class="n">${trials.ruleTrial(rule.rule_id)?.findings ?? 0}</td>` : nothing}
  </tr>`;
}
