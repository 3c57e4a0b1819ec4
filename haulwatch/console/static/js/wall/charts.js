// Charts that are read from afar: the number always stands beside its bar.
import { t } from "../i18n.js";
import { html, svg } from "../lib.js";

// [{ name, count }] as bars, each with its number.
export function shares(rows, tone) {
  const most = Math.max(1, ...rows.map((row) => row.count));
  return html`<ul class="shares">
    ${rows.map(
      ({ name, count }) => html`<li class=${count ? "" : "dim"}>
        <span>${name}</span>
        <svg class=${tone} viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect width=${(count / most) * 100} height="10"></rect></svg>
        <b>${count}</b>
      </li>`,
    )}
  </ul>`;
}

const WIDTH = 480;
const HEIGHT = 132;
const BASE = 108;
const STEP = WIDTH / 24;

export function hoursChart(hours) {
  const most = Math.max(1, ...hours);
  const height = (count) => (count / most) * (BASE - 22);
  return html`<svg class="columns" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label=${t("wall.hours_long", { hours: hours.join(", ") })}>
    <line x1="0" y1=${BASE} x2=${WIDTH} y2=${BASE}></line>
    ${hours.map((count, hour) =>
      count ? svg`<rect x=${hour * STEP + 2} y=${BASE - height(count)} width=${STEP - 4} height=${height(count)}></rect>` : svg``,
    )}
    ${hours.map((count, hour) => (count === most ? svg`<text x=${hour * STEP + STEP / 2} y=${BASE - height(count) - 5} text-anchor="middle">${count}</text>` : svg``))}
    ${[0, 6, 12, 18].map((hour) => svg`<text class="axis" x=${hour * STEP + STEP / 2} y=${HEIGHT - 3} text-anchor="middle">${hour}</text>`)}
  </svg>`;
}
