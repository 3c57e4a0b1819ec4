// Whom a rule spares: a table, and a form for one more. Those that have expired are shown as such.
import { t } from "../i18n.js";
import { html, nothing } from "../lib.js";
import { bench } from "./bench.js";

const OF = ["truck_id", "carrier_id", "zone"];

export function exceptionsForm(rule, editable) {
  const found = bench.exceptions(rule);
  return html`${found.length
      ? html`<table class="exceptions"><thead><tr>
          <th scope="col">${t("exceptions.whom")}</th><th scope="col">${t("exceptions.reason")}</th>
          <th scope="col">${t("exceptions.approved_by")}</th><th scope="col">${t("exceptions.expires")}</th><th></th>
        </tr></thead><tbody>${found.map((one, i) => row(rule, found, one, i, editable))}</tbody></table>`
      : html`<p class="dim">${t("exceptions.none")}</p>`}
    ${editable ? form(rule, found) : nothing}`;
}

function row(rule, found, one, i, editable) {
  const expired = one.expires < bench.shop.today;
  return html`<tr class=${expired ? "expired" : ""}>
    <td>${OF.flatMap((of) => one[of].map((id) => html`<span class="mark">${t(`exceptions.${of}`)} ${id}</span> `))}</td>
    <td>${one.reason}</td>
    <td>${one.approved_by}</td>
    <td>${one.expires}${expired ? html` <b>${t("exceptions.expired")}</b>` : nothing}</td>
    <td>${editable
      ? html`<button class="quiet" aria-label=${`${t("exceptions.remove")} ${one.reason}`} @click=${() => bench.setExceptions(rule, found.filter((_, at) => at !== i))}>${t("exceptions.remove")}</button>`
      : nothing}</td>
  </tr>`;
}

function form(rule, found) {
  return html`<details class="add"><summary>${t("exceptions.add")}</summary>
    <form data-exception @submit=${(event) => add(event, rule, found)}>
      <label>${t("exceptions.kind")}<select name="of">${OF.map((of) => html`<option value=${of}>${t(`exceptions.${of}`)}</option>`)}</select></label>
      <label>${t("exceptions.ids")}<input name="ids" required placeholder="浙E12345, 浙E67890" /></label>
      <label>${t("exceptions.reason")}<input name="reason" required /></label>
      <label>${t("exceptions.approved_by")}<input name="approved_by" required /></label>
      <label>${t("exceptions.expires")}<input name="expires" type="date" required min=${bench.shop.today} /></label>
      <button class="primary">${t("exceptions.add")}</button>
    </form>
  </details>`;
}

function add(event, rule, found) {
  event.preventDefault();
  const { of, ids, reason, approved_by, expires } = Object.fromEntries(new FormData(event.target));
  const listed = ids.split(/[,，、\s]+/).filter(Boolean);
  const one = { reason, approved_by, expires, truck_id: [], carrier_id: [], zone: [], [of]: listed };
  bench.setExceptions(rule, [...found, one]);
  event.target.reset();
  event.target.closest("details").open = false;
}
