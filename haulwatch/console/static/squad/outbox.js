// The outbox: what a person has done, kept on the phone until the server has it. Sent in order, each with a key of its
// own so that a repeat changes nothing; one that the server refuses stops, visibly, until the person decides.
import { newKey, send } from "./api.js";
import { addItem, allItems, askToStay, dropItem, putItem } from "./storage.js";

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;

export class Outbox extends EventTarget {
  items = []; // as on the disk, oldest first
  sending = null; // seq of the item on its way
  #actor = null; // who is logged in, once the server has said so; nothing is sent in another person's name
  #failures = 0;
  #timer = null;
  #running = null;

  async open() {
    await this.#reload();
  }

  get waiting() {
    return this.items.filter((item) => item.state === "waiting");
  }

  get stopped() {
    return this.items.filter((item) => item.state === "stopped");
  }

  of(orderId) {
    return this.items.filter((item) => item.orderId === orderId);
  }

  // Commands on their way for an order; a stopped one and what comes after it do not count: they may never happen.
  chain(orderId) {
    const commands = this.of(orderId).filter((item) => item.kind === "command");
    const stop = commands.findIndex((item) => item.state === "stopped");
    return stop < 0 ? commands : commands.slice(0, stop);
  }

  // Every command moves an order's version by one, so a chain knows what it will find, and a repeat asks for the same.
  async addCommand(order, command, data, actorId) {
    const version = this.chain(order.order_id).at(-1)?.version ?? order.version - 1;
    await this.#add({ kind: "command", orderId: order.order_id, command, data, version: version + 1, actorId });
  }

  async addPhoto(photo, orderId, actorId) {
    await this.#add({ kind: "photo", orderId, actorId, ...photo });
  }

  // The rest of an order's chain again, on the order as it stands now.
  async again(item, order) {
    const later = this.of(item.orderId).filter((one) => one.seq >= item.seq && (one.kind === "command" || one.seq === item.seq));
    let version = order?.version;
    for (const one of later) {
      const renewed = { ...one, state: "waiting", problem: null, key: item.kind === "command" ? newKey() : one.key };
      if (one.kind === "command" && item.kind === "command") renewed.version = version++;
      if (one.kind === "command" && item.kind === "photo") continue;
      await putItem(renewed);
    }
    await this.#reload();
    this.wake();
  }

  async discard(item) {
    await dropItem(item.seq);
    await this.#reload();
  }

  // The server has said who is logged in (null: nobody).
  setActor(actorId) {
    this.#actor = actorId;
    if (actorId) this.wake();
  }

  isMine(item) {
    return this.#actor === null || item.actorId === this.#actor;
  }

  // Something may have changed for the better: try at once.
  wake() {
    this.#failures = 0;
    this.#schedule(0);
  }

  async #add(item) {
    askToStay();
    await addItem({ ...item, key: newKey(), state: "waiting", problem: null, addedAt: new Date().toISOString() });
    await this.#reload();
    this.wake();
  }

  async #reload() {
    this.items = await allItems();
    this.dispatchEvent(new Event("change"));
  }

  #schedule(afterMs) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#run(), afterMs);
  }

  async #run() {
    if (this.#running) {
      await this.#running;
    }
    this.#running = this.#alone().finally(() => (this.#running = null));
    await this.#running;
  }

  // One tab at a time sends; where the browser has no locks, keys make a double harmless.
  async #alone() {
    if (!navigator.locks) return this.#drain();
    return navigator.locks.request("haulwatch-outbox", () => this.#drain());
  }

  async #drain() {
    if (this.#actor === null) return;
    await this.#reload(); // another tab may have sent some
    const held = new Set();
    const handled = new Set();
    let item;
    while ((item = this.items.find((one) => !handled.has(one.seq)))) {
      handled.add(item.seq);
      if (item.kind === "command" && held.has(item.orderId)) continue; // a photo needs no stage, only the order
      if (item.state === "stopped" || item.actorId !== this.#actor) {
        if (item.kind === "command") held.add(item.orderId);
        continue;
      }
      const outcome = await this.#send(item);
      if (outcome === "later") return;
      if (outcome === "stopped" && item.kind === "command") held.add(item.orderId);
    }
  }

  async #send(item) {
    this.sending = item.seq;
    this.dispatchEvent(new Event("change"));
    try {
      const order = await send(item);
      await dropItem(item.seq);
      this.#failures = 0;
      this.dispatchEvent(new CustomEvent("sent", { detail: { item, order } }));
      return "sent";
    } catch (failure) {
      if (failure.status === undefined) throw failure;
      return await this.#failed(item, failure);
    } finally {
      this.sending = null;
      await this.#reload();
    }
  }

  async #failed(item, failure) {
    if (failure.status === 401) {
      this.setActor(null);
      this.dispatchEvent(new Event("logged-out"));
      return "later";
    }
    if (failure.passing) {
      const wait = Math.min(FIRST_WAIT_MS * 2 ** this.#failures++, LONGEST_WAIT_MS);
      this.#schedule(Math.max(wait, (failure.retryAfterS ?? 0) * 1000));
      return "later";
    }
    const { status, code, text, order } = failure;
    await putItem({ ...item, state: "stopped", problem: { status, code, text, order, at: new Date().toISOString() } });
    this.dispatchEvent(new CustomEvent("stopped", { detail: { item } }));
    return "stopped";
  }
}

export const outbox = new Outbox();
