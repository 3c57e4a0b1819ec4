"""Many submissions as few; nobody is left waiting."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from connectors.group_commit import GroupCommit
from haulwatch.domain.errors import WorldError
from haulwatch.domain.events import Event
from haulwatch.domain.live import Busy
from haulwatch.domain.text import Text
from haulwatch.wire import DeadLetter

LETTER = DeadLetter(reason="r", code="c", source="s", raw="")
WAIT_S = 20.0


class Host:
    """Writes when it is let."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.let, self.began = threading.Event(), threading.Event()
        self.error = error
        self.sizes: list[int] = []

    def __call__(self, events: Sequence[Event], letters: Sequence[DeadLetter] = ()) -> int:
        self.began.set()
        assert self.let.wait(WAIT_S)
        self.sizes.append(len(letters))
        if self.error is not None:
            raise self.error
        return len(events)


def test_what_waits_goes_together_and_the_end_waits_for_it() -> None:
    host = Host()
    commit = GroupCommit(host, threads=1)
    answers = [commit.submit([], [LETTER])]
    assert host.began.wait(WAIT_S)
    answers += [commit.submit([], [LETTER]) for _ in range(50)]
    assert not any(answer.done() for answer in answers)
    host.let.set()
    commit.close()
    assert [answer.result(0) for answer in answers] == [None] * 51
    assert host.sizes == [1, 50]
    with pytest.raises(WorldError, match="stopping"):
        commit.submit([], [LETTER])


def test_a_host_that_is_away_fails_who_waited_and_is_asked_again() -> None:
    host = Host(WorldError(Text("满", "full")))
    host.let.set()
    commit = GroupCommit(host, threads=1)
    with pytest.raises(WorldError, match="full"):
        commit.submit([], [LETTER]).result(WAIT_S)
    host.error = None
    assert commit.submit([], [LETTER]).result(WAIT_S) is None
    commit.check()
    commit.close()


def test_more_than_may_wait_is_refused() -> None:
    host = Host()
    commit = GroupCommit(host, threads=1, max_waiting=2)
    commit.submit([], [LETTER])
    assert host.began.wait(WAIT_S)
    commit.submit([], [LETTER] * 5)  # alone it may be larger: it would be refused for ever
    with pytest.raises(Busy):
        commit.submit([], [LETTER])
    host.let.set()
    commit.close()
    assert host.sizes == [1, 5]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_ours_is_told_to_all_and_ends_it() -> None:
    host = Host(ValueError("a bug"))
    commit = GroupCommit(host, threads=2)
    answers = [commit.submit([], [LETTER]) for _ in range(5)]
    host.let.set()
    for answer in answers:
        with pytest.raises(ValueError, match="a bug"):
            answer.result(WAIT_S)
    with pytest.raises(WorldError, match="a bug"):
        commit.check()
    with pytest.raises(WorldError):
        commit.submit([], [LETTER])
    commit.close()
