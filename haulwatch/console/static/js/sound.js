// A sound for new orders, by severity, again and again until somebody has acknowledged them. Made here, from no files.
import { state } from "./state.js";

export const SOUNDING = ["critical", "major", "minor", "info"];
const AGAIN_MS = { critical: 4000, major: 8000, minor: 20_000, info: 60_000 };
// [frequency in Hz, start and length in s]: the graver, the more of them and the higher.
const TONES = {
  critical: [[988, 0, 0.14], [740, 0.18, 0.14], [988, 0.36, 0.14], [740, 0.54, 0.2]],
  major: [[784, 0, 0.16], [587, 0.22, 0.22]],
  minor: [[587, 0, 0.18]],
  info: [[440, 0, 0.12]],
};
const DEFAULTS = { muted: false, volume: 0.5, severities: ["critical", "major"] };
const settingsKey = () => `haulwatch.sound.${state.person}`;

class Sound extends EventTarget {
  ringing = new Map(); // order_id → severity, not acknowledged yet
  #context = null;
  #timer = 0;
  #tabs = new BroadcastChannel("haulwatch.sound"); // what is acknowledged in one tab is so in all

  get settings() {
    try {
      return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(settingsKey()) ?? "{}") };
    } catch {
      return DEFAULTS; // somebody else's writing in the browser's storage
    }
  }

  set(part) {
    localStorage.setItem(settingsKey(), JSON.stringify({ ...this.settings, ...part }));
    this.#changed();
  }

  // Browsers let a page sound only after somebody has clicked into it.
  get locked() {
    return this.#context?.state !== "running";
  }

  start() {
    state.addEventListener("order", ({ detail }) => this.#heard(detail));
    state.addEventListener("selection", () => this.acknowledge(state.selectedId));
    this.#tabs.onmessage = ({ data }) => this.#let(data);
    const unlock = () => this.unlock();
    addEventListener("pointerdown", unlock, { once: true });
    addEventListener("keydown", unlock, { once: true });
  }

  async unlock() {
    this.#context ??= new AudioContext();
    await this.#context.resume();
    this.#changed();
  }

  #heard({ kind, order }) {
    const wanted = this.settings.severities.includes(order.severity);
    if (kind === "opened" && wanted && !order.late) this.ringing.set(order.order_id, order.severity);
    else if (order.stage === "new") return;
    else if (!this.ringing.delete(order.order_id)) return; // somebody has it in hand
    this.#changed();
  }

  acknowledge(id) {
    if (!this.ringing.has(id)) return;
    this.#tabs.postMessage([id]);
    this.#let([id]);
  }

  acknowledgeAll() {
    const ids = [...this.ringing.keys()];
    if (!ids.length) return;
    this.#tabs.postMessage(ids);
    this.#let(ids);
  }

  #let(ids) {
    for (const id of ids) this.ringing.delete(id);
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ring(), 100); // several at once ring once
  }

  get #worst() {
    return SOUNDING.find((severity) => [...this.ringing.values()].includes(severity));
  }

  #ring() {
    const severity = this.#worst;
    if (!severity) return;
    if (!this.settings.muted) this.play(severity);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ring(), AGAIN_MS[severity]);
  }

  play(severity) {
    if (this.locked) return;
    const context = this.#context;
    for (const [frequency, start, length] of TONES[severity]) {
      const tone = new OscillatorNode(context, { frequency, type: "triangle" });
      const gain = new GainNode(context, { gain: 0 });
      const from = context.currentTime + start;
      gain.gain.setValueAtTime(0, from);
      gain.gain.linearRampToValueAtTime(this.settings.volume * 0.6, from + 0.015);
      gain.gain.linearRampToValueAtTime(0, from + length);
      tone.connect(gain).connect(context.destination);
      tone.start(from);
      tone.stop(from + length + 0.05);
      this.played = { severity, at: Date.now() };
    }
  }
}

export const sound = new Sound();
