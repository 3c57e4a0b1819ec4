"""One partition of the log: applied once and in order, whatever the consumer does; restored at any record."""

from __future__ import annotations

import functools
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haulwatch.domain.breaches import Breach
from haulwatch.domain.events import CityActivated, Event
from haulwatch.domain.instants import to_ms
from haulwatch.testing import at, position, tick
from haulwatch.wire import encode_event, encode_events, partition
from streams.partition_host import PartitionHost, Saved
from streams.processor import PartitionProcessor
from streams.runtime import CityRuntime
from streams.snapshots import BUCKETS, SNAPSHOT_VERSION, Head, bucket_of, decode_bucket, encode
from tests.properties import traffic

TOPIC = "haulwatch.observations.v1"
NOW_MS = to_ms(at(0))


@functools.cache
def runtime() -> CityRuntime:
    return CityRuntime(traffic.city())


def city_of_hash(city_hash: str) -> CityRuntime | None:
    return runtime() if city_hash == runtime().city_hash else None


def new_host(number: int = 0, partitions: int = 1) -> PartitionHost:
    return PartitionHost(TOPIC, number, partitions, city_of_hash)


def activated() -> CityActivated:
    return CityActivated(at=at(0), received_at=at(0), city_hash=runtime().city_hash)


def stamp_ms(event: Event) -> int:
    return to_ms(event.received_at or event.at)


def random_log(rng: Random) -> list[Event]:
    """Traffic of three trucks as it is received, with ticks."""
    events: list[Event] = [event for plate in traffic.PLATES for event in traffic.stream(rng, plate)]
    last_s = (max(stamp_ms(event) for event in events) - NOW_MS) // 1000
    events += [tick(t_s) for t_s in range(0, last_s + 60, 120)]
    return sorted(events, key=stamp_ms)


def records(events: list[Event], rng: Random) -> list[tuple[bytes, int]]:
    """The events packed into records of one to eight, with the broker's time."""
    packed: list[tuple[bytes, int]] = [(encode_events([activated()]), NOW_MS)]
    start = 0
    while start < len(events):
        pack = events[start : start + rng.randint(1, 8)]
        packed.append((encode_events(pack), max(map(stamp_ms, pack))))
        start += len(pack)
    return packed


def bytes_of(breaches: list[Breach]) -> list[bytes]:
    return [msgspec.json.encode(breach) for breach in breaches]


class Topic:
    """What a compacted snapshot topic keeps: the newest value of each key."""

    def __init__(self) -> None:
        self.head = b""
        self.ticked = False
        self.next_offset = 0
        self.buckets: dict[int, bytes] = {}

    def save(self, host: PartitionHost) -> None:
        changes = host.changes()
        self.head, self.next_offset, self.ticked = changes.head, host.next_offset, host.ticked
        self.buckets |= changes.buckets

    def saved(self) -> Saved:
        return Saved(self.next_offset, self.ticked, self.head, list(self.buckets.values()))


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_killed_anywhere_it_goes_on_as_if_nothing_had_been(seed: int) -> None:
    rng = Random(seed)
    log = records(random_log(rng), rng)
    clean = new_host()
    expected = [bytes_of(clean.apply(value, stamp, offset).breaches) for offset, (value, stamp) in enumerate(log)]

    host, topic = new_host(), Topic()
    topic.save(host)
    found: dict[int, list[bytes]] = {}
    offset = 0
    while offset < len(log):
        value, stamp = log[offset]
        breaches = bytes_of(host.apply(value, stamp, offset).breaches)
        assert found.setdefault(offset, breaches) == breaches, "a record decided again is decided the same"
        offset += 1
        chance = rng.random()
        if chance < 0.2:
            topic.save(host)
        elif chance < 0.3:
            host = new_host()
            host.restore(topic.saved())
            offset = host.next_offset
    assert [found[n] for n in range(len(log))] == expected
    assert host.processor.snapshot() == clean.processor.snapshot()


def test_only_buckets_of_trucks_that_changed_are_written_again() -> None:
    host = new_host()
    host.apply(encode_events([activated()]), NOW_MS, 0)
    plates = [f"浙E{n:05}" for n in range(50)]
    host.apply(encode_events([position(1, truck_id=p, received_s=1) for p in plates]), NOW_MS + 1000, 1)
    assert len(host.changes().buckets) == BUCKETS, "the first time everything, whatever the topic held before"
    assert host.changes().buckets == {}
    host.apply(encode_events([position(2, truck_id=plates[7], received_s=2)]), NOW_MS + 2000, 2)
    ((number, states),) = host.changes().buckets.items()
    assert number == bucket_of(plates[7])
    assert plates[7] in {state.truck_id for state in decode_bucket(states)}
    host.save_all_again()
    assert len(host.changes().buckets) == BUCKETS


def test_state_of_another_version_is_refused() -> None:
    head = encode(Head(SNAPSHOT_VERSION + 1, 0, None, {}))
    with pytest.raises(ValueError, match=f"version {SNAPSHOT_VERSION + 1}"):
        new_host().restore(Saved(5, False, head, []))


