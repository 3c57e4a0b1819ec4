"""How many findings a second the order store takes in, and how many commands: `--database URL` for a server's.

Each episode is opened, updated twice and ended; batches are as the console makes them. The database must be empty.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.breaches import Breach, Evidence, LawNote
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.orders import ROLES, Actor
from haulwatch.domain.text import Text

START_MS = 1_777_593_600_000
PHASES = (("opened", 1), ("updated", 2), ("updated", 3), ("ended", 4))


def findings(first: int, episodes: int) -> Iterator[Breach]:
    """Episodes of as many trucks, twenty seconds of track and four records of evidence in each."""
    for phase, count in PHASES:
        for number in range(first, first + episodes):
            at_ms = START_MS + number * 100 + count * 60_000
            at = rfc3339(at_ms)
            yield Breach(
                breach_id=f"{number:032x}",
                phase=phase,  # type: ignore[arg-type]
                rule_id="uncovered-camera",
                rule_hash="r" * 64,
                city_hash="c" * 64,
                category="uncovered",
                severity="major",
                status="active",
                truck_id=f"浙E{number % 100_000:05d}",
                started_at=rfc3339(START_MS + number * 100),
                detected_at=rfc3339(START_MS + number * 100 + 60_000),
                ended_at=at if phase == "ended" else None,
                occurrences=count,
                late=False,
                lon=120.1,
                lat=30.86,
                zone_ids=["D-01", "T-03"],
                title=Text("未密闭运输", "Uncovered load"),
                summary=Text("相机看到敞开", "the camera saw it open"),
                conditions=[],
                evidence=[Evidence(f"e{number}-{n}", "sighting", "seen", at, {"cover": "open"}) for n in range(4)],
                track=[(at_ms + n * 1_000, 120.1, 30.86, 42.0) for n in range(20)],
                law=LawNote(["cn-air-116"]),
            )


def measure(store: OrderStore, name: str) -> None:
    """Prints the rates."""
    first = 0
    for batch, episodes in ((1, 50), (50, 250), (200, 1000)):
        records = list(findings(first, episodes))
        first += episodes
        began = time.perf_counter()
        for start in range(0, len(records), batch):
            store.intake(records[start : start + batch])
        print(f"{name}: batches of {batch:3d}: {len(records) / (time.perf_counter() - began):7,.0f} findings/s")
    orders = store.list(limit=200).orders
    actor = Actor("bench", frozenset(ROLES))
    began = time.perf_counter()
    for order in orders:
        store.command(order.order_id, "file", expected_version=order.version, actor=actor)
    print(f"{name}: one after the other:   {len(orders) / (time.perf_counter() - began):7,.0f} commands/s")


def main() -> None:
    """SQLite in a folder of its own, or the database that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", metavar="URL")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.database or sqlite_url(Path(folder))
        store = open_store(url)
        measure(store, url.partition(":")[0])
        store.close()


if __name__ == "__main__":
    main()
