// The list of keys.
import { HwElement } from "./element.js";
import { KEYS } from "./keys.js";
import { t } from "./i18n.js";
import { html } from "./lib.js";

class Help extends HwElement {
  toggle() {
    const dialog = this.querySelector("dialog");
    if (dialog.open) dialog.close();
    else dialog.showModal();
  }

  render() {
    return html`<dialog aria-labelledby="help-title">
      <h2 id="help-title">${t("keys.title")}</h2>
      <dl class="keys">${KEYS.map(([key, text]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${t(text)}</dd></div>`)}</dl>
      <div class="buttons"><button @click=${() => this.toggle()}>${t("action.close")}</button></div>
    </dialog>`;
  }
}

customElements.define("hw-help", Help);
