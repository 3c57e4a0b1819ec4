"""One scale at work: its line, its readings, its weighings on their way into the log. One thread does all of it.

Nobody waits for an answer here, so what is not durable yet is kept and submitted again, up to `MAX_WAITING` weighings:
more than a bridge weighs while a disk is replaced.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future

from msgspec import Struct

from connectors.gate import Gate, Tally
from connectors.truck_finder import TruckFinder
from connectors.weighbridge.crossing import Crossed, Crossing, Unsettled
from connectors.weighbridge.joining import Joiner, letter, unsettled_error, weighing, window_of
from connectors.weighbridge.lines import CONNECT_S, WAIT_S, Line, lines_to
from connectors.weighbridge.readings import Fault, FrameReader, Reading
from connectors.weighbridge.settings import Indicator
from haulwatch.domain.errors import DeviceError, WorldError
from haulwatch.domain.events import Event
from haulwatch.domain.instants import to_datetime
from haulwatch.domain.text import Text
from haulwatch.metrics import Sample
from haulwatch.wire import DeadLetter, encode_event

MAX_WAITING = 1_000
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
"""Between two attempts to reach it; doubled from one to the next."""
RETRY_S = 1.0
FINISH_S = 5.0

log = logging.getLogger(__name__)


class _Outgoing(Struct):
    """A weighing, or the letter about one, that is not durable yet; `future` is None until it is submitted."""

    events: Sequence[Event]
    letters: Sequence[DeadLetter]
    future: Future[None] | None = None


class Scale:
    """Reads one indicator until it is told to stop."""

    def __init__(self, name: str, indicator: Indicator, gate: Gate, tally: Tally) -> None:
        self._name, self._indicator, self._gate, self._tally = name, indicator, gate, tally
        self._lines = lines_to(indicator.address, indicator.networks, lambda: tally.fault(name, "foreign_address"))
        self._crossing = Crossing(indicator)
        finder = TruckFinder(gate.registry)
        self._joiner = Joiner(indicator.plates, lambda plate: finder.of_plate(plate) in gate.registry().trucks)
        gate.plates.watch(indicator.plates.camera_id)
        self._unjoined: deque[tuple[int, Crossed]] = deque()
        self._outgoing: deque[_Outgoing] = deque()
        self._retry_at = self._open_at = 0.0
        self._wait_s = FIRST_WAIT_S
        self._was_there: bool | None = None
        self._readings = self._lost = 0
        self._line: Line | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"scale-{name}", daemon=True)
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Begins to look for it. Raises WorldError where its port here is taken."""
        self._lines.bind()
        self._thread.start()

    def stop(self) -> None:
        """Hears no more, and waits a little for what is not durable yet."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(FINISH_S + CONNECT_S + 1.0)
        self._lines.close()

    def check(self) -> None:
        """Raises WorldError when its thread has ended; an indicator that is away is no such reason."""
        if self.failure is not None:
            name = self._name
            raise WorldError(Text(f"{name} 已停止：{self.failure}", f"{name} has stopped: {self.failure}"))

    def samples(self) -> list[Sample]:
        """Whether it is there, how much it said, what waits, whether its station is one of the city's."""
        labels = (("device", self._name),)
        known = self._indicator.station_id in self._gate.registry().stations
        waiting = len(self._unjoined) + len(self._outgoing)
        return [
            Sample("weighbridge_connected", "Whether the line is there", float(self._line is not None), labels),
            Sample("weighbridge_readings_total", "Frames with a weight", self._readings, labels, "counter"),
            Sample("weighbridge_lost_total", "Times that the line was lost", self._lost, labels, "counter"),
            Sample("weighbridge_waiting", "Weighings that are not durable yet", waiting, labels),
            Sample("weighbridge_station_unknown", "Its station is not in stations.csv", float(not known), labels),
        ]

    # -- the line -----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._line = self._opened()
                if self._line is not None:
                    self._listen(self._line)
                self._settle()
            self._finish()
        except BaseException as error:
            self.failure = error
            raise

    def _opened(self) -> Line | None:
        if time.monotonic() < self._open_at:
            self._stopping.wait(min(WAIT_S, self._wait_s))
            return None
        try:
            return self._lines.open()
        except OSError as error:
            self._away(error)
            return None

    def _away(self, error: OSError) -> None:
        """Says so once; tries again later, the later the longer it lasts."""
        self._open_at = time.monotonic() + self._wait_s
        self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)
        if self._was_there is not False:
            log.warning("the indicator is away", extra={"fields": {"device": self._name, "error": str(error)}})
        self._was_there = False

    def _listen(self, line: Line) -> None:
        reader, heard_s = self._indicator.reader(), time.monotonic()
        try:
            while not self._stopping.is_set():
                data = line.read()
                now_s = time.monotonic()
                if data:
                    heard_s = now_s
                    self._hear(reader, data)
                elif now_s - heard_s >= self._indicator.silent_s:
                    raise TimeoutError(f"no byte for {self._indicator.silent_s:g} s")
                self._settle()
        except OSError as error:
            self._lost += 1
            self._away(error)
        finally:
            self._line = None
            line.close()

    def _hear(self, reader: FrameReader, data: bytes) -> None:
        now_ms = self._gate.now_ms()
        for item in reader.feed(data):
            if isinstance(item, Fault):
                self._tally.fault(self._name, item.code)
                continue
            self._heard(item)
            for told in self._crossing.take(item, now_ms):
                self._take(told)

    def _heard(self, reading: Reading) -> None:
        if self._was_there is not True:
            log.info("the indicator is there", extra={"fields": {"device": self._name}})
        self._was_there, self._wait_s = True, FIRST_WAIT_S
        self._tally.took(self._name, ())
        self._readings += 1
        if reading.trouble is not None:
            self._tally.fault(self._name, reading.trouble)

    # -- weighings ----------------------------------------------------------------------------------------------------

    def _take(self, told: Crossed | Unsettled) -> None:
        if isinstance(told, Crossed):
            plates = self._indicator.plates
            due_ms = window_of(told, plates)[1] + round(plates.wait_s * 1000)
            if len(self._unjoined) + len(self._outgoing) >= MAX_WAITING:
                self._drop(told)
            else:
                self._unjoined.append((due_ms, told))
            return
        error = unsettled_error(told)
        if error.code == "never_stable":
            self._tally.fault(self._name, error.code)  # other troubles were counted as they came
        self._put(_Outgoing((), (letter(self._name, self._indicator, told, error),)))

    def _put(self, outgoing: _Outgoing) -> None:
        if len(self._outgoing) >= MAX_WAITING:
            self._drop(outgoing)
        else:
            self._outgoing.append(outgoing)

    def _drop(self, lost: Crossed | _Outgoing) -> None:
        self._tally.fault(self._name, "queue_full")
        log.error("a weighing is lost", extra={"fields": {"device": self._name, "weighing": _words(lost)}})

    def _settle(self, *, at_once: bool = False) -> None:
        """Does what is due: crossings that are over, plates, the log."""
        now_ms = self._gate.now_ms()
        for told in self._crossing.wake(now_ms):
            self._take(told)
        if time.monotonic() < self._retry_at and not at_once:
            return
        try:
            while self._unjoined and (at_once or self._unjoined[0][0] <= now_ms):
                self._outgoing.append(self._joined(self._unjoined[0][1]))
                self._unjoined.popleft()
            self._submit()
        except WorldError as error:
            self._retry_at = time.monotonic() + RETRY_S
            log.warning("weighings wait", extra={"fields": {"device": self._name, "error": str(error)}})

    def _joined(self, crossed: Crossed) -> _Outgoing:
        plates = self._indicator.plates
        seen = self._gate.plates.between(plates.camera_id, *window_of(crossed, plates))
        try:
            one = self._joiner.join(crossed, seen)
            received_at = to_datetime(self._gate.now_ms())
            return _Outgoing((weighing(self._name, self._indicator, crossed, one, received_at),), ())
        except DeviceError as error:
            self._tally.fault(self._name, error.code)
            return _Outgoing((), (letter(self._name, self._indicator, crossed, error, seen),))

    def _submit(self) -> None:
        """Hands on what waits, and lets go of what is durable. Raises WorldError, Busy: then all is tried again."""
        for one in self._outgoing:
            if one.future is None:
                one.future = self._gate.submit(one.events, one.letters)
        while self._outgoing and (future := self._outgoing[0].future) is not None and future.done():
            error = future.exception()
            if error is not None:
                self._outgoing[0].future = None
                raise error
            self._tally.took(self._name, self._outgoing.popleft().events)

    def _finish(self) -> None:
        """What is told is joined as far as is known, and has a little time to become durable."""
        deadline = time.monotonic() + FINISH_S
        self._settle(at_once=True)
        while self._outgoing and time.monotonic() < deadline:
            time.sleep(0.02)  # until the log has answered; the deadline bounds it
            self._settle()
        for _, crossed in self._unjoined:
            self._drop(crossed)
        for outgoing in self._outgoing:
            self._drop(outgoing)


def _words(lost: Crossed | _Outgoing) -> str:
    """All that a person needs to enter it by hand."""
    if isinstance(lost, Crossed):
        return f"{lost.kg:g} kg at {to_datetime(lost.at_ms).isoformat()}"
    kept = [encode_event(event).decode() for event in lost.events] + [one.raw for one in lost.letters]
    return "; ".join(kept)
