"""How soon a killed worker's partitions are decided again: 100,000 trucks of state over 12 partitions, kill -9.

Two cases: the worker is started again at once (as its supervisor would), and another one that shares the work takes
over. Both are timed from the kill until every partition has applied a record that was written after it. The same
process coming back is new to the group: its predecessor must first be missed for a session (10 s).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from kafka import TopicPartition
from kafka_load import Ground, ground, options_of, packs, say, write, write_city
from workload import plate

from connectors.kafka_client import reader, records_until
from haulwatch.domain.events import Position
from haulwatch.wire import encode_event
from tests.e2e.api import figures_of
from tests.e2e.children import Child

TRUCKS = 100_000
FIXES = 8
"""Reports of each truck before the kill: a state with a track, not an empty one."""
DEADLINE_S = 300.0


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = options_of(__doc__)
    options = parser.parse_args()
    trucks = TRUCKS // 10 if options.quick else TRUCKS
    with ground(options.kafka) as here:
        here.prepare(write_city(here.folder / "city", trucks), options.partitions)
        say(f"writing {FIXES} reports of {trucks:,} trucks")
        log = here.settings.topics.observations
        events = reports(trucks, FIXES)
        write(here.kafka, log, ((place, None, value) for place, value in packs(events, options.partitions, 500)))
        first = here.process("worker")
        second: Child | None = None
        try:
            saved = settled(here, [first], trucks * FIXES + options.partitions, options.partitions)
            print(f"snapshot of {trucks:,} trucks: {saved / 1e6:.1f} MB written, {saved / trucks:.0f} bytes a truck")
            print(f"started again: deciding after {recovered(here, first, [first], options.partitions):.1f} s")
            second = here.process("worker")
            second.wait_ready(DEADLINE_S)
            settled(here, [first, second], None, options.partitions)
            print(f"another takes over: deciding after {recovered(here, first, [second], options.partitions):.1f} s")
        finally:
            for worker in (first, second):
                if worker is not None:
                    worker.kill()


def reports(trucks: int, rounds: int) -> Iterator[tuple[str, bytes]]:
    """Every truck, `rounds` times, ten seconds apart: driving with a load."""
    begin = int(time.time()) - rounds * 10 - 60
    for number in range(rounds):
        at = datetime.fromtimestamp(begin + number * 10, UTC)
        for n in range(trucks):
            yield plate(n), encode_event(_fix(n, str(number), at, number * 0.001))


def _fix(n: int, name: str, at: datetime, east_deg: float) -> Position:
    return Position(
        event_id=f"{n}-{name}-{at:%H%M%S}",
        truck_id=plate(n),
        at=at,
        received_at=at,
        lon=120.0 + n % 500 * 0.0005 + east_deg,
        lat=30.7 + n // 500 * 0.001,
        speed_kmh=36.0,
        heading_deg=90.0,
        load="full",
        cover="closed",
        lift="lowered",
        valid=True,
        ignition=True,
    )


def figures(workers: list[Child], name: str) -> dict[str, float]:
    """One figure of every partition, of whichever worker has it."""
    found: dict[str, float] = {}
    for worker in workers:
        if not worker.running:
            continue
        try:
            told = figures_of(worker.url)
        except OSError:
            continue  # it has not begun to listen
        found |= {key: value for key, value in told.items() if key.startswith(f"haulwatch_{name}{{")}
    return found


def settled(here: Ground, workers: list[Child], events: int | None, partitions: int) -> float:
    """Waits until so many events are applied and all of the state is saved; returns the bytes of the checkpoints."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        applied = sum(figures(workers, "events_total").values())
        position, saved = figures(workers, "log_position"), figures(workers, "checkpoint_offset")
        behind = sum(position.values()) - sum(saved.values())
        if len(position) == partitions and (events is None or applied >= events) and behind <= 3 * partitions:
            size = snapshot_bytes(here)
            say(f"{applied:,.0f} events applied, snapshots of {size / 1e6:.1f} MB in the topic")
            return size
        time.sleep(0.5)
    raise SystemExit(f"not settled in time: {[worker.tail() for worker in workers]}")


def snapshot_bytes(here: Ground) -> float:
    """What a restore has to keep of the snapshots topic: the newest value of every key."""
    sizes: dict[tuple[int, bytes], int] = {}
    topic = here.settings.topics.snapshots
    with reader(here.settings, isolation_level="read_committed") as consumer:
        places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        for record in records_until(consumer, consumer.end_offsets(places)):
            if record.key is not None and record.value is not None:
                sizes[record.partition, record.key] = len(record.value)
    return float(sum(sizes.values()))


def recovered(here: Ground, killed: Child, after: list[Child], partitions: int) -> float:
    """Kills a worker; seconds until every partition has applied what was written after that."""
    before = figures([killed, *after], "log_position")
    killed.kill()
    began = time.monotonic()
    if killed in after:
        killed.start()
    at = datetime.now(UTC)
    events = [(plate(n), encode_event(_fix(n, "after", at, 0.0))) for n in range(partitions * 40)]
    topic = here.settings.topics.observations
    write(here.kafka, topic, ((place, None, value) for place, value in packs(events, partitions)))
    while time.monotonic() - began < DEADLINE_S:
        now = figures(after, "log_position")
        if len(now) == partitions and all(now[key] > position for key, position in before.items()):
            return time.monotonic() - began
        time.sleep(0.1)
    raise SystemExit(f"not recovered in time:\n{after[0].tail()}")


if __name__ == "__main__":
    main()
