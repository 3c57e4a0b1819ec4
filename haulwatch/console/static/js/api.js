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

export async function request(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Problem(0, { code: "unreachable", detail: t("error.unreachable") });
  }
  if (answer.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  const isJson = /json/.test(answer.headers.get("content-type") ?? "");
  if (!answer.ok) throw new Problem(answer.status, isJson ? await answer.json() : null);
  return isJson ? answer.json() : answer;
}

export const getJson = (path) => request(path, { headers: { Accept: "application/json" } });

export const postJson = (path, body) =>
  request(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

// The answer, or null where this server has no such thing.
export async function getOrNull(path) {
  try {
    return await getJson(path);
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.status === 0 || problem.status >= 500) throw problem;
    return null;
  }
}

// Key of one intention: a repeat after a lost answer carries the same one. (`randomUUID` needs https, this does not.)
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// A change that may be sent again: the answer may be lost though the command was not, and the key makes a repeat harmless.
async function command(path, body, headers) {
  const options = {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": newKey(), ...headers },
    body: JSON.stringify(body),
  };
  try {
    return await request(path, options);
  } catch (problem) {
    if (problem.status !== 0) throw problem;
    return request(path, options);
  }
}

export const orderPath = (id) => `/api/v1/orders/${encodeURIComponent(id)}`;

export const sendCommand = (order, body) =>
  command(`${orderPath(order.order_id)}/commands`, body, { "If-Match": `"${order.version}"` });

export const sendBulk = (body) => command("/api/v1/orders/commands", body, {});
