// Base of the components: rendered into the page itself (one style sheet), drawn again when state or language changes.
import { languageChanged } from "./i18n.js";
import { LitElement } from "./lib.js";
import { state } from "./state.js";

export class HwElement extends LitElement {
  #redraw = () => this.requestUpdate();

  createRenderRoot() {
    return this;
  }

  connectedCallback() {
    super.connectedCallback();
    state.addEventListener("change", this.#redraw);
    languageChanged.addEventListener("change", this.#redraw);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    state.removeEventListener("change", this.#redraw);
    languageChanged.removeEventListener("change", this.#redraw);
  }
}
