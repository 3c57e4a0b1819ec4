// What can be done with the picked orders, all at once and with one reason.
import { HwElement } from "./element.js";
import { say, t } from "./i18n.js";
import { html, nothing } from "./lib.js";
import { state, BULK_AT_MOST } from "./state.js";

const ONE_BY_ONE = new Set(["merge", "transfer", "answer", "rate"]); // each needs something of its own

// [{ transition, orders }]: every command that fits some of the picked orders, and which.
export function bulkCommands(orders) {
  const found = new Map();
  for (const order of orders) {
    for (const row of state.transitions) {
      if (row.source !== order.stage || ONE_BY_ONE.has(row.command) || !state.may(row.roles) || !timely(row, order)) continue;
      if (!found.has(row.command)) found.set(row.command, { transition: row, orders: [] });
      const entry = found.get(row.command);
      if (entry.orders.at(-1) !== order) entry.orders.push(order);
    }
  }
  return [...found.values()];
}

// A request that waits is answered before anything else happens.
export function timely(row, { pending, held_stage }) {
  if (row.command === "resume" && row.target !== held_stage) return false;
  const answers = ["approve", "decline", "withdraw"].includes(row.command);
  if (!pending) return !answers;
  if (row.command === "withdraw") return pending.by === state.person || !state.me;
  if (answers) return pending.by !== state.person || !state.me;
  return pending.command === "extend";
}

class Bulk extends HwElement {
  render() {
    const count = state.picked.size;
    if (!count) return nothing;
    const more = state.nextCursor || state.listed.length > count;
    return html`<div class="bulk" role="region" aria-label=${t("bulk.title")}>
      <p>
        <b role="status">${t("bulk.picked", { n: count })}</b>
        ${more ? html`<button class="quiet" ?disabled=${state.loadingMore} @click=${() => state.pickAll()}>${t("bulk.all", { n: BULK_AT_MOST })}</button>` : nothing}
        <button class="quiet" @click=${() => state.unpick()}>${t("bulk.none")}</button>
      </p>
      <div class="commands">
        ${bulkCommands(state.pickedOrders).map(
          ({ transition, orders }) => html`<button data-bulk=${transition.command} ?disabled=${state.sending} @click=${() => document.querySelector("hw-command").askMany(transition, orders)}>
            ${say(transition.label)}${orders.length === count ? nothing : html` <small>${orders.length}</small>`}
          </button>`,
        )}
      </div>
    </div>`;
  }
}

customElements.define("hw-bulk", Bulk);
