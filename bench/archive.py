"""The archive: events a second into it and out of it, bytes an event, and the memory that takes.

An embedded log of positions (5,000 trucks, one every ten seconds, several hours) is archived and read back, beside the
same events as NDJSON. `--events N` sets how many; memory does not grow with them.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import workload
import zstandard

from connectors.recorded import Recorded
from connectors.window import Window
from haulwatch.bootstrap.archive import Archiver, LocalSource
from haulwatch.bootstrap.embedded import LOG_FILE
from haulwatch.domain.instants import to_ms
from streams.local_log import LocalLog

TRUCKS = 5_000


def events(count: int) -> Iterator[bytes]:
    """Positions as the log has them, one by one."""
    for _size, record in workload.records(TRUCKS, count * 10 // TRUCKS, seed=2):
        for event in msgspec.json.decode(record, type=list[msgspec.Raw]):
            yield bytes(event)


def fill(data: Path, ndjson: Path, count: int) -> tuple[int, int]:
    """Writes the same events into a log and a file; returns how many, and their bytes."""
    log = LocalLog(data / LOG_FILE)
    written = size = 0
    with ndjson.open("wb") as file, zstandard.open(ndjson.with_suffix(".ndjson.zst"), "wb") as packed:
        log.begin()
        for raw in events(count):
            log.append(str(written), raw)
            line = raw + b"\n"
            file.write(line)
            packed.write(line)
            written += 1
            size += len(raw)
            if written % 50_000 == 0:
                log.commit()
                log.begin()
        log.commit()
    log.close()
    return written, size


def timed(what: str, count: int, work: Callable[[], object]) -> None:
    """Prints how many events a second that was."""
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    print(f"{what:<34} {seconds:7.2f} s  {count / seconds:>10,.0f} events/s")


def drain(names: list[str], window: Window) -> int:
    """Reads all of it, as a replay does before it decides anything."""
    return sum(1 for log in Recorded(names, window).logs().values() for _event in log)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=500_000)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        data, out, ndjson = Path(folder) / "data", Path(folder) / "archive", Path(folder) / "log.ndjson"
        count, size = fill(data, ndjson, options.events)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        timed("into the archive", count, lambda: Archiver(LocalSource(data), out).run())
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        archived = sum(path.stat().st_size for path in out.rglob("*.parquet"))
        everything = Window()
        timed("read: archive", count, lambda: drain([str(out)], everything))
        timed("read: NDJSON", count, lambda: drain([str(ndjson)], everything))
        timed("read: NDJSON, zstd", count, lambda: drain([str(ndjson.with_suffix(".ndjson.zst"))], everything))
        start_ms = to_ms(workload.START)
        last = Window(start_ms + count * 10_000 // TRUCKS - 60_000)
        wanted = drain([str(out)], last)
        timed(f"the last minute ({wanted:,}): archive", wanted, lambda: drain([str(out)], last))
        timed(f"the last minute ({wanted:,}): NDJSON", wanted, lambda: drain([str(ndjson)], last))
        zst = ndjson.with_suffix(".ndjson.zst").stat().st_size
    print(
        f"{count:,} events; bytes an event: JSON {size / count:.0f}, NDJSON zstd {zst / count:.1f},"
        f" archive {archived / count:.1f}; most memory: {before / 1024:.0f} MiB before, {after / 1024:.0f} MiB after"
    )


if __name__ == "__main__":
    main()
