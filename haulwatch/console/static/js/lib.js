// The only file that knows where the vendored libraries are (versions: vendor/manifest.json).
export { LitElement, html, nothing, svg } from "../vendor/lit-element-4.2.2/lit-element.js";
export { repeat } from "../vendor/lit-html-3.3.3/directives/repeat.js";
export { classMap } from "../vendor/lit-html-3.3.3/directives/class-map.js";
export { live } from "../vendor/lit-html-3.3.3/directives/live.js";
export { ifDefined } from "../vendor/lit-html-3.3.3/directives/if-defined.js";

// OpenLayers' full build is a classic script (index.html) that defines this global.
export const ol = globalThis.ol;
