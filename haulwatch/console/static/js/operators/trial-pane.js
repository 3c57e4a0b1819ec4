// What a draft changes in recorded events: by rule, as a list with verdicts, and on a map.
import { fullTime, plate } from "../format.js";
import { say, t } from "../i18n.js";
import { html, nothing } from "../lib.js";
import { bench } from "./bench.js";
import { BenchElement } from "./element.js";
import { daysChoice, progressView } from "./evidence.js";
import "./probe.js";
import "./trial-map.js";
import { trials } from "./trials.js";

const MOST = 300;

class TrialPane extends BenchElement {
  render() {
    return html`<div class="one-pane wide">
      <section class="controls">
        ${daysChoice()}
        <button class="primary" data-try ?disabled=${bench.empty || bench.findings(true).length > 0 || trials.running} @click=${() => trials.tryDraft()}>${t("trial.run")}</button>
        ${bench.empty ? html`<span class="dim">${t("trial.no_draft")}</span>` : nothing}
        ${trials.problem ? html`<span class="problem" role="alert">${say(trials.problem.text)}</span>` : nothing}
      </section>
      ${trials.running ? progressView() : nothing}
      ${trials.last ? this.#result(trials.last.difference) : html`<p class="dim">${t("trial.what")}</p>`}
      ${bench.can("operator") || bench.can("rule_approver") ? html`<hw-probe></hw-probe>` : nothing}
    </div>`;
  }

  #result(difference) {
    const { run } = difference;
    const lost = difference.disappearing.filter((finding) => finding.verdict === "confirmed").length;
    const changed = difference.rules.filter((rule) => rule.appearing || rule.disappearing);
    return html`${trials.stale ? html`<p class="problem" role="status">${t("trial.stale")}</p>` : nothing}
      <p class="dim">${t("trial.data", { events: run.events.toLocaleString(), trucks: run.trucks, from: fullTime(run.from_at), to: fullTime(run.to_at), seconds: run.seconds.toFixed(1) })}</p>
      <p class="verdict ${lost ? "bad" : "good"}" role="status" data-lost=${lost}>
        ${t("trial.sum", { appearing: difference.appearing.length, disappearing: difference.disappearing.length })}
        <b>${lost ? t("trial.lost", { n: lost }) : t("trial.none_lost")}</b>
      </p>
      ${changed.length ? table(changed) : html`<p class="dim">${t("trial.nothing")}</p>`}
      ${changed.length ? html`<hw-trial-map .difference=${difference}></hw-trial-map>` : nothing}
      ${["disappearing", "appearing"].map((kind) => list(kind, difference[kind]))}`;
  }
}

const table = (rules) => html`<table data-diff><thead><tr>
    <th scope="col">${t("tab.rules")}</th><th scope="col" class="n">${t("trial.same")}</th>
    <th scope="col" class="n">${t("trial.appearing")}</th><th scope="col" class="n">${t("trial.disappearing")}</th>
    <th scope="col">${t("trial.of_which")}</th>
  </tr></thead><tbody>${rules.map(
    (rule) => html`<tr data-rule=${rule.rule_id}>
      <th scope="row">${say(rule.title)} <small>${rule.rule_id}</small></th>
      <td class="n">${rule.same}</td><td class="n appearing">${rule.appearing}</td><td class="n disappearing">${rule.disappearing}</td>
      <td>${verdicts(rule.disappearing_verdicts)}</td>
    </tr>`,
  )}</tbody></table>`;

function verdicts(of) {
  const told = ["confirmed", "false_alarm", "not_found", "open", "unknown"].filter((kind) => of[kind]);
  return told.length ? told.map((kind) => html`<span class="mark ${kind}">${t(`verdicts.${kind}`)} ${of[kind]}</span> `) : "–";
}

function list(kind, findings) {
  if (!findings.length) return nothing;
  return html`<details class="found ${kind}" ?open=${findings.length <= 30}><summary>${t(`trial.${kind}`)} ${findings.length}</summary>
    <ul>${findings.slice(0, MOST).map(
      (one) => html`<li>
        <span class="plate">${plate(one.truck_id)}</span> ${fullTime(one.detected_at)} <b>${one.rule_id}</b> ${say(one.summary)}
        ${one.order_id ? html`<a href=${`/orders/${encodeURIComponent(one.order_id)}`}>${one.order_id}</a>` : nothing}
        ${one.verdict ? html`<span class="mark ${one.verdict}">${t(`verdicts.${one.verdict}`)}</span>` : nothing}
      </li>`,
    )}</ul>
    ${findings.length > MOST ? html`<p class="dim">${t("trial.more", { n: findings.length - MOST })}</p>` : nothing}
  </details>`;
}

customElements.define("hw-trial-pane", TrialPane);
