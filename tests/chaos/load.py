"""Traffic for a cluster that is being broken: recorded, then live, and foreign; what was acknowledged is remembered."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from kafka import KafkaProducer
from kafka.errors import KafkaError

from haulwatch.synthetic.delivery import Arrival
from haulwatch.topics import Topics
from haulwatch.wire import partition
from tests.e2e.api import Api
from tests.e2e.traffic import post_until_answered

BATCH_LINES = 100
LIVE_S = 5.0
FOREIGN_EVERY_S = 0.4
FOREIGN_TRUCKS = 40


class Poster:
    """Posts the arrivals in order, in a thread: those of the past at `per_s`, those to come when their time comes."""

    def __init__(self, system: Api, arrivals: list[Arrival], per_s: float) -> None:
        self._system, self._arrivals, self._per_s = system, arrivals, per_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="poster", daemon=True)
        self.acknowledged: set[str] = set()
        self.sent = self.refused = self.posts = 0
        self.failure: BaseException | None = None
        self._on_live: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Begins to post."""
        self._thread.start()

    def stop(self) -> None:
        """Ends, at the latest when the post at hand is answered or given up."""
        self._ended.set()
        self._thread.join()

    def when_live(self, act: Callable[[], None]) -> None:
        """Calls `act`, once, when the events posted have caught up with the clock."""
        self._on_live = act

    @property
    def live(self) -> bool:
        """Whether the next event's time has not come yet, or hardly."""
        place = min(self.sent, len(self._arrivals) - 1)
        return time.time() - self._arrivals[place].received_ms / 1000 < LIVE_S

    def _run(self) -> None:
        try:
            for batch in self._batches():
                answer = post_until_answered(self._system, b"\n".join(batch), self._ended.is_set)
                if answer is None:
                    return
                self._note(batch, answer[1])
                if self.live:
                    on_live, self._on_live = self._on_live, lambda: None
                    on_live()
        except BaseException as error:
            self.failure = error
            raise

    def _batches(self) -> Iterator[list[bytes]]:
        while self.sent < len(self._arrivals) and not self._ended.is_set():
            began = time.monotonic()
            until_ms = time.time() * 1000
            batch = [
                arrival.line
                for arrival in self._arrivals[self.sent : self.sent + BATCH_LINES]
                if arrival.received_ms <= until_ms
            ]
            if batch:
                yield batch
                self.sent += len(batch)
            self._ended.wait(max(0.0, began + (len(batch) / self._per_s if batch else 0.1) - time.monotonic()))

    def _note(self, batch: list[bytes], answer: dict[str, object]) -> None:
        """Everything of the batch that was not refused is acknowledged."""
        errors = answer.get("errors", [])
        assert isinstance(errors, list)
        bad = {error["line"] for error in errors}
        self.posts += 1
        self.refused += len(bad)
        for number, line in enumerate(batch, 1):
            if number not in bad:
                self.acknowledged.add(json.loads(line)["event_id"])


class Foreigner:
    """Writes weighings to Kafka by itself: into an inlet, into the log, and there sometimes into a wrong partition."""

    def __init__(self, kafka: str, topics: Topics, partitions: int) -> None:
        self._topics, self._partitions = topics, partitions
        self._kafka = kafka
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="foreigner", daemon=True)
        self._lock = threading.Lock()
        self.acknowledged: set[str] = set()
        self.sent = 0

    def start(self) -> None:
        """Begins to write."""
        self._thread.start()

    def stop(self) -> None:
        """Ends when the broker has answered for all of it, or will not."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        producer = KafkaProducer(bootstrap_servers=self._kafka, acks="all", delivery_timeout_ms=300_000)
        try:
            while not self._ended.wait(FOREIGN_EVERY_S):
                self._send(producer, self.sent)
                self.sent += 1
            producer.flush(timeout=120)
        finally:
            producer.close(timeout=10)

    def _send(self, producer: KafkaProducer, number: int) -> None:
        truck_id, event_id = f"外F{number % FOREIGN_TRUCKS:05d}", f"foreign-{number}"
        event = {
            "kind": "weighing",
            "event_id": event_id,
            "truck_id": truck_id,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "station_id": "foreign",
            "gross_kg": 30_000 + number % 7 * 5_000,
        }
        value = json.dumps(event, ensure_ascii=False).encode()
        way = number % 3
        try:
            if way == 0:
                future = producer.send(self._topics.weighbridge, value)
            else:
                place = (partition(truck_id, self._partitions) + (way == 2)) % self._partitions
                future = producer.send(self._topics.observations, value, partition=place)
        except KafkaError:
            return  # not written, not acknowledged
        future.add_callback(self._acknowledge(event_id))

    def _acknowledge(self, event_id: str) -> Callable[[object], None]:
        def note(_written: object) -> None:
            with self._lock:
                self.acknowledged.add(event_id)

        return note
