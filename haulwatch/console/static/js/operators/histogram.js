// Observed values around the threshold of a param: bars by verdict, the threshold in force and the drafted one.
import { say, t } from "../i18n.js";
import { html, nothing, svg } from "../lib.js";
import { durationText } from "./durations.js";

const [WIDTH, HEIGHT, FOOT] = [560, 120, 22];
const KINDS = ["confirmed", "false_alarm", "other"];

export function histogramView(histogram, drafted) {
  const { bins } = histogram;
  const moved = typeof drafted === "number" && drafted !== histogram.threshold;
  const [low, high] = edges(histogram, moved ? [drafted] : []);
  const most = Math.max(1, ...bins.map(total));
  const lines = [histogram.threshold, ...(moved ? [drafted] : [])];
  const x = (value) => ((value - low) / (high - low)) * WIDTH;
  const shown = (value) => (histogram.unit === "s" ? durationText(Math.round(value)) : String(Math.round(value * 100) / 100));
  return html`<figure class="histogram" data-param=${histogram.param}>
    <figcaption>${say(histogram.label) || histogram.param} · ${t("histogram.title", { n: bins.reduce((sum, bin) => sum + total(bin), 0) })}</figcaption>
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT + FOOT}" role="img" aria-label=${words(histogram, bins, shown)}>
      ${bins.map((bin) => bar(bin, x, most, low, high))}
      ${line(x(histogram.threshold), "now", shown(histogram.threshold))}
      ${moved ? line(x(drafted), "new", shown(drafted)) : nothing}
      ${[low, high].map((end) => (clear(x(end), lines.map(x)) ? svg`<text x=${x(end)} y=${HEIGHT + FOOT - 4} text-anchor=${end === low ? "start" : "end"}>${shown(end)}</text>` : nothing))}
    </svg>
    <p class="key">${KINDS.map((kind) => html`<span class=${kind}>■ ${t(`verdicts.${kind}`)}</span>`)}</p>
    ${moved ? html`<p>${gone(histogram, drafted)}</p>` : nothing}
  </figure>`;
}

const total = (bin) => bin.confirmed + bin.false_alarm + bin.other;

// Bins that are open at an end are drawn as wide as their neighbours.
function edges({ bins, threshold }, also) {
  const values = [...also, ...bins.flatMap((bin) => [bin.low, bin.high])].filter((value) => value !== null);
  const [low, high] = [Math.min(threshold, ...values), Math.max(threshold, ...values)];
  const room = (high - low || Math.abs(threshold) || 1) / Math.max(bins.length, 4);
  return [bins.some((bin) => bin.low === null) ? low - room : low, bins.some((bin) => bin.high === null) ? high + room : high];
}

function bar(bin, x, most, low, high) {
  const [left, right] = [x(bin.low ?? low), x(bin.high ?? high)];
  let top = HEIGHT;
  return KINDS.map((kind) => {
    const height = (bin[kind] / most) * (HEIGHT - 14);
    top -= height;
    return height ? svg`<rect class=${kind} x=${left + 1} y=${top} width=${Math.max(right - left - 2, 1)} height=${height}></rect>` : nothing;
  });
}

// Whether there is room for an end's figure beside those of the thresholds.
const clear = (end, lines) => lines.every((at) => Math.abs(at - end) > 70);

const line = (at, kind, text) => svg`<line class=${kind} x1=${at} x2=${at} y1="0" y2=${HEIGHT + 4}></line>
  <text class=${kind} x=${Math.min(Math.max(at, 30), WIDTH - 30)} y=${HEIGHT + FOOT - 4} text-anchor="middle">${text}</text>`;

// What the drafted threshold would lose, as far as the bins tell.
function gone({ bins, operator, threshold }, drafted) {
  const up = operator.startsWith(">");
  const stricter = up ? drafted > threshold : drafted < threshold;
  if (!stricter) return t("histogram.looser");
  const lost = bins.filter((bin) => (up ? bin.high !== null && bin.high <= drafted : bin.low !== null && bin.low >= drafted));
  const sum = (kind) => lost.reduce((all, bin) => all + bin[kind], 0);
  return t("histogram.gone", { confirmed: sum("confirmed"), false_alarm: sum("false_alarm"), other: sum("other") });
}

function words(histogram, bins, shown) {
  const told = bins.filter(total).map((bin) => `${bin.low === null ? "…" : shown(bin.low)}–${bin.high === null ? "…" : shown(bin.high)}: ${total(bin)}`);
  return `${say(histogram.label) || histogram.param} ${told.join("; ")}`;
}
