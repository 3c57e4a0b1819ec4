// What a draft or a deployment changes, in words, and what becomes of what rules remember; findings with their places.
import { known, say, t } from "../i18n.js";
import { html, nothing } from "../lib.js";

export function changesView(changes) {
  const nothingAtAll = !["settings", "rules", "zones", "tables"].some((part) => changes[part].length);
  if (nothingAtAll) return html`<p class="dim">${t("changes.none")}</p>`;
  return html`<ul class="changes">
      ${changes.settings.map((field) => html`<li><b>city.yaml</b> ${fieldChange(field)}</li>`)}
      ${changes.rules.map(ruleChange)}
      ${changes.zones.map((zone) => html`<li><span class="mark ${zone.kind}">${t(`changes.${zone.kind}`)}</span> <b>${say(zone.name)}</b> <small>${zone.zone_id} ${zone.fields.join(", ")}</small></li>`)}
      ${changes.tables.map((one) => html`<li><b>${t(`table.${one.table}`)}</b> ${t("changes.rows", one)}</li>`)}
    </ul>
    <p class="memory">${t("changes.memory", { kept: changes.memory_kept, dropped: changes.memory_dropped })}</p>`;
}

function ruleChange(rule) {
  return html`<li data-rule=${rule.rule_id}>
    <span class="mark ${rule.kind}">${t(`changes.${rule.kind}`)}</span> <b>${say(rule.title)}</b> <small>${rule.rule_id}</small>
    ${rule.fields.map((field) => html`<span class="field">${fieldChange(field)}</span>`)}
    ${rule.memory === "none" ? nothing : html`<small class="memory ${rule.memory}">${t(`memory.${rule.memory}`)}</small>`}
  </li>`;
}

export function fieldChange(field) {
  const name = field.name.startsWith("params.") ? field.name.slice(7) : known(`field.${field.name}`, field.name);
  const word = (value) => (field.name === "status" && value ? t(`rule_status.${value}`) : value);
  if (!field.old && !field.new) return name;
  return html`${name} <s>${word(field.old) ?? "–"}</s> → <b>${word(field.new) ?? "–"}</b>`;
}

export function findingsView(findings, onPlace) {
  return html`<ul class="findings">
    ${findings.map(
      (finding) => html`<li class=${finding.severity}>
        <button class="quiet place" @click=${() => onPlace(finding)}>${finding.file}${finding.line ? `:${finding.line}:${finding.column}` : ""}</button>
        <b>${finding.code}</b> ${say(finding.text)}
        ${finding.snippet ? html`<pre>${finding.snippet}\n${" ".repeat(Math.max(finding.column - 1, 0))}${"^".repeat(Math.max(finding.width, 1))}</pre>` : nothing}
        ${finding.hint ? html`<p class="hint">${say(finding.hint)}</p>` : nothing}
      </li>`,
    )}
  </ul>`;
}
