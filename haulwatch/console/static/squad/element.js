// Base of the squad's components: rendered into the page itself, drawn again when tasks, outbox or language change.
import { languageChanged } from "../js/i18n.js";
import { LitElement } from "../js/lib.js";
import { outbox } from "./outbox.js";
import { tasks } from "./tasks.js";

const SOURCES = [tasks, outbox, languageChanged];

export class SquadElement extends LitElement {
  #redraw = () => this.requestUpdate();

  createRenderRoot() {
    return this;
  }

  connectedCallback() {
    super.connectedCallback();
    for (const source of SOURCES) source.addEventListener("change", this.#redraw);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    for (const source of SOURCES) source.removeEventListener("change", this.#redraw);
  }
}
