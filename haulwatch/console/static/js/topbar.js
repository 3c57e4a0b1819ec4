// Name of the city, orders by stage, connection and age of the sources, sound, local time, who acts, language, theme.
import "./sources.js";
import { HwElement } from "./element.js";
import { clock, day } from "./format.js";
import { lang, say, setLang, t } from "./i18n.js";
import { html, nothing, svg } from "./lib.js";
import { severityName } from "./parts.js";
import { SOUNDING, sound } from "./sound.js";
import { state } from "./state.js";

const RULES = ["operator", "rule_approver", "duty_officer", "auditor", "administrator"];

class Topbar extends HwElement {
  #timer = 0;
  #redrawn = () => this.requestUpdate();

  connectedCallback() {
    super.connectedCallback();
    this.#timer = setInterval(this.#redrawn, 1000);
    sound.addEventListener("change", this.#redrawn);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearInterval(this.#timer);
    sound.removeEventListener("change", this.#redrawn);
  }

  render() {
    const now = Date.now();
    return html`<header class="topbar">
      <h1><img src="/static/icon.svg" alt="" width="26" height="26" />${t("app.title")}<small>${say(state.city?.name)}</small></h1>
      <dl class="tally">
        ${["todo", "running", "verify"].map((view) => html`<div class=${view}><dt>${t(`view.${view}`)}</dt><dd>${state.counts ? state.countOf(view) : "–"}</dd></div>`)}
      </dl>
      <hw-sources></hw-sources>
      ${this.#sound()}
      <time class="now" datetime=${new Date(now).toISOString()} title=${t("app.local_time")}><b>${clock(now)}</b> ${day(now)}</time>
      ${state.me ? this.#person() : this.#name()}
      <div class="tools">
        <button class="quiet" lang=${lang() === "zh" ? "en" : "zh"} @click=${() => setLang(lang() === "zh" ? "en" : "zh")}>
          ${lang() === "zh" ? "English" : "中文"}
        </button>
        <button class="quiet" @click=${toggleTheme} title=${t("theme.toggle")} aria-label=${t("theme.toggle")}>◐</button>
        <button class="quiet keys" @click=${() => document.querySelector("hw-help").toggle()} title=${t("keys.help")} aria-label=${t("keys.help")}>?</button>
      </div>
    </header>`;
  }

  // Who is logged in, and what else there is to see.
  #person() {
    const { me } = state;
    return html`<details class="menu person">
      <summary>${me.name ?? me.actor_id}</summary>
      <div class="sheet">
        <p><b>${me.name ?? me.actor_id}</b><br /><small>${me.roles.map((role) => t(`role.${role}`)).join(" · ")}</small></p>
        ${pages()}
        <form method="post" action="/logout"><button>${t("me.logout")}</button></form>
      </div>
    </details>`;
  }

  // A console without login: whoever acts gives a name.
  #name() {
    return html`<label class="actor">${t("actor.label")}
        <input
          id="actor"
          autocomplete="name"
          maxlength="64"
          placeholder=${t("actor.placeholder")}
          .value=${state.actor}
          @change=${(event) => state.setActor(event.target.value)}
        />
      </label>
      <details class="menu pages"><summary aria-label=${t("me.pages")}>☰</summary><div class="sheet">${pages()}</div></details>`;
  }

  #sound() {
    const { muted, volume, severities } = sound.settings;
    const ringing = sound.ringing.size;
    return html`<div class="sound">
      ${ringing ? html`<button class="ring" @click=${() => sound.acknowledgeAll()}>${t("sound.ringing", { n: ringing })}</button>` : nothing}
      ${sound.locked && !muted ? html`<button class="quiet hint" @click=${() => sound.unlock()}>${t("sound.locked")}</button>` : nothing}
      <details class="menu">
        <summary aria-label=${t("sound.title")} title=${t("sound.title")}>${speaker(muted)}</summary>
        <div class="sheet">
          <label class="check"><input type="checkbox" .checked=${muted} @change=${(event) => sound.set({ muted: event.target.checked })} /> ${t("sound.mute")}</label>
          <label>${t("sound.volume")}
            <input type="range" min="0" max="1" step="0.05" .value=${String(volume)} @change=${(event) => sound.set({ volume: Number(event.target.value) })} /></label>
          <p class="dim">${t("sound.for")}</p>
          ${SOUNDING.map(
            (severity) => html`<p class="for">
              <label class="check"><input type="checkbox" .checked=${severities.includes(severity)} @change=${() => sound.set({ severities: toggled(severities, severity) })} /> ${severityName(severity)}</label>
              <button class="quiet" aria-label=${`${t("sound.try")} ${severityName(severity)}`} @click=${() => sound.play(severity)}>${t("sound.try")}</button>
            </p>`,
          )}
        </div>
      </details>
    </div>`;
  }
}

const speaker = (muted) => html`<svg class="speaker" viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
  <path d="M3 7.5h3l4-3.5v12l-4-3.5H3z"></path>
  ${muted ? svg`<path class="line" d="M13 7.5l5 5m0-5l-5 5"></path>` : svg`<path class="line" d="M13 7a4 4 0 0 1 0 6m2-8.5a7 7 0 0 1 0 11"></path>`}
</svg>`;

const pages = () => html`<nav class="links" aria-label=${t("me.pages")}>
  <a href="/wall" target="_blank" rel="noopener">${t("me.wall")}</a><a href="/offenders">${t("offenders.title")}</a>
  ${!state.me || state.me.roles.some((role) => RULES.includes(role)) ? html`<a href="/rules">${t("rules.title")}</a>` : nothing}
</nav>`;

const toggled = (values, value) => (values.includes(value) ? values.filter((other) => other !== value) : [...values, value]);

export function toggleTheme() {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "light" ? "dark" : "light";
  localStorage.setItem("haulwatch.theme", root.dataset.theme);
  state.dispatchEvent(new Event("theme"));
}

customElements.define("hw-topbar", Topbar);
