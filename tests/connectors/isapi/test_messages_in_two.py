"""`hasMoreData`: the plate first, the whole message later; one sighting in the end, nothing lost on the way."""

from __future__ import annotations

import threading
from datetime import timedelta

from tests.connectors.isapi.device import AT, alert
from tests.connectors.isapi.served import IMAGES, MORE, Served


def test_the_whole_message_is_the_one_event(served: Served) -> None:
    with served.running():
        assert served.send(alert(in_anpr=MORE)) == 200
        assert (len(served.waiting()), served.log.events) == (1, [])
        assert served.send(alert(cover_plate="no"), IMAGES) == 200
        assert served.waiting() == []
        served.now_ms += 60_000
        assert served.feed.sweep() == 0
    assert [(event.cover, len(event.images or [])) for event in served.sightings] == [("open", 2)]


def test_a_whole_message_that_never_comes_leaves_the_first(served: Served) -> None:
    with served.running():
        assert served.send(alert(in_anpr=MORE)) == 200
        served.now_ms += 4_999
        assert served.feed.sweep() == 0
        served.now_ms += 1
        assert served.feed.sweep() == 1
        assert served.feed.sweep() == 0
        assert served.messages()["plate_alone"] == 1
    assert [event.truck_id for event in served.sightings] == ["浙E12345"]
    assert served.waiting() == []


def test_a_process_that_was_killed_loses_no_first_half(served: Served) -> None:
    with served.running():
        assert served.send(alert(in_anpr=MORE)) == 200
    with served.running():
        served.now_ms += 5_000
        assert served.feed.sweep() == 1
    assert len(served.sightings) == 1


def test_a_whole_message_after_a_restart_still_finds_its_first_half(served: Served) -> None:
    with served.running():
        assert served.send(alert(in_anpr=MORE)) == 200
    with served.running():
        assert served.send(alert(cover_plate="no")) == 200
        served.now_ms += 5_000
        assert served.feed.sweep() == 0
    assert [event.cover for event in served.sightings] == ["open"]


def test_a_whole_message_that_comes_late_is_not_lost(served: Served) -> None:
    with served.running():
        assert served.send(alert(in_anpr=MORE)) == 200
        served.now_ms += 5_000
        served.feed.sweep()
        assert served.send(alert(cover_plate="no")) == 200
    assert [event.cover for event in served.sightings] == [None, "open"]
    assert len({event.event_id for event in served.sightings}) == 2


def test_a_first_half_that_comes_after_the_whole_is_not_counted(served: Served) -> None:
    with served.running():
        assert [served.send(alert()), served.send(alert(in_anpr=MORE))] == [200, 200]
        assert served.waiting() == []
    assert len(served.sightings) == 1


def test_a_first_half_stays_while_the_log_is_away(served: Served) -> None:
    with served.running():
        assert served.send(alert(in_anpr=MORE)) == 200
        served.log.away = True
        assert served.send(alert(cover_plate="no")) == 503
        assert len(served.waiting()) == 1
        served.log.away = False
        served.now_ms += 5_000
        assert served.feed.sweep() == 1
    assert len(served.sightings) == 1


def test_a_first_half_of_another_vehicle_waits_on(served: Served) -> None:
    with served.running():
        assert served.send(alert("浙E00001", uuid="one", in_anpr=MORE)) == 200
        assert served.send(alert("浙E00002", uuid="two")) == 200
        assert len(served.waiting()) == 1


def test_a_vehicle_that_is_seen_again_waits_for_its_own_second_half(served: Served) -> None:
    with served.running():
        assert served.send(alert(at=AT - timedelta(seconds=30), in_anpr=MORE)) == 200
        assert served.send(alert(in_anpr=MORE)) == 200
        assert served.send(alert(at=AT - timedelta(seconds=30))) == 200
        assert len(served.waiting()) == 1
        served.now_ms += 5_000
        assert served.feed.sweep() == 1
    assert [event.at for event in served.sightings] == [AT - timedelta(seconds=30), AT]


def test_halves_whose_times_differ_a_little_are_one(served: Served) -> None:
    with served.running():
        assert served.send(alert(in_anpr=MORE)) == 200
        assert served.send(alert(at=AT - timedelta(seconds=1))) == 200
        assert served.waiting() == []
    assert len(served.sightings) == 1


def test_without_a_folder_or_a_hold_it_is_an_event_at_once(served: Served) -> None:
    with served.running(store=False):
        assert served.send(alert(in_anpr=MORE)) == 200
    with served.running(hold_s=0):
        assert served.send(alert("浙E00002", in_anpr=MORE)) == 200
    assert [event.truck_id for event in served.sightings] == ["浙E12345", "浙E00002"]


def test_what_lies_damaged_in_the_folder_stops_nothing(served: Served) -> None:
    with served.running():
        assert served.send(alert(in_anpr=MORE)) == 200
        (served.waiting()[0].parent / "0000-1-2.json").write_bytes(b"{")
        (served.waiting()[0].parent / "odd.json").write_bytes(b"\xff")
        served.now_ms += 5_000
        assert served.feed.sweep() == 1
        assert served.faults() == {"waiting_damaged": 2}
    assert [path.suffix for path in served.waiting()] == [".damaged"] * 2


def test_the_sweeper_does_it_by_itself(served: Served) -> None:
    with served.running(hold_s=0.05):
        served.feed.start()
        assert served.send(alert(in_anpr=MORE)) == 200
        served.now_ms += 50
        deadline = threading.Event()
        for _ in range(100):
            if served.sightings:
                break
            deadline.wait(0.05)
    assert len(served.sightings) == 1
