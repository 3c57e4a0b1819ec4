"""What must not change what is concluded: arrival, duplicates, restarts, other trucks, partitions, ticks, the date."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from random import Random

import msgspec
import pytest

from haulwatch.city import City
from haulwatch.domain.breaches import Breach
from haulwatch.domain.events import CityActivated, Event, Observation
from haulwatch.testing import at, city_of, finish, position, tick
from streams.processor import PartitionProcessor
from streams.replay import Replay
from streams.runtime import CityRuntime
from tests.properties.traffic import LATENESS_S, PLATES, city, stream

SEEDS = range(25)
END_S = 20_000.0


@pytest.fixture(scope="module")
def town() -> City:
    return city()


def by_arrival(events: Iterable[Observation]) -> list[Observation]:
    return sorted(events, key=lambda event: event.received_at or event.at)


def traffic(seed: int) -> list[Observation]:
    """All trucks, by arrival; some of what was told during a spell without network arrives after it."""
    rng = Random(seed)
    events = [event for plate in PLATES for event in stream(rng, plate)]
    return by_arrival(out_of_reach(rng, events))


def out_of_reach(rng: Random, events: Sequence[Observation]) -> list[Observation]:
    """A stretch of one truck's events that all arrive, one after the other, some minutes late."""
    plate = rng.choice(PLATES)
    own = [event for event in events if event.truck_id == plate]
    first = rng.randrange(len(own))
    stretch = own[first : first + rng.randint(5, 25)]
    ids = {event.event_id for event in stretch}
    after = stretch[-1].at + timedelta(seconds=rng.choice((1, 30, 200)))
    late = [
        msgspec.structs.replace(event, received_at=after + timedelta(milliseconds=10 * n), resent=True)
        for n, event in enumerate(stretch)
    ]
    return [event for event in events if event.event_id not in ids] + late


def run(town: City, log: Iterable[Event], restart_every: int = 0) -> dict[str, list[bytes]]:
    """Each truck's breaches in order, as bytes."""
    runtime = CityRuntime(town)
    processor = PartitionProcessor(runtime)
    found: list[Breach] = []
    for number, event in enumerate(log, 1):
        found += processor.apply(event)
        if restart_every and number % restart_every == 0:
            fresh = PartitionProcessor(runtime)
            fresh.restore(processor.snapshot())
            processor = fresh
    return told(found + finish(processor, END_S))


def told(breaches: Iterable[Breach]) -> dict[str, list[bytes]]:
    by_truck: defaultdict[str, list[bytes]] = defaultdict(list)
    for breach in breaches:
        by_truck[breach.truck_id].append(msgspec.json.encode(breach))
    return dict(by_truck)


def test_the_traffic_is_worth_looking_at(town: City) -> None:
    rules = set()
    late = 0
    for seed in SEEDS:
        for breaches in run(town, traffic(seed)).values():
            decoded = [msgspec.json.decode(breach, type=Breach) for breach in breaches]
            rules |= {breach.rule_id for breach in decoded}
            late += sum(breach.late for breach in decoded)
    assert len(rules) >= 8, rules
    assert late >= 5


@pytest.mark.parametrize("seed", SEEDS)
def test_arrival_within_lateness_changes_nothing(town: City, seed: int) -> None:
    rng = Random(seed)
    straight = [event for plate in PLATES for event in stream(rng, plate)]
    delayed = [
        msgspec.structs.replace(event, received_at=event.at + timedelta(seconds=rng.uniform(0, LATENESS_S)))
        for event in straight
    ]
    assert unreceived(run(town, by_arrival(delayed))) == unreceived(run(town, by_arrival(straight)))


def unreceived(found: dict[str, list[bytes]]) -> object:
    """The breaches without what their evidence says of its own arrival."""
    plain = {truck_id: [msgspec.json.decode(breach) for breach in breaches] for truck_id, breaches in found.items()}
    for breach in (breach for breaches in plain.values() for breach in breaches):
        for record in breach["evidence"]:
            record["payload"].pop("received_at", None)
    return plain


@pytest.mark.parametrize("seed", SEEDS)
def test_duplicates_change_nothing(town: City, seed: int) -> None:
    rng, log = Random(seed), traffic(seed)
    again = [
        msgspec.structs.replace(
            event, received_at=event.received_at + timedelta(seconds=rng.choice((0, 0.5, 2, 30, 900)))
        )
        for event in log
        if rng.random() < 0.4 and event.received_at is not None
    ]
    assert run(town, by_arrival([*log, *again])) == run(town, log)


