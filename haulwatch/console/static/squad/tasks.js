// The squad's orders: as the server last told them, kept on the phone, with what waits in the outbox laid over them.
import { ask, orderPath } from "./api.js";
import { outbox } from "./outbox.js";
import { keep, kept } from "./storage.js";

const EVERY_MS = 30_000;
const KEPT = "tasks";

class Tasks extends EventTarget {
  answer = null; // SquadTasksAnswer
  loadedAt = null;
  connection = "connecting"; // connecting | live | offline | login | refused
  refusal = null; // why this person has no tasks
  skewMs = 0; // server's clock minus ours
  fresh = new Set(); // orders that came while the page was open and were not looked at yet
  #loading = null;
  #again = false;
  #source = null;
  #soon = null;

  async start() {
    const stored = await kept(KEPT);
    if (stored) Object.assign(this, { answer: stored.answer, loadedAt: stored.loadedAt });
    this.#changed();
    outbox.addEventListener("change", () => this.#changed());
    outbox.addEventListener("sent", ({ detail }) => this.#onSent(detail));
    outbox.addEventListener("stopped", () => this.load());
    outbox.addEventListener("logged-out", () => this.#setConnection("login"));
    addEventListener("online", () => this.#onNetwork());
    addEventListener("offline", () => this.#setConnection("offline"));
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#onNetwork());
    setInterval(() => document.visibilityState === "visible" && this.load(), EVERY_MS);
    await this.load();
  }

  get now() {
    return Date.now() + this.skewMs;
  }

  get list() {
    return this.answer?.tasks ?? [];
  }

  find(orderId) {
    return this.list.find((task) => task.order.order_id === orderId) ?? null;
  }

  // Rows of the life cycle that a member may use on the order as it will be when everything has been sent.
  actions(task) {
    const stage = this.stage(task);
    const mine = task.order.squad_id === this.answer.squad_id;
    return mine ? this.answer.transitions.filter((row) => row.source === stage) : [];
  }

  stage(task) {
    return outbox.chain(task.order.order_id).reduce((stage, item) => this.#target(stage, item.command) ?? stage, task.order.stage);
  }

  // Departments that wait for this squad's word.
  unanswered(task) {
    const given = new Set(outbox.chain(task.order.order_id).filter((item) => item.command === "answer").map((item) => item.data.department));
    const mine = task.order.tasks.filter((one) => one.squad_id === this.answer.squad_id && one.state === "open");
    return mine.filter((one) => !given.has(one.department));
  }

  load() {
    if (this.#loading) {
      this.#again = true; // what has just happened may be missing in the answer that is on its way
      return this.#loading;
    }
    this.#loading = this.#load().finally(() => {
      this.#loading = null;
      if (this.#again) {
        this.#again = false;
        this.load();
      }
    });
    return this.#loading;
  }

  // An order that is not here any more: where it is, as far as a squad that had it may know.
  async whereabouts(orderId) {
    return (await ask(`/api/v1/squad/orders/${encodeURIComponent(orderId)}/whereabouts`)).body;
  }

  async photos(orderId) {
    return (await ask(`${orderPath(orderId)}/photos`)).body.photos;
  }

  async #load() {
    try {
      const { body, at } = await ask("/api/v1/squad/tasks");
      if (Number.isFinite(at) && Math.abs(at - Date.now()) > 2000) this.skewMs = at - Date.now();
      this.#notice(body);
      Object.assign(this, { answer: body, loadedAt: Date.now(), refusal: null });
      await keep(KEPT, { answer: body, loadedAt: this.loadedAt });
      this.#listen();
      this.#setConnection("live");
      outbox.setActor(body.actor_id);
    } catch (failure) {
      if (failure.status === undefined) throw failure;
      if (failure.status === 401) outbox.setActor(null);
      if (failure.status === 403) this.refusal = failure.text;
      this.#setConnection(failure.status === 401 ? "login" : failure.status === 403 ? "refused" : "offline");
    }
  }

  #target(stage, command) {
    return this.answer?.transitions.find((row) => row.source === stage && row.command === command)?.target;
  }

  #notice(body) {
    if (!this.answer || this.answer.actor_id !== body.actor_id) return;
    const known = new Set(this.list.map((task) => task.order.order_id));
    const came = body.tasks.map((task) => task.order.order_id).filter((id) => !known.has(id));
    if (!came.length) return;
    came.forEach((id) => this.fresh.add(id));
    navigator.vibrate?.([200, 100, 200]);
    this.dispatchEvent(new CustomEvent("came", { detail: came }));
  }

  #onSent({ item, order }) {
    const task = this.find(item.orderId);
    if (task && order && order.change_id > task.order.change_id) task.order = order;
    this.#changed();
    this.load();
  }

  #onNetwork() {
    this.load();
    outbox.wake();
  }

  // The stream brings what this person may see; the list is asked for anew, it is short.
  #listen() {
    if (this.#source && this.#source.readyState !== EventSource.CLOSED) return;
    this.#source = new EventSource("/api/v1/live");
    this.#source.onerror = () => {
      if (!navigator.onLine) this.#setConnection("offline");
    };
    for (const type of ["hello", "order", "gone", "reset"]) this.#source.addEventListener(type, () => this.#loadSoon());
  }

  #loadSoon() {
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => this.load(), 200);
  }

  #setConnection(connection) {
    this.connection = connection;
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

export const tasks = new Tasks();
