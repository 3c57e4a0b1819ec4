// Law: articles, and what the law packs suggest with edition and calculation; a person decides. And the audit trail.
import { fullTime, value } from "./format.js";
import { known, say, t } from "./i18n.js";
import { html, nothing } from "./lib.js";
import { valueOfField } from "./detail-work.js";
import { stageName } from "./parts.js";

export function law(breach) {
  const { basis, suggestion } = breach.law;
  if (basis.length === 0 && !suggestion) return nothing;
  return html`<section class="law">
    <h3>${t("detail.law")}</h3>
    ${basis.length ? html`<ul class="basis">${basis.map((article) => html`<li>${article}</li>`)}</ul>` : nothing}
    ${suggestion ? advice(suggestion) : nothing}
    <p class="decides">${t("law.decides")}</p>
  </section>`;
}

function advice(suggestion) {
  const packs = suggestion.packs ?? [];
  const asked = suggestion.to_check ?? [];
  return html`
    <h4>${t("law.suggested")}</h4>
    <p>${say(suggestion.text)}</p>
    ${packs.map(
      (pack) => html`<div class=${pack.applies ? "pack applies" : "pack"}>
        <p><b>${say(pack.text)}</b> ${pack.applies ? html`<span class="mark">${t("law.applies")}</span>` : nothing}</p>
        <p class="dim">${say(pack.title)} ${say(pack.article)} · ${t("law.edition", { date: pack.edition })}</p>
        ${steps(t("law.steps"), pack)}
      </div>`,
    )}
    ${suggestion.limit ? html`<div class="pack">${steps(`${t("law.limit")} ${value(suggestion.limit_kg, "kg")}`, suggestion.limit)}</div>` : nothing}
    ${asked.length ? html`<div class="to-check"><h4>${t("law.to_check")}</h4><ul>${asked.map((question) => html`<li>${say(question)}</li>`)}</ul></div>` : nothing}
  `;
}

function steps(title, part) {
  const questions = part.open_questions ?? [];
  return html`<details><summary>${title}</summary>
    <p class="dim">${say(part.title)} ${say(part.article)} · ${t("law.edition", { date: part.edition })}</p>
    <ul>${(part.steps ?? []).map((step) => html`<li>${say(step)}</li>`)}</ul>
    ${questions.length ? html`<p>${t("law.open")}</p><ul>${questions.map((question) => html`<li>${say(question)}</li>`)}</ul>` : nothing}
  </details>`;
}

export function history(audit) {
  return html`<section>
    <h3>${t("detail.history")}</h3>
    <ol class="history">
      ${audit.map(
        (entry) => html`<li>
          <time datetime=${entry.at}>${fullTime(entry.at)}</time>
          <span><b>${entry.actor}</b> ${known(`done.${entry.action}`, entry.action)}${entry.detail.stage && entry.detail.stage !== entry.detail.from ? html` → ${stageName(entry.detail.stage)}` : nothing}
            ${given(entry.detail.data ?? {})}</span>
          <code title="${t("history.hash")} ${entry.hash}">#${entry.seq}</code>
        </li>`,
      )}
    </ol>
  </section>`;
}

// "opened+10m" is the reminder ten minutes after it.
function stepOf(step) {
  const [name, after] = step.split("+");
  return `${known(`notice.step.${name}`, name)}${after ? ` +${after}` : ""}`;
}

// Which channels were told of which step, and what came of it.
export function told(notices) {
  if (!notices.length) return nothing;
  return html`<section>
    <h3>${t("detail.notices")}</h3>
    <ol class="history">
      ${notices.map(
        (one) => html`<li>
          <time datetime=${one.done_at ?? one.due_at}>${fullTime(one.done_at ?? one.due_at)}</time>
          <span><b>${one.channel}</b> ${stepOf(one.step)} ·
            ${known(`notice.${one.state}`, one.state)}${one.reason ? html` <q>${one.reason}</q>` : nothing}</span>
        </li>`,
      )}
    </ol>
  </section>`;
}

function given(data) {
  const parts = Object.entries(data)
    .filter(([, raw]) => typeof raw === "string")
    .map(([field, raw]) => `${known(`field.${field}`, "")} ${valueOfField(field, raw)}`.trim());
  return parts.length ? html`<q>${parts.join(" · ")}</q>` : nothing;
}
