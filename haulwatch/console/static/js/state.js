// All that the page knows, in one place; components listen for "change", the map also for "trucks" and "selection".
import { Problem, getJson, getOrNull, orderPath, sendBulk, sendCommand } from "./api.js";
import { VIEWS, filterFrom, fits, ordersPath, queryOf } from "./filter.js";
import { listen } from "./live.js";
import { TruckTable } from "./trucks.js";

const ACTOR_KEY = "haulwatch.actor";
export const BULK_AT_MOST = 1000;
const PAGE = 200;
const SETTLE_MS = 60; // longer than a held key takes to repeat

class State extends EventTarget {
  me = null; // who is logged in: { actor_id, name, roles, … }; null where this server knows no login
  transitions = []; // the life cycle: which command from where, by whom, with what
  city = null;
  basemap = {};
  zones = new Map(); // zone_id → { name, kind }
  names = new Map(); // ids of stations, cameras and squads → how people call them
  orders = new Map(); // order_id → the newest copy known
  listed = []; // order ids in the order of the list
  waiting = []; // new ones behind the "3 new" pill
  own = new Set(); // order ids to which this person has given a command, as far as known here
  picked = new Set(); // order ids chosen for a bulk command
  nextCursor = null;
  listStatus = "loading"; // loading | ready | error
  filter = filterFrom(location.search);
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
  #settleTimer = 0;
  #place = new Map(); // order_id → index in `listed`
  #due = new Set(); // events to be told with the next frame

  // Components draw at most once a frame, however many changes a second come in.
  changed() {
    this.#tellSoon("change");
  }

  #tellSoon(event) {
    if (this.#due.size === 0) requestAnimationFrame(() => this.#tellDue());
    this.#due.add(event);
  }

  #tellDue() {
    const due = [...this.#due];
    this.#due.clear();
    for (const event of due) this.dispatchEvent(new Event(event));
  }

