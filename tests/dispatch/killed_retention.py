"""A process that deletes what is out of its time, a few rows a transaction, until nothing is due or it is killed.

Usage: killed_retention.py DATABASE_URL NOW_MS BATCH FOLDER. Says `ready` once the store is open, and `deleting` before
each transaction.
"""

import sys
from pathlib import Path

from connectors.pictures import PictureFolder
from haulwatch.dispatch.retention.keep import KeepDays
from haulwatch.dispatch.store import open_store

url, now_ms, batch, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
retention = open_store(url, clock_ms=lambda: now_ms).retention(KeepDays(), PictureFolder(folder), batch)
print("ready", flush=True)  # noqa: T201 - it is what this process says to its parent


def may_go_on(_connection: object) -> bool:
    """Yes, and says that it is asked."""
    print("deleting", flush=True)  # noqa: T201
    return True


retention.run("system", may_go_on)
