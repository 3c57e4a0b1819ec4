// Requests of the squad's page. A failure is a `Failure`: `status` 0 when the server was not reached.
export class Failure extends Error {
  constructor(status, body = null, retryAfterS = null) {
    super(body?.detail ?? String(status));
    this.status = status;
    this.code = body?.code ?? "unknown";
    this.text = body?.text ?? null;
    this.order = body?.order ?? null;
    this.retryAfterS = retryAfterS;
  }

  // Whether the same request may succeed later without anybody doing anything.
  get passing() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

export async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", signal: AbortSignal.timeout(options.body ? 120_000 : 20_000), ...options });
  } catch {
    throw new Failure(0);
  }
  const isJson = /json/.test(answer.headers.get("content-type") ?? "");
  let body = null;
  try {
    body = isJson ? await answer.json() : null;
  } catch {
    throw new Failure(0); // the answer broke off
  }
  if (!answer.ok) throw new Failure(answer.status, body, Number(answer.headers.get("retry-after")) || null);
  // A proxy's or a login page instead of the answer is no success: nothing must be crossed off because of it.
  if (body === null) throw new Failure(503);
  return { body, at: Date.parse(answer.headers.get("date") ?? "") };
}

export const orderPath = (id) => `/api/v1/orders/${encodeURIComponent(id)}`;

// Key of one intention: every repeat carries the same one. (`randomUUID` needs https, this does not.)
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function send(item) {
  return item.kind === "photo" ? sendPhoto(item) : sendCommand(item);
}

async function sendCommand(item) {
  const { body } = await ask(`${orderPath(item.orderId)}/commands`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": item.key, "If-Match": `"${item.version}"` },
    body: JSON.stringify({ command: item.command, data: item.data }),
  });
  return body.detail.order;
}

async function sendPhoto(item) {
  const headers = {
    "Content-Type": item.type || "application/octet-stream",
    "Idempotency-Key": item.key,
    "X-Photo-SHA256": item.sha256,
    "X-Taken-At": item.takenAt,
  };
  if (item.place) Object.assign(headers, { "X-Photo-Lon": String(item.place.lon), "X-Photo-Lat": String(item.place.lat) });
  const { body } = await ask(`${orderPath(item.orderId)}/photos`, { method: "POST", headers, body: item.bytes });
  if (body.sha256 !== item.sha256) throw new Failure(0); // it is not there as it was taken: again
  return null;
}
