"""Order, deadlines, the late lane, episodes and snapshots, told as short timelines of one or two trucks."""

from __future__ import annotations

import msgspec
import pytest

from haulwatch.city import City
from haulwatch.domain.breaches import Breach
from haulwatch.domain.events import CityActivated, Event
from haulwatch.testing import at, city_of, decide, finish, position, sighting, square, tick
from streams.processor import PartitionProcessor
from streams.runtime import CityRuntime

EVENT = "{t: 0s, on: position, lon: 120.1, lat: 30.86}"


def rule(rule_id: str, match: str, category: str = "dumping", more: str = "") -> str:
    fields = (
        f"title: {{zh: {rule_id}, en: {rule_id}}}\n    category: {category}\n    severity: minor\n    status: active"
    )
    examples = (
        "    examples:\n"
        f"      - {{name: a, events: [{EVENT}], until: 1m, expect: [{{at: 0s, category: {category}}}]}}\n"
        f"      - {{name: b, events: [{EVENT}], until: 1m, expect: []}}\n"
    )
    return f"  - id: {rule_id}\n    {fields}\n    owner: 测试\n    match:\n      {match}\n{more}{examples}"


FAST = rule("fast", "on: position\n      where: speed_kmh > 80", "speed")
STAND = rule("stand", "while: not truck.moving\n      for: 2m", "route")
UNCOVERED = rule(
    "uncovered",
    "sequence:\n        - {as: seen, on: sighting, where: 'cover == \"open\"'}\n"
    "        - {as: kept, absent: cover_change, where: 'cover == \"closed\"', for: 1m}\n      within: 10m",
    "uncovered",
)
SILENT = rule(
    "silent",
    "sequence:\n        - {as: quiet, on: silence}\n        - {as: unfilled, absent: gap_filled, for: 30m}\n"
    "      within: 1h",
    "tamper",
)


@pytest.fixture(scope="module")
def city() -> City:
    return city_of("rules:\n" + FAST + STAND + UNCOVERED + SILENT)


def told(breaches: list[Breach]) -> list[tuple[str, str, str]]:
    return [(b.rule_id, b.phase, b.detected_at[11:19]) for b in breaches]


def test_events_leave_the_buffer_in_the_order_of_the_devices_clock(city: City) -> None:
    # Received the other way round: the cover was closed before the minute was over.
    log: list[Event] = [
        position(0, cover="open", received_s=0),
        sighting(5, cover="open", received_s=5),
        position(67, received_s=67.5),
        position(60, cover="closed", received_s=67.9),
    ]
    assert told(decide(city, log)) == []
    # Received when the minute and the lateness had passed: the wait had ended by then.
    log[3] = position(60, cover="closed", received_s=71)
    assert told(decide(city, log))[0] == ("uncovered", "opened", "02:01:05")


def test_an_event_at_the_deadline_counts_before_it(city: City) -> None:
    log = [position(0, cover="open"), sighting(5, cover="open"), position(65, cover="closed")]
    assert told(decide(city, log, until_s=200)) == []
    log[2] = position(65.001, cover="closed")
    assert told(decide(city, log, until_s=200))[0] == ("uncovered", "opened", "02:01:05")


def test_ticks_let_deadlines_fall_when_nobody_speaks(city: City) -> None:
    processor = PartitionProcessor(CityRuntime(city))
    for event in (position(0, cover="open"), sighting(5, cover="open"), tick(60), tick(68)):
        assert processor.apply(event) == []
    assert told(processor.apply(tick(68.3))) == [
        ("uncovered", "opened", "02:01:05"),
        ("uncovered", "ended", "02:01:05"),
    ]


def test_another_truck_moves_the_clock_but_not_the_findings(city: City) -> None:
    mine: list[Event] = [position(t, speed_kmh=0, received_s=t + 1) for t in range(0, 300, 20)]
    other = [position(t + 7, truck_id="浙E99999", speed_kmh=90, received_s=t + 8) for t in range(0, 300, 20)]
    mixed = sorted(mine + other, key=lambda e: e.received_at)  # type: ignore[operator, return-value, arg-type]
    alone = [b for b in decide(city, mine) if b.truck_id != "浙E99999"]
    assert [b for b in decide(city, mixed) if b.truck_id != "浙E99999"] == alone
    # Half a minute until the truck counts as standing, then the two minutes.
    assert told(alone)[0] == ("stand", "opened", "02:02:40")


