// The wall screen: today's orders in figures, where they lie on a coarse grid, how old the sources are. It names nobody.
import { getJson } from "../api.js";
import { clock, day, duration } from "../format.js";
import { known, lang, languageChanged, say, setLang, t } from "../i18n.js";
import { LitElement, classMap, html, nothing } from "../lib.js";
import { hoursChart, shares } from "./charts.js";
import "./heat-map.js";

const EVERY_MS = 5000;
const STALE_MS = 20_000;
const SILENT_MS = 5 * 60_000;
const STAGES = ["new", "filed", "dispatched", "accepted", "on_site", "handled", "verifying", "returned", "rework", "on_hold"];

class Wall extends LitElement {
  #wall = null;
  #at = 0; // when the figures came
  #refused = false;

  createRenderRoot() {
    return this;
  }

  connectedCallback() {
    super.connectedCallback();
    this.#load();
    setInterval(() => this.requestUpdate(), 1000);
    languageChanged.addEventListener("change", () => this.requestUpdate());
  }

  async #load() {
    try {
      this.#wall = await getJson("/api/v1/wall");
      this.#at = Date.now();
      this.#refused = false;
    } catch (problem) {
      this.#refused = problem.status === 403;
    }
    this.requestUpdate();
    setTimeout(() => this.#load(), EVERY_MS);
  }

  render() {
    const now = Date.now();
    const stale = now - this.#at > STALE_MS;
    return html`<header>
        <h1>${say(this.#wall?.city)} <span>${t("wall.title")}</span></h1>
        <p class=${classMap({ state: true, stale })} role="status">
          <span class="lamp" aria-hidden="true"></span>${stale ? t("wall.stale", { time: this.#at ? clock(this.#at) : "–" }) : t("connection.live")}
        </p>
        <button class="lang" lang=${lang() === "zh" ? "en" : "zh"} @click=${() => setLang(lang() === "zh" ? "en" : "zh")}>${lang() === "zh" ? "English" : "中文"}</button>
        <time datetime=${new Date(now).toISOString()}><b>${clock(now)}</b> ${day(now)}</time>
      </header>
      ${this.#wall ? this.#figures(this.#wall, now) : html`<main class="empty"><p>${t(this.#refused ? "wall.refused" : "list.loading")}</p></main>`}`;
  }

  #figures({ orders, trucks, sources, bounds }, now) {
    return html`<main>
      <section class="totals" aria-label=${t("wall.today")}>
        ${total("wall.opened", orders.opened_today, "")} ${total("wall.closed", orders.closed_today, "good")}
        ${total("wall.overdue", orders.overdue, orders.overdue ? "bad" : "")} ${total("wall.unassigned", orders.unassigned, orders.unassigned ? "warn" : "")}
        ${total("wall.pending", orders.pending, orders.pending ? "warn" : "")}
        ${total("wall.supervised", orders.supervised_yellow + orders.supervised_red, orders.supervised_red ? "bad" : orders.supervised_yellow ? "warn" : "")}
      </section>
      <section class="stages">
        <h2>${t("wall.stages")}</h2>
        ${shares(STAGES.map((stage) => ({ name: t(`stage.${stage}`), count: orders.stages[stage] })), "accent")}
      </section>
      <section class="place">
        <h2>${t("wall.heat", { days: orders.heat_days })}</h2>
        <hw-heat .cells=${orders.heat} .cellDeg=${orders.heat_cell_deg} .bounds=${bounds}></hw-heat>
      </section>
      <section class="kinds">
        <h2>${t("wall.kinds")}</h2>
        ${orders.kinds.length ? shares(byCategory(orders.kinds), "warn") : html`<p class="dim">${t("wall.none")}</p>`}
      </section>
      <section class="hours">
        <h2>${t("wall.hours")}</h2>
        ${hoursChart(orders.by_hour)}
      </section>
      <section class="feeds">
        <h2>${t("wall.feeds")}</h2>
        <p class="trucks">${t("wall.trucks", trucks)}</p>
        <ul>${worst(sources, now).map(sourceLine)}</ul>
        ${sources.lacks ? html`<p class="dim">${say(sources.lacks)}</p>` : nothing}
      </section>
    </main>`;
  }
}

const total = (key, count, tone) => html`<p class=${tone}><b>${count}</b><span>${t(key)}</span></p>`;

function byCategory(kinds) {
  const found = new Map();
  for (const { category, orders } of kinds) found.set(category, (found.get(category) ?? 0) + orders);
  return [...found]
    .sort((a, b) => b[1] - a[1])
    .slice(0, 6)
    .map(([category, count]) => ({ name: t(`category.${category}`), count }));
}

// The silent ones first: that is what somebody should do something about.
function worst({ sources }, now) {
  return sources
    .map((source) => ({ ...source, ageMs: source.last_at ? now - new Date(source.last_at).getTime() : Infinity }))
    .sort((a, b) => b.ageMs - a.ageMs)
    .slice(0, 4);
}

function sourceLine({ source, kind, name, ageMs, devices, silent }) {
  const quiet = ageMs > SILENT_MS;
  const age = Number.isFinite(ageMs) ? duration(Math.max(1, ageMs / 1000), 1) : null;
  const words = age === null ? t("sources.never") : t(quiet ? "sources.silent" : "sources.ago", { duration: age });
  const title = kind === "link" ? known(`sources.link.${source}`, source) : (name ?? source);
  return html`<li class=${quiet ? "warn" : ""}><b>${title}</b><span>${words}${devices > 1 ? ` · ${t("sources.devices", { n: devices, silent })}` : nothing}</span></li>`;
}

customElements.define("hw-wall", Wall);
