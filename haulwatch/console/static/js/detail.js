// The order in full: what, when, where; why it fired; what the law says; what to do; what was done.
import { HwElement } from "./element.js";
import { ago, duration, fullTime, position } from "./format.js";
import { say, t } from "./i18n.js";
import { html, nothing } from "./lib.js";
import { history, law, told } from "./detail-law.js";
import { marks, placeOf, plateChip, severityChip, stageChip, thingName } from "./parts.js";
import { state } from "./state.js";
import "./track-graph.js";
import { why } from "./detail-why.js";

const LEADERS = ["dispatcher", "duty_officer"];
const SETBACKS = ["reject", "return", "rework", "void"];

class Detail extends HwElement {
  connectedCallback() {
    super.connectedCallback();
    state.addEventListener("ask", this.#onKey);
    state.addEventListener("selection", this.#toTop);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    state.removeEventListener("ask", this.#onKey);
    state.removeEventListener("selection", this.#toTop);
  }

  #toTop = () => this.querySelector(".scroll")?.scrollTo(0, 0);

  #onKey = ({ detail: wanted }) => {
    const commands = state.detail?.detail.commands ?? [];
    const found =
      wanted === "reject"
        ? commands.find((row) => row.command === "reject")
        : commands.find((row) => mine(row) && !SETBACKS.includes(row.command));
    if (found) this.#give(found);
  };

  #give(transition) {
    document.querySelector("hw-command").ask(transition);
  }

  render() {
    const texts = { none: "detail.none", loading: "detail.loading", missing: "detail.missing", error: "detail.error" };
    const shown = state.detail;
    if (!shown) {
      return html`<div class="empty" aria-busy=${state.detailStatus === "loading"}>
        <p>${t(texts[state.detailStatus] ?? "detail.none", { order: state.selectedId })}</p>
        ${state.detailStatus === "error" ? html`<button @click=${() => state.reloadDetail()}>${t("action.retry")}</button>` : nothing}
        ${state.detailStatus === "none" ? overview() : nothing}
      </div>`;
    }
    const { detail, runbook } = shown;
    const { order, breach } = detail;
    return html`
      <div class="scroll">
        ${head(order, shown.drivers)} ${facts(order, breach)}
        <p class="summary">${say(breach.summary)}</p>
        ${why(breach, shown.pictures)}
        ${breach.track.length > 1 ? html`<hw-track .track=${breach.track} .at=${breach.detected_at}></hw-track>` : nothing}
        ${law(breach)} ${runbook ? html`<section><h3>${t("detail.runbook")}</h3><p class="runbook">${say(runbook)}</p></section>` : nothing}
        ${findings(detail)} ${history(detail.audit)} ${told(state.notices)}
        <p class="fineprint">${t("detail.rule")} ${order.rule_id} · ${order.rule_hash.slice(0, 10)} · ${t("detail.city")} ${order.city_hash.slice(0, 10)}</p>
      </div>
      ${this.#actions(detail.commands)}
    `;
  }

  #actions(commands) {
    const own = commands.filter(mine);
    const others = commands.filter((row) => !mine(row));
    if (commands.length === 0) return html`<footer class="actions"><p class="dim">${t("action.none")}</p></footer>`;
    const forward = own.filter((row) => !SETBACKS.includes(row.command));
    const back = own.filter((row) => SETBACKS.includes(row.command));
    return html`<footer class="actions" aria-label=${t("action.title")}>
      ${forward.map((row) => this.#button(row, "primary"))} ${back.map((row) => this.#button(row, "setback"))}
      ${others.length
        ? html`<span class="others"><small>${t("action.for", { roles: rolesOf(others) })}</small>${others.map((row) => this.#button(row, ""))}</span>`
        : nothing}
    </footer>`;
  }

  #button(row, look) {
    return html`<button class=${look} data-command=${row.command} ?disabled=${state.sending} @click=${() => this.#give(row)}>
      ${say(row.label)}
    </button>`;
  }
}

// What there is to do, while nothing is chosen.
function overview() {
  if (!state.counts) return nothing;
  const stages = Object.entries(state.counts);
  return html`<p class="hint">${t("detail.hint")}</p>
    <table class="overview">
      <caption>${t("detail.stages")}</caption>
      <tbody>${stages.map(([stage, n]) => html`<tr class=${n ? "" : "dim"}><th scope="row">${stageChip(stage)}</th><td>${n}</td></tr>`)}</tbody>
    </table>`;
}

const mine = (row) => row.roles.some((role) => LEADERS.includes(role));
const rolesOf = (rows) => [...new Set(rows.flatMap((row) => row.roles))].map((role) => t(`role.${role}`)).join(" / ");

function head(order, drivers) {
  return html`<header class="detail-head">
    <div class="line">${severityChip(order.severity)}${stageChip(order.stage)}${marks(order)}
      <button class="quiet close" aria-label=${t("action.close")} title=${t("action.close")} @click=${() => {
        state.select(null);
        state.show("list");
      }}>✕</button>
    </div>
    <h2 id="detail-title" tabindex="-1">${say(order.title)}</h2>
    <div class="line">${plateChip(order.truck_id)}<span class="number">${order.order_id}</span>
      <button class="quiet" title=${t("action.same_truck_long")} @click=${() => state.setFilter({ view: "all", truckId: order.truck_id })}>
        ${t("action.same_truck")}
      </button>
      ${drivers
        ? html`<button class="quiet call" @click=${() => document.querySelector("hw-call").open(order)}>${t("call.title")}</button>`
        : nothing}
    </div>
  </header>`;
}

function facts(order, breach) {
  const delay = (new Date(order.opened_at) - new Date(order.detected_at)) / 1000;
  const lasted = (new Date(order.ended_at ?? order.last_detected_at) - new Date(order.started_at)) / 1000;
  const goesOn = order.ended_at === null && breach.conditions.some((condition) => condition.name === "held");
  return html`<dl class="facts">
    <div><dt>${t("fact.detected")}</dt><dd>${fullTime(order.detected_at)} <small>${ago(order.detected_at)}</small></dd></div>
    <div><dt>${t("fact.started")}</dt>
      <dd>${fullTime(order.started_at)} <small>${lasted >= 1 ? t("fact.lasted", { duration: duration(lasted) }) : nothing}${goesOn ? ` ${t("mark.ongoing")}` : nothing}</small></dd></div>
    <div><dt>${t("fact.opened")}</dt>
      <dd>${fullTime(order.opened_at)} <small>${delay >= 0 ? t("fact.delay", { duration: duration(delay) }) : nothing}</small></dd></div>
    ${order.late ? html`<div class="warn"><dt>${t("mark.late")}</dt><dd>${t("mark.late_long")}</dd></div>` : nothing}
    ${breach.status === "shadow" ? html`<div class="warn"><dt>${t("mark.shadow")}</dt><dd>${t("mark.shadow_long")}</dd></div>` : nothing}
    <div><dt>${t("fact.place")}</dt>
      <dd>${placeOf(order)}
        ${order.lon === null
          ? nothing
          : html`<small class="coordinates">${position(order.lon, order.lat)}</small>
              <button class="quiet" @click=${() => {
                state.show("map");
                state.dispatchEvent(new Event("zoom"));
              }}>${t("action.on_map")}</button>`}
      </dd></div>
    ${order.squad_id ? html`<div><dt>${t("fact.squad")}</dt><dd>${thingName(order.squad_id)}</dd></div>` : nothing}
    ${order.verdict ? html`<div><dt>${t("fact.verdict")}</dt><dd>${t(`verdict.${order.verdict}`)}</dd></div>` : nothing}
    ${order.reason_code ? html`<div><dt>${t("fact.reason")}</dt><dd>${t(`reason_code.${order.reason_code}`)}</dd></div>` : nothing}
  </dl>`;
}

// Several findings of one conduct are one order; here they are all.
function findings(detail) {
  if (detail.occurrences.length < 2) return nothing;
  return html`<section>
    <details>
      <summary><h3>${t("detail.findings", { n: detail.occurrences.length })}</h3></summary>
      <ol class="findings">
        ${detail.occurrences.map(
          (one) => html`<li>${fullTime(one.detected_at)} ${t(`phase.${one.phase}`)} · ${one.rule_id}
            ${one.late ? html`<span class="mark late">${t("mark.late")}</span>` : nothing}</li>`,
        )}
      </ol>
    </details>
  </section>`;
}

customElements.define("hw-detail", Detail);
