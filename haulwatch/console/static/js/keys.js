// Keys for people who do this all day. They rest while somebody types or a dialog is open.
import { sound } from "./sound.js";
import { state } from "./state.js";

export const KEYS = [
  ["j", "keys.next"],
  ["k", "keys.previous"],
  ["Enter", "keys.open"],
  ["a", "keys.advance"],
  ["x", "keys.reject"],
  ["s", "keys.pick"],
  ["q", "keys.quiet"],
  ["n", "keys.show_new"],
  ["z", "keys.zoom"],
  ["p", "keys.play"],
  ["[ ]", "keys.step"],
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
  s: pickSelected,
  q: () => sound.acknowledgeAll(),
  p: () => state.dispatchEvent(new CustomEvent("replay", { detail: "toggle" })),
  "[": () => state.dispatchEvent(new CustomEvent("replay", { detail: -1 })),
  "]": () => state.dispatchEvent(new CustomEvent("replay", { detail: 1 })),
  z: () => state.dispatchEvent(new Event("zoom")),
  "?": () => document.querySelector("hw-help").toggle(),
  "/": () => document.querySelector("#search")?.focus(),
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

// Picks the selected order, or lets go of it.
function pickSelected() {
  if (!state.selectedId) state.selectByStep(1);
  if (state.selectedId) state.pick(state.selectedId);
}

export function startKeys() {
  addEventListener("keydown", (event) => {
    const target = event.target;
    const busy = document.querySelector("dialog[open]") ?? target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select");
    if (busy || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" && target.closest?.("button, a, summary, input")) return;
    const action = ACTIONS[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
