"""The figures of a worker's partitions, for those who watch it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from haulwatch.metrics import Sample
from streams.partition_host import PartitionHost


@dataclass
class Savings:
    """What a partition's last saved state was: up to which offset, when, how large, how long it kept the worker."""

    offset: int = 0
    at: float = field(default_factory=time.monotonic)
    events: int = 0
    bytes: int = 0
    seconds: float = 0.0


def partition_samples(host: PartitionHost, saved: Savings, now_ms: int) -> Iterator[Sample]:
    """The figures of one partition; `now_ms` is the wall clock."""
    place = (("partition", str(host.number)),)
    yield Sample("events_total", "Events applied", host.counters["events"], place, "counter")
    yield Sample("records_total", "Records of the log applied", host.counters["records"], place, "counter")
    yield Sample("log_position", "Next offset of the log", host.next_offset, place)
    yield Sample("trucks", "Trucks remembered", len(host.processor.trucks()), place)
    yield Sample("reorder_depth", "Events waiting for their turn", host.waiting(), place)
    yield Sample("checkpoint_age_seconds", "Since the state was last saved", time.monotonic() - saved.at, place)
    yield Sample("checkpoint_bytes", "Bytes of the last checkpoint", saved.bytes, place)
    yield Sample("checkpoint_offset", "Offset up to which the state is saved", saved.offset, place)
    if host.live:
        lag_s = max(0.0, (now_ms - host.processor.clock_ms) / 1000)
        yield Sample("event_time_lag_seconds", "Wall clock less partition clock", lag_s, place)
    for name, value in sorted(host.processor.counters.items()):
        yield Sample(f"processor_{name}_total", "Counts of the processor", value, place, "counter")
    for code, value in sorted(host.dead.items()):
        yield Sample("dead_letters_total", "Bad records by code", value, (("code", code), *place), "counter")
    for (rule_id, phase), value in sorted(host.found.items()):
        labels = (*place, ("phase", phase), ("rule", rule_id))
        yield Sample("breaches_total", "Breaches by rule and phase", value, labels, "counter")
