// How a rule has done: what it reported and what people said, and where its values lie.
import { say, t } from "../i18n.js";
import { html, nothing } from "../lib.js";
import { bench } from "./bench.js";
import { BenchElement } from "./element.js";
import { histogramView } from "./histogram.js";
import { DAYS, trials } from "./trials.js";

class Evidence extends BenchElement {
  static properties = { ruleId: {} };

  render() {
    const score = trials.scores?.get(this.ruleId);
    const found = trials.ruleTrial(this.ruleId);
    const rule = bench.rule(this.ruleId);
    return html`<section class="evidence">
      <h3>${t("score.title", { days: 30 })}</h3>
      ${score ? scoreView(score) : html`<p class="dim">${t("list.loading")}</p>`}
      ${found ? histograms(rule, found) : nothing}
      ${bench.can("operator") || bench.can("rule_approver") ? this.#button(found) : nothing}
    </section>`;
  }

  #button(found) {
    if (trials.running) return progressView();
    return html`<p class="try">
      ${daysChoice()}
      <button data-baseline @click=${() => trials.tryInForce()}>${found ? t("trial.again") : t("trial.show_values")}</button>
      ${trials.problem ? html`<span class="problem" role="alert">${say(trials.problem.text)}</span>` : nothing}
    </p>`;
  }
}

function histograms(rule, found) {
  const drafted = bench.ruleDraft(rule.rule_id).params;
  const told = t("trial.found", { findings: found.findings, trucks: found.trucks, precision: percent(found.precision) });
  if (!found.histograms.length) return html`<p>${told}</p><p class="dim" data-no-values>${t("histogram.none")}</p>`;
  return html`<p>${told}</p>${found.histograms.map((one) => histogramView(one, drafted[one.param]))}`;
}

export function scoreView(score) {
  const { verdicts } = score;
  return html`<p class="score">
    ${t("score.reported", { n: score.reported, shadow: score.in_shadow })} ·
    ${t("verdicts.confirmed")} <b class="good">${verdicts.confirmed}</b> · ${t("verdicts.false_alarm")} <b class="bad">${verdicts.false_alarm}</b> ·
    ${t("score.precision")} <b>${percent(score.precision)}</b>
    ${score.remarks.map((remark) => html`<span class="mark ${remark}" title=${t(`remark.${remark}.long`)}>${t(`remark.${remark}`)}</span>`)}
  </p>`;
}

export const percent = (share) => (share === null ? "–" : `${Math.round(share * 100)} %`);

export const daysChoice = () => html`<label>${t("trial.days")}
  <select @change=${(event) => trials.setDays(event.target.value ? Number(event.target.value) : null)}>
    ${DAYS.map((days) => html`<option value=${days ?? ""} ?selected=${days === trials.days}>${days ? t("trial.last", { days }) : t("trial.everything")}</option>`)}
  </select></label>`;

export function progressView() {
  const { events, total } = trials.running;
  return html`<p class="running" role="status"><progress max=${total ?? nothing} value=${total ? events : nothing}></progress>
    ${t("trial.events", { n: events.toLocaleString() })} <button @click=${() => trials.cancel()}>${t("trial.cancel")}</button></p>`;
}

customElements.define("hw-evidence", Evidence);
