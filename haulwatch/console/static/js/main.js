import { startLang } from "./i18n.js";
import { startKeys } from "./keys.js";
import { state } from "./state.js";

function orderInAddress() {
  const match = /^\/orders\/([^/]+)$/.exec(location.pathname);
  return match ? decodeURIComponent(match[1]) : null;
}

await startLang();
await import("./console.js");
addEventListener("popstate", () => state.select(orderInAddress(), { push: false }));
startKeys();
const wanted = orderInAddress();
if (wanted) {
  state.select(wanted, { push: false });
  state.show("detail");
}
await state.start();