@pytest.mark.parametrize("seed", SEEDS)
def test_other_trucks_change_nothing(town: City, seed: int) -> None:
    log = traffic(seed)
    together = run(town, log)
    for plate in PLATES:
        alone = run(town, [event for event in log if event.truck_id == plate])
        assert alone.get(plate) == together.get(plate)


@pytest.mark.parametrize("seed", SEEDS)
def test_ticks_change_nothing(town: City, seed: int) -> None:
    rng, log = Random(seed), traffic(seed)
    ticks = [tick(round(rng.uniform(0, 8_000), 3)) for _ in range(100)]
    mixed: list[Event] = sorted([*log, *ticks], key=lambda event: event.received_at or event.at)
    assert run(town, mixed) == run(town, log)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_restart_after_every_event_changes_nothing(town: City, seed: int) -> None:
    log = traffic(seed)
    assert run(town, log, restart_every=1) == run(town, log)


@pytest.mark.parametrize("seed", SEEDS)
def test_any_number_of_partitions_finds_the_same(town: City, seed: int) -> None:
    log = traffic(seed)
    until_ms = round(at(END_S).timestamp() * 1000)
    replays = [Replay(CityRuntime(town), partitions=n).run({"log": iter(log)}, until_ms=until_ms) for n in (1, 2, 7)]
    found = [told(replay) for replay in replays]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("seed", SEEDS)
def test_at_another_time_the_same_is_found(town: City, seed: int) -> None:
    """Not a multiple of anything that the processor counts in."""
    log, shift = traffic(seed), timedelta(hours=1, milliseconds=37)
    moved = [
        msgspec.structs.replace(event, at=event.at + shift, received_at=(event.received_at or event.at) + shift)
        for event in log
    ]
    assert outline(run(town, moved), shift) == outline(run(town, log), timedelta(0))


def outline(found: dict[str, list[bytes]], shift: timedelta) -> object:
    rows = []
    for truck_id, breaches in sorted(found.items()):
        for breach in (msgspec.json.decode(breach, type=Breach) for breach in breaches):
            times = [breach.started_at, breach.detected_at, *([breach.ended_at] if breach.ended_at else [])]
            instants = [datetime.fromisoformat(time) - shift for time in times]
            seen = [(c.text, c.observed) for c in breach.conditions]
            rows.append((truck_id, breach.rule_id, breach.phase, breach.occurrences, breach.late, instants, seen))
    return rows


def test_a_duplicate_of_a_parked_fix_stays_out_of_the_track(town: City) -> None:
    processor = PartitionProcessor(CityRuntime(town))
    parked = [position(10.0 * n, speed_kmh=0.0) for n in range(30)]
    for event in parked:
        processor.apply(event)
    finish(processor)
    track = bytes(processor.trucks()[parked[0].truck_id].track)
    processor.apply(parked[25])
    finish(processor)
    assert processor.trucks()[parked[0].truck_id].track == track


def test_a_replay_ends_at_one_instant_for_all_partitions(town: City) -> None:
    replay = Replay(CityRuntime(town), partitions=3)
    list(replay.run({"log": iter([position(0), position(60)])}))
    assert len({processor.clock_ms for processor in replay.processors}) == 1


def test_a_gap_from_before_an_activation_is_replayed_under_the_new_city(town: City) -> None:
    count = "rules:\n  - id: often\n    title: {zh: 频繁, en: Often}\n    category: speed\n    severity: minor\n"
    count += "    status: active\n    owner: 科\n    match: {count: 9, of: {on: position}, within: 1d}\n    examples:\n"
    count += "      - {name: a, events: [{t: 0s, on: position}], expect: [{at: 0s}]}\n"
    count += "      - {name: b, events: [{t: 0s, on: position}], expect: []}\n"
    before = city_of(count)
    runtimes = {one.city_hash: CityRuntime(one) for one in (before, town)}
    processor = PartitionProcessor(runtimes[before.city_hash], runtimes.__getitem__)
    activated = CityActivated(at=at(210), received_at=at(210), city_hash=town.city_hash)
    late = [position(60.0 + 10 * n, received_s=300) for n in range(3)]
    for event in (position(0), position(10), tick(200), activated, *late, tick(400)):
        processor.apply(event)
    assert processor.counters["late_in_gap"] == 3
