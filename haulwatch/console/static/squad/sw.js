// The shell of the squad's page, kept on the phone. The server fills in the version (a digest of the files) and the list,
// so a changed file is a changed script: the browser fetches the new shell beside the old one, whole or not at all.
const VERSION = "{{version}}";
const FILES = {{files}};
const SHELL = `squad-${VERSION}`;
const MAP = "squad-map";
const PAGE = "/squad";
const MAP_DATA = ["/api/v1/city", "/api/v1/city/basemap"]; // no personal data: the map of the city without a network

self.addEventListener("install", (event) => {
  event.waitUntil(keepShell());
});

async function keepShell() {
  const cache = await caches.open(SHELL);
  await cache.addAll(FILES.map((path) => new Request(path, { cache: "no-cache" })));
}

self.addEventListener("activate", (event) => {
  event.waitUntil(takeOver());
});

async function takeOver() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith("squad-") && name !== SHELL && name !== MAP).map((name) => caches.delete(name)));
  await self.clients.claim();
}

self.addEventListener("message", (event) => {
  if (event.data === "take over") self.skipWaiting();
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (request.mode === "navigate") {
    if (url.pathname === PAGE || url.pathname.startsWith(`${PAGE}/`)) event.respondWith(fromShell(PAGE, request));
  } else if (MAP_DATA.includes(url.pathname)) {
    event.respondWith(newestMap(request));
  } else if (FILES.includes(url.pathname)) {
    event.respondWith(fromShell(url.pathname, request));
  }
});

async function fromShell(path, request) {
  const cache = await caches.open(SHELL);
  return (await cache.match(path)) ?? fetch(request);
}

async function newestMap(request) {
  const cache = await caches.open(MAP);
  try {
    const answer = await fetch(request);
    if (answer.ok) await cache.put(request, answer.clone());
    return answer;
  } catch (error) {
    const kept = await cache.match(request);
    if (kept) return kept;
    throw error;
  }
}
