"""Events a second through one worker on a real Kafka, and through a plain Faust app.

Three runs over the same traffic (5,000 trucks x 1,000 zones x 50 rules, the shipped books among them), each over a
backlog that is in its topic before it starts:
(a) the log as our gateway writes it, 100 events a record, through `haulwatch worker`;
(b) foreign records of one event each, through an inlet of `haulwatch worker`, which forwards them into the log;
(c) foreign records of one event each, through bench/idiomatic_faust.py.
(a) is timed over the second half of its backlog, by the worker's own /metrics: the first half warms the zone index up
(not with --quick: too few). (b) counts from the moment at which the worker answers, its cold beginning and the joining
of the group with it. (c) is warmed up before its first event. Besides events/s of wall time, which suffer when the
machine does other work, the processor time that an event takes is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from kafka.admin import KafkaAdminClient, NewTopic
from kafka_load import Ground, ground, options_of, packed_city, packs, say, single_events, write, write_city

from tests.e2e.api import figures_of
from tests.e2e.children import Child

TRUCKS = 5_000
PACKED_EVENTS, INLET_EVENTS, IDIOMATIC_EVENTS, WARM_EVENTS = 600_000, 60_000, 20_000, 150_000
DEADLINE_S = 300.0
Events = Iterable[tuple[str, bytes]]


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = options_of(__doc__)
    parser.add_argument("--group-by", action="store_true", help="let the plain Faust app repartition by truck")
    parser.add_argument("--only", choices=("packed", "inlet", "idiomatic"))
    options = parser.parse_args()
    share = 10 if options.quick else 1
    rates: dict[str, Rate] = {}
    with ground(options.kafka) as here:
        city = write_city(here.folder / "city", TRUCKS)
        if options.only in (None, "packed"):
            rates["packed"] = packed(here.another(), city, options.partitions, PACKED_EVENTS // share)
        if options.only in (None, "inlet"):
            rates["inlet"] = inlet(here.another(), city, options.partitions, INLET_EVENTS // share)
        if options.only in (None, "idiomatic"):
            warm, count = WARM_EVENTS // share, IDIOMATIC_EVENTS // share
            rates["idiomatic"] = idiomatic(here, city, options.partitions, warm, count, group_by=options.group_by)
    for name, title in (
        ("packed", "worker, log of packed records"),
        ("inlet", "worker, single records through an inlet"),
        ("idiomatic", "plain Faust app, single records"),
    ):
        if name in rates:
            rate = rates[name]
            print(f"{title:40} {rate.events_per_s:>10,.0f} events/s  {rate.cpu_us:8.1f} µs CPU/event")
    for name in ("packed", "inlet"):
        if name in rates and "idiomatic" in rates:
            ours, plain = rates[name], rates["idiomatic"]
            wall, cpu = ours.events_per_s / plain.events_per_s, plain.cpu_us / ours.cpu_us
            print(f"{name} / idiomatic: {wall:.1f} by the clock, {cpu:.1f} by processor time")


class Rate(NamedTuple):
    """Events a second of wall time; processor time of the process, in µs an event."""

    events_per_s: float
    cpu_us: float


def traffic(events: int) -> Events:
    """So many events of the benchmark's traffic, `(truck_id, event)`."""
    return islice(single_events(TRUCKS, -(-events // (TRUCKS // 10))), events)


def packed(here: Ground, city: Path, partitions: int, events: int) -> Rate:
    """(a)"""
    here.prepare(city, partitions)
    say(f"packed: writing {events:,} events")
    log = here.settings.topics.observations
    write(here.kafka, log, ((place, None, value) for place, value in packs(traffic(events), partitions)))
    return drained(here, "packed", events, partitions)


def inlet(here: Ground, city: Path, partitions: int, events: int) -> Rate:
    """(b)"""
    here.prepare(city, partitions)
    say(f"inlet: writing {events:,} records")
    write(here.kafka, here.settings.topics.gps, ((None, truck_id, value) for truck_id, value in traffic(events)))
    return drained(here, "inlet", events, partitions)


def drained(here: Ground, name: str, events: int, partitions: int) -> Rate:
    """Starts a worker; how fast it applies the second half of what is there."""
    worker = here.process("worker")
    try:
        seen = progress(worker, events + partitions)
    finally:
        worker.kill()
    # An inlet's records are forwarded ahead of being decided, so all of that run counts, its cold beginning too.
    since = 0 if name == "inlet" else events / 2
    half_at, half, half_cpu = next(sample for sample in seen if sample[1] >= since)
    end_at, end, end_cpu = seen[-1]
    rate = Rate((end - half) / (end_at - half_at), (end_cpu - half_cpu) / (end - half) * 1e6)
    first_at = next(at for at, count, _cpu in seen if count > partitions)
    say(f"{name}: {rate.events_per_s:,.0f} events/s; all of it in {end_at - first_at:.1f} s")
    return rate


def cpu_s(worker: Child) -> float:
    """Processor time that a process has used (Linux)."""
    assert worker.process is not None
    fields = Path(f"/proc/{worker.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def progress(worker: Child, expected: int) -> list[tuple[float, int, float]]:
    """`(instant, events applied, CPU seconds)` until the worker has applied what is expected (activations with it)."""
    seen: list[tuple[float, int, float]] = []
    deadline = time.monotonic() + DEADLINE_S
    while not seen or seen[-1][1] < expected:
        if time.monotonic() > deadline or worker.returncode is not None:
            raise SystemExit(f"the worker did not get through: {seen[-1:]}\n{worker.tail()}")
        time.sleep(0.2)
        try:
            figures = figures_of(worker.url)
        except OSError:
            continue  # it has not begun to listen
        applied = sum(value for key, value in figures.items() if key.startswith("haulwatch_events_total"))
        seen.append((time.monotonic(), int(applied), cpu_s(worker)))
    return seen


def idiomatic(here: Ground, city: Path, partitions: int, warm: int, events: int, *, group_by: bool) -> Rate:
    """(c)"""
    topic = f"{here.prefix}.single"
    admin = KafkaAdminClient(bootstrap_servers=here.kafka)
    admin.create_topics([NewTopic(topic, partitions, 1)])
    admin.close()
    every = list(traffic(warm + events))
    (here.folder / "warm").write_bytes(b"\n".join(value for _truck_id, value in every[:warm]))
    say(f"idiomatic: writing {events:,} records")
    write(here.kafka, topic, ((None, truck_id, value) for truck_id, value in every[warm:]))
    command = [
        *(sys.executable, str(Path(__file__).with_name("idiomatic_faust.py")), "--kafka", here.kafka),
        *("--topic", topic, "--city", str(packed_city(city, here.folder / "city.bin")), "--events", str(events)),
        *("--name", f"{here.prefix}.idiomatic", "--data", str(here.folder / "idiomatic")),
        *("--warm", str(here.folder / "warm"), "--partitions", str(partitions)),
        *(["--group-by"] if group_by else []),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=here.folder) as app:
        assert app.stdout is not None
        watchdog = threading.Timer(DEADLINE_S, app.kill)
        watchdog.start()
        result = next((json.loads(line) for line in app.stdout if line.startswith(b"{")), None)
        watchdog.cancel()
        app.kill()
    if result is None:
        raise SystemExit("the plain Faust app ended early")
    rate = Rate(result["events"] / result["seconds"], result["cpu_s"] / result["events"] * 1e6)
    say(f"idiomatic: {rate.events_per_s:,.0f} events/s, {result['breaches']} breaches")
    return rate


if __name__ == "__main__":
    main()
