import { startLang } from "../js/i18n.js";
import { outbox } from "./outbox.js";
import { tasks } from "./tasks.js";

// A shell that is newer than this page takes over at once: nothing has been shown or typed yet.
async function keepShell() {
  if (!("serviceWorker" in navigator)) return;
  const registration = await navigator.serviceWorker.register("/squad/sw.js", { scope: "/squad", updateViaCache: "none" });
  if (registration.waiting && registration.active) {
    navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
    registration.waiting.postMessage("take over");
  }
}

keepShell().catch((error) => console.info("no offline shell:", error.message));
await startLang();
await outbox.open();
await import("./app.js");
await tasks.start();
