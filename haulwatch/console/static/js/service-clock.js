// Time left on an order's service clock: colour and text, always both.
import { duration } from "./format.js";
import { t } from "./i18n.js";
import { html, nothing } from "./lib.js";
import { FINAL } from "./filter.js";

// { tone: calm | soon | over | paused, text } or null when no clock runs.
export function timeLeft(order, now) {
  const { clock } = order;
  if (!clock || FINAL.has(order.stage)) return null;
  const step = t(`clock.step.${clock.step}`);
  if (clock.paused_at) return { tone: "paused", text: t("clock.paused", { step }) };
  const left = (new Date(clock.due_at).getTime() - now) / 1000;
  const text = t(left >= 0 ? "clock.left" : "clock.over", { step, duration: duration(left, Math.abs(left) < 3600 ? 1 : 2) });
  return { tone: left < 0 ? "over" : isSoon(clock, now) ? "soon" : "calm", text };
}

// The last fifth of the time. Working hours pass unevenly; then the marks that the server has set decide.
function isSoon(clock, now) {
  if (clock.marked_pct >= 80) return true;
  const from = new Date(clock.started_at).getTime();
  const passed = (now - from) / (new Date(clock.due_at).getTime() - from);
  return !clock.working && passed >= 0.8;
}

export function clockChip(order, now) {
  const left = timeLeft(order, now);
  if (!left) return nothing;
  return html`<span class="left ${left.tone}">${left.text}</span>`;
}
