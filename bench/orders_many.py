"""Many orders at once: 500 requests to reject with one reason, then 500 approvals, as the page sends them, over HTTP.

`--database URL` for a server's; the database must be empty. With `--entries N` also how long the audit takes to verify
when it has at least so many.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from haulwatch.console.app import ConsoleSettings, create_app
from haulwatch.console.testing import SteeredFeed, SteeredIntake, overweight, served, small_city
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.store import OrderStore, open_store

LIMIT_MS = 1000


def furnish(store: OrderStore, orders: int) -> None:
    """So many new orders."""
    now_ms = time.time_ns() // 1_000_000
    found = [overweight(f"b{n}", now_ms - n * 1000, f"浙E{n:05d}") for n in range(orders)]
    for first in range(0, orders, 200):
        store.intake(found[first : first + 200])


def all_orders(client: httpx.Client) -> list[dict[str, Any]]:
    """Id and version of every order, page by page."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = client.get("/api/v1/orders", params={"limit": 200, **cursor}).raise_for_status().json()
        found += [{"order_id": order["order_id"], "version": order["version"]} for order in page["orders"]]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def bulk(client: httpx.Client, command: str, orders: list[dict[str, Any]], **data: str) -> None:
    """One request for all of them; prints how long its answer took."""
    body = {"command": command, "data": data, "orders": orders}
    began = time.perf_counter()
    answer = client.post("/api/v1/orders/commands", json=body, headers={"Idempotency-Key": command})
    took_ms = 1000 * (time.perf_counter() - began)
    done = sum("order" in result for result in answer.raise_for_status().json()["results"])
    print(f"{command}: {done} of {len(orders)} orders in {took_ms:.0f} ms (limit {LIMIT_MS} ms)")


def person(store: OrderStore, url: str, name: str, *roles: str, area: tuple[str, ...] = ()) -> httpx.Client:
    """A client of somebody with these roles, in a jurisdiction."""
    token = store.people().token(name, roles=roles, squad_id=None, jurisdiction=area)
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60)


def measure(store: OrderStore) -> None:
    """Requests and approvals, by two people."""
    app = create_app(store, store.people(), SteeredFeed(), SteeredIntake(), small_city(), settings=ConsoleSettings())
    with served(app) as url:
        asking, deciding = person(store, url, "asks", "dispatcher"), person(store, url, "decides", "duty_officer")
        with asking, deciding:
            bulk(asking, "reject", all_orders(asking), reason_code="device_fault")
            bulk(deciding, "approve", all_orders(deciding))


def measure_audit(store: OrderStore, entries: int) -> None:
    """Findings until the audit has so many entries, then one verification."""
    number, now_ms = 0, time.time_ns() // 1_000_000
    while store.head().seq < entries:
        store.intake(overweight(f"a{n}", now_ms + n, f"浙F{n:05d}") for n in range(number, number + 500))
        number += 500
    began = time.perf_counter()
    report = store.verify()
    took_s = time.perf_counter() - began
    print(
        f"audit verify: {report.entries} entries in {took_s:.1f} s, {'whole' if report.problem is None else 'BROKEN'}"
    )


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--database", metavar="URL")
    parser.add_argument("--orders", type=int, default=500)
    parser.add_argument("--entries", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(asked.database or sqlite_url(Path(folder)))
        furnish(store, asked.orders)
        measure(store)
        if asked.entries:
            measure_audit(store, asked.entries)
        store.close()


if __name__ == "__main__":
    main()
