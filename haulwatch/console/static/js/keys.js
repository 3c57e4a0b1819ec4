// Keys for people who do this all day. They rest while somebody types or a dialog is open.
import { state } from "./state.js";

export const KEYS = [
  ["j", "keys.next"],
  ["k", "keys.previous"],
  ["Enter", "keys.open"],
  ["a", "keys.advance"],
  ["x", "keys.reject"],
  ["n", "keys.show_new"],
  ["z", "keys.zoom"],
  ["/", "keys.find"],
  ["Esc", "keys.close"],
  ["?", "keys.help"],
];

const ACTIONS = {
  j: () => state.selectByStep(1),
  k: () => state.selectByStep(-1),
  n: () => state.showWaiting(),
  a: () => state.dispatchEvent(new CustomEvent("ask", { detail: "advance" })),
  x: () => state.dispatchEvent(new CustomEvent("ask", { detail: "reject" })),
  z: () => state.dispatchEvent(new Event("zoom")),
  "?": () => document.querySelector("hw-help").toggle(),
  "/": () => document.querySelector("#plate-filter")?.focus(),
  Escape: () => {
    state.select(null);
    state.show("list");
  },
  Enter: () => {
    if (!state.selectedId) state.selectByStep(1);
    state.show("detail");
    document.querySelector("#detail-title")?.focus();
  },
};

export function startKeys() {
  addEventListener("keydown", (event) => {
    const target = event.target;
    const busy = document.querySelector("dialog[open]") ?? target.closest?.("input, textarea, select");
    if (busy || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" && target.closest?.("button, a, summary")) return;
    const action = ACTIONS[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
