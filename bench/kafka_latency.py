"""How long from an event to its breach, and to its work order, in a whole cluster: gateway, one worker, console.

15,000 trucks report every ten seconds: 1,500 events/s, posted when their time comes. An event may not be decided before
its lateness (3 s) has passed; the aim is lateness + 1 s. A breach's latency runs from the instant at which its rule was
satisfied (`detected_at`, the event's own time) to its arrival at a consumer of the breaches topic, an order's to the
instant that the order database gives it. The first minute is not counted: the zone index learns the streets.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import msgspec
import workload
from kafka import KafkaConsumer
from kafka_load import Ground, ground, options_of, say, write_city

from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.store import open_store
from haulwatch.domain.breaches import Breach
from tests.postgresql.server import Postgres

TRUCKS, SECONDS, WARM_S = 15_000, 150, 60
SLICES = 10
"""Posts a second."""
GRACE_S = 15.0
_RECEIVED = re.compile(r'"received_at":"[^"]*",')
_AT = re.compile(r'"at":"([^"]*)"')


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = options_of(__doc__)
    parser.add_argument("--database", help="an empty order database (default: a PostgreSQL of its own)")
    parser.add_argument("--sqlite", action="store_true", help="an SQLite order database")
    parser.add_argument("--rate", type=int, default=TRUCKS // 10, help="events a second (1500)")
    options = parser.parse_args()
    seconds, warm_s = (SECONDS // 3, WARM_S // 3) if options.quick else (SECONDS, WARM_S)
    with ground(options.kafka) as here, ExitStack() as stack:
        database = options.database or (sqlite_url(here.folder) if options.sqlite else _postgres(stack))
        here.prepare(write_city(here.folder / "city", options.rate * 10), options.partitions)
        children = {verb: here.process(verb, database) for verb in ("gateway", "worker", "console")}
        for child in children.values():
            stack.callback(child.kill)
        for child in children.values():
            child.wait_ready()
        watcher = Watcher(here)
        say(f"offering {options.rate:,} events/s for {seconds} s")
        began = time.time()
        sent, late_s, answer_s = offer(children["gateway"].url, options.rate * 10, seconds)
        time.sleep(GRACE_S)  # nothing to wait for: whatever is not there by now counts as missing
        found = watcher.stop()
        orders = order_latencies(database, began + warm_s)
    breaches = [seen - at for at, seen in found if at >= began + warm_s]
    print(f"{sent:,} events in {seconds} s; a post went out {late_s * 1000:.0f} ms late on average")
    for title, values in (("post → answer", answer_s), ("event → breach", breaches), ("event → order", orders)):
        print(f"{title:16} {_percentiles(values)}")


def _postgres(stack: ExitStack) -> str:
    say("starting a PostgreSQL")
    server = Postgres()
    stack.callback(server.remove)
    server.start()
    return server.url().render_as_string(hide_password=False)


def offer(url: str, trucks: int, seconds: int) -> tuple[int, float, list[float]]:
    """Posts the traffic in real time; events sent, mean delay of a post (s), and how long each answer took (s)."""
    start = datetime.fromtimestamp(int(time.time()) + 2, UTC)
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=60)
    sent, lateness, answers = 0, 0.0, []
    for due, body in posts(start, trucks, seconds):
        wait_s = due - time.time()
        if wait_s > 0:
            time.sleep(wait_s)  # until the events' time has come
        lateness += max(0.0, time.time() - due)
        begun = time.monotonic()
        connection.request("POST", "/api/v1/events", b"\n".join(body), {"Content-Type": "application/x-ndjson"})
        answer = connection.getresponse()
        told = json.load(answer)
        if answer.status != 202:
            raise SystemExit(f"the gateway refuses: {answer.status} {told}")
        answers.append(time.monotonic() - begun)
        sent += told["accepted"]
    return sent, lateness / len(answers), answers


def posts(start: datetime, trucks: int, seconds: int) -> Iterator[tuple[float, list[bytes]]]:
    """`(when, events)`: each slice of a second holds the events of that slice, without `received_at`."""
    workload.START = start
    per_second = trucks // 10
    second: list[tuple[float, bytes]] = []
    for _count, record in workload.records(trucks, seconds, per_record=1):
        line = _RECEIVED.sub("", record.decode()[1:-1], count=1)
        at = _AT.search(line)
        assert at is not None
        second.append((datetime.fromisoformat(at[1]).timestamp(), line.encode()))
        if len(second) == per_second:
            second.sort()
            begin = int(second[0][0])
            for number in range(1, SLICES + 1):
                due = begin + number / SLICES
                yield due, [line for at_s, line in second if due - 1 / SLICES <= at_s < due]
            second = []


class Watcher:
    """Reads the breaches topic and notes when each breach that opens was detected and when it came."""

    def __init__(self, here: Ground) -> None:
        self._here = here
        self._found: list[tuple[float, float]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        consumer = KafkaConsumer(
            self._here.settings.topics.breaches, bootstrap_servers=self._here.kafka, auto_offset_reset="earliest"
        )
        while not self._ended.is_set():
            for batch in consumer.poll(timeout_ms=200).values():
                seen = time.time()
                for record in batch:
                    breach = msgspec.json.decode(record.value, type=Breach)
                    if breach.phase == "opened" and not breach.late:
                        self._found.append((datetime.fromisoformat(breach.detected_at).timestamp(), seen))
        consumer.close()

    def stop(self) -> list[tuple[float, float]]:
        """`(detected, seen)` of each, in seconds since 1970."""
        self._ended.set()
        self._thread.join()
        return self._found


def order_latencies(database: str, since: float) -> list[float]:
    """From detection to the order, in seconds, of orders detected after `since`."""
    store = open_store(database)
    found: list[float] = []
    cursor: str | None = None
    try:
        while True:
            page = store.list(cursor=cursor, limit=500)
            for order in page.orders:
                detected = datetime.fromisoformat(order.detected_at).timestamp()
                if detected >= since and not order.late:
                    found.append(datetime.fromisoformat(order.opened_at).timestamp() - detected)
            if (cursor := page.next_cursor) is None:
                return found
    finally:
        store.close()


def _percentiles(values: list[float]) -> str:
    if not values:
        return "none"
    ordered = sorted(values)
    p50, p99 = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return f"p50 {p50:6.2f} s  p99 {p99:6.2f} s  max {ordered[-1]:6.2f} s  ({len(ordered):,})"


if __name__ == "__main__":
    main()
