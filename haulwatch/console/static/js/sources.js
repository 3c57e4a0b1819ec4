// Whether the page is live, and how old the news of each source is: silence is said before somebody misses something.
import { HwElement } from "./element.js";
import { Problem, getOrNull } from "./api.js";
import { duration } from "./format.js";
import { known, say, t } from "./i18n.js";
import { classMap, html, nothing } from "./lib.js";
import { state } from "./state.js";

const STALE_S = 15;
const SILENT_MS = 5 * 60_000;
const EVERY_MS = 15_000;

class Sources extends HwElement {
  #told = null; // the answer of /api/v1/sources
  #timers = [];

  connectedCallback() {
    super.connectedCallback();
    state.addEventListener("me", this.#load, { once: true });
    this.#timers = [setInterval(this.#load, EVERY_MS), setInterval(() => this.requestUpdate(), 1000)];
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#timers.forEach(clearInterval);
  }

  #load = async () => {
    try {
      this.#told = await getOrNull("/api/v1/sources");
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem; // the lamp says that the server is away
    }
    this.requestUpdate();
  };

  render() {
    const now = Date.now();
    const { receivedMs } = state.trucks;
    const age = receivedMs ? Math.max(0, Math.round((now - receivedMs) / 1000)) : null;
    const stale = age === null || age > STALE_S;
    const silent = this.#silent(now);
    return html`<details class="menu sources">
      <summary class="connection ${state.connection}" title=${t("sources.title")}>
        <span class="lamp" aria-hidden="true"></span><span role="status">${t(`connection.${state.connection}`)}</span>
        <span class=${classMap({ age: true, stale })} title=${t("connection.trucks_long")}>
          ${age === null ? t("connection.no_trucks") : t("connection.trucks", { n: state.trucks.size, age: duration(age, 1) })}
        </span>
        ${silent.length ? html`<span class="mark warn">${this.#headline(silent, now)}</span>` : nothing}
      </summary>
      <div class="sheet">${this.#told ? this.#list(now) : html`<p class="dim">${t("list.loading")}</p>`}</div>
    </details>`;
  }

  #silent(now) {
    return (this.#told?.sources ?? []).filter((source) => source.last_at && now - new Date(source.last_at) > SILENT_MS);
  }

  // "cam-07 silent for 6 min", or how many are.
  #headline(silent, now) {
    if (silent.length > 1) return t("sources.some_silent", { n: silent.length });
    const [one] = silent;
    return `${nameOf(one)} ${t("sources.silent", { duration: duration((now - new Date(one.last_at)) / 1000, 1) })}`;
  }

  #list(now) {
    const { sources, lacks } = this.#told;
    return html`<ul>${sources.map((source) => this.#line(source, now))}</ul>
      <p class="dim">${lacks ? say(lacks) : t("sources.since")}</p>`;
  }

  #line(source, now) {
    const ageMs = source.last_at ? now - new Date(source.last_at) : Infinity;
    const words = source.last_at
      ? t(ageMs > SILENT_MS ? "sources.silent" : "sources.ago", { duration: duration(Math.max(1, ageMs / 1000), 1) })
      : t("sources.never");
    return html`<li class=${ageMs > SILENT_MS ? "warn" : ""}>
      <span>${nameOf(source)} ${source.kind === "link" ? nothing : html`<small>${source.source}</small>`}</span><b>${words}</b>
      ${source.devices > 1 ? html`<small class="of">${t("sources.devices", { n: source.devices, silent: source.silent })}</small>` : nothing}
    </li>`;
  }
}

const nameOf = ({ source, kind, name }) => (kind === "link" ? known(`sources.link.${source}`, source) : (name ?? source));

customElements.define("hw-sources", Sources);