  async start() {
    const [me, cycle, first] = await retrying(() =>
      Promise.all([getOrNull("/api/v1/me"), getOrNull("/api/v1/life-cycle"), getJson("/api/v1/orders/counts")]),
    );
    this.me = me;
    this.transitions = cycle?.transitions ?? [];
    this.counts = first.counts;
    this.dispatchEvent(new Event("me"));
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

  // Who acts

  // Whose settings in this browser these are.
  get person() {
    return this.me?.actor_id ?? this.actor;
  }

  may(roles) {
    return !this.me || roles.some((role) => this.me.roles.includes(role));
  }

  setActor(name) {
    this.actor = name.trim();
    localStorage.setItem(ACTOR_KEY, this.actor);
    this.changed();
  }

  // The list

  fits(order) {
    return fits(this.filter, order, this.own);
  }

  setFilter(part) {
    this.filter = { ...this.filter, ...part };
    this.picked.clear();
    history.replaceState(null, "", this.#address());
    this.loadList();
  }

  // As the address says, after the browser went back or forward.
  follow(id, query) {
    if (queryOf(this.filter) !== queryOf(filterFrom(query))) {
      this.filter = filterFrom(query);
      this.loadList();
    }
    this.select(id, { push: false });
  }

  #address() {
    const query = queryOf(this.filter);
    const path = this.selectedId ? `/orders/${encodeURIComponent(this.selectedId)}` : "/";
    return query ? `${path}?${query}` : path;
  }

  async loadList() {
    const request = ++this.#listRequest;
    this.listStatus = "loading";
    this.changed();
    try {
      const page = await getJson(ordersPath(this.filter, null, PAGE));
      if (request !== this.#listRequest) return;
      this.#keepPage(page.orders);
      this.#show(page.orders.map((order) => order.order_id));
      this.waiting = [];
      this.nextCursor = page.next_cursor;
      this.listStatus = "ready";
    } catch (problem) {
      if (request !== this.#listRequest) return;
      this.listStatus = "error";
    }
    this.changed();
    this.#tellSoon("listed");
  }

  #show(ids) {
    this.listed = ids;
    this.#place = new Map(ids.map((id, place) => [id, place]));
  }

  place(id) {
    return this.#place.get(id) ?? -1;
  }

  async loadMore() {
    if (!this.nextCursor || this.loadingMore) return;
    this.loadingMore = true;
    const request = this.#listRequest;
    this.changed();
    try {
      const page = await getJson(ordersPath(this.filter, this.nextCursor, PAGE));
      if (request !== this.#listRequest) return;
      this.#keepPage(page.orders);
      const more = page.orders.map((order) => order.order_id).filter((id) => !this.#place.has(id));
      this.#show([...this.listed, ...more]);
      this.nextCursor = page.next_cursor;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.nextCursor = null;
      this.say("bad", problem);
    } finally {
      this.loadingMore = false;
      this.changed();
      this.#tellSoon("listed");
    }
  }

  // Brings the waiting orders in, and lets go of those that no longer fit the list.
  showWaiting() {
    const stay = this.listed.filter((id) => this.fits(this.orders.get(id)) || id === this.selectedId);
    this.#show([...this.waiting, ...stay]);
    this.waiting = [];
    this.changed();
    this.#tellSoon("listed");
  }

  #keepPage(orders) {
    for (const order of orders) {
      this.#keep(order);
      if (this.filter.mine) this.own.add(order.order_id);
    }
  }

  // True when this copy is newer than the one we had.
  #keep(order) {
    const known = this.orders.get(order.order_id);
    if (known && known.change_id >= order.change_id) return false;
    this.orders.set(order.order_id, order);
    return true;
  }

  // Picking several

  pick(id, picked = !this.picked.has(id)) {
    if (picked) this.picked.add(id);
    else this.picked.delete(id);
    this.changed();
  }

  pickRange(from, to) {
    const [first, last] = [this.place(from), this.place(to)].sort((a, b) => a - b);
    for (const id of this.listed.slice(Math.max(0, first), last + 1)) this.picked.add(id);
    this.changed();
  }

  unpick() {
    this.picked.clear();
    this.changed();
  }

  // Every order that fits, also those that were not loaded yet; as many as one bulk command takes.
  async pickAll() {
    while (this.nextCursor && this.listed.length < BULK_AT_MOST) await this.loadMore();
    const matching = this.listed.filter((id) => this.fits(this.orders.get(id))).slice(0, BULK_AT_MOST);
    this.picked = new Set(matching);
    this.changed();
  }

  get pickedOrders() {
    return [...this.picked].map((id) => this.orders.get(id)).filter(Boolean);
  }

  // Live

  #onLive({ type, data, connected }) {
    if (type === "trucks") {
      this.trucks.apply(data);
      this.dispatchEvent(new Event("trucks"));
      return;
    }
    if (type === "connection") {
      this.connection = connected ? "live" : "lost";
      this.connectedOnce ||= connected;
    }
    if (type === "counts") this.counts = data;
    if (type === "reset") {
      this.loadList();
      if (this.selectedId) this.#loadDetail();
    }
    if (type === "order") this.#onChange(data);
    this.changed();
  }

  #onChange(change) {
    const { order } = change;
    if (!this.#keep(order)) return;
    const id = order.order_id;
    this.dispatchEvent(new CustomEvent("order", { detail: change }));
    if (id === this.selectedId) this.#refreshDetailSoon();
    this.#tellSoon("listed");
    if (this.#place.has(id)) return;
    const oldest = this.orders.get(this.listed.at(-1));
    const belowThePage = this.nextCursor && oldest && order.opened_at < oldest.opened_at;
    this.waiting = this.waiting.filter((other) => other !== id);
    if (this.fits(order) && !belowThePage) {
      this.waiting = [id, ...this.waiting].sort((a, b) => (this.orders.get(a).opened_at < this.orders.get(b).opened_at ? 1 : -1));
    }
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
    this.detailStatus = id ? "loading" : "none";
    this.changed();
    clearTimeout(this.#settleTimer);
    this.#settleTimer = setTimeout(() => this.#settle(push), SETTLE_MS);
  }

  // The list shows a selection at once; the map, which draws every truck, and the server only see where one stops.
  #settle(push) {
    if (push) history.pushState(null, "", this.#address());
    this.#loadDetail();
    this.dispatchEvent(new Event("selection"));
  }

  selectByStep(step) {
    const at = this.place(this.selectedId);
    const next = at < 0 ? (step > 0 ? 0 : this.listed.length - 1) : at + step;
    const id = this.listed[Math.max(0, Math.min(next, this.listed.length - 1))];
    if (id) this.select(id);
  }

  async #loadDetail() {
    const id = this.selectedId;
    if (!id) return;
    if (!this.detail) this.detailStatus = "loading";
    this.changed();
    try {
      const [answer, told] = await Promise.all([getJson(orderPath(id)), getOrNull(`${orderPath(id)}/notices`)]);
      if (id === this.selectedId) {
        this.notices = told?.notices ?? [];
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
    this.#tellSoon("listed");
    if (firstTime) this.dispatchEvent(new Event("detail"));
  }

  reloadDetail() {
    if (this.selectedId) this.#loadDetail();
  }

  // Commands

  #body(command, data) {
    return this.me ? { command, data } : { command, data, actor: this.actor };
  }

  // Resolves to null when done, or to the problem.
  async command(transition, data) {
    if (this.sending || !this.detail) return null;
    const { order } = this.detail.detail;
    return this.#sending(async () => {
      const answer = await sendCommand(order, this.#body(transition.command, data));
      this.own.add(order.order_id);
      if (order.order_id === this.selectedId) this.#showDetail(answer);
      else this.#keep(answer.detail.order);
      this.say("done", answer.detail.order);
    });
  }

  // One command on many orders: resolves to { done: [order], failed: [{ order_id, problem }] }, or to { problem }.
  async bulk(command, data, orders) {
    const outcome = { done: [], failed: [], tookMs: 0 };
    const steps = orders.map(({ order_id, version }) => ({ order_id, version }));
    const began = performance.now();
    const problem = await this.#sending(async () => {
      const { results } = await sendBulk({ ...this.#body(command, data), orders: steps });
      for (const { order_id, order, problem: refused } of results) {
        if (order ?? refused?.order) this.#keep(order ?? refused.order);
        if (order) outcome.done.push(order);
        else outcome.failed.push({ order_id, problem: refused });
      }
    });
    outcome.tookMs = performance.now() - began;
    for (const { order_id } of outcome.done) {
      this.own.add(order_id);
      this.picked.delete(order_id);
    }
    this.#tellSoon("listed");
    if (this.picked.has(this.selectedId) || outcome.done.some((order) => order.order_id === this.selectedId)) this.reloadDetail();
    return problem ? { problem } : outcome;
  }

  async #sending(act) {
    this.sending = true;
    this.changed();
    try {
      await act();
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

  countOf(view) {
    return VIEWS[view].reduce((sum, stage) => sum + (this.counts?.[stage] ?? 0), 0);
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
