"""What cameras saw, for who weighs: noted when it is durable, for cameras that somebody watches, and bounded."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

import pytest

from connectors.plate_board import KEPT, PlateBoard, SeenPlate
from haulwatch.domain.errors import WorldError
from haulwatch.domain.events import Event, Image
from haulwatch.domain.instants import to_ms
from haulwatch.domain.text import Text
from haulwatch.testing import START, position, sighting
from haulwatch.wire import DeadLetter

START_MS = to_ms(START)


class Log:
    """A way into the log whose answers are given by hand."""

    def __init__(self) -> None:
        self.answers: list[Future[None]] = []

    def submit(self, _events: Sequence[Event], _letters: Sequence[DeadLetter] = ()) -> Future[None]:
        self.answers.append(Future())
        return self.answers[-1]


def test_a_sighting_is_seen_when_it_is_durable() -> None:
    log, board = Log(), PlateBoard()
    board.watch(["C1"])
    image = Image(uri="picture:1")
    answer = board.noting(log.submit)([position(0), sighting(1, plate_confidence=0.9, images=[image])])
    assert board.between(["C1"], 0, START_MS + 5_000) == []
    log.answers[0].set_result(None)
    assert answer.done()
    [seen] = board.between(["C1"], 0, START_MS + 5_000)
    assert seen == SeenPlate("浙E12345", "C1", START_MS + 1_000, 0.9, (image,))


def test_what_did_not_become_durable_was_not_seen() -> None:
    log, board = Log(), PlateBoard()
    board.watch(["C1"])
    answer = board.noting(log.submit)([sighting(1)])
    log.answers[0].set_exception(WorldError(Text("磁盘已满", "the disk is full")))
    with pytest.raises(WorldError):
        answer.result()
    assert board.between(["C1"], 0, START_MS + 5_000) == []


def test_a_full_house_is_told_to_who_submits() -> None:
    def busy(_events: Sequence[Event], _letters: Sequence[DeadLetter] = ()) -> Future[None]:
        raise WorldError(Text("忙", "busy"), retryable=True)

    with pytest.raises(WorldError):
        PlateBoard().noting(busy)([sighting(1)])


def test_only_cameras_that_are_watched_are_kept_and_each_event_once() -> None:
    board = PlateBoard()
    board.saw([sighting(1)])
    board.watch(["C1"])
    board.watch(["C1"])
    board.saw([sighting(2), sighting(2), sighting(3, camera_id="C2")])
    assert [seen.at_ms - START_MS for seen in board.between(["C1", "C2"], 0, START_MS * 2)] == [2_000]


def test_a_window_has_both_its_ends_and_is_in_order_of_time() -> None:
    board = PlateBoard()
    board.watch(["C1", "C2"])
    board.saw([sighting(t_s, camera_id=f"C{1 + t_s % 2}") for t_s in (5, 1, 3, 4, 2)])
    found = board.between(["C1", "C2"], START_MS + 2_000, START_MS + 4_000)
    assert [seen.at_ms - START_MS for seen in found] == [2_000, 3_000, 4_000]


def test_of_many_the_last_are_kept() -> None:
    board = PlateBoard()
    board.watch(["C1"])
    board.saw([sighting(t_s) for t_s in range(KEPT + 10)])
    found = board.between(["C1"], 0, START_MS * 2)
    assert (len(found), found[0].at_ms - START_MS) == (KEPT, 10_000)
