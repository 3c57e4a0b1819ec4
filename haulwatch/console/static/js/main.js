import { startLang } from "./i18n.js";
import { startKeys } from "./keys.js";
import { startMenus } from "./menus.js";
import { sound } from "./sound.js";
import { state } from "./state.js";

function orderInAddress() {
  const match = /^\/orders\/([^/]+)$/.exec(location.pathname);
  return match ? decodeURIComponent(match[1]) : null;
}

await startLang();
await import("./console.js");
addEventListener("popstate", () => state.follow(orderInAddress(), location.search));
startKeys();
startMenus();
sound.start();
const wanted = orderInAddress();
if (wanted) {
  state.select(wanted, { push: false });
  state.show("detail");
}
await state.start();
