// One live stream per browser: every tab of the console shares this worker and its EventSource.
// What a new tab has missed (last counts, all trucks) is kept here; orders it loads itself.
const ports = new Set();
let source = null;
let connected = null;
let counts = null;
const trucks = new Map();
let columns = null;
let revision = 0;

function tell(port, message) {
  port.postMessage(message);
}

function tellAll(message) {
  for (const port of ports) tell(port, message);
}

function setConnected(value) {
  if (connected === value) return;
  connected = value;
  tellAll({ type: "connection", connected });
}

function keepTrucks(update) {
  if (update.full) trucks.clear();
  columns = update.columns;
  revision = update.revision;
  for (const row of update.rows) trucks.set(row[0], row);
}

function open(after) {
  source = new EventSource(`/api/v1/live?after=${after}`);
  source.onopen = () => setConnected(true);
  source.onerror = () => {
    setConnected(false);
    // A refused stream (a full server, a proxy's error page) is closed for good by the browser: try again ourselves.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => open(lastChange), 3000);
  };
  for (const type of ["order", "counts", "trucks", "reset"]) {
    source.addEventListener(type, (event) => {
      const data = JSON.parse(event.data);
      if (type === "order" || type === "reset") lastChange = data.change_id;
      if (type === "counts") counts = data;
      if (type === "trucks") keepTrucks(data);
      tellAll({ type, data });
    });
  }
}

let lastChange = 0;

function welcome(port, after) {
  ports.add(port);
  if (source === null) {
    lastChange = after;
    open(after);
    return;
  }
  if (connected !== null) tell(port, { type: "connection", connected });
  if (counts) tell(port, { type: "counts", data: counts });
  if (columns) tell(port, { type: "trucks", data: { revision, full: true, columns, rows: [...trucks.values()] } });
}

globalThis.onconnect = (event) => {
  const port = event.ports[0];
  port.onmessage = ({ data }) => {
    if (data.type === "hello") welcome(port, data.after);
    if (data.type === "bye") ports.delete(port);
  };
};
