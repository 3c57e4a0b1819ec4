// A task in the list, and the pieces that list and task share.
import { duration, plate, whenShort } from "../js/format.js";
import { known, say, t } from "../js/i18n.js";
import { html, nothing } from "../js/lib.js";
import { outbox } from "./outbox.js";
import { tasks } from "./tasks.js";

export const stageChip = (task) => {
  const stage = tasks.stage(task);
  const ahead = stage !== task.order.stage;
  return html`<span class="chip stage ${ahead ? "ahead" : ""}">${known(`stage.${stage}`, stage)}${ahead ? ` · ${t("squad.not_sent")}` : ""}</span>`;
};

export const placeOf = (task) => {
  const names = task.zones.filter((zone) => zone.kind !== "route").map((zone) => say(zone.name));
  return names.join(" · ") || (task.order.lon === null ? t("place.unknown") : t("place.no_zone"));
};

// Time left on the order's clock: colour and text.
export function clockLine(order) {
  const { clock } = order;
  if (!clock || clock.paused_at) return nothing;
  const left = (Date.parse(clock.due_at) - tasks.now) / 1000;
  const text = t(left >= 0 ? "squad.clock_left" : "squad.clock_over", { step: known(`clock.step.${clock.step}`, clock.step), duration: duration(left, 1) });
  return html`<span class="left ${left < 0 ? "over" : left < 900 ? "soon" : "calm"}">${text}</span>`;
}

export function taskCard(task, open) {
  const { order } = task;
  const waits = outbox.of(order.order_id).length;
  return html`<button class="card ${order.severity}" @click=${open} data-order=${order.order_id}>
    <span class="line">
      <span class="chip severity ${order.severity}">${known(`severity.${order.severity}`, order.severity)}</span>
      ${stageChip(task)} ${tasks.fresh.has(order.order_id) ? html`<span class="chip new">${t("squad.new")}</span>` : nothing}
    </span>
    <span class="line"><strong>${say(order.title)}</strong><span class="plate">${plate(order.truck_id)}</span></span>
    <span class="dim">${placeOf(task)} · ${whenShort(order.detected_at)}</span>
    <span class="line">${clockLine(order)}${waits ? html`<span class="mark">${t("squad.waiting", { n: waits })}</span>` : nothing}</span>
  </button>`;
}