def test_silence_breaks_a_hold_and_a_duplicate_changes_nothing(city: City) -> None:
    log = [position(0, speed_kmh=0), position(20, speed_kmh=0), position(40, speed_kmh=0)]
    assert told(decide(city, [*log, position(400, speed_kmh=0)])) == []
    processor = PartitionProcessor(CityRuntime(city))
    for event in [log[0], log[0], log[1], log[2], log[1]]:
        processor.apply(event)
    finish(processor, until_s=60)
    assert processor.counters["duplicate"] + processor.counters["late"] == 2


def test_one_episode_is_one_breach_updated_at_most_once_a_minute_and_ended_by_its_cooldown() -> None:
    cooled = city_of(
        "rules:\n"
        + rule(
            "fast",
            "on: position\n      where: speed_kmh > 80",
            "speed",
            "    episode: {key: [truck_id], cooldown: 5m}\n",
        )
    )
    log = [position(t, 120.1 + t * 2e-5, speed_kmh=90) for t in range(0, 200, 10)]
    breaches = decide(cooled, log, until_s=1000)
    assert told(breaches) == [
        ("fast", "opened", "02:00:00"),
        ("fast", "updated", "02:00:00"),
        ("fast", "updated", "02:00:00"),
        ("fast", "updated", "02:00:00"),
        ("fast", "ended", "02:00:00"),
    ]
    assert len({b.breach_id for b in breaches}) == 1
    assert breaches[-1].ended_at == "2026-05-01T02:03:10.000Z"
    assert breaches[-1].occurrences == 20


def test_rules_of_one_group_open_one_breach() -> None:
    grouped = "    episode: {key: [truck_id], cooldown: 5m, group: g}\n"
    city = city_of(
        "rules:\n"
        + rule("a", "on: position\n      where: speed_kmh > 80", "speed", grouped)
        + rule("b", "on: position\n      where: speed_kmh > 85", "speed", grouped)
    )
    opened = [b for b in decide(city, [position(0, speed_kmh=90), position(10, speed_kmh=90)]) if b.phase == "opened"]
    assert [b.rule_id for b in opened] == ["a"]


def test_late_positions_in_a_gap_are_replayed_and_marked(city: City) -> None:
    live: list[Event] = [position(0, speed_kmh=30, received_s=0), position(900, 120.12, speed_kmh=30, received_s=900)]
    resent = [position(100 + n * 20, 120.1, speed_kmh=0, resent=True, received_s=910 + n / 10) for n in range(20)]
    after: list[Event] = [position(960, 120.12, speed_kmh=30, received_s=960)]
    breaches = decide(city, [*live, *resent, *after])
    assert told(breaches)[0] == ("stand", "opened", "02:04:20")
    assert breaches[0].late is True
    # The same batch once more finds nothing new.
    again = [msgspec.structs.replace(e, received_at=at(980)) for e in resent]
    assert told(decide(city, [*live, *resent, *after, *again])) == told(breaches)


def test_a_filled_gap_tells_the_live_rules_that_the_truck_was_only_out_of_reach(city: City) -> None:
    def log(refilled: bool) -> list[Event]:
        late = [position(60 + n * 20, 120.1 + n * 1e-4, speed_kmh=30, received_s=1210) for n in range(56)]
        return [position(0, speed_kmh=30, received_s=0), position(1200, 120.11, speed_kmh=30, received_s=1200)] + (
            late if refilled else []  # type: ignore[return-value]
        )

    moving = [position(1200 + n * 60, 120.11 + n * 1e-3, speed_kmh=30, received_s=1200 + n * 60) for n in range(1, 30)]
    assert ("silent", "opened", "02:32:00") in told(decide(city, log(False) + moving))  # type: ignore[operator]
    assert "silent" not in {b.rule_id for b in decide(city, log(True) + moving)}  # type: ignore[operator]


