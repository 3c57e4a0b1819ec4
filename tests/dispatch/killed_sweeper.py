"""A process that sweeps a store, a few clocks at a time, until nothing is due or it is killed.

Usage: killed_sweeper.py DATABASE_URL AT_MS MOST. Says `ready` once the store is open and `swept` after each batch.
"""

import sys

from haulwatch.dispatch.store import open_store

url, at_ms, most = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sweeper = open_store(url, clock_ms=lambda: at_ms).sweeper()
print("ready", flush=True)  # noqa: T201 - it is what this process says to its parent
while sweeper.sweep(most):
    print("swept", flush=True)  # noqa: T201
