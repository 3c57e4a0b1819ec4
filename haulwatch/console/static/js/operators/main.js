// The operators' page: rules, files and deployments of the city, and a draft that others decide about.
import { lang, setLang, startLang, t } from "../i18n.js";
import { html, nothing } from "../lib.js";
import { bench } from "./bench.js";
import { problemView } from "./draft-bar.js";
import { BenchElement } from "./element.js";
import "./files-pane.js";
import "./rollouts-pane.js";
import "./rules-pane.js";
import "./trial-pane.js";
import { trials } from "./trials.js";
import "./zones-pane.js";

const TABS = ["rules", "zones", "trial", "files", "rollouts"];

class Operators extends BenchElement {
  connectedCallback() {
    super.connectedCallback();
    addEventListener("hashchange", () => this.requestUpdate());
  }

  render() {
    const [tab, place] = where();
    const pending = bench.rollouts.filter((one) => one.state === "proposed").length;
    return html`<header class="bar">
        <a class="back" href="/">← ${t("app.title")}</a>
        <h1>${t("rules.title")}</h1>
        <nav class="sections" aria-label=${t("rules.tabs")}>
          ${TABS.map((one) => html`<a href=${`#${one}`} aria-current=${one === tab ? "page" : nothing}>${t(`tab.${one}`)}${one === "rollouts" && pending ? html` <b class="count">${pending}</b>` : nothing}</a>`)}
        </nav>
        ${bench.shop ? html`<code class="hash" title=${t("rules.in_force")}>${bench.shop.city_hash.slice(0, 12)}</code>` : nothing}
        <button class="quiet" lang=${lang() === "zh" ? "en" : "zh"} @click=${() => setLang(lang() === "zh" ? "en" : "zh")}>${lang() === "zh" ? "English" : "中文"}</button>
      </header>
      <main>${problemView()}${bench.shop ? this.#content(tab, place) : html`<p class="dim">${t("list.loading")}</p>`}</main>
      <hw-draft-bar></hw-draft-bar>`;
  }

  #content(tab, place) {
    if (tab === "zones") return html`<hw-zones-pane .zoneId=${place}></hw-zones-pane>`;
    if (tab === "files") return html`<hw-files-pane .place=${place}></hw-files-pane>`;
    if (tab === "trial") return html`<hw-trial-pane></hw-trial-pane>`;
    if (tab === "rollouts") return html`<hw-rollouts-pane></hw-rollouts-pane>`;
    return html`<hw-rules-pane .ruleId=${place}></hw-rules-pane>`;
  }
}

// The address says what is shown: #rules/ID, #zones/ID, #files/NAME:LINE, #rollouts.
function where() {
  const [, tab, place] = /^#?([a-z]*)\/?(.*)$/.exec(location.hash);
  return [TABS.includes(tab) ? tab : "rules", decodeURIComponent(place)];
}

await startLang();
customElements.define("hw-operators", Operators);
await bench.start();
await trials.loadScores();
