// What the list shows: views by stage, one line of search, and the filters that somebody needs now and then.
import { HwElement } from "./element.js";
import { EMPTY, FLAGS, VIEWS, filterFrom, limits, queryOf } from "./filter.js";
import { say, t } from "./i18n.js";
import { html, nothing } from "./lib.js";
import { CATEGORIES, SEVERITIES, categoryName, severityName } from "./parts.js";
import { forgetView, saveView, savedViews } from "./saved-views.js";
import { state } from "./state.js";

const AREAS = new Set(["district", "township"]);

class Filters extends HwElement {
  #open = limits(state.filter) > 0;

  render() {
    const { filter } = state;
    const count = limits(filter);
    return html`
      <div class="views" role="group" aria-label=${t("list.views")}>
        ${Object.keys(VIEWS).map(
          (view) => html`<button aria-pressed=${filter.view === view} @click=${() => state.setFilter({ view })}>
            <span>${t(`view.${view}`)}</span>${view === "all" || !state.counts ? nothing : html`<b class="n">${state.countOf(view)}</b>`}
          </button>`,
        )}
      </div>
      <div class="filters">
        <div class="bar">
          ${this.#search()}
          <button class="more-filters" aria-expanded=${this.#open} @click=${this.#toggle}>${t("filter.title")}${count ? html` <b>${count}</b>` : nothing}</button>
          ${this.#saved()}
        </div>
        ${this.#open ? this.#all() : nothing}
        ${count && !this.#open ? html`<p class="active"><span>${this.#words()}</span><button class="quiet" @click=${this.#reset}>${t("filter.reset")}</button></p>` : nothing}
      </div>
    `;
  }

  #search() {
    return html`<input
      id="search"
      type="search"
      maxlength="64"
      aria-label=${t("filter.search")}
      placeholder=${t("filter.search")}
      .value=${state.filter.search || state.filter.truckId}
      @change=${(event) => state.setFilter({ search: event.target.value.replace(/[·\s]/g, "").toUpperCase(), truckId: "" })}
    />`;
  }

  #all() {
    const { severities, categories, jurisdiction } = state.filter;
    const areas = [...state.zones.values()].filter((zone) => AREAS.has(zone.kind));
    return html`<div class="chips" role="group" aria-label=${t("filter.severity")}>
        ${SEVERITIES.map((severity) => this.#chip(severities.includes(severity), severityName(severity), { severities: toggled(severities, severity) }, severity))}
      </div>
      <div class="chips" role="group" aria-label=${t("filter.title")}>
        ${FLAGS.map((flag) => this.#chip(state.filter[flag], t(`filter.${flag}`), { [flag]: !state.filter[flag] }))}
      </div>
      <div class="bar">
        <select aria-label=${t("filter.category")} @change=${(event) => state.setFilter({ categories: event.target.value ? [event.target.value] : [] })}>
          <option value="">${t("filter.any_category")}</option>
          ${CATEGORIES.map((category) => html`<option value=${category} ?selected=${categories.includes(category)}>${categoryName(category)}</option>`)}
        </select>
        <select aria-label=${t("filter.jurisdiction")} @change=${(event) => state.setFilter({ jurisdiction: event.target.value })}>
          <option value="">${t("filter.any_jurisdiction")}</option>
          ${areas.map((zone) => html`<option value=${zone.zone_id} ?selected=${jurisdiction === zone.zone_id}>${say(zone.name)}</option>`)}
        </select>
        <button class="quiet" ?disabled=${!limits(state.filter)} @click=${this.#reset}>${t("filter.reset")}</button>
      </div>`;
  }

  #chip(on, words, part, look = "") {
    return html`<button class="toggle ${look}" aria-pressed=${on} @click=${() => state.setFilter(part)}>${words}</button>`;
  }

  // The filter in words, while its controls are folded away.
  #words() {
    const { filter } = state;
    return [
      ...filter.severities.map(severityName),
      ...FLAGS.filter((flag) => filter[flag]).map((flag) => t(`filter.${flag}`)),
      ...filter.categories.map(categoryName),
      say(state.zones.get(filter.jurisdiction)?.name) || filter.jurisdiction,
      filter.search || filter.truckId,
      filter.since ? t("filter.since", { since: filter.since.slice(0, 10) }) : "",
    ]
      .filter(Boolean)
      .join(" · ");
  }

  #saved() {
    const views = savedViews(state.person);
    return html`<details class="menu saved">
      <summary>${t("saved.title")}</summary>
      <div class="sheet">
        ${views.length
          ? html`<ul>
              ${views.map(
                (view) => html`<li>
                  <a href="/?${view.query}" aria-current=${view.query === queryOf(state.filter) ? "true" : "false"} @click=${(event) => this.#use(event, view)}>${view.name}</a>
                  <button class="quiet" aria-label=${t("saved.forget", { name: view.name })} title=${t("saved.forget", { name: view.name })} @click=${() => this.#forget(view)}>✕</button>
                </li>`,
              )}
            </ul>`
          : html`<p class="dim">${t("saved.none")}</p>`}
        <form @submit=${this.#save}>
          <input name="name" required maxlength="40" aria-label=${t("saved.name")} placeholder=${t("saved.name")} />
          <button>${t("saved.save")}</button>
        </form>
        <button class="quiet" @click=${this.#share}>${t("saved.share")}</button>
      </div>
    </details>`;
  }

  #toggle() {
    this.#open = !this.#open;
    this.requestUpdate();
  }

  #reset() {
    state.setFilter({ ...EMPTY, view: state.filter.view });
  }

  #use(event, view) {
    event.preventDefault();
    state.setFilter(filterFrom(view.query));
    event.target.closest("details").open = false;
  }

  #forget(view) {
    forgetView(state.person, view.name);
    this.requestUpdate();
  }

  #save(event) {
    event.preventDefault();
    saveView(state.person, new FormData(event.target).get("name").trim(), state.filter);
    event.target.reset();
    this.requestUpdate();
  }

  async #share() {
    const query = queryOf(state.filter);
    const address = `${location.origin}/${query ? `?${query}` : ""}`;
    try {
      await navigator.clipboard.writeText(address);
      state.say("good", { text: { zh: `已复制 ${address}`, en: `Copied ${address}` } });
    } catch {
      state.say("good", { message: address }); // no clipboard without https: then the address itself
    }
  }
}

const toggled = (values, value) => (values.includes(value) ? values.filter((other) => other !== value) : [...values, value]);

customElements.define("hw-filters", Filters);
