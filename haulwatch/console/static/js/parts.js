// Small pieces that list, map and detail share: always colour and text together.
import { known, say, t } from "./i18n.js";
import { html, nothing } from "./lib.js";
import { FINAL } from "./filter.js";
import { plate } from "./format.js";
import { state } from "./state.js";

export const SEVERITIES = ["critical", "major", "minor", "info"];
export const CATEGORIES = ["overweight", "dumping", "uncovered", "route", "time", "permit", "manifest", "tamper", "speed"];

export const stageName = (stage) => known(`stage.${stage}`, stage);
export const severityName = (severity) => known(`severity.${severity}`, severity);
export const categoryName = (category) => known(`category.${category}`, category);

export const commandName = (command) => known(`command.${command}`, command);

export const severityChip = (severity) =>
  html`<span class="chip severity ${severity}">${severityName(severity)}</span>`;

const STAGE_TONE = {
  new: "open",
  filed: "open",
  returned: "warn",
  rework: "warn",
  on_hold: "held",
  ...Object.fromEntries([...FINAL].map((stage) => [stage, "done"])),
};
export const stageChip = (stage) => html`<span class="chip stage ${STAGE_TONE[stage] ?? "busy"}">${stageName(stage)}</span>`;

export const plateChip = (id) => html`<span class="plate">${plate(id)}</span>`;

export function marks(order) {
  return html`
    ${order.supervision
      ? html`<span class="mark supervision ${order.supervision.level}" title=${t("supervision.long")}>${t(`supervision.${order.supervision.level}`)}</span>`
      : nothing}
    ${order.pending ? html`<span class="mark pending" title=${t("mark.pending_long")}>${t("mark.pending", { command: commandName(order.pending.command) })}</span>` : nothing}
    ${order.duty_desk && !order.squad_id && !FINAL.has(order.stage)
      ? html`<span class="mark warn" title=${t("mark.duty_desk_long")}>${t("mark.duty_desk")}</span>`
      : nothing}
    ${order.late ? html`<span class="mark late" title=${t("mark.late_long")}>${t("mark.late")}</span>` : nothing}
    ${order.urgency === "urgent" ? html`<span class="mark urgent">${t("mark.urgent")}</span>` : nothing}
    ${order.occurrences > 1
      ? html`<span class="mark" title=${t("mark.occurrences_long")}>${t("mark.occurrences", { n: order.occurrences })}</span>`
      : nothing}
  `;
}

const PLACE_ORDER = ["district", "township"]; // then sites; a route is no place

// How people call the zone, station, camera or squad of this id.
export const thingName = (id) => say(state.zones.get(id)?.name) || state.names.get(id) || id;

export const zoneKind = (id) => state.zones.get(id)?.kind;

export function placeOf(order) {
  const rank = (id) => (PLACE_ORDER.indexOf(zoneKind(id)) + PLACE_ORDER.length + 1) % (PLACE_ORDER.length + 1);
  const ids = order.zone_ids.filter((id) => zoneKind(id) !== "route").sort((a, b) => rank(a) - rank(b));
  const names = ids.map(thingName);
  if (names.length) return names.join(" · ");
  return order.lon === null ? t("place.unknown") : t("place.no_zone");
}
