// Everything that waits on this phone.
import { t } from "../js/i18n.js";
import { html, repeat } from "../js/lib.js";
import { SquadElement } from "./element.js";
import { outbox } from "./outbox.js";
import { outboxItem } from "./outbox-item.js";

class OutboxPage extends SquadElement {
  render() {
    return html`<h2>${t("squad.outbox")}</h2>
      <p class="dim">${outbox.items.length ? t("squad.outbox_long") : t("squad.outbox_empty")}</p>
      <ul class="items">${repeat(outbox.items, (item) => item.seq, (item) => html`<li>${outboxItem(item)}</li>`)}</ul>
      ${outbox.waiting.length ? html`<div class="actions"><button @click=${() => outbox.wake()}>${t("squad.send_now")}</button></div>` : ""}`;
  }
}

customElements.define("hw-outbox", OutboxPage);
