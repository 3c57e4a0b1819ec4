// Texts in two languages, Chinese first. Keys are in i18n/zh.json and i18n/en.json (a test compares them).
const FALLBACK = "zh";
const LANGUAGES = ["zh", "en"];
const KEY = "haulwatch.lang";

let current = FALLBACK;
let texts = {};
export const languageChanged = new EventTarget();

export function lang() {
  return current;
}

// Loads a language and tells every component; the choice is remembered in this browser.
export async function setLang(code) {
  const next = LANGUAGES.includes(code) ? code : FALLBACK;
  const answer = await fetch(`/static/i18n/${next}.json`);
  if (!answer.ok) throw new Error(`i18n ${next}: ${answer.status}`);
  texts = await answer.json();
  current = next;
  localStorage.setItem(KEY, next);
  document.documentElement.lang = next === "zh" ? "zh-CN" : "en";
  document.title = t(document.documentElement.dataset.title ?? "app.title");
  languageChanged.dispatchEvent(new Event("change"));
}

export async function startLang() {
  await setLang(localStorage.getItem(KEY) ?? FALLBACK);
}

// The text of a key, `{name}` replaced from `values`.
export function t(key, values = {}) {
  const text = texts[key];
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

// The text of a key that may be missing (codes that come from the server).
export function known(key, otherwise) {
  return texts[key] ?? otherwise;
}

// A `{zh, en}` from the API, or a plain string.
export function say(text) {
  if (text === null || text === undefined) return "";
  return typeof text === "string" ? text : (text[current] || text[FALLBACK] || "");
}

// The same, as a label that stands by itself.
export function heading(text) {
  const words = say(text);
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}
