// A zone's or a rule's versions: loaded when they are opened, kept while the page is open, newest first.
import { Problem, getJson } from "../api.js";
import { fullTime } from "../format.js";
import { say, t } from "../i18n.js";
import { html, nothing } from "../lib.js";
import { bench } from "./bench.js";
import { fieldChange } from "./changes.js";
import "./zones-map.js";

const LONGEST_DIFF = 600; // lines

class Versions {
  #found = new Map(); // "zone:ID" → {versions} or {problem}
  shown = null; // the version whose zone is drawn on the map

  of(kind, id) {
    return this.#found.get(`${kind}:${id}:${bench.shop.city_hash}`) ?? null;
  }

  async load(kind, id) {
    const key = `${kind}:${id}:${bench.shop.city_hash}`;
    if (this.#found.get(key)?.versions) return;
    try {
      this.#found.set(key, await getJson(`/api/v1/workbench/versions/${kind}?${kind}_id=${encodeURIComponent(id)}`));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.#found.set(key, { problem });
    }
    bench.changed();
  }

  // Zones before and after a deployment.
  turns(rolloutId) {
    return this.#found.get(rolloutId) ?? null;
  }

  async loadTurns(rolloutId) {
    if (this.#found.has(rolloutId)) return;
    try {
      this.#found.set(rolloutId, await getJson(`/api/v1/workbench/versions/rollout?rollout_id=${rolloutId}`));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
    }
    bench.changed();
  }

  show(version) {
    this.shown = this.shown === version ? null : version;
    bench.changed();
  }
}

export const versions = new Versions();

export function versionsView(kind, id) {
  const found = versions.of(kind, id);
  return html`<details class="versions" @toggle=${(event) => event.target.open && versions.load(kind, id)}>
    <summary>${t("versions.title")}</summary>
    ${found?.problem ? html`<p class="dim">${say(found.problem.text) || found.problem.message}</p>` : nothing}
    <ol>${(found?.versions ?? []).map((version, i) => item(kind, version, found.versions[i + 1] ?? null))}</ol>
  </details>`;
}

// What a deployment does to zones, drawn: as they would be, dashed as they were.
export function turnsView(rollout) {
  if (!rollout.changes.zones.length) return nothing;
  const found = versions.turns(rollout.rollout_id);
  const state = ({ before, after }) => (!before ? "added" : after ? "changed" : "removed");
  return html`<details class="turns" @toggle=${(event) => event.target.open && versions.loadTurns(rollout.rollout_id)}>
    <summary>${t("versions.on_map", { n: rollout.changes.zones.length })}</summary>
    ${found?.bounds
      ? html`<hw-zones-map
          .zones=${found.zones.map((turn) => ({ ...(turn.after ?? turn.before), state: state(turn) }))}
          .bounds=${found.bounds}
          .mode=${""}
          .others=${found.zones.filter((turn) => turn.before && turn.after).map(({ before }) => ({ geometry: before.area ?? before.outline, look: "before" }))}
        ></hw-zones-map>`
      : nothing}
  </details>`;
}

function item(kind, version, before) {
  const { term } = version;
  return html`<li data-version=${term.rollout_id}>
    <p><span class="mark ${version.change}">${t(`changes.${version.change}`)}</span> <b>${fullTime(term.since)}</b> – ${term.until ? fullTime(term.until) : t("versions.now")}
      <a href="#rollouts">#${term.rollout_id}</a></p>
    <p>${term.note} <small>${t("versions.by", { who: term.proposed_by })}${term.decided_by ? html` · ${t("versions.approved", { who: term.decided_by })}` : nothing}</small></p>
    ${kind === "zone" ? ofZone(version) : ofRule(version, before)}
  </li>`;
}

function ofZone(version) {
  const { zone } = version;
  if (!zone) return nothing;
  const told = Object.entries(zone.properties).filter(([key]) => !["zone_id", "name"].includes(key));
  return html`<p class="dim">${told.map(([key, value]) => `${key}: ${Array.isArray(value) ? value.join(", ") : value}`).join(" · ")}</p>
    <button class="toggle" data-show-version aria-pressed=${versions.shown === version} @click=${() => versions.show(version)}>${t("versions.show")}</button>`;
}

function ofRule(version, before) {
  const differs = before && before.text !== version.text;
  return html`${version.fields.map((field) => html`<p class="field">${fieldChange(field)}</p>`)}
    ${version.text ? html`<details><summary>${t(differs ? "versions.diff" : "versions.text")}</summary><pre class="diff" tabindex="0">${differs ? diff(before.text, version.text) : version.text}</pre></details>` : nothing}`;
}

// Line by line, by the longest common part.
function diff(old, now) {
  const [a, b] = [old.split("\n"), now.split("\n")];
  if (a.length > LONGEST_DIFF || b.length > LONGEST_DIFF) return now;
  const common = Array.from({ length: a.length + 1 }, () => new Array(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--) common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
  const lines = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) lines.push(html`<span>  ${a[i++]}\n</span>`) && j++;
    else if (i < a.length && (j >= b.length || common[i + 1][j] >= common[i][j + 1])) lines.push(html`<del>- ${a[i++]}\n</del>`);
    else lines.push(html`<ins>+ ${b[j++]}\n</ins>`);
  }
  return lines;
}
