"""A backtest of the shipped books on an archive: `python bench/backtest.py [--trucks N] [--hours H] [--processes N]`.

The whole day of a city is `--hours 10`: 18 million events. What is timed is all of it, from reading the city to the
figures. `--archive DIR` keeps the archive and takes one that is there.
"""

from __future__ import annotations

import argparse
import resource
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import workload

from connectors.archive.writing import PartitionArchive
from haulwatch.bootstrap.backtest import backtest
from haulwatch.bootstrap.recordings import RecordedFiles
from haulwatch.wire import decode_event


def write_archive(out: Path, trucks: int, seconds: int) -> None:
    """The archive of an embedded log: one partition, an event a record."""
    archive = PartitionArchive(out, "bench", 0, 1)
    offset = 0
    for _size, record in workload.records(trucks, seconds):
        for event in msgspec.json.decode(record, type=list[msgspec.Raw]):
            raw = bytes(event)
            archive.take(offset, raw, [(decode_event(raw), raw)])
            offset += 1
    archive.flush()


def cpu_s() -> float:
    """What this process and its children have used: other work on the machine does not count."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def peak_gib() -> float:
    """The most memory that a process of it has had."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 2**20


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trucks", type=int, default=5_000)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--zones", type=int, default=1_000)
    parser.add_argument("--processes", type=int)
    parser.add_argument("--archive", type=Path)
    options = parser.parse_args()
    with ExitStack() as stack:
        out = options.archive or Path(stack.enter_context(TemporaryDirectory()))
        if not any(out.glob("day=*")):
            write_archive(out, options.trucks, round(options.hours * 3600))
        files = workload.city_files(options.zones, 0, options.trucks)
        shipped = {name: data for name, data in files.items() if not name.startswith("rules/")}
        started, spent = time.perf_counter(), cpu_s()
        found = backtest(shipped, RecordedFiles([str(out)]), processes=options.processes)
        seconds, spent = time.perf_counter() - started, cpu_s() - spent
    run = found.run
    print(
        f"{run.events:,} events, {run.trucks:,} trucks, {options.zones} zones, {len(found.rules)} rules,"
        f" {run.processes} processes: {seconds:.1f} s, {run.events / seconds:,.0f} events/s,"
        f" {spent:.1f} CPU s, at most {peak_gib():.2f} GiB a process, {len(found.findings):,} findings"
    )


if __name__ == "__main__":
    main()