def test_what_is_older_than_the_applied_only_joins_the_track(city: City) -> None:
    processor = PartitionProcessor(CityRuntime(city))
    for event in (position(0, received_s=0), position(60, received_s=60), position(30, speed_kmh=120, received_s=70)):
        assert processor.apply(event) == []
    assert finish(processor) == []
    assert processor.counters["late"] == 1
    opened = processor.apply(position(80, speed_kmh=90, received_s=80)) + finish(processor)
    assert [round((row[0] / 1000) % 60) for row in opened[0].track] == [0, 30, 0, 20]


def test_a_snapshot_carries_everything(city: City) -> None:
    log: list[Event] = [position(0, cover="open"), sighting(5, cover="open"), position(20, speed_kmh=0)]
    whole = decide(city, log, until_s=400)
    assert whole
    for cut in range(len(log) + 1):
        first = PartitionProcessor(CityRuntime(city))
        found = [b for e in log[:cut] for b in first.apply(e)]
        second = PartitionProcessor(CityRuntime(city))
        second.restore(first.snapshot())
        assert second.snapshot() == first.snapshot()
        found += [b for e in log[cut:] for b in second.apply(e)]
        assert found + finish(second, until_s=400) == whole


def test_bytes_of_another_version_are_refused(city: City) -> None:
    with pytest.raises(ValueError, match="version 999"):
        PartitionProcessor(CityRuntime(city)).restore(msgspec.msgpack.encode([999, 0, None, [], {}]))


def test_a_new_city_is_in_force_from_its_place_in_the_log_on() -> None:
    slow = city_of("rules:\n" + rule("fast", "on: position\n      where: speed_kmh > 80", "speed"))
    strict = city_of("rules:\n" + rule("fast", "on: position\n      where: speed_kmh > 50", "speed"))
    runtimes = {c.city_hash: CityRuntime(c) for c in (slow, strict)}
    processor = PartitionProcessor(None, runtimes.__getitem__)
    log: list[Event] = [
        CityActivated(at=at(0), city_hash=slow.city_hash),
        position(1, speed_kmh=60),
        position(20, speed_kmh=40),
        CityActivated(at=at(30), city_hash=strict.city_hash),
        position(31, 120.101, speed_kmh=60),
        position(50, 120.102, speed_kmh=40),
    ]
    found = [b for e in log for b in processor.apply(e)] + finish(processor)
    assert [(b.detected_at[14:19], b.city_hash) for b in found if b.phase == "opened"] == [("00:31", strict.city_hash)]


def test_memory_of_an_unchanged_rule_survives_another_city() -> None:
    book = "rules:\n" + UNCOVERED
    first, second = city_of(book), city_of(book, zones=[square("D9", "district", 120.1, 30.86, 0.3)])
    assert first.city_hash != second.city_hash
    runtimes = {c.city_hash: CityRuntime(c) for c in (first, second)}
    processor = PartitionProcessor(runtimes[first.city_hash], runtimes.__getitem__)
    log: list[Event] = [
        position(0, cover="open"),
        sighting(5, cover="open"),
        CityActivated(at=at(30), city_hash=second.city_hash),
    ]
    found = [b for e in log for b in processor.apply(e)] + finish(processor, until_s=100)
    assert [(b.rule_id, b.city_hash) for b in found] == [
        ("uncovered", second.city_hash),
        ("uncovered", second.city_hash),
    ]
    assert processor.counters["memory_dropped"] == 0


def test_a_camera_begins_no_lasting_condition_of_a_silent_truck() -> None:
    parked = city_of("rules:\n" + rule("parked", "while: not truck.moving\n      for: 3m", "route"))
    log: list[Event] = [position(n * 20, speed_kmh=0) for n in range(4)]
    seen: list[Event] = [sighting(400, plate_confidence=0.4), tick(900)]
    assert told(decide(parked, [*log, *seen])) == []
