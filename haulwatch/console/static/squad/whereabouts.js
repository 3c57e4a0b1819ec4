// Where an order is that is not this squad's any more.
import { t } from "../js/i18n.js";
import { html } from "../js/lib.js";
import { SquadElement } from "./element.js";
import { tasks } from "./tasks.js";

class Whereabouts extends SquadElement {
  static properties = { orderId: {} };
  #found = null;
  #askedFor = null;
  #unknown = false;

  render() {
    if (this.#askedFor !== this.orderId && tasks.connection === "live") this.#ask();
    if (!this.#found) return html`${this.#unknown ? t("squad.elsewhere_unknown", { order: this.orderId }) : this.orderId}`;
    const { order_id: order, squad, stage } = this.#found;
    const values = { order, squad, stage: t(`stage.${stage}`) };
    return html`${squad ? t("squad.elsewhere_squad", values) : t("squad.elsewhere_none", values)}`;
  }

  async #ask() {
    this.#askedFor = this.orderId;
    try {
      this.#found = await tasks.whereabouts(this.orderId);
    } catch (failure) {
      if (failure.status === undefined) throw failure;
      this.#unknown = failure.status === 404;
      if (failure.passing) this.#askedFor = null;
    }
    this.requestUpdate();
  }
}

customElements.define("hw-whereabouts", Whereabouts);
