// The order in full: what, when, where; why it fired; what the law says; what to do; what was done.
import { HwElement } from "./element.js";
import { EMPTY } from "./filter.js";
import { ago, duration, fullTime, position } from "./format.js";
import { Problem } from "./api.js";
import { say, t } from "./i18n.js";
import { exportPack } from "./pack.js";
import { html, nothing } from "./lib.js";
import { history, law, told } from "./detail-law.js";
import { clockOf, jurisdictionsOf, requestOf, squadFact, supervisionOf, tasksOf, whereItWent } from "./detail-work.js";
import { timely } from "./list-bulk.js";
import { marks, placeOf, plateChip, severityChip, stageChip, thingName } from "./parts.js";
import { state } from "./state.js";
import "./detail-photos.js";
import "./replay.js";
import { why } from "./detail-why.js";

const SETBACKS = ["reject", "return", "rework", "void", "hold"];
const SELDOM = new Set(["extend", "hold", "void", "merge", "transfer"]);
const ANSWERS = new Set(["approve", "decline", "withdraw"]);
const OF_TASKS = new Set(["answer", "rate"]);
const CLOCK_MS = 10_000;

const RULE_READERS = ["operator", "rule_approver", "duty_officer", "auditor", "administrator"];

// What decided: the rule and the zones. For who may see rules each is a link to its page, with every version that it had.
function decidedBy(order) {
  const may = state.me?.roles.some((role) => RULE_READERS.includes(role));
  const link = (tab, id, name) => (may ? html`<a href=${`/rules#${tab}/${encodeURIComponent(id)}`}>${name}</a>` : name);
  return html`<p class="fineprint">
    ${t("detail.rule")} ${link("rules", order.rule_id, order.rule_id)} · ${order.rule_hash.slice(0, 10)} · ${t("detail.city")} ${order.city_hash.slice(0, 10)}
    ${order.zone_ids.length ? html`<br />${t("detail.zones")} ${order.zone_ids.map((id, n) => html`${n ? " · " : ""}${link("zones", id, thingName(id))}`)}` : nothing}
  </p>`;
}

class Detail extends HwElement {
  #timer = 0;

  connectedCallback() {
    super.connectedCallback();
    this.#timer = setInterval(() => this.requestUpdate(), CLOCK_MS);
    state.addEventListener("ask", this.#onKey);
    state.addEventListener("selection", this.#toTop);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearInterval(this.#timer);
    state.removeEventListener("ask", this.#onKey);
    state.removeEventListener("selection", this.#toTop);
  }

  #toTop = () => this.querySelector(".scroll")?.scrollTo(0, 0);

  // What may follow now, as far as whoever is logged in may do it.
  get #commands() {
    const detail = state.detail?.detail;
    return (detail?.commands ?? []).filter((row) => timely(row, detail.order));
  }

  #onKey = ({ detail: wanted }) => {
    const own = this.#commands.filter((row) => state.may(row.roles));
    const forward = (row) => !SETBACKS.includes(row.command) && !SELDOM.has(row.command) && !OF_TASKS.has(row.command);
    const found = wanted === "reject" ? own.find((row) => row.command === "reject") : own.find(forward);
    if (found) this.#give(found);
  };

  #give(transition, values) {
    document.querySelector("hw-command").ask(transition, values);
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
        ${head(order, shown.drivers)} ${clockOf(order, Date.now())} ${supervisionOf(order)}
        ${requestOf(order, this.#answers())} ${whereItWent(order)} ${facts(order, breach)}
        <p class="summary">${say(breach.summary)}</p>
        ${tasksOf(order, (command, department) => this.#ofTask(command, department))}
        ${why(breach, shown.pictures)}
        ${breach.track.length > 1 ? html`<hw-replay .order=${order} .breach=${breach}></hw-replay>` : nothing}
        <hw-photos .order=${order}></hw-photos>
        ${law(breach)} ${runbook ? html`<section><h3>${t("detail.runbook")}</h3><p class="runbook">${say(runbook)}</p></section>` : nothing}
        ${findings(detail)} ${history(detail.audit)} ${told(state.notices)}
        ${decidedBy(order)}
      </div>
      ${this.#actions()}
    `;
  }

  #answers() {
    return this.#commands
      .filter((row) => ANSWERS.has(row.command) && state.may(row.roles))
      .map((row) => this.#button(row, row.command === "approve" ? "primary" : ""));
  }

  // A button beside a department's task: it knows which one it is about.
  #ofTask(command, department) {
    const row = this.#commands.find((one) => one.command === command && state.may(one.roles));
    return row ? html`<button class="quiet" @click=${() => this.#give(row, { department })}>${say(row.label)}</button>` : nothing;
  }

  #actions() {
    const commands = this.#commands.filter((row) => !ANSWERS.has(row.command) && !OF_TASKS.has(row.command));
    const own = commands.filter((row) => state.may(row.roles));
    const others = commands.filter((row) => !state.may(row.roles));
    if (own.length === 0) {
      const text = others.length ? t("action.for", { roles: rolesOf(others) }) : t(state.selected?.pending ? "approval.waits" : "action.none");
      return html`<footer class="actions"><p class="dim">${text}</p></footer>`;
    }
    const often = own.filter((row) => !SELDOM.has(row.command));
    const seldom = own.filter((row) => SELDOM.has(row.command));
    return html`<footer class="actions" role="group" aria-label=${t("action.title")}>
      ${unanswered(state.selected)}
      ${often.map((row) => this.#button(row, SETBACKS.includes(row.command) ? "setback" : "primary"))}
      ${seldom.length
        ? html`<details class="menu up"><summary>${t("action.more")}</summary><div class="sheet">${seldom.map((row) => this.#button(row, "item"))}</div></details>`
        : nothing}
    </footer>`;
  }

  #button(row, look) {
    return html`<button class=${look} data-command=${row.command} ?disabled=${state.sending} @click=${(event) => {
      event.target.closest("details.menu")?.removeAttribute("open");
      this.#give(row);
    }}>
      ${say(row.label)}
    </button>`;
  }
}

async function download(order) {
  try {
    await exportPack(order);
    state.reloadDetail(); // its history has grown
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    state.say("bad", problem);
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

// Why an order that is being verified cannot be closed yet.
function unanswered(order) {
  const open = order?.stage === "verifying" ? order.tasks.filter((task) => task.state === "open") : [];
  if (!open.length) return nothing;
  return html`<p class="dim">${t("action.unanswered", { departments: open.map((task) => task.department).join(" / ") })}</p>`;
}

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
      <button class="quiet" title=${t("action.same_truck_long")} @click=${() => state.setFilter({ ...EMPTY, view: "all", truckId: order.truck_id })}>
        ${t("action.same_truck")}
      </button>
      <button class="quiet" title=${t("pack.long")} @click=${() => download(order)}>${t("pack.title")}</button>
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
    ${order.jurisdictions.length ? html`<div><dt>${t("fact.jurisdiction")}</dt><dd>${jurisdictionsOf(order)}</dd></div>` : nothing}
    ${squadFact(order)}
    ${order.handled_by ? html`<div><dt>${t("fact.handled_by")}</dt><dd>${order.handled_by}</dd></div>` : nothing}
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
