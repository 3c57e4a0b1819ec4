"""A process that feeds findings to a store, a few at a time, until it is done or killed.

Usage: killed_writer.py DATABASE_URL BREACHES_NDJSON BATCH. Says `ready` once the store is open, so that the killer does
not spend its shots on the start of Python, and `fed N` after each batch.
"""

import sys
from pathlib import Path

import msgspec

from haulwatch.dispatch.store import open_store
from haulwatch.domain.breaches import Breach

url, file, size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
store = open_store(url)
print("ready", flush=True)  # noqa: T201 - it is what this process says to its parent
records = [msgspec.json.decode(line, type=Breach) for line in file.read_bytes().splitlines()]
for start in range(0, len(records), size):
    store.intake(records[start : start + size])
    print("fed", start + size, flush=True)  # noqa: T201
