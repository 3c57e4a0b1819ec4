"""What has begun comes to an end: episodes across rules, cities and late data; an applied event stays applied."""

from __future__ import annotations

from haulwatch.domain.breaches import Breach
from haulwatch.domain.events import CityActivated, Event
from haulwatch.testing import at, city_of, decide, finish, position, sighting, tick
from streams.processor import PartitionProcessor
from streams.runtime import CityRuntime
from tests.streams.test_processor import FAST, STAND, rule

FAST_KEY = "    episode: {key: [truck_id], cooldown: 5m, group: g}\n"
FAST_ONE = rule("fast", "on: position\n      where: speed_kmh > 80", "speed", FAST_KEY)
FAST_HOLD = rule("holds", "while: speed_kmh > 80\n      for: 30s", "speed", FAST_KEY)
FASTER_HOLD = rule("holds-more", "while: speed_kmh > 100\n      for: 10s", "speed", FAST_KEY)


def told(breaches: list[Breach]) -> list[tuple[str, str, str | None]]:
    return [(b.rule_id, b.phase, b.ended_at and b.ended_at[11:19]) for b in breaches if b.phase != "updated"]


def driving(speeds: dict[int, float]) -> list[Event]:
    return [position(t, 120.1 + t * 1e-5, speed_kmh=speed) for t, speed in speeds.items()]


def switched(first: str, second: str, before: list[Event], after: list[Event], until_s: float) -> list[Breach]:
    """Two cities that differ by their rules, the second in force from between the events on."""
    cities = [city_of("rules:\n" + rules) for rules in (first, second)]
    runtimes = {city.city_hash: CityRuntime(city) for city in cities}
    processor = PartitionProcessor(runtimes[cities[0].city_hash], runtimes.__getitem__)
    activated = CityActivated(at=before[-1].at, city_hash=cities[1].city_hash)
    found = [b for event in [*before, activated, *after] for b in processor.apply(event)]
    return found + finish(processor, until_s)


def test_conduct_that_a_second_rule_of_the_group_saw_go_on_ends_with_it() -> None:
    city = city_of("rules:\n" + FAST_ONE + FAST_HOLD)
    log = driving({0: 90, 20: 90, 40: 90, 60: 40, 80: 40})
    assert told(decide(city, log, until_s=2000)) == [("fast", "opened", None), ("fast", "ended", "02:01:00")]


def test_conduct_goes_on_as_long_as_one_rule_of_the_group_says_so() -> None:
    city = city_of("rules:\n" + FASTER_HOLD + FAST_HOLD)
    speeds = (
        {0: 110.0, 20: 110.0, 40: 110.0, 60: 90.0} | dict.fromkeys(range(80, 900, 20), 90.0) | {900: 40.0, 920: 40.0}
    )
    found = told(decide(city, driving(speeds), until_s=2000))
    assert found == [("holds-more", "opened", None), ("holds-more", "ended", "02:15:00")]


def test_conduct_ends_under_the_key_it_began_with() -> None:
    keyed = "    episode: {key: [truck_id, trip_id], cooldown: 5m}\n"
    city = city_of("rules:\n" + rule("holds", "while: speed_kmh > 80\n      for: 30s", "speed", keyed))
    log = [
        *driving({0: 90, 20: 90, 40: 90}),
        position(60, 120.1006, speed_kmh=90, load="full"),  # a trip begins while it goes on
        position(80, 120.1008, speed_kmh=40),
        position(100, 120.1010, speed_kmh=40),
    ]
    assert told(decide(city, log, until_s=2000)) == [("holds", "opened", None), ("holds", "ended", "02:01:20")]


def test_conduct_whose_rule_left_the_book_does_not_go_on_for_ever() -> None:
    before = driving({0: 90, 20: 90, 40: 90, 60: 90})
    after = driving(dict.fromkeys(range(80, 200, 20), 40))
    stricter = FAST_HOLD.replace("> 80", "> 85")
    for book in (stricter, stricter + FAST):
        found = switched(FAST_HOLD, book, before, after, until_s=2000)
        of_rule = [b for b in found if b.rule_id == "holds"]
        assert told(of_rule) == [("holds", "opened", None), ("holds", "ended", "02:00:40")]


