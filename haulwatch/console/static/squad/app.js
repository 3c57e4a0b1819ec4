// The whole page: a bar, then the list of tasks, one task, or the outbox.
import { lang, say, setLang, t } from "../js/i18n.js";
import { html, nothing, repeat } from "../js/lib.js";
import { SquadElement } from "./element.js";
import { outbox } from "./outbox.js";
import "./outbox-page.js";
import { taskCard } from "./task-card.js";
import "./task-page.js";
import { tasks } from "./tasks.js";

const orderInAddress = () => decodeURIComponent(/^\/squad\/orders\/([^/]+)$/.exec(location.pathname)?.[1] ?? "") || null;

class Squad extends SquadElement {
  #orderId = orderInAddress();
  #outboxOpen = location.hash === "#outbox";
  #toast = "";

  connectedCallback() {
    super.connectedCallback();
    addEventListener("popstate", () => this.#follow());
    tasks.addEventListener("came", ({ detail }) => this.#say(t("squad.came", { n: detail.length })));
    this.addEventListener("go", ({ detail }) => this.#go(detail));
    this.addEventListener("say", ({ detail }) => this.#say(detail));
    this.timer = setInterval(() => this.requestUpdate(), 10_000); // ages and clocks
  }

  render() {
    return html`<header class="bar">
        ${this.#orderId || this.#outboxOpen
          ? html`<button class="icon" @click=${() => this.#go("/squad")} aria-label=${t("squad.back")}>‹</button>`
          : nothing}
        <h1>${tasks.answer?.squad ?? t("squad.title")}</h1>
        ${this.#connection()}
        <button class="icon" @click=${() => setLang(lang() === "zh" ? "en" : "zh")} aria-label=${t("squad.language")}>${lang() === "zh" ? "EN" : "中"}</button>
        <button class="icon" @click=${toggleTheme} aria-label=${t("theme.toggle")}>◐</button>
      </header>
      ${this.#notices()}
      <main>${this.#content()}</main>
      <div class="toast" role="status" aria-live="assertive">${this.#toast}</div>`;
  }

  updated() {
    document.title = (tasks.fresh.size ? `(${tasks.fresh.size}) ` : "") + t("squad.title");
    navigator.setAppBadge?.(tasks.fresh.size).catch(() => {});
  }

  #content() {
    if (this.#outboxOpen) return html`<hw-outbox></hw-outbox>`;
    if (this.#orderId) return html`<hw-task .orderId=${this.#orderId}></hw-task>`;
    if (!tasks.answer) return html`<p class="empty">${tasks.connection === "connecting" ? t("squad.loading") : nothing}</p>`;
    if (!tasks.list.length) return html`<p class="empty">${t("squad.none")}</p>`;
    return html`<h2 class="unseen">${t("squad.tasks")}</h2>
      <ul class="cards">${repeat(tasks.list, (task) => task.order.order_id, (task) => html`<li>${taskCard(task, () => this.#go(pathOf(task)))}</li>`)}</ul>`;
  }

  #connection() {
    const name = tasks.connection;
    return html`<span class="connection ${name}" role="status">${t(`squad.connection.${name}`)}</span>`;
  }

  #notices() {
    const { connection } = tasks;
    const waits = outbox.waiting.length;
    const stops = outbox.stopped.length;
    return html`
      ${connection === "login"
        ? html`<a class="notice warn" href="/login?next=${encodeURIComponent(location.pathname)}">${t("squad.login")}</a>`
        : nothing}
      ${connection === "refused" ? html`<p class="notice warn">${say(tasks.refusal)}</p>` : nothing}
      ${waits || stops
        ? html`<button class="notice ${stops ? "bad" : "warn"}" data-outbox @click=${() => this.#go("/squad#outbox")}>
            ${waits ? html`<span>${t("squad.waiting", { n: waits })}</span>` : nothing}
            ${stops ? html`<strong>${t("squad.stopped", { n: stops })}</strong>` : nothing}<span aria-hidden="true">›</span>
          </button>`
        : nothing}
    `;
  }

  #go(path) {
    history.pushState(null, "", path);
    this.#follow();
    scrollTo(0, 0);
  }

  #follow() {
    this.#orderId = orderInAddress();
    this.#outboxOpen = location.hash === "#outbox";
    tasks.fresh.delete(this.#orderId);
    this.requestUpdate();
  }

  #say(text) {
    this.#toast = text;
    this.requestUpdate();
    clearTimeout(this.toastTimer);
    this.toastTimer = setTimeout(() => this.#say(""), 6000);
    if (!text) clearTimeout(this.toastTimer);
  }
}

const pathOf = (task) => `/squad/orders/${encodeURIComponent(task.order.order_id)}`;

function toggleTheme() {
  const theme = document.documentElement.dataset.theme === "light" ? "dark" : "light";
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("haulwatch.theme", theme);
}

customElements.define("hw-squad", Squad);
