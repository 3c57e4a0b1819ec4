// Who is found again and again: by truck, carrier or site, over some days; each leads to its orders. Also as a table.
import { Problem, getJson } from "./api.js";
import { fullTime, plate } from "./format.js";
import { lang, languageChanged, say, setLang, startLang, t } from "./i18n.js";
import { LitElement, html, nothing } from "./lib.js";

const BY = ["truck", "carrier", "site"];
const DAYS = [7, 30, 90, 365];

class Offenders extends LitElement {
  #by = "truck";
  #days = 30;
  #found = null;
  #problem = null;

  createRenderRoot() {
    return this;
  }

  connectedCallback() {
    super.connectedCallback();
    languageChanged.addEventListener("change", () => this.requestUpdate());
    addEventListener("popstate", () => this.#follow());
    this.#follow();
  }

  // The address says what is shown.
  #follow() {
    const asked = new URLSearchParams(location.search);
    this.#by = BY.includes(asked.get("by")) ? asked.get("by") : "truck";
    this.#days = DAYS.includes(Number(asked.get("days"))) ? Number(asked.get("days")) : 30;
    this.#load();
  }

  #show(by, days) {
    history.pushState(null, "", `/offenders?by=${by}&days=${days}`);
    this.#follow();
  }

  async #load() {
    this.#found = this.#problem = null;
    this.requestUpdate();
    const path = `/api/v1/offenders?by=${this.#by}&days=${this.#days}`;
    try {
      const found = await getJson(path);
      if (found.by === this.#by) this.#found = found;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.#problem = problem;
    }
    this.requestUpdate();
  }

  render() {
    return html`<header class="bar">
        <a class="back" href="/">← ${t("app.title")}</a>
        <h1>${t("offenders.title")}</h1>
        <button class="quiet" lang=${lang() === "zh" ? "en" : "zh"} @click=${() => setLang(lang() === "zh" ? "en" : "zh")}>${lang() === "zh" ? "English" : "中文"}</button>
      </header>
      <main>
        <div class="choices">
          <div role="group" aria-label=${t("offenders.by")}>${BY.map((by) => this.#choice(by === this.#by, t(`offenders.by.${by}`), by, this.#days))}</div>
          <div role="group" aria-label=${t("offenders.days")}>${DAYS.map((days) => this.#choice(days === this.#days, t("offenders.last", { days }), this.#by, days))}</div>
          <a class="csv" href="/api/v1/offenders.csv?by=${this.#by}&days=${this.#days}" download>${t("offenders.csv")}</a>
        </div>
        <p class="dim">${t("offenders.counts")}</p>
        <div class="results" role="status">${this.#results()}</div>
      </main>`;
  }

  #choice(on, words, by, days) {
    return html`<button class="toggle" aria-pressed=${on} @click=${() => this.#show(by, days)}>${words}</button>`;
  }

  #results() {
    if (this.#problem) return html`<p class="problem">${say(this.#problem.text) || this.#problem.message}</p>`;
    if (!this.#found) return html`<p class="dim">${t("list.loading")}</p>`;
    const { offenders, shares } = this.#found;
    if (!offenders.length) return html`${sharesNote(shares)}<p class="dim">${t("offenders.none")}</p>`;
    return html`${sharesNote(shares)}<div class="wide" role="region" tabindex="0" aria-label=${t("offenders.title")}><table>
      <thead><tr>
        <th scope="col">#</th><th scope="col">${t(`offenders.by.${this.#by}`)}</th><th scope="col" class="n">${t("offenders.orders")}</th>
        <th scope="col" class="n">${t("offenders.confirmed")}</th><th scope="col" class="n">${t("offenders.open")}</th>
        ${this.#by === "truck" ? nothing : html`<th scope="col" class="n">${t("offenders.trucks")}</th>`}
        ${shares ? html`<th scope="col">${t("offenders.share")}</th>` : nothing}
        <th scope="col">${t("offenders.kinds")}</th><th scope="col">${t("offenders.last_at")}</th>
      </tr></thead>
      <tbody>${offenders.map((one, i) => this.#row(one, i + 1, offenders[0].orders))}</tbody>
    </table></div>`;
  }

  #row(one, place, most) {
    return html`<tr>
      <td class="dim">${place}</td>
      <th scope="row">${this.#name(one)}</th>
      <td class="n total"><b>${one.orders}</b><meter min="0" max=${most || 1} value=${one.orders} aria-hidden="true"></meter></td>
      <td class="n">${one.confirmed}</td>
      <td class="n">${one.open}</td>
      ${this.#by === "truck" ? nothing : html`<td class="n">${one.trucks}</td>`}
      ${this.#found.shares ? html`<td class="share">${shareOf(one.share, this.#found.shares)}</td>` : nothing}
      <td class="kinds">${Object.entries(one.categories).map(([category, n]) => html`<span class="mark">${t(`category.${category}`)} ${n}</span>`)}</td>
      <td class="when">${fullTime(one.last_at).slice(0, 16)}</td>
    </tr>`;
  }

  #name(one) {
    if (this.#by === "carrier") return one.key || html`<span class="dim">${t("offenders.unregistered")}</span>`;
    if (this.#by === "site") return say(one.name) || one.key;
    const query = new URLSearchParams({ view: "all", truck: one.key, since: this.#found.since });
    return html`<a href="/?${query}" title=${t("offenders.show")}><span class="plate">${plate(one.key)}</span></a>`;
  }
}

// What the law counts of a carrier's trucks: which article, since when, and what is not in it.
function sharesNote(shares) {
  if (!shares) return nothing;
  return html`<p class="dim shares">${say(shares.law)} · ${t("offenders.share.since", { date: fullTime(shares.since).slice(0, 10), limit: shares.limit_pct })}<br />
    ${say(shares.counted)}${shares.partial ? html`<br /><b>${t("offenders.share.partial")}</b>` : nothing}</p>`;
}

function shareOf(share, { limit_pct: limit }) {
  if (!share) return "–";
  return html`${share.confirmed_trucks} / ${share.fleet} (${share.pct} %)
    ${share.over ? html`<span class="mark over">${t("offenders.share.over", { limit })}</span>` : nothing}
    ${share.undecided_trucks ? html`<small class="dim">${t("offenders.share.undecided", { n: share.undecided_trucks })}</small>` : nothing}`;
}

await startLang();
customElements.define("hw-offenders", Offenders);