def test_an_event_in_anothers_partition_is_not_applied_and_told_apart() -> None:
    home = partition("浙E00001", 7)
    host = new_host((home + 1) % 7, 7)
    host.apply(encode_events([activated()]), NOW_MS, 0)
    stray = position(1, truck_id="浙E00001", received_s=1)
    decided = host.apply(encode_events([stray]), NOW_MS + 1000, 1)
    assert decided.misplaced == [stray]
    assert not host.processor.trucks()
    assert list(_trucks(new_host(home, 7), stray)) == ["浙E00001"]


def _trucks(host: PartitionHost, event: Event) -> dict[str, object]:
    host.apply(encode_events([activated()]), NOW_MS, 0)
    host.apply(encode_events([event]), NOW_MS + 1000, 1)
    return dict(host.processor.trucks())


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "not_json"),
        (b"", "not_json"),
        (b"\x00\xff\xfe random", "not_utf8"),
        (b'{"kind":"position"}', "missing_field"),
        (b'"text"', "not_an_object"),
        (b"[" * 200_000, "not_json"),
        (b"x" * (10 << 20), "too_large"),
        (encode_event(CityActivated(at=at(0), received_at=at(0), city_hash="no such")), "unknown_city"),
        (encode_event(position(1, received_s=90)), "received_in_future"),
        (encode_event(tick(86_400)), "received_in_future"),
        (encode_event(position(200)), "clock_ahead"),
    ],
)
def test_what_a_stranger_writes_into_the_log_is_kept_with_its_reason(value: bytes | None, code: str) -> None:
    host = new_host()
    host.apply(encode_events([activated()]), NOW_MS, 0)
    decided = host.apply(value, NOW_MS, 1)
    assert [letter.code for letter in decided.dead] == [code]
    letter = decided.dead[0]
    assert (letter.source, letter.offset) == (f"kafka:{TOPIC}/0", 1)
    assert host.next_offset == 2
    assert host.processor.clock_ms < NOW_MS + 61_000, "nobody moves the clock ahead of the broker's"
    assert host.dead == {code: 1}


def test_an_event_without_a_time_of_receipt_gets_the_brokers() -> None:
    host = new_host()
    host.apply(encode_events([activated()]), NOW_MS, 0)
    host.apply(encode_event(position(0)), NOW_MS + 5000, 1)
    assert host.processor.clock_ms == NOW_MS + 5000


def test_an_event_that_our_code_cannot_take_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    host = new_host()
    host.apply(encode_events([activated()]), NOW_MS, 0)
    real = PartitionProcessor.apply

    def faulty(processor: PartitionProcessor, event: Event) -> list[Breach]:
        if getattr(event, "event_id", "") == "cursed":
            raise ZeroDivisionError("a fault of ours")
        return real(processor, event)

    monkeypatch.setattr(PartitionProcessor, "apply", faulty)
    events = [position(1, event_id="cursed", received_s=1), position(2, truck_id="浙E00002", received_s=2)]
    decided = host.apply(encode_events(events), NOW_MS + 2000, 1)
    assert [(letter.code, "cursed" in letter.raw) for letter in decided.dead] == [("engine_failed", True)]
    assert list(host.processor.trucks()) == ["浙E00002"]


def test_before_any_city_is_in_force_observations_are_counted_only() -> None:
    host = new_host()
    host.apply(encode_events([position(1, received_s=1)]), NOW_MS + 1000, 0)
    assert host.processor.counters["before_city"] == 1
    assert not host.processor.trucks()


def test_ticks_follow_the_wall_clock_only_while_the_log_is_live() -> None:
    host = new_host()
    assert not host.tick_due(NOW_MS), "an empty log has no time"
    host.apply(encode_events([activated()]), NOW_MS, 0)
    assert not host.tick_due(NOW_MS), "an activation has a place, not a time"
    host.apply(encode_events([position(0, received_s=0)]), NOW_MS, 1)
    assert not host.tick_due(NOW_MS + 1_000)
    assert host.tick_due(NOW_MS + 3_000)
    assert not host.tick_due(NOW_MS + 3_500), "one is on its way"
    assert host.tick_due(NOW_MS + 34_000), "it has not come back for half a minute"
    assert not host.tick_due(NOW_MS + 120_000), "traffic of two minutes ago is a recording"
    host.apply(encode_events([tick(34)]), NOW_MS + 34_000, 2)
    assert host.tick_due(NOW_MS + 600_000), "ticks are what moves this log; nobody was there to write them"
    host.apply(encode_events([position(40, received_s=40)]), NOW_MS + 600_000, 3)
    assert not host.tick_due(NOW_MS + 600_000)


def test_trucks_are_told_as_they_are_and_again_after_a_restart() -> None:
    host = new_host()
    host.apply(encode_events([activated()]), NOW_MS, 0)
    host.apply(encode_events([position(n, lon=120.1 + n / 1e4, received_s=n) for n in range(1, 9)]), NOW_MS + 9000, 1)
    (told,) = host.positions(10)
    assert told.lon == pytest.approx(120.1 + 4 / 1e4), "what has left the reorder buffer"
    assert host.positions(10) == []
    topic = Topic()
    topic.save(host)
    again = new_host()
    again.restore(topic.saved())
    assert again.positions(10) == [told]
