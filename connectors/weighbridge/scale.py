"""One scale at work: its line, what comes over it, what becomes of that. One thread does all of it."""

from __future__ import annotations

import logging
import threading
import time

from connectors.gate import Gate, Tally
from connectors.weighbridge.crossing import Crossing
from connectors.weighbridge.lines import CONNECT_S, WAIT_S, Line, lines_to
from connectors.weighbridge.outbox import FINISH_S, Outbox
from connectors.weighbridge.readings import Fault, FrameReader, Reading
from connectors.weighbridge.settings import Indicator
from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text
from haulwatch.metrics import Sample

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
"""Between two attempts to reach it; doubled from one to the next."""

log = logging.getLogger(__name__)


class Scale:
    """Reads one indicator until it is told to stop."""

    def __init__(self, name: str, indicator: Indicator, gate: Gate, tally: Tally) -> None:
        self._name, self._indicator, self._gate, self._tally = name, indicator, gate, tally
        self._lines = lines_to(indicator.address, indicator.networks, lambda: tally.fault(name, "foreign_address"))
        self._crossing = Crossing(indicator)
        self._outbox = Outbox(name, indicator, gate, tally)
        self._open_at = 0.0
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
        return [
            Sample("weighbridge_connected", "Whether the line is there", float(self._line is not None), labels),
            Sample("weighbridge_readings_total", "Frames with a weight", self._readings, labels, "counter"),
            Sample("weighbridge_lost_total", "Times that the line was lost", self._lost, labels, "counter"),
            Sample("weighbridge_waiting", "Weighings that are not durable yet", len(self._outbox), labels),
            Sample("weighbridge_station_unknown", "Its station is not in stations.csv", float(not known), labels),
        ]

    # -- the line -----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._outbox.begin()
            while not self._stopping.is_set():
                self._line = self._opened()
                if self._line is not None:
                    self._listen(self._line)
                self._settle()
            self._outbox.finish()
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
                self._outbox.take(told)

    def _heard(self, reading: Reading) -> None:
        if self._was_there is not True:
            log.info("the indicator is there", extra={"fields": {"device": self._name}})
        self._was_there, self._wait_s = True, FIRST_WAIT_S
        self._tally.took(self._name, ())
        self._readings += 1
        if reading.trouble is not None:
            self._tally.fault(self._name, reading.trouble)

    def _settle(self) -> None:
        for told in self._crossing.wake(self._gate.now_ms()):
            self._outbox.take(told)
        self._outbox.settle()
