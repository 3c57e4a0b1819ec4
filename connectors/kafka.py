"""The way in to the observations log on Kafka: the same answers as the embedded host gives, durable when given."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from connectors.kafka_producer import PackingProducer
from haulwatch import logs
from haulwatch.admission import submitted
from haulwatch.domain.events import Event
from haulwatch.domain.live import SubmissionResult
from haulwatch.metrics import Counters, Sample
from haulwatch.wire import DeadLetter

__all__ = ["KafkaIntake", "PackingProducer"]

REMEMBERED_IDS = 200_000
REMEMBERED_CHARACTERS = 16_000_000

log = logging.getLogger(__name__)


class KafkaIntake:
    """The `EventIntake` of a gateway; for many threads at once.

    An event that was acknowledged lately is not written again. Of what is sent again while it is still on its way,
    every copy is written and waits for its own acknowledgement: copies in the log are harmless, early answers are not.
    """

    def __init__(
        self,
        producer: PackingProducer,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        remembered: int = REMEMBERED_IDS,
    ) -> None:
        self._producer = producer
        self._now_ms = now_ms
        self._acknowledged = RecentIds(remembered)
        self._counters = Counters()

    def submit(self, body: bytes, content_type: str) -> SubmissionResult:
        """Takes one event, an array, or NDJSON; returns when good ones and dead letters are durable.

        Raises Busy or WorldError: then some events may have been written, and none is answered for.
        """
        self._producer.check_room()
        taken = submitted(body, content_type, self._now_ms())
        trace = logs.TRACEPARENT.get()
        fresh = self._acknowledged.unknown(taken.events)
        self._producer.submit(fresh, trace, taken.dead).result()
        accepted = self._acknowledged.add(fresh)
        result = SubmissionResult(accepted=accepted, duplicates=len(taken.events) - accepted, errors=taken.refused)
        self._tell(result, trace)
        return result

    def submit_events(self, events: Sequence[Event], letters: Sequence[DeadLetter] = ()) -> int:
        """Takes observations of our own connectors, and what could not be one; returns how many were new, when all
        of it is durable."""
        fresh = self._acknowledged.unknown(events)
        self._producer.submit(fresh, logs.TRACEPARENT.get(), letters).result()
        accepted = self._acknowledged.add(fresh)
        self._count(accepted, len(events) - accepted)
        return accepted

    def samples(self) -> list[Sample]:
        """What became of the events, by outcome and code."""
        return self._counters.samples()

    def _count(self, accepted: int, duplicates: int) -> None:
        name, text = "gateway_events_total", "Events by what became of them"
        self._counters.add(name, text, accepted, outcome="accepted")
        self._counters.add(name, text, duplicates, outcome="duplicate")

    def _tell(self, result: SubmissionResult, trace: str | None) -> None:
        self._count(result.accepted, result.duplicates)
        codes = Counter(error.code for error in result.errors)
        for code, number in codes.items():
            self._counters.add("gateway_dead_letters_total", "Bad events kept aside, by code", number, code=code)
        level = logging.INFO if codes else logging.DEBUG
        if log.isEnabledFor(level):
            fields = {"accepted": result.accepted, "duplicates": result.duplicates, "refused": dict(codes)}
            log.log(level, "events taken", extra={"fields": {"trace": logs.trace_id(trace or ""), **fields}})


class RecentIds:
    """The ids of events that were acknowledged lately: at least half of `limit`, in bounded memory."""

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._lock = threading.Lock()
        self._young: set[str] = set()
        self._old: set[str] = set()
        self._characters = 0

    def unknown(self, events: Iterable[Event]) -> list[Event]:
        """The events that are not known, the first of each id."""
        found: dict[str, Event] = {}
        with self._lock:
            for event in events:
                event_id = event.event_id  # type: ignore[union-attr]  # observations only, see haulwatch.admission
                if event_id not in self._young and event_id not in self._old:
                    found.setdefault(event_id, event)
        return list(found.values())

    def add(self, events: Iterable[Event]) -> int:
        """Remembers these; says how many of them were new at this moment."""
        new = 0
        with self._lock:
            for event in events:
                event_id = event.event_id  # type: ignore[union-attr]
                if event_id in self._young or event_id in self._old:
                    continue
                new += 1
                self._young.add(event_id)
                self._characters += len(event_id)
                if len(self._young) >= self._half or self._characters >= REMEMBERED_CHARACTERS // 2:
                    self._old, self._young, self._characters = self._young, set(), 0
        return new
