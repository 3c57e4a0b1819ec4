// What the list is limited to: as the page's address says it, as the API is asked, and whether an order fits.
export const FINAL = new Set(["closed", "rejected", "void", "merged", "transferred"]);

export const VIEWS = {
  todo: ["new", "filed", "returned"],
  running: ["dispatched", "accepted", "on_site", "rework", "on_hold"],
  verify: ["handled", "verifying"],
  done: [...FINAL],
  all: [],
};

export const FLAGS = ["mine", "unassigned", "overdue", "pending", "late"];

const NOTHING = { view: "todo", severities: [], categories: [], search: "", truckId: "", jurisdiction: "", since: "" };
export const EMPTY = { ...NOTHING, ...Object.fromEntries(FLAGS.map((flag) => [flag, false])) };
const SINGLE = { search: "q", truckId: "truck", jurisdiction: "zone", since: "since" };

// The filter in an address' query; what is not in it is as in `EMPTY`.
export function filterFrom(query) {
  const asked = new URLSearchParams(query);
  const filter = { ...EMPTY, severities: asked.getAll("severity"), categories: asked.getAll("category") };
  if (asked.get("view") in VIEWS) filter.view = asked.get("view");
  for (const [name, key] of Object.entries(SINGLE)) filter[name] = asked.get(key) ?? "";
  for (const flag of FLAGS) filter[flag] = asked.has(flag);
  return filter;
}

// The same as a query, "" for the filter that the page begins with.
export function queryOf(filter) {
  const query = new URLSearchParams();
  if (filter.view !== EMPTY.view) query.set("view", filter.view);
  for (const severity of filter.severities) query.append("severity", severity);
  for (const category of filter.categories) query.append("category", category);
  for (const [name, key] of Object.entries(SINGLE)) if (filter[name]) query.set(key, filter[name]);
  for (const flag of FLAGS) if (filter[flag]) query.set(flag, "1");
  return query.toString();
}

// One page of the orders that fit, as the API is asked for it.
export function ordersPath(filter, cursor, limit = 100) {
  const query = new URLSearchParams();
  for (const stage of VIEWS[filter.view]) query.append("stage", stage);
  for (const severity of filter.severities) query.append("severity", severity);
  for (const category of filter.categories) query.append("category", category);
  if (filter.truckId) query.set("truck_id", filter.truckId);
  if (filter.jurisdiction) query.set("jurisdiction", filter.jurisdiction);
  if (filter.search) query.set("search", filter.search);
  if (filter.since) query.set("since", filter.since);
  for (const flag of FLAGS) if (filter[flag]) query.set(flag, "true");
  if (cursor) query.set("cursor", cursor);
  query.set("limit", limit);
  return `/api/v1/orders?${query}`;
}

// How many things limit the list beside its view.
export function limits(filter) {
  const single = Object.keys(SINGLE).filter((name) => filter[name]).length;
  return filter.severities.length + filter.categories.length + single + FLAGS.filter((flag) => filter[flag]).length;
}

// What the server decides by; `own`: ids of the orders to which this person is known to have given a command.
export function fits(filter, order, own, now = Date.now()) {
  const has = (values, value) => values.length === 0 || values.includes(value);
  return (
    has(VIEWS[filter.view], order.stage) &&
    has(filter.severities, order.severity) &&
    has(filter.categories, order.category) &&
    (!filter.truckId || order.truck_id === filter.truckId) &&
    (!filter.jurisdiction || order.jurisdictions.includes(filter.jurisdiction)) &&
    (!filter.search || contains(order, filter.search)) &&
    (!filter.mine || own.has(order.order_id)) &&
    (!filter.since || order.detected_at >= filter.since) &&
    fitsFlags(filter, order, now)
  );
}

function fitsFlags(filter, order, now) {
  return (
    (!filter.late || order.late) &&
    (!filter.unassigned || (!order.squad_id && !FINAL.has(order.stage))) &&
    (!filter.pending || order.pending !== null) &&
    (!filter.overdue || overdue(order, now))
  );
}

function contains(order, search) {
  const wanted = search.toUpperCase();
  return order.order_id.toUpperCase().includes(wanted) || order.truck_id.toUpperCase().includes(wanted);
}

export function overdue(order, now) {
  const { clock } = order;
  return Boolean(clock) && !clock.paused_at && !FINAL.has(order.stage) && new Date(clock.due_at).getTime() < now;
}
