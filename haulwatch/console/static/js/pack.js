// The evidence pack of an order: downloaded, and its SHA-256, which the server says and a transfer has to name.
import { orderPath, request } from "./api.js";

// Saves the pack and resolves to { sha256, name }.
export async function exportPack(order) {
  const answer = await request(`${orderPath(order.order_id)}/pack`, { headers: { Accept: "application/zip" } });
  const blob = await answer.blob();
  const name = /filename="?([^";]+)/.exec(answer.headers.get("content-disposition") ?? "")?.[1] ?? `${order.order_id}.zip`;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  return { sha256: (answer.headers.get("x-pack-sha256") ?? answer.headers.get("etag") ?? "").replace(/"/g, ""), name };
}
