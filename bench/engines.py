"""The second rule engine beside the native one: the same traffic, the same breaches. `python bench/engines.py`.

Both decide the same records in the same run, in CPU seconds of one core; what one ruleset takes of memory is the growth
of the process over all conditions. Needs the extra `haulwatch[durable]` (`make durable`).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from workload import city_files, records

from haulwatch.city import City, build_city
from haulwatch.wire import decode_events
from rules.durable_book import DurableBook
from rules.engines import compile_book
from streams.processor import PartitionProcessor
from streams.runtime import CityRuntime

RULES = (1, 10, 50)
COPIES = 20


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trucks", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=3600)
    options = parser.parse_args()
    packed = [record for _, record in records(options.trucks, options.seconds)]
    print(f"{options.trucks} trucks, {options.seconds} s of traffic, 300 zones; the second half of it, in CPU time")
    print("rules  native µs/event  durable µs/event  ratio  breaches")
    for rules in RULES:
        files = city_files(300, rules, options.trucks)
        native_us, found = _decide(packed, build_city(files))
        second = build_city(files | {"city.yaml": files["city.yaml"] + b"rules_engine: durable\n"})
        durable_us, same = _decide(packed, second)
        if found != same or (rules == RULES[-1] and not found):
            raise SystemExit("the engines disagree")
        print(f"{rules:5} {native_us:15.1f} {durable_us:17.1f} {durable_us / native_us:6.1f} {len(found):9}")
    print(f"memory: {_ruleset_kb(second):.0f} kB a condition")


def _decide(packed: list[bytes], city: City) -> tuple[float, list[str]]:
    """CPU time an event over the second half, and every breach by its id and phase."""
    processor = PartitionProcessor(CityRuntime(city))
    found: list[str] = []
    started, events = 0.0, 0
    for number, record in enumerate(packed):
        if number == len(packed) // 2:
            started, events = time.process_time(), 0
        for event in decode_events(record)[0]:
            found += [f"{breach.breach_id} {breach.phase}" for breach in processor.apply(event)]
            events += 1
    return (time.process_time() - started) / events * 1e6, found


def _ruleset_kb(city: City) -> float:
    """How much the process grows by a condition of durable-rules, over many copies of the book."""
    args = city.book, city.registry, city.law, city.timezone, city.city_id
    before = _resident_kb()
    books = [compile_book(*args, city.rules_engine) for _ in range(COPIES)]
    grown = _resident_kb() - before
    return grown / sum(book.conditions for book in books if isinstance(book, DurableBook))


def _resident_kb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e3


if __name__ == "__main__":
    main()
