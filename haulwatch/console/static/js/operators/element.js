// Base of this page's components: drawn again when the bench or the language changes.
import { languageChanged } from "../i18n.js";
import { LitElement } from "../lib.js";
import { bench } from "./bench.js";

export class BenchElement extends LitElement {
  #redraw = () => this.requestUpdate();

  createRenderRoot() {
    return this;
  }

  connectedCallback() {
    super.connectedCallback();
    bench.addEventListener("change", this.#redraw);
    languageChanged.addEventListener("change", this.#redraw);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    bench.removeEventListener("change", this.#redraw);
    languageChanged.removeEventListener("change", this.#redraw);
  }
}
