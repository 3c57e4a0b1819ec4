"""Decode → breach on one core: 5,000 trucks x 1,000 zones x 50 rules. `python bench/decide.py [--seconds N]`.

Every stage is timed over the same records in the same run, in CPU seconds of one core, so that shares can be compared
on any machine. The first half of the traffic warms the cell cache up (streets not yet driven cost geometry).
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import time
import tracemalloc
from collections.abc import Callable

import msgspec
from workload import city_files, records

from haulwatch.city import build_city
from haulwatch.domain.breaches import Breach
from haulwatch.domain.events import Event
from haulwatch.domain.trucks import TruckState
from haulwatch.wire import decode_events
from streams.processor import PartitionProcessor
from streams.runtime import CityRuntime


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trucks", type=int, default=5000)
    parser.add_argument("--zones", type=int, default=1000)
    parser.add_argument("--rules", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    print(f"{options.trucks} trucks x {options.zones} zones x {options.rules} rules, {options.seconds} s of traffic")
    packed = list(records(options.trucks, options.seconds))
    total = sum(count for count, _ in packed)
    rows = [("decode only", _decode_only(packed))]
    for title, zones, rules in (
        ("processor, few zones, 1 rule", 65, 1),
        ("processor, all zones, 1 rule", options.zones, 1),
        ("processor, all zones, all rules", options.zones, options.rules),
    ):
        cold_s, seconds, processor, found = _decide(packed, city_files(zones, rules, options.trucks), options.profile)
        rows.append((title, seconds * 2))
        print(f"  {title}: first half {total / 2 / cold_s:,.0f} events/s")
    for title, seconds in rows:
        print(f"{title:34} {total / seconds:>10,.0f} events/s  {seconds / total * 1e6:6.2f} µs/event")
    print(f"breaches {found}, counters {dict(processor.counters)}")
    sizes = [len(msgspec.msgpack.encode(state)) for state in processor.trucks().values()]
    print(f"state a truck (snapshot bytes): mean {sum(sizes) / len(sizes):.0f}, max {max(sizes)}")
    print(f"state a truck (in memory): mean {_memory_bytes(list(processor.trucks().values())):.0f} B")


def _decode_only(packed: list[tuple[int, bytes]]) -> float:
    started = time.process_time()
    for _count, record in packed:
        decode_events(record)
    return time.process_time() - started


def _decide(
    packed: list[tuple[int, bytes]], files: dict[str, bytes], profiled: bool
) -> tuple[float, float, PartitionProcessor, int]:
    processor = PartitionProcessor(CityRuntime(build_city(files)))
    apply = processor.apply
    gc.collect()
    gc.freeze()
    gc.disable()
    half = len(packed) // 2
    started = time.process_time()
    found = _run(apply, packed[:half])
    cold_s = time.process_time() - started
    profile = cProfile.Profile() if profiled else None
    if profile is not None:
        profile.enable()
    started = time.process_time()
    found += _run(apply, packed[half:])
    seconds = time.process_time() - started
    if profile is not None:
        profile.disable()
        profile.print_stats("tottime")
    gc.enable()
    return cold_s, seconds, processor, found


def _run(apply: Callable[[Event], list[Breach]], packed: list[tuple[int, bytes]]) -> int:
    found = 0
    for _count, record in packed:
        for event in decode_events(record)[0]:
            if breaches := apply(event):
                found += len(breaches)
    return found


def _memory_bytes(states: list[TruckState]) -> float:
    """What a copy of the states costs in memory, by the allocator's own count."""
    encoded = [msgspec.msgpack.encode(state) for state in states]
    decoder = msgspec.msgpack.Decoder(TruckState)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    copies = [decoder.decode(data) for data in encoded]
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / max(len(copies), 1)


if __name__ == "__main__":
    main()
