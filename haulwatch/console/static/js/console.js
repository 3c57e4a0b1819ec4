// The page: top bar, three panes, messages. On a phone one pane at a time, with tabs below.
import "./call.js";
import "./command-dialog.js";
import "./detail.js";
import "./dialogs.js";
import "./list.js";
import "./map/map.js";
import "./topbar.js";
import { HwElement } from "./element.js";
import { say, t } from "./i18n.js";
import { classMap, html, nothing } from "./lib.js";
import { stageName } from "./parts.js";
import { state } from "./state.js";

const MESSAGE_MS = 6000;

class Console extends HwElement {
  #hideTimer = 0;

  render() {
    return html`
      <a class="skip" href="#list-pane">${t("app.skip")}</a>
      <hw-topbar></hw-topbar>
      ${state.connection === "lost" ? html`<div class="lost" role="alert">${t("connection.lost_long")}</div>` : nothing}
      <main class=${classMap({ panes: true, [`show-${state.pane}`]: true })}>
        <hw-list id="list-pane" tabindex="-1" aria-label=${t("list.title")} role="region"></hw-list>
        <hw-map aria-label=${t("map.title")} role="region"></hw-map>
        <hw-detail aria-label=${t("detail.title")} role="region"></hw-detail>
      </main>
      <nav class="tabs" aria-label=${t("app.panes")}>
        ${["list", "map", "detail"].map(
          (pane) => html`<button aria-pressed=${state.pane === pane} @click=${() => state.show(pane)}>
            ${t(`pane.${pane}`)}${pane === "list" && state.waiting.length ? html` <b>${state.waiting.length}</b>` : nothing}
          </button>`,
        )}
      </nav>
      <div class="messages" role="status" aria-live="polite">${this.#message()}</div>
      <hw-help></hw-help>
      <hw-command></hw-command>
      <hw-call></hw-call>
    `;
  }

  #message() {
    const message = state.message;
    if (!message) return nothing;
    clearTimeout(this.#hideTimer);
    this.#hideTimer = setTimeout(() => {
      state.message = null;
      this.requestUpdate();
    }, MESSAGE_MS - (Date.now() - message.at));
    const { about, kind } = message;
    const text =
      kind === "done" // an order, as a command has left it
        ? t("message.done", { order: about.order_id, stage: stageName(about.stage) })
        : (say(about.text) || about.message);
    return html`<p class=${classMap({ message: true, bad: kind === "bad" })}>${text}</p>`;
  }
}

customElements.define("hw-console", Console);
