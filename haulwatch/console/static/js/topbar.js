// Name of the city, orders by stage, connection and age of positions, local time, who acts, language, theme.
import { HwElement } from "./element.js";
import { clock, day, duration } from "./format.js";
import { lang, say, setLang, t } from "./i18n.js";
import { classMap, html } from "./lib.js";
import { VIEWS, state } from "./state.js";

const STALE_S = 15;

class Topbar extends HwElement {
  #timer = 0;

  connectedCallback() {
    super.connectedCallback();
    this.#timer = setInterval(() => this.requestUpdate(), 1000);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearInterval(this.#timer);
  }

  render() {
    const now = Date.now();
    return html`<header class="topbar">
      <h1><img src="/static/icon.svg" alt="" width="26" height="26" />${t("app.title")}<small>${say(state.city?.name)}</small></h1>
      <dl class="tally">
        ${["todo", "running", "done"].map((view) => html`<div class=${view}><dt>${t(`view.${view}`)}</dt><dd>${this.#count(view)}</dd></div>`)}
      </dl>
      ${this.#connection(now)}
      <time class="now" datetime=${new Date(now).toISOString()} title=${t("app.local_time")}><b>${clock(now)}</b> ${day(now)}</time>
      <label class="actor">${t("actor.label")}
        <input
          id="actor"
          autocomplete="name"
          maxlength="64"
          placeholder=${t("actor.placeholder")}
          .value=${state.actor}
          @change=${(event) => state.setActor(event.target.value)}
        />
      </label>
      <div class="tools">
        <button class="quiet" lang=${lang() === "zh" ? "en" : "zh"} @click=${() => setLang(lang() === "zh" ? "en" : "zh")}>
          ${lang() === "zh" ? "English" : "中文"}
        </button>
        <button class="quiet" @click=${toggleTheme} title=${t("theme.toggle")} aria-label=${t("theme.toggle")}>◐</button>
        <button class="quiet" @click=${() => document.querySelector("hw-help").toggle()} title=${t("keys.help")} aria-label=${t("keys.help")}>?</button>
      </div>
    </header>`;
  }

  #count(view) {
    if (!state.counts) return "–";
    return VIEWS[view].reduce((sum, stage) => sum + (state.counts[stage] ?? 0), 0);
  }

  #connection(now) {
    const { receivedMs } = state.trucks;
    const age = receivedMs ? Math.max(0, Math.round((now - receivedMs) / 1000)) : null;
    const stale = age === null || age > STALE_S;
    return html`<p class="connection ${state.connection}" role="status">
      <span class="lamp" aria-hidden="true"></span>${t(`connection.${state.connection}`)}
      <span class=${classMap({ age: true, stale })} title=${t("connection.trucks_long")}>
        ${age === null ? t("connection.no_trucks") : t("connection.trucks", { n: state.trucks.size, age: duration(age, 1) })}
      </span>
    </p>`;
  }
}

export function toggleTheme() {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "light" ? "dark" : "light";
  localStorage.setItem("haulwatch.theme", root.dataset.theme);
  state.dispatchEvent(new Event("theme"));
}

customElements.define("hw-topbar", Topbar);
