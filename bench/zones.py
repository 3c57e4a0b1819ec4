"""What a fix costs in zones: `at`, `crossed`, `step`, beside a plain STRtree query. `python bench/zones.py`.

The traffic and the city are those of bench/decide.py. The first part of it warms the caches up; the rest is timed, CPU
seconds of one core. On a shared machine only the ratios of one run say something.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Sequence

import shapely
from workload import city_files, records

from geofences.index import ZoneIndex
from geofences.tracking import DRIVING_KMH, Tracker
from haulwatch.city import build_city
from haulwatch.domain.events import Position
from haulwatch.domain.instants import to_ms
from haulwatch.domain.trucks import Membership
from haulwatch.wire import decode_events

Fix = tuple[str, str, int, float, float, float | None]
"""Truck, event, instant, lon, lat, km/h."""


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trucks", type=int, default=5000)
    parser.add_argument("--zones", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=600)
    options = parser.parse_args()
    fixes = [
        (event.truck_id, event.event_id, to_ms(event.at), event.lon, event.lat, event.speed_kmh)
        for _count, record in records(options.trucks, options.seconds)
        for event in decode_events(record)[0]
        if isinstance(event, Position)
    ]
    index = build_city(city_files(options.zones, 1, options.trucks)).index
    warm, timed = fixes[: len(fixes) * 4 // 5], fixes[len(fixes) * 4 // 5 :]
    print(f"{options.trucks} trucks, {options.zones} zones, {len(fixes)} fixes, the last {len(timed)} of them timed")
    members: dict[str, Membership] = {}
    tracker = Tracker(index)
    cold_ns = _steps(tracker, members, warm)
    rows = [("step, first four fifths, with the filling of caches", cold_ns)]
    rows += _of_steps(tracker, members, timed)
    rows += _of_points(index, timed)
    plain_ns = _plain_query(index, timed[:20_000])
    print(f"{'STRtree query and exact test':55} {plain_ns:9,.0f} ns")
    for title, nanoseconds in rows:
        print(f"{title:55} {nanoseconds:9,.0f} ns  {plain_ns / nanoseconds:6.1f} times as fast")


def _of_steps(tracker: Tracker, members: dict[str, Membership], fixes: Sequence[Fix]) -> list[tuple[str, float]]:
    """Steps of trucks that drive and of those that stand, apart, in short stretches of time as they come."""
    spent = {True: 0.0, False: 0.0}
    counts = {True: 0, False: 0}
    for start in range(0, len(fixes), 5_000):
        part = fixes[start : start + 5_000]
        for driving in (True, False):
            some = [fix for fix in part if ((fix[5] or 0.0) >= DRIVING_KMH) is driving]
            spent[driving] += _steps(tracker, members, some) * len(some)
            counts[driving] += len(some)
    return [
        ("step, driving", spent[True] / counts[True]),
        ("step, standing", spent[False] / counts[False]),
        ("step, all", (spent[True] + spent[False]) / len(fixes)),
    ]


def _of_points(index: ZoneIndex, fixes: Sequence[Fix]) -> list[tuple[str, float]]:
    """`at` in cells with and without a border, and `crossed` between fixes of one truck."""
    pure: list[tuple[float, float, int]] = []
    border: list[tuple[float, float, int]] = []
    for fix in fixes:
        near = {index.at(fix[3] + x, fix[4] + y, fix[2]).ids for x in (-3e-4, 0, 3e-4) for y in (-3e-4, 0, 3e-4)}
        (pure if len(near) == 1 else border).append((fix[3], fix[4], fix[2]))
    last: dict[str, Fix] = {}
    ways = []
    for fix in fixes:
        before = last.get(fix[0])
        if before is not None and (fix[5] or 0.0) >= DRIVING_KMH:
            ways.append((before[3], before[4], fix[3], fix[4], fix[2]))
        last[fix[0]] = fix
    return [
        ("at, no border near", _timed_ns(lambda: [index.at(*point) for point in pure], len(pure))),
        ("at, a border within 30 m", _timed_ns(lambda: [index.at(*point) for point in border], len(border))),
        ("crossed, driving", _timed_ns(lambda: [index.crossed(*way) for way in ways], len(ways))),
    ]


def _steps(tracker: Tracker, members: dict[str, Membership], fixes: Sequence[Fix]) -> float:
    """Nanoseconds a step."""
    step = tracker.step
    arguments = [(members.setdefault(fix[0], Membership()), *fix) for fix in fixes]

    def run() -> None:
        for each in arguments:
            step(*each)

    return _timed_ns(run, len(fixes)) if fixes else 0.0


def _plain_query(index: ZoneIndex, fixes: Sequence[Fix]) -> float:
    """Nanoseconds a point for what anybody would write first."""
    geometries = [zone.geometry for zone in index.zones]
    shapely.prepare(geometries)
    tree = shapely.STRtree(geometries)

    def run() -> None:
        for fix in fixes:
            tree.query(shapely.Point(fix[3], fix[4]), "intersects")

    return _timed_ns(run, len(fixes))


def _timed_ns(run: Callable[[], object], count: int) -> float:
    gc.disable()
    started = time.process_time()
    run()
    seconds = time.process_time() - started
    gc.enable()
    return seconds / max(count, 1) * 1e9


if __name__ == "__main__":
    main()
