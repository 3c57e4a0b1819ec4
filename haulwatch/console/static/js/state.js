// All that the page knows, in one place; components listen for "change", the map also for "trucks" and "selection".
import { Problem, getJson, newKey, ordersPath, sendCommand } from "./api.js";
import { listen } from "./live.js";
import { TruckTable } from "./trucks.js";

export const VIEWS = {
  todo: ["new", "filed", "returned"],
  running: ["dispatched", "accepted", "on_site", "handled", "verifying"],
  done: ["closed", "rejected", "void"],
  all: [],
};
const ACTOR_KEY = "haulwatch.actor";

class State extends EventTarget {
  city = null;
  basemap = {};
  zones = new Map(); // zone_id → { name, kind }
  names = new Map(); // ids of stations, cameras and squads → how people call them
  orders = new Map(); // order_id → the newest copy known
  listed = []; // order ids in the order of the list
  waiting = []; // new ones behind the "3 new" pill
  nextCursor = null;
  listStatus = "loading"; // loading | ready | error
  filter = { view: "todo", severities: [], categories: [], truckId: "", lateOnly: false };
  counts = null;
  connection = "connecting"; // connecting | live | lost
  connectedOnce = false;
  trucks = new TruckTable();
  selectedId = null;
  detail = null; // { detail: OrderDetail, runbook }
  notices = []; // of the selected order: who was told, newest first
  detailStatus = "none"; // none | loading | ready | missing | error
  sending = false;
  actor = localStorage.getItem(ACTOR_KEY) ?? "";
  pane = "list"; // on a phone: list | map | detail
  message = null; // { kind: good | bad, text }
  #listRequest = 0;
  #detailTimer = 0;

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  async start() {
    const first = await retrying(() => getJson("/api/v1/orders/counts"));
    this.counts = first.counts;
    listen(first.change_id, (message) => this.#onLive(message)); // before the list is read: nothing falls between
    await Promise.all([this.loadList(), this.#loadCity()]);
  }

  async #loadCity() {
    const [city, basemap] = await retrying(() => Promise.all([getJson("/api/v1/city"), getJson("/api/v1/city/basemap")]));
    this.city = city;
    this.basemap = basemap;
    for (const { properties } of city.zones.features) this.zones.set(properties.zone_id, properties);
    for (const one of [...city.stations, ...city.cameras, ...city.squads]) {
      this.names.set(one.station_id ?? one.camera_id ?? one.squad_id, one.name);
    }
    this.dispatchEvent(new Event("city"));
    this.changed();
  }

  // The list

  get query() {
    return { ...this.filter, stages: VIEWS[this.filter.view] };
  }

  fits(order) {
    const { stages, severities, categories, truckId, lateOnly } = this.query;
    return (
      (stages.length === 0 || stages.includes(order.stage)) &&
      (severities.length === 0 || severities.includes(order.severity)) &&
      (categories.length === 0 || categories.includes(order.category)) &&
      (!truckId || order.truck_id === truckId) &&
      (!lateOnly || order.late)
    );
  }

  setFilter(part) {
    this.filter = { ...this.filter, ...part };
    this.loadList();
  }

  async loadList() {
    const request = ++this.#listRequest;
    this.listStatus = "loading";
    this.changed();
    try {
      const page = await getJson(ordersPath(this.query, null));
      if (request !== this.#listRequest) return;
      page.orders.forEach((order) => this.#keep(order));
      this.listed = page.orders.map((order) => order.order_id);
      this.waiting = [];
      this.nextCursor = page.next_cursor;
      this.listStatus = "ready";
    } catch (problem) {
      if (request !== this.#listRequest) return;
      this.listStatus = "error";
    }
    this.changed();
    this.dispatchEvent(new Event("listed"));
  }

  async loadMore() {
    if (!this.nextCursor || this.loadingMore) return;
    this.loadingMore = true;
    const request = this.#listRequest;
    this.changed();
    try {
      const page = await getJson(ordersPath(this.query, this.nextCursor));
      if (request !== this.#listRequest) return;
      page.orders.forEach((order) => this.#keep(order));
      const have = new Set(this.listed);
      this.listed.push(...page.orders.map((order) => order.order_id).filter((id) => !have.has(id)));
      this.nextCursor = page.next_cursor;
    } catch (problem) {
      this.say("bad", problem);
    } finally {
      this.loadingMore = false;
      this.changed();
      this.dispatchEvent(new Event("listed"));
    }
  }

  // Brings the waiting orders in, and lets go of those that no longer fit the list.
  showWaiting() {
    const stay = this.listed.filter((id) => this.fits(this.orders.get(id)) || id === this.selectedId);
    this.listed = [...this.waiting, ...stay];
    this.waiting = [];
    this.changed();
    this.dispatchEvent(new Event("listed"));
  }

  // True when this copy is newer than the one we had.
  #keep(order) {
    const known = this.orders.get(order.order_id);
    if (known && known.change_id >= order.change_id) return false;
    this.orders.set(order.order_id, order);
    return true;
  }

  // Live

  #onLive({ type, data, connected }) {
    if (type === "connection") {
      this.connection = connected ? "live" : "lost";
      this.connectedOnce ||= connected;
    }
    if (type === "counts") this.counts = data;
    if (type === "trucks") {
      this.trucks.apply(data);
      this.dispatchEvent(new Event("trucks"));
    }
    if (type === "reset") {
      this.loadList();
      if (this.selectedId) this.#loadDetail();
    }
    if (type === "order") this.#onChange(data);
    this.changed();
  }

  #onChange({ order }) {
    if (!this.#keep(order)) return;
    const id = order.order_id;
    if (id === this.selectedId) this.#refreshDetailSoon();
    if (this.listed.includes(id)) {
      this.dispatchEvent(new Event("listed"));
      return;
    }
    const oldest = this.orders.get(this.listed.at(-1));
    const belowThePage = this.nextCursor && oldest && order.opened_at < oldest.opened_at;
    this.waiting = this.waiting.filter((other) => other !== id);
    if (this.fits(order) && !belowThePage) {
      this.waiting = [id, ...this.waiting].sort((a, b) => (this.orders.get(a).opened_at < this.orders.get(b).opened_at ? 1 : -1));
    }
    this.dispatchEvent(new Event("listed"));
  }

  #refreshDetailSoon() {
    clearTimeout(this.#detailTimer);
    this.#detailTimer = setTimeout(() => this.#loadDetail(), 250);
  }

  // The selected order

  get selected() {
    return this.selectedId ? (this.orders.get(this.selectedId) ?? null) : null;
  }

  select(id, { push = true } = {}) {
    if (id === this.selectedId) return;
    this.selectedId = id;
    this.detail = null;
    if (push) history.pushState(null, "", id ? `/orders/${encodeURIComponent(id)}` : "/");
    if (id) this.#loadDetail();
    else this.detailStatus = "none";
    this.dispatchEvent(new Event("selection"));
    this.changed();
  }

  selectByStep(step) {
    const at = this.listed.indexOf(this.selectedId);
    const next = at < 0 ? (step > 0 ? 0 : this.listed.length - 1) : at + step;
    const id = this.listed[Math.max(0, Math.min(next, this.listed.length - 1))];
    if (id) this.select(id);
  }

  async #loadDetail() {
    const id = this.selectedId;
    if (!this.detail) this.detailStatus = "loading";
    this.changed();
    try {
      const address = `/api/v1/orders/${encodeURIComponent(id)}`;
      const [answer, told] = await Promise.all([getJson(address), getJson(`${address}/notices`)]);
      if (id === this.selectedId) {
        this.notices = told.notices;
        this.#showDetail(answer);
      }
    } catch (problem) {
      if (id !== this.selectedId) return;
      if (!this.detail) this.detailStatus = problem.status === 404 ? "missing" : "error";
    }
    this.changed();
  }

  #showDetail(answer) {
    const firstTime = this.detail === null;
    this.#keep(answer.detail.order);
    this.detail = answer;
    this.detailStatus = "ready";
    this.dispatchEvent(new Event("listed"));
    if (firstTime) this.dispatchEvent(new Event("detail"));
  }

  reloadDetail() {
    if (this.selectedId) this.#loadDetail();
  }

  // Commands

  setActor(name) {
    this.actor = name.trim();
    localStorage.setItem(ACTOR_KEY, this.actor);
    this.changed();
  }

  // Resolves to null when done, or to the problem.
  async command(transition, data) {
    if (this.sending || !this.detail) return null;
    const { order } = this.detail.detail;
    this.sending = true;
    this.changed();
    try {
      const answer = await sendCommand(order, transition.command, this.actor, data, newKey());
      if (order.order_id === this.selectedId) this.#showDetail(answer);
      else this.#keep(answer.detail.order);
      this.say("done", answer.detail.order);
      return null;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.order) this.#keep(problem.order);
      if (problem.status === 409) this.reloadDetail();
      if (problem.status !== 422) this.say("bad", problem);
      return problem;
    } finally {
      this.sending = false;
      this.changed();
    }
  }

  say(kind, about) {
    this.message = { kind, about, at: Date.now() };
    this.changed();
  }

  show(pane) {
    this.pane = pane;
    this.changed();
    this.dispatchEvent(new Event("pane"));
  }
}

// Until it is answered, with the page saying that it tries.
async function retrying(ask) {
  for (;;) {
    try {
      return await ask();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      state.connection = "lost";
      state.changed();
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
}

export const state = new State();
