// The live stream as seen by one tab: through the shared worker, or directly where a browser has none.
const TYPES = ["order", "counts", "trucks", "reset"];

export function listen(after, handle) {
  if (typeof SharedWorker === "function") listenShared(after, handle);
  else listenDirectly(after, handle);
}

function listenShared(after, handle) {
  const worker = new SharedWorker("/static/js/live-worker.js", { name: "haulwatch-live" });
  worker.port.onmessage = ({ data }) => handle(data);
  worker.port.postMessage({ type: "hello", after });
  addEventListener("pagehide", () => worker.port.postMessage({ type: "bye" }));
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload(); // back from the browser's page cache: what was missed is unknown
  });
}

function listenDirectly(after, handle) {
  let last = after;
  const source = new EventSource(`/api/v1/live?after=${after}`);
  source.onopen = () => handle({ type: "connection", connected: true });
  source.onerror = () => {
    handle({ type: "connection", connected: false });
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listenDirectly(last, handle), 3000);
  };
  for (const type of TYPES) {
    source.addEventListener(type, (event) => {
      const data = JSON.parse(event.data);
      if (data.change_id) last = data.change_id;
      handle({ type, data });
    });
  }
}