def test_a_gap_from_before_another_city_is_replayed_under_the_rules_that_stayed() -> None:
    before: list[Event] = [position(t, speed_kmh=0, received_s=t) for t in (0, 20, 40)]
    before.append(position(900, 120.12, speed_kmh=30, received_s=900))
    resent: list[Event] = [
        position(100 + n * 20, 120.1, speed_kmh=90, resent=True, received_s=910 + n / 10) for n in range(5)
    ]
    after: list[Event] = [*resent, position(960, 120.12, speed_kmh=30, received_s=960)]
    found = switched(STAND, FAST, before, after, until_s=2000)
    assert {(b.rule_id, b.late) for b in found} == {("fast", True)}


def test_conduct_found_in_late_data_ends_with_them() -> None:
    city = city_of("rules:\n" + STAND)
    log: list[Event] = [position(0, speed_kmh=30, received_s=0), position(900, 120.12, speed_kmh=30, received_s=900)]
    log += [position(100 + n * 20, speed_kmh=0, resent=True, received_s=910 + n / 10) for n in range(20)]
    found = decide(city, log, until_s=2000)
    assert [(b.phase, b.late, b.ended_at) for b in found] == [
        ("opened", True, None),
        ("ended", True, "2026-05-01T02:08:00.000Z"),
    ]


def test_what_late_data_end_does_not_take_the_truck_back_in_time() -> None:
    city = city_of("rules:\n" + FAST)
    live: list[Event] = [position(0, speed_kmh=30, received_s=0), position(900, 120.12, speed_kmh=30, received_s=900)]
    resent: list[Event] = [position(400, 120.105, speed_kmh=90, received_s=910)]
    after: list[Event] = [
        position(903, 120.12, speed_kmh=95, received_s=929),  # late, and in no gap
        position(990, 120.12, speed_kmh=30, received_s=990),
    ]
    processor = PartitionProcessor(CityRuntime(city))
    found = [b for event in [*live, *resent, *after] for b in processor.apply(event)] + finish(processor, 3000)
    assert [(b.rule_id, b.late, b.detected_at[14:19]) for b in found if b.phase == "opened"] == [
        ("fast", True, "06:40")
    ]
    assert processor.counters["late"] == 1


def test_a_shorter_gap_of_another_city_does_not_take_the_truck_back_in_time() -> None:
    long = city_of("rules:\n" + FAST)
    short = city_of(
        "rules:\n" + FAST, settings="id: t\nname: t\ntimezone: Asia/Shanghai\ndatum: wgs84\nlaw: []\ngap: 10s\n"
    )
    runtimes = {city.city_hash: CityRuntime(city) for city in (long, short)}
    processor = PartitionProcessor(runtimes[long.city_hash], runtimes.__getitem__)
    log: list[Event] = [
        position(0, speed_kmh=30, received_s=0),
        sighting(60, received_s=60),
        position(70, truck_id="浙E99999", received_s=70),
        CityActivated(at=at(70), city_hash=short.city_hash),
        sighting(80, received_s=80),
    ]
    applied: list[int] = []
    for event in log:
        processor.apply(event)
        applied.append(processor.trucks()[log[0].truck_id].applied_ms)  # type: ignore[union-attr]
    assert applied == sorted(applied)


def test_a_flood_of_one_truck_takes_no_longer_for_each_event() -> None:
    city = city_of("rules:\n" + FAST)
    processor = PartitionProcessor(CityRuntime(city))
    flood = [position(n / 1000, received_s=30, event_id=f"f{n}") for n in range(20_000)]
    for event in [*flood, *flood[::100]]:
        processor.apply(event)
    assert processor.counters["duplicate"] == 200
    assert len(processor.trucks()[flood[0].truck_id].waiting) == 20_000


def test_plates_that_were_only_seen_once_do_not_stay_for_ever() -> None:
    city = city_of("rules:\n" + FAST)
    week_s, misread = 7 * 86_400, [sighting(n, truck_id=f"浙E{n}", received_s=n) for n in range(50)]
    mine: list[Event] = [
        position(0, received_s=0),
        sighting(0.5, truck_id="浙E1", event_id="again", received_s=week_s + 99),
    ]
    processor = PartitionProcessor(CityRuntime(city))
    for event in [mine[0], *misread, tick(week_s - 100)]:
        processor.apply(event)
    assert len(processor.trucks()) == 51
    processor.apply(tick(week_s + 86_400))
    assert list(processor.trucks()) == [mine[0].truck_id]  # type: ignore[union-attr]
    # A week is a week, whether the memory has been freed or not: this one is no late event of a known truck.
    for log in ([*misread, mine[1]], [*misread, tick(week_s + 86_000), mine[1]]):
        processor = PartitionProcessor(CityRuntime(city))
        for event in log:
            processor.apply(event)
        assert processor.counters["late"] == 0
