// What is going on with the order: its clock, supervision, a request that waits, the departments' parts, where it went.
import { ago, clock, duration, fullTime } from "./format.js";
import { known, t } from "./i18n.js";
import { html, nothing } from "./lib.js";
import { commandName, stageName, thingName } from "./parts.js";
import { timeLeft } from "./service-clock.js";
import { state } from "./state.js";

const DAY_MIN = 1440;

export function clockOf(order, now) {
  const left = timeLeft(order, now);
  if (!left) return nothing;
  const { started_at, due_at, limit_min, working } = order.clock;
  const limit = duration(limit_min * 60, limit_min < DAY_MIN ? 1 : 2);
  const span = new Date(due_at) - new Date(started_at);
  const share = Math.min(1, Math.max(0, (now - new Date(started_at)) / span));
  return html`<div class="clock ${left.tone}">
    <b>${left.text}</b>
    <progress max="1" value=${share} aria-label=${t("clock.title")}></progress>
    <small>${t(working ? "clock.about_working" : "clock.about", { limit, due: fullTime(due_at).slice(5, 16) })}</small>
  </div>`;
}

export function supervisionOf({ supervision }) {
  if (!supervision) return nothing;
  const by = supervision.supervisor === "city" ? t("supervision.city") : thingName(supervision.supervisor);
  return html`<p class="notice supervision ${supervision.level}">
    <b>${t(`supervision.${supervision.level}`)}</b>
    ${t("supervision.about", { by, since: fullTime(supervision.since).slice(5, 16), deadline: fullTime(supervision.deadline_at).slice(5, 16) })}
  </p>`;
}

// Who asked for what and why; the buttons come from the commands that the order knows now.
export function requestOf({ pending }, buttons) {
  if (!pending) return nothing;
  const given = Object.entries(pending.data).map(([field, raw]) => [known(`field.${field}`, field), valueOfField(field, raw)]);
  return html`<section class="notice request" aria-label=${t("approval.title")}>
    <p><b>${t("approval.asked", { by: pending.by, command: commandName(pending.command) })}</b> <small>${ago(pending.at)}</small></p>
    <dl>${given.map(([name, text]) => html`<div><dt>${name}</dt><dd>${text}</dd></div>`)}</dl>
    ${buttons.length ? html`<div class="buttons">${buttons}</div>` : html`<p class="dim">${t("approval.waits")}</p>`}
  </section>`;
}

export function valueOfField(field, raw) {
  if (field === "minutes") return duration(Number(raw) * 60);
  if (field === "squad_id") return thingName(raw);
  return known(`${field}.${raw}`, raw);
}

export function whereItWent(order) {
  return html`
    ${order.stage === "on_hold" ? html`<p class="notice">${t("detail.held", { stage: stageName(order.held_stage) })}</p>` : nothing}
    ${order.merged_into ? html`<p class="notice">${t("detail.merged")} ${orderLink(order.merged_into)}</p>` : nothing}
    ${order.transferred_to ? html`<p class="notice">${t("detail.transferred", { to: order.transferred_to })}</p>` : nothing}
    ${order.duty_desk && !order.squad_id ? html`<p class="notice warn">${t("mark.duty_desk_long")}</p>` : nothing}
  `;
}

export const orderLink = (id) =>
  html`<a href="/orders/${encodeURIComponent(id)}" @click=${(event) => {
    if (event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    state.select(id);
  }}>${id}</a>`;

// Departments that take part: what each answered, and how that is rated. `give(command, department)` opens the form.
export function tasksOf(order, give) {
  if (!order.tasks.length) return nothing;
  return html`<section>
    <h3>${t("detail.tasks")}</h3>
    <ul class="tasks">
      ${order.tasks.map(
        (task) => html`<li>
          <p class="line"><b>${task.department}</b><span class="mark ${task.state === "open" ? "warn" : ""}">${t(`task.${task.state}`)}</span>
            <span class="dim">${task.squad_id ? thingName(task.squad_id) : t("task.no_squad")}</span>
            ${task.rating ? html`<span class="mark rating ${task.rating}">${t(`rating.${task.rating}`)}</span>` : nothing}
            ${task.state === "open" ? give("answer", task.department) : task.state === "answered" ? give("rate", task.department) : nothing}</p>
          ${task.answer ? html`<p><q>${task.answer}</q> <small>${task.answered_by} ${clock(task.answered_at)}</small></p>` : nothing}
        </li>`,
      )}
    </ul>
  </section>`;
}

export function jurisdictionsOf(order) {
  return order.jurisdictions.map(thingName).join(" · ");
}

export const squadFact = (order) => {
  if (order.squad_id) return html`<div><dt>${t("fact.squad")}</dt><dd>${thingName(order.squad_id)}</dd></div>`;
  if (!order.proposed_squad_id) return nothing;
  return html`<div><dt>${t("fact.proposed")}</dt><dd>${thingName(order.proposed_squad_id)}</dd></div>`;
};

