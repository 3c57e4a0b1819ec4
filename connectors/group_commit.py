"""Many small submissions as few large ones: what waits while one is written goes into the next.

Both hosts take events in a call that blocks until they are durable. A handful of threads make these calls; thousands of
connections wait for futures.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from haulwatch.domain.errors import WorldError
from haulwatch.domain.events import Event
from haulwatch.domain.live import Busy
from haulwatch.domain.text import Text
from haulwatch.wire import DeadLetter

THREADS = 4
BATCH_EVENTS = 1_000
MAX_WAITING = 20_000


class SubmitEvents(Protocol):
    """What both hosts have: durable when it returns; raises Busy or WorldError."""

    def __call__(self, events: Sequence[Event], letters: Sequence[DeadLetter] = ()) -> int:
        """How many events were new."""
        ...


@dataclass
class _Waiting:
    events: Sequence[Event]
    letters: Sequence[DeadLetter]
    answer: Future[None] = field(default_factory=Future)

    @property
    def size(self) -> int:
        return len(self.events) + len(self.letters)


class GroupCommit:
    """Takes submissions from any thread; `close` finishes what was taken."""

    def __init__(self, submit_events: SubmitEvents, *, threads: int = THREADS, max_waiting: int = MAX_WAITING) -> None:
        self._submit_events = submit_events
        self._max_waiting = max_waiting
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._size = 0
        self._closing = False
        self.failure: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._run, name=f"group-commit-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, events: Sequence[Event], letters: Sequence[DeadLetter] = ()) -> Future[None]:
        """Done when these are durable; fails with what the host raised. Raises Busy, or WorldError at the end."""
        one = _Waiting(events, letters)
        one.answer.set_running_or_notify_cancel()  # from here on nobody can call it off
        with self._changed:
            if self._closing:
                raise WorldError(Text("系统正在停止", "the system is stopping"), retryable=True)
            if self._waiting and self._size + one.size > self._max_waiting:
                raise Busy
            self._waiting.append(one)
            self._size += one.size
            self._changed.notify()
        return one.answer

    def close(self) -> None:
        """Takes nothing more, and waits until everything that was taken has its answer."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def check(self) -> None:
        """Raises WorldError when it has failed."""
        if self.failure is not None:
            raise WorldError(Text(f"提交线程故障：{self.failure}", f"the submitting thread failed: {self.failure}"))

    @property
    def waiting(self) -> int:
        """Events that no thread has taken up yet."""
        return self._size

    def _run(self) -> None:
        while batch := self._next():
            try:
                self._submit_events(
                    [event for one in batch for event in one.events],
                    [letter for one in batch for letter in one.letters],
                )
            except WorldError as error:
                _fail(batch, error)
            except BaseException as error:
                # A fault of ours: nobody may be left waiting, and nothing may be taken any more.
                with self._changed:
                    self.failure, self._closing = error, True
                    batch += self._waiting
                    self._waiting.clear()
                    self._changed.notify_all()
                _fail(batch, error)
                raise
            else:
                for one in batch:
                    one.answer.set_result(None)

    def _next(self) -> list[_Waiting]:
        """What waits, as much as one submission should hold; nothing at the end."""
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            batch: list[_Waiting] = []
            size = 0
            while self._waiting and size < BATCH_EVENTS:
                one = self._waiting.popleft()
                size += one.size
                batch.append(one)
            self._size -= size
            return batch


def _fail(batch: Sequence[_Waiting], error: BaseException) -> None:
    for one in batch:
        one.answer.set_exception(error)
