import { startLang } from "../i18n.js";

await startLang();
await import("./wall.js");
