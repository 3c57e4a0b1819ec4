"""Records of strangers on their way into the log: checked, packed by truck, committed when written."""

from __future__ import annotations

import msgspec
import pytest

from haulwatch.domain.instants import to_ms
from haulwatch.testing import at, position, sighting, tick, weighing
from haulwatch.wire import encode_event, encode_events, partition
from streams.inlets import Inlet

NOW_MS = to_ms(at(10))


@pytest.fixture
def inlet() -> Inlet:
    made = Inlet("haulwatch.gps.v1", "position", 4)
    made.assign({0: 5, 1: None})
    return made


def test_events_are_packed_by_the_partition_of_their_truck(inlet: Inlet) -> None:
    events = [position(n, truck_id=f"浙E{n % 5:05}") for n in range(10)]
    for offset, event in enumerate(events[:9], 5):
        inlet.take(encode_event(event), NOW_MS, 0, offset)
    inlet.take(encode_events(events[9:]), NOW_MS, 1, 0)
    pack = inlet.swap()
    for number, value in pack.records(2):
        found = msgspec.json.decode(value)
        assert len(found) <= 2
        assert {partition(event["truck_id"], 4) for event in found} == {number}
        assert all(event["received_at"] == at(10).isoformat().replace("+00:00", "Z") for event in found)
    assert sum(len(msgspec.json.decode(value)) for _number, value in pack.records(2)) == 10
    assert inlet.next == {0: 14, 1: 1}
    assert inlet.done == {0: 5}, "nothing is done with before it is written"
    inlet.written(pack)
    assert inlet.done == {0: 14, 1: 1}


def test_a_pack_of_an_assignment_that_has_ended_commits_nothing(inlet: Inlet) -> None:
    inlet.take(encode_event(position(1)), NOW_MS, 0, 5)
    pack = inlet.swap()
    inlet.take(encode_event(position(2)), NOW_MS, 0, 6)
    inlet.assign({0: 5})
    assert inlet.waiting == 0, "what was not written is read again by whoever owns it now"
    inlet.written(pack)
    assert (inlet.next, inlet.done) == ({0: 5}, {0: 5})


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (encode_event(weighing(1, 30_000.0)), "wrong_topic"),
        (encode_event(sighting(1)), "wrong_topic"),
        (encode_event(tick(1)), "not_an_observation"),
        (b'{"kind":"city_activated","at":"2026-05-01T00:00:00Z","city_hash":"x"}', "not_an_observation"),
        (encode_event(position(1, received_s=200)), "received_in_future"),
        (encode_event(position(28_810)), "clock_ahead"),
        (None, "not_json"),
        (b"\xff\x00", "not_utf8"),
    ],
)
def test_what_does_not_belong_here_is_kept_with_its_reason(inlet: Inlet, value: bytes | None, code: str) -> None:
    inlet.take(value, NOW_MS, 0, 5)
    pack = inlet.swap()
    assert [(d.code, d.source, d.offset) for d in pack.dead] == [(code, "kafka:haulwatch.gps.v1/0", 5)]
    assert pack.records(10) == []
    assert pack.ends == {0: 6}
