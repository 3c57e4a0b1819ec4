"""Weighings of a scale on their way into the log: first they wait for plates, then until they are durable there.

Nobody waits for an answer here and nobody says them again. So they are kept in memory, up to `MAX_WAITING`, which is
more than a bridge weighs while a disk is replaced, and beside that in files where there is a folder.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from concurrent.futures import Future

from msgspec import Struct

from connectors.gate import Gate, Tally
from connectors.truck_finder import TruckFinder
from connectors.weighbridge.crossing import Crossed, Unsettled
from connectors.weighbridge.joining import Joiner, letter, unsettled_error, weighing, window_of
from connectors.weighbridge.settings import Indicator
from connectors.weighbridge.unfinished import Unfinished, UnfinishedFolder
from haulwatch.domain.errors import DeviceError, WorldError
from haulwatch.domain.instants import rfc3339, to_datetime
from haulwatch.wire import encode_event

MAX_WAITING = 1_000
RETRY_S = 1.0
FINISH_S = 5.0
FOLDER = "weighbridge"

log = logging.getLogger(__name__)


class _Waiting(Struct):
    """`future` is None until it is submitted; `kept` says that it is in a file, too."""

    one: Unfinished
    due_ms: int
    kept: bool = False
    future: Future[None] | None = None


class Outbox:
    """Of one scale; all in the thread of the scale."""

    def __init__(self, name: str, indicator: Indicator, gate: Gate, tally: Tally) -> None:
        self._name, self._indicator, self._gate, self._tally = name, indicator, gate, tally
        finder = TruckFinder(gate.registry)
        self._joiner = Joiner(indicator.plates, lambda plate: finder.of_plate(plate) in gate.registry().trucks)
        gate.plates.watch(indicator.plates.camera_id)
        self._folder = UnfinishedFolder(None if gate.waiting is None else gate.waiting / FOLDER, name)
        self._waiting: deque[_Waiting] = deque()
        self._retry_at = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self) -> None:
        """Takes up what an earlier process has left; whose plates are forgotten, that becomes a dead letter."""
        try:
            found, damaged = self._folder.of_an_earlier_life()
        except OSError as error:
            self._not_kept(error)
            return
        self._waiting.extend(_Waiting(one, 0, kept=True) for one in found[:MAX_WAITING])
        for path in damaged:
            self._tally.fault(self._name, "waiting_damaged")
            log.error("a weighing cannot be read", extra={"fields": {"device": self._name, "file": str(path)}})

    def take(self, told: Crossed | Unsettled) -> None:
        """One more."""
        key = f"{told.to_ms:015d}-{told.from_ms:015d}"
        if isinstance(told, Crossed):
            plates = self._indicator.plates
            one = Unfinished(key, crossed=told)
            due_ms = window_of(told, plates)[1] + round(plates.wait_s * 1000)
        else:
            error = unsettled_error(told)
            if told.trouble is None:
                self._tally.fault(self._name, error.code)  # other troubles were counted as they came
            one, due_ms = Unfinished(key, letters=[letter(self._name, self._indicator, told, error)]), 0
        if len(self._waiting) >= MAX_WAITING:
            self._drop(one)
            return
        waiting = _Waiting(one, due_ms)
        self._keep(waiting)
        self._waiting.append(waiting)

    def settle(self, *, at_once: bool = False) -> None:
        """Does what is due; `at_once` also what would rather wait for plates."""
        if time.monotonic() < self._retry_at and not at_once:
            return
        try:
            self._hand_on(self._gate.now_ms(), at_once)
            self._let_go()
        except WorldError as error:
            self._retry_at = time.monotonic() + RETRY_S
            log.warning("weighings wait", extra={"fields": {"device": self._name, "error": str(error)}})

    def finish(self) -> None:
        """Joins all as far as is known, and gives it a little time; what is in no file then is written out."""
        deadline = time.monotonic() + FINISH_S
        self.settle(at_once=True)
        while self._waiting and time.monotonic() < deadline:
            time.sleep(0.02)  # until the log has answered; the deadline bounds it
            self.settle()
        for waiting in self._waiting:
            if not waiting.kept:
                self._drop(waiting.one)

    def _hand_on(self, now_ms: int, at_once: bool) -> None:
        """Raises WorldError, Busy."""
        for waiting in self._waiting:
            if waiting.one.crossed is not None:
                if waiting.due_ms > now_ms and not at_once:
                    return  # each is joined after those before it
                waiting.one = self._joined(waiting.one.key, waiting.one.crossed)
                self._keep(waiting)
            if waiting.future is None:
                waiting.future = self._gate.submit(waiting.one.events, waiting.one.letters)

    def _let_go(self) -> None:
        """Of what is durable, in order. Raises WorldError."""
        while self._waiting and (future := self._waiting[0].future) is not None and future.done():
            failure = future.exception()
            if failure is not None:
                self._waiting[0].future = None
                raise failure
            waiting = self._waiting.popleft()
            self._tally.took(self._name, waiting.one.events)
            try:
                self._folder.done(waiting.one.key)
            except OSError as error:
                self._not_kept(error)

    def _joined(self, key: str, crossed: Crossed) -> Unfinished:
        plates = self._indicator.plates
        seen = self._gate.plates.between(plates.camera_id, *window_of(crossed, plates))
        try:
            one = self._joiner.join(crossed, seen)
            received_at = to_datetime(self._gate.now_ms())
            return Unfinished(key, events=[weighing(self._name, self._indicator, crossed, one, received_at)])
        except DeviceError as error:
            self._tally.fault(self._name, error.code)
            return Unfinished(key, letters=[letter(self._name, self._indicator, crossed, error, seen)])

    def _keep(self, waiting: _Waiting) -> None:
        try:
            waiting.kept = self._folder.keep(waiting.one)
        except OSError as error:
            self._not_kept(error)

    def _not_kept(self, error: OSError) -> None:
        self._tally.fault(self._name, "not_kept")
        log.warning("no file for weighings", extra={"fields": {"device": self._name, "error": str(error)}})

    def _drop(self, lost: Unfinished) -> None:
        self._tally.fault(self._name, "queue_full")
        log.error("a weighing is lost", extra={"fields": {"device": self._name, "weighing": _words(lost)}})


def _words(lost: Unfinished) -> str:
    """All that a person needs to enter it by hand."""
    if lost.crossed is not None:
        return f"{lost.crossed.kg:g} kg at {rfc3339(lost.crossed.at_ms)}"
    return "; ".join([encode_event(event).decode() for event in lost.events] + [one.raw for one in lost.letters])
