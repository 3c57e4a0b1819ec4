"""The board of trucks: revisions grow, and begin anew when a truck leaves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from haulwatch.domain.live import TruckPosition
from haulwatch.domain.truck_board import TruckBoard

PLATES = [f"浙E{n}" for n in range(4)]


def truck(truck_id: str, at_ms: int = 0) -> TruckPosition:
    return TruckPosition(truck_id=truck_id, at_ms=at_ms, lon=120.1, lat=30.86)


def test_who_knows_a_revision_gets_what_changed_since() -> None:
    board = TruckBoard()
    board.apply([truck("a"), truck("b")])
    revision, everything = board.changed_since(0)
    assert {one.truck_id for one in everything} == {"a", "b"}
    board.apply([truck("b", 5)])
    assert [one.at_ms for one in board.changed_since(revision)[1]] == [5]


def test_nothing_new_is_no_new_revision() -> None:
    board = TruckBoard()
    board.apply([truck("a")])
    revision, _all = board.changed_since(0)
    board.apply([], ["unknown"])
    assert board.changed_since(revision) == (revision, [])


def test_when_a_truck_leaves_it_begins_anew() -> None:
    board = TruckBoard()
    board.apply([truck("a"), truck("b")])
    before, _all = board.changed_since(0)
    board.apply([], ["a"])
    after, _all = board.changed_since(0)
    assert 0 < after < before
    assert [one.truck_id for one in board.changed_since(0)[1]] == ["b"]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.lists(st.sampled_from(PLATES), max_size=3), st.lists(st.sampled_from(PLATES), max_size=2)),
        st.just("look"),
    )
)


@given(STEPS)
def test_a_follower_always_knows_what_the_board_shows(steps: list[tuple[list[str], list[str]] | str]) -> None:
    board = TruckBoard()
    known: dict[str, TruckPosition] = {}
    revision = 0

    def look() -> None:
        nonlocal revision
        now, changed = board.changed_since(revision)
        if now < revision:
            known.clear()
            now, changed = board.changed_since(0)
        known.update((one.truck_id, one) for one in changed)
        revision = now

    for number, step in enumerate(steps):
        if isinstance(step, str):
            look()
        else:
            board.apply([truck(plate, number) for plate in step[0]], step[1])
    look()
    assert known == {one.truck_id: one for one in board.snapshot()}
