// One thing in the outbox: what it is, why it stopped, and what the person may do about it.
import { fullTime } from "../js/format.js";
import { known, say, t } from "../js/i18n.js";
import { html, nothing } from "../js/lib.js";
import { outbox } from "./outbox.js";
import { tasks } from "./tasks.js";
import "./whereabouts.js";

export function outboxItem(item) {
  const { problem } = item;
  return html`<div class="item ${item.state}" data-state=${item.state} data-kind=${item.kind}>
    <p><strong>${item.kind === "photo" ? t("squad.item.photo", { size: Math.ceil(item.size / 1024) }) : t(`squad.did.${item.command}`)}</strong>
      <small>${item.orderId} · ${fullTime(item.addedAt)}</small></p>
    ${item.data && Object.values(item.data).length ? html`<p class="dim said">${Object.values(item.data).join(" · ")}</p>` : nothing}
    ${problem ? html`<p class="problem">${why(item)}</p>` : html`<p class="dim">${stateOf(item)}</p>`}
    ${problem ? buttons(item) : nothing}
  </div>`;
}

function stateOf(item) {
  if (!outbox.isMine(item)) return t("squad.item.other_person", { name: item.actorId });
  return outbox.sending === item.seq ? t("squad.item.sending") : t("squad.item.waiting");
}

// In words: what the server said, and who has the order now.
function why(item) {
  const { problem } = item;
  const order = problem.order;
  if (order) {
    const holder = order.squad_id === tasks.answer?.squad_id ? null : order.squad_id;
    const stage = known(`stage.${order.stage}`, order.stage);
    const where = holder ? t("squad.elsewhere_squad", { order: order.order_id, squad: tasks.answer.squads[holder] ?? holder, stage }) : t("squad.now_is", { stage });
    return html`${say(problem.text)} ${where}`;
  }
  if (problem.status === 404 || problem.status === 403) return html`${t("squad.elsewhere")} <hw-whereabouts .orderId=${item.orderId}></hw-whereabouts>`;
  return say(problem.text) || t("squad.item.refused", { status: problem.status });
}

function buttons(item) {
  return html`<div class="actions">
    ${canRetry(item) ? html`<button data-again @click=${() => outbox.again(item, current(item))}>${t("squad.item.again")}</button>` : nothing}
    ${item.kind === "photo" ? html`<button @click=${() => saveOnPhone(item)}>${t("squad.item.save")}</button>` : nothing}
    <button class="danger" data-discard @click=${() => confirm(t("squad.item.discard_sure")) && outbox.discard(item)}>${t("squad.item.discard")}</button>
  </div>`;
}

const current = (item) => tasks.find(item.orderId)?.order ?? null;

// A command only if the order is ours and its stage knows the command; a photo always: the order may have come back.
function canRetry(item) {
  if (item.kind === "photo") return true;
  const task = tasks.find(item.orderId);
  return Boolean(task && tasks.actions(task).some((row) => row.command === item.command));
}

function saveOnPhone(item) {
  const url = URL.createObjectURL(new Blob([item.bytes], { type: item.type }));
  const link = Object.assign(document.createElement("a"), { href: url, download: `${item.orderId}-${item.sha256.slice(0, 8)}.jpg` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
