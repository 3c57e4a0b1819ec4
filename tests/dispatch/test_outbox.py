"""Readers of the outbox: one process at a time, from where the last one was."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from haulwatch.dispatch.outbox import OutboxReader
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.breaches import Breach

LEASE_MS = 10_000


class Clock:
    """A wall clock that a test moves."""

    def __init__(self) -> None:
        self.now_ms = 1_777_593_600_000

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(url: str, clock: Clock, breach: Callable[..., Breach]) -> Iterator[OrderStore]:
    store = open_store(url, clock_ms=clock)
    store.intake([breach("b1"), breach("b2", truck_id="浙E00002"), breach("b1", phase="ended")])
    yield store
    store.close()


@pytest.fixture
def reader(timed: OrderStore) -> OutboxReader:
    return timed.outbox_reader("work-orders")


def test_a_new_reader_begins_at_the_beginning(reader: OutboxReader) -> None:
    assert reader.claim("one", LEASE_MS) == 0
    assert [change.change_id for change in reader.changes(0, 2)] == [1, 2]
    assert [(change.kind, change.order.ended_at is None) for change in reader.changes(2, 9)] == [("finding", False)]


def test_its_place_is_kept(reader: OutboxReader) -> None:
    reader.claim("one", LEASE_MS)
    assert reader.advance("one", 2, LEASE_MS)
    assert reader.position() == 2
    assert reader.claim("one", LEASE_MS) == 2


def test_nobody_else_reads_while_the_lease_lasts(reader: OutboxReader, clock: Clock) -> None:
    reader.claim("one", LEASE_MS)
    clock.now_ms += LEASE_MS - 1
    assert reader.claim("two", LEASE_MS) is None
    clock.now_ms += 1
    assert reader.claim("two", LEASE_MS) == 0


def test_every_step_prolongs_the_lease(reader: OutboxReader, clock: Clock) -> None:
    reader.claim("one", LEASE_MS)
    clock.now_ms += LEASE_MS - 1
    reader.advance("one", 1, LEASE_MS)
    clock.now_ms += LEASE_MS - 1
    assert reader.claim("two", LEASE_MS) is None


def test_who_lost_the_lease_no_longer_moves_the_place(reader: OutboxReader, clock: Clock) -> None:
    reader.claim("one", LEASE_MS)
    clock.now_ms += LEASE_MS
    reader.claim("two", LEASE_MS)
    assert not reader.advance("one", 3, LEASE_MS)
    assert reader.position() == 0


def test_the_place_never_goes_back(reader: OutboxReader) -> None:
    reader.claim("one", LEASE_MS)
    reader.advance("one", 3, LEASE_MS)
    assert not reader.advance("one", 2, LEASE_MS)
    assert reader.position() == 3


def test_a_lease_given_up_is_free_at_once(reader: OutboxReader) -> None:
    reader.claim("one", LEASE_MS)
    reader.release("two")
    assert reader.claim("two", LEASE_MS) is None, "only its holder gives it up"
    reader.release("one")
    assert reader.claim("two", LEASE_MS) == 0


def test_readers_of_other_names_have_places_of_their_own(timed: OrderStore, reader: OutboxReader) -> None:
    reader.claim("one", LEASE_MS)
    reader.advance("one", 3, LEASE_MS)
    assert timed.outbox_reader("notices").claim("two", LEASE_MS) == 0


def test_of_many_at_once_one_gets_it(timed: OrderStore) -> None:
    start, claimed = threading.Barrier(8), []

    def claim(number: int) -> None:
        start.wait()
        if timed.outbox_reader("work-orders").claim(f"holder {number}", LEASE_MS) is not None:
            claimed.append(number)

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == 1


def test_order_numbers_follow_the_citys_day(timed: OrderStore, breach: Callable[..., Breach]) -> None:
    timed.keep_days_of("America/Los_Angeles")
    assert timed.intake([breach("b9", truck_id="浙E00009")]).opened == ("HW-20260430-0001",)
