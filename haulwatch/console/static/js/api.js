// Requests to the API. Every failure is a `Problem` with a text for the person at the screen.
import { t } from "./i18n.js";

export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? String(status));
    this.status = status;
    this.code = body?.code ?? "unknown";
    this.text = body?.text ?? null;
    this.order = body?.order ?? null;
    this.errors = body?.errors ?? [];
  }
}

async function request(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Problem(0, { code: "unreachable", detail: t("error.unreachable") });
  }
  const isJson = /json/.test(answer.headers.get("content-type") ?? "");
  const body = isJson ? await answer.json() : null;
  if (!answer.ok) throw new Problem(answer.status, body);
  return body;
}

export const getJson = (path) => request(path, { headers: { Accept: "application/json" } });

export const postJson = (path, body) =>
  request(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

// Key of one intention: a repeat after a lost answer carries the same one. (`randomUUID` needs https, this does not.)
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export async function sendCommand(order, command, actor, data, key) {
  const options = {
    method: "POST",
    headers: { "Content-Type": "application/json", "If-Match": `"${order.version}"`, "Idempotency-Key": key },
    body: JSON.stringify({ command, actor, data }),
  };
  const path = `/api/v1/orders/${encodeURIComponent(order.order_id)}/commands`;
  try {
    return await request(path, options);
  } catch (problem) {
    if (problem.status !== 0) throw problem;
    return request(path, options); // the answer was lost, perhaps not the command: the key makes a repeat harmless
  }
}

export function ordersPath(filter, cursor) {
  const query = new URLSearchParams();
  for (const stage of filter.stages) query.append("stage", stage);
  for (const severity of filter.severities) query.append("severity", severity);
  for (const category of filter.categories) query.append("category", category);
  if (filter.truckId) query.set("truck_id", filter.truckId);
  if (filter.lateOnly) query.set("late", "true");
  if (cursor) query.set("cursor", cursor);
  query.set("limit", "50");
  return `/api/v1/orders?${query}`;
}
