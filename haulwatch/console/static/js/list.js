// The live list. New orders wait behind a pill: rows never move under the hand that reaches for them.
// Only the rows in sight are in the page: two thousand open orders scroll and select like twenty.
import "./list-filters.js";
import "./list-bulk.js";
import { HwElement } from "./element.js";
import { ago, whenShort } from "./format.js";
import { limits } from "./filter.js";
import { say, t } from "./i18n.js";
import { classMap, html, live, nothing, repeat } from "./lib.js";
import { marks, placeOf, plateChip, severityChip, stageChip } from "./parts.js";
import { clockChip } from "./service-clock.js";
import { state } from "./state.js";

const AHEAD = 6; // rows beyond either edge
const CLOCKS_MS = 10_000;

class List extends HwElement {
  #timer = 0;
  #rowPx = 0;
  #top = 0; // what the box is scrolled to, and how high it is
  #height = 900;
  #anchor = null; // where a range begins
  #resized = new ResizeObserver(() => this.#measure());

  connectedCallback() {
    super.connectedCallback();
    this.#timer = setInterval(() => this.requestUpdate(), CLOCKS_MS);
    state.addEventListener("selection", this.#reveal);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearInterval(this.#timer);
    this.#resized.disconnect();
    state.removeEventListener("selection", this.#reveal);
  }

  firstUpdated() {
    this.#resized.observe(this.querySelector(".scroll"));
    this.#measure();
  }

  #measure() {
    this.#rowPx = Number.parseFloat(getComputedStyle(this).getPropertyValue("--row-height"));
    this.#height = this.querySelector(".scroll").clientHeight || this.#height;
    this.requestUpdate();
  }

  #reveal = () => {
    const box = this.querySelector(".scroll");
    const at = state.place(state.selectedId);
    if (at < 0 || !box) return;
    const top = at * this.#rowPx;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + this.#rowPx > box.scrollTop + box.clientHeight) box.scrollTop = top + this.#rowPx - box.clientHeight;
    this.#top = box.scrollTop;
  };

  render() {
    return html`<hw-filters></hw-filters>
      <div class="standing">
        <span role="status">${state.listStatus === "ready" ? t(state.nextCursor ? "list.shown_more" : "list.shown", { n: state.listed.length }) : nothing}</span>
        ${state.waiting.length
          ? html`<button class="pill" @click=${this.#showWaiting}>${t("list.new", { n: state.waiting.length })}</button>`
          : nothing}
      </div>
      <div class="scroll" tabindex="-1" @scroll=${this.#onScroll}>${this.#content()}</div>
      <hw-bulk></hw-bulk>`;
  }

  #content() {
    if (state.listStatus === "error") {
      return html`<div class="empty" role="alert">
        <p>${t("list.error")}</p>
        <button @click=${() => state.loadList()}>${t("action.retry")}</button>
      </div>`;
    }
    if (state.listStatus === "loading" && state.listed.length === 0) {
      return html`<div class="empty" aria-busy="true"><p>${t("list.loading")}</p></div>`;
    }
    if (state.listed.length === 0) return html`<div class="empty"><p>${this.#nothing()}</p></div>`;
    const now = Date.now();
    const { first, last } = this.#window();
    const all = state.nextCursor ? -1 : state.listed.length;
    return html`<ul class="orders" aria-label=${t("list.title")}>
        ${repeat(state.listed.slice(first, last), (id) => id, (id, i) => this.#row(state.orders.get(id), now, first + i + 1, all))}
      </ul>
      ${state.nextCursor
        ? html`<button class="more" ?disabled=${state.loadingMore} @click=${() => state.loadMore()}>
            ${t(state.loadingMore ? "list.loading" : "list.more")}
          </button>`
        : html`<p class="end">${t("list.end")}</p>`}`;
  }

  #window() {
    if (!this.#rowPx) return { first: 0, last: Math.min(30, state.listed.length) };
    const first = Math.max(0, Math.floor(this.#top / this.#rowPx) - AHEAD);
    const last = Math.min(state.listed.length, Math.ceil((this.#top + this.#height) / this.#rowPx) + AHEAD);
    return { first: Math.min(first, last), last };
  }

  updated() {
    const list = this.querySelector(".orders");
    if (!list || !this.#rowPx) return;
    const { first, last } = this.#window();
    list.style.paddingTop = `${first * this.#rowPx}px`;
    list.style.paddingBottom = `${(state.listed.length - last) * this.#rowPx}px`;
  }

  #nothing() {
    if (limits(state.filter)) return t("list.none_match");
    return t(state.filter.view === "todo" ? "list.none_todo" : "list.none");
  }

  #row(order, now, place, all) {
    const id = order.order_id;
    const picked = state.picked.has(id);
    return html`<li aria-posinset=${place} aria-setsize=${all} class=${classMap({ row: true, [order.severity]: true, gone: !state.fits(order), picked, current: id === state.selectedId })}>
      <input
        type="checkbox"
        aria-label=${t("list.pick", { order: id })}
        .checked=${live(picked)}
        @click=${(event) => this.#pick(event, id)}
      />
      <a
        href="/orders/${encodeURIComponent(id)}"
        class="order"
        aria-current=${id === state.selectedId ? "true" : "false"}
        @click=${(event) => this.#open(event, id)}
      >
        <span class="line head">${severityChip(order.severity)}<b class="title">${say(order.title)}</b>${stageChip(order.stage)}</span>
        <span class="line">${plateChip(order.truck_id)}${marks(order)}<time datetime=${order.detected_at}>${whenShort(order.detected_at, now)}</time></span>
        <span class="line dim"><span class="where">${placeOf(order)}</span>${order.clock ? clockChip(order, now) : html`<span class="ago">${ago(order.detected_at, now)}</span>`}</span>
      </a>
    </li>`;
  }

  #pick(event, id) {
    if (event.shiftKey && this.#anchor && this.#anchor !== id) state.pickRange(this.#anchor, id);
    else state.pick(id);
    this.#anchor = id;
  }

  // Shift takes the range from the last one; Ctrl opens a new tab, as everywhere.
  #open(event, id) {
    if (event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    if (event.shiftKey) {
      state.pickRange(this.#anchor ?? state.selectedId ?? id, id);
      this.#anchor = id;
      return;
    }
    this.#anchor = id;
    state.select(id);
    state.show("detail");
  }

  #showWaiting() {
    state.showWaiting();
    this.querySelector(".scroll").scrollTop = 0;
  }

  #onScroll(event) {
    const box = event.target;
    this.#top = box.scrollTop;
    this.requestUpdate();
    if (box.scrollHeight - box.scrollTop - box.clientHeight < 600) state.loadMore();
  }
}

customElements.define("hw-list", List);
