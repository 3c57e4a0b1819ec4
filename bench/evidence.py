"""How large an evidence pack is, and how long it takes to make and to check: `python bench/evidence.py`.

A synthetic city of twelve trucks; every order of six hours is exported.
"""

from __future__ import annotations

import io
import statistics
import tempfile
import time
from pathlib import Path

import msgspec

from haulwatch.bootstrap.city_history import FolderCity
from haulwatch.cli.main import main
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.evidence.verify import verify
from haulwatch.dispatch.store import open_store
from haulwatch.domain.breaches import Breach
from haulwatch.domain.orders import Actor


def run() -> None:
    """Prints the median and the largest of each figure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        city, events, found = folder / "city", folder / "events.ndjson", folder / "breaches.ndjson"
        made = ["--city-out", city, "--events-out", events, "--truth-out", folder / "truth.json"]
        main([str(part) for part in ("synth", *made, "--trucks", 12, "--hours", 6, "--seed", 5)])
        main([str(part) for part in ("replay", events, "--city", city, "--out", found)])
        store = open_store(sqlite_url(folder))
        store.intake([msgspec.json.decode(line, type=Breach) for line in found.read_bytes().splitlines()])
        packs, actor = store.packs(FolderCity(city)), Actor("bench")
        sizes, making, checking = [], [], []
        for order in store.list(limit=100).orders:
            out, began = io.BytesIO(), time.perf_counter()
            receipt = packs.export(order.order_id, out, actor=actor)
            making.append(time.perf_counter() - began)
            (folder / "pack.zip").write_bytes(out.getvalue())
            began = time.perf_counter()
            assert not verify(folder / "pack.zip", receipt.sha256).problems
            checking.append(time.perf_counter() - began)
            sizes.append(receipt.size / 1024)
        store.close()
    for what, unit, values in (("size", "KiB", sizes), ("made in", "s", making), ("checked in", "s", checking)):
        print(f"{what:>10}: median {statistics.median(values):8.2f} {unit}, most {max(values):8.2f} {unit}")


if __name__ == "__main__":
    run()
