// The live list. New orders wait behind a pill: rows never move under the hand that reaches for them.
import { HwElement } from "./element.js";
import { ago, whenShort } from "./format.js";
import { say, t } from "./i18n.js";
import { classMap, html, nothing, repeat } from "./lib.js";
import { CATEGORIES, SEVERITIES, categoryName, marks, placeOf, plateChip, severityChip, severityName, stageChip } from "./parts.js";
import { VIEWS, state } from "./state.js";

class List extends HwElement {
  #timer = 0;

  connectedCallback() {
    super.connectedCallback();
    this.#timer = setInterval(() => this.requestUpdate(), 10_000);
    state.addEventListener("selection", this.#reveal);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearInterval(this.#timer);
    state.removeEventListener("selection", this.#reveal);
  }

  #reveal = async () => {
    await this.updateComplete;
    this.querySelector('[aria-current="true"]')?.scrollIntoView({ block: "nearest" });
  };

  render() {
    return html`${this.#views()} ${this.#filters()}
      <p class="standing" role="status">
        <span>${state.listStatus === "ready" ? t(state.nextCursor ? "list.shown_more" : "list.shown", { n: state.listed.length }) : nothing}</span>
        ${state.waiting.length
          ? html`<button class="pill" @click=${this.#showWaiting}>${t("list.new", { n: state.waiting.length })}</button>`
          : nothing}
      </p>
      <div class="scroll" @scroll=${this.#onScroll}>${this.#content()}</div>`;
  }

  #views() {
    return html`<div class="views" role="group" aria-label=${t("list.views")}>
      ${Object.keys(VIEWS).map((view) => {
        const count = VIEWS[view].reduce((sum, stage) => sum + (state.counts?.[stage] ?? 0), 0);
        return html`<button aria-pressed=${state.filter.view === view} @click=${() => state.setFilter({ view })}>
          ${t(`view.${view}`)}${view === "all" || !state.counts ? nothing : html`<span class="n">${count}</span>`}
        </button>`;
      })}
    </div>`;
  }

  #filters() {
    const { severities, categories, lateOnly, truckId } = state.filter;
    const toggle = (severity) =>
      severities.includes(severity) ? severities.filter((other) => other !== severity) : [...severities, severity];
    return html`<div class="filters">
      <div class="severities" role="group" aria-label=${t("filter.severity")}>
        ${SEVERITIES.map(
          (severity) => html`<button
            class="severity-toggle ${severity}"
            aria-pressed=${severities.includes(severity)}
            @click=${() => state.setFilter({ severities: toggle(severity) })}
          >
            ${severityName(severity)}
          </button>`,
        )}
        <button class="severity-toggle" aria-pressed=${lateOnly} title=${t("mark.late_long")} @click=${() => state.setFilter({ lateOnly: !lateOnly })}>
          ${t("mark.late")}
        </button>
      </div>
      <div class="row">
        <select aria-label=${t("filter.category")} @change=${(event) => state.setFilter({ categories: event.target.value ? [event.target.value] : [] })}>
          <option value="">${t("filter.any_category")}</option>
          ${CATEGORIES.map((category) => html`<option value=${category} ?selected=${categories.includes(category)}>${categoryName(category)}</option>`)}
        </select>
        <input
          id="plate-filter"
          type="search"
          maxlength="32"
          aria-label=${t("filter.plate")}
          placeholder=${t("filter.plate")}
          .value=${truckId}
          @change=${(event) => state.setFilter({ truckId: event.target.value.replace(/[·\s]/g, "").toUpperCase() })}
        />
      </div>
    </div>`;
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
    return html`<ul class="orders" aria-label=${t("list.title")}>
        ${repeat(state.listed, (id) => id, (id) => this.#row(state.orders.get(id), now))}
      </ul>
      ${state.nextCursor
        ? html`<button class="more" ?disabled=${state.loadingMore} @click=${() => state.loadMore()}>
            ${t(state.loadingMore ? "list.loading" : "list.more")}
          </button>`
        : html`<p class="end">${t("list.end")}</p>`}`;
  }

  #nothing() {
    const { severities, categories, truckId, lateOnly, view } = state.filter;
    if (severities.length || categories.length || truckId || lateOnly) return t("list.none_match");
    return t(view === "todo" ? "list.none_todo" : "list.none");
  }

  #row(order, now) {
    const selected = order.order_id === state.selectedId;
    const gone = !state.fits(order);
    return html`<li>
      <a
        href="/orders/${encodeURIComponent(order.order_id)}"
        class=${classMap({ order: true, [order.severity]: true, gone })}
        aria-current=${selected ? "true" : "false"}
        @click=${(event) => this.#open(event, order.order_id)}
      >
        <span class="line head">${severityChip(order.severity)}<b class="title">${say(order.title)}</b>${stageChip(order.stage)}</span>
        <span class="line">${plateChip(order.truck_id)}${marks(order)}<time datetime=${order.detected_at}>${whenShort(order.detected_at, now)}</time></span>
        <span class="line dim"><span class="where">${placeOf(order)}</span><span class="ago">${ago(order.detected_at, now)}</span></span>
      </a>
    </li>`;
  }

  #open(event, id) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab, as the person asked
    event.preventDefault();
    state.select(id);
    state.show("detail");
  }

  #showWaiting() {
    state.showWaiting();
    this.querySelector(".scroll").scrollTop = 0;
  }

  #onScroll(event) {
    const box = event.target;
    if (box.scrollHeight - box.scrollTop - box.clientHeight < 300) state.loadMore();
  }
}

customElements.define("hw-list", List);
