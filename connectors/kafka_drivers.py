"""Speaking to drivers across a cluster: a console asks in a topic, the gateway that has the terminal answers there.

Every gateway hears every command; one whose terminal is connected takes it, says so at once, and says later what the
terminal answered. So a truck that is connected nowhere is known after seconds, and a slow terminal is waited for.
A command that a gateway reads late, because Kafka was away, is not carried out: whoever asked has been told so.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal, Protocol

import msgspec
from kafka import KafkaProducer
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError
from msgspec import Struct

from connectors.jt808 import answers
from connectors.kafka_client import client_options, connected
from connectors.kafka_follower import TopicFollower
from haulwatch.domain.errors import WorldError
from haulwatch.domain.live import TerminalAnswer
from haulwatch.domain.text import Text
from haulwatch.metrics import Counters, Sample
from haulwatch.settings import ClusterSettings

TAKEN_S = 5.0
"""How long until some gateway says that it has the terminal."""
ANSWERED_S = 40.0
"""How long then until the terminal has answered: longer than a gateway waits for it."""
OUTDATED_MS = 10_000
SEND_S = 5.0

log = logging.getLogger(__name__)


class Asked(Struct, frozen=True, tag_field="phase", tag="asked", kw_only=True, omit_defaults=True):
    """What a driver is told, or that the terminal is to say where it is."""

    command_id: str
    truck_id: str
    ask: Literal["text", "location"]
    words: str = ""
    urgent: bool = False


class Taken(Struct, frozen=True, tag_field="phase", tag="taken", kw_only=True):
    """A gateway has the terminal and has passed it on."""

    command_id: str


class Answered(Struct, frozen=True, tag_field="phase", tag="answered", kw_only=True, omit_defaults=True):
    """What the terminal said, or why it said nothing."""

    command_id: str
    answer: TerminalAnswer | None = None
    problem: Text | None = None


_decoder = msgspec.json.Decoder(Asked | Taken | Answered)


def _read(record: ConsumerRecord) -> Asked | Taken | Answered | None:
    """None for what is none of ours: it asks for nothing, so nothing is lost with it."""
    try:
        said: Asked | Taken | Answered = _decoder.decode(record.value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        log.warning("a record of the drivers' topic cannot be read", extra={"fields": {"offset": record.offset}})
        return None
    return said


class _Voice:
    """Writes to the topic, off the threads that ask for it."""

    def __init__(self, settings: ClusterSettings) -> None:
        self._settings = settings
        self._producer: KafkaProducer | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="drivers-topic")

    def start(self) -> None:
        options = client_options(self._settings) | {"acks": "all", "max_block_ms": SEND_S * 1000, "linger_ms": 0}
        options |= {"delivery_timeout_ms": SEND_S * 1000, "request_timeout_ms": int(SEND_S * 1000 / 2)}
        self._producer = connected(self._settings, KafkaProducer, allow_auto_create_topics=False, **options)

    def say(self, truck_id: str, what: Asked | Taken | Answered) -> Future[None]:
        return self._pool.submit(self._say, truck_id, what)

    def _say(self, truck_id: str, what: Asked | Taken | Answered) -> None:
        assert self._producer is not None
        try:
            sent = self._producer.send(
                self._settings.topics.drivers, value=msgspec.json.encode(what), key=truck_id.encode()
            )
            sent.get(SEND_S)
        except (KafkaError, OSError) as error:
            raise WorldError(
                Text(f"Kafka 不可用：{error}", f"Kafka is not available: {error}"), retryable=True
            ) from error

    def stop(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._producer is not None:
            self._producer.close(timeout=SEND_S)


@dataclass
class _Waiting:
    future: Future[TerminalAnswer]
    until_s: float
    taken: bool = field(default=False)


class KafkaDriverLine:
    """A console's `DriverLine` over the topic."""

    def __init__(self, settings: ClusterSettings, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._voice = _Voice(settings)
        self._waiting: dict[str, _Waiting] = {}
        self._lock = threading.Lock()
        self.follower = TopicFollower(settings, settings.topics.drivers, self._hear, self._expire)

    def start(self) -> None:
        """Raises WorldError where Kafka or the topic is not there."""
        self._voice.start()
        self.follower.start()

    def stop(self) -> None:
        """Who still waits is told that nothing came."""
        self.follower.stop()
        self._voice.stop()
        self._end(list(self._waiting), _not_answered())

    def send_text(self, truck_id: str, words: str, *, urgent: bool = False) -> Future[TerminalAnswer]:
        """See `DriverLine`."""
        try:
            answers.text(words, 2019, urgent=urgent)  # what no terminal takes is refused here
        except ValueError as error:
            failed: Future[TerminalAnswer] = Future()
            failed.set_exception(error)
            return failed
        return self._ask(Asked(command_id=_new_id(), truck_id=truck_id, ask="text", words=words, urgent=urgent))

    def ask_location(self, truck_id: str) -> Future[TerminalAnswer]:
        """See `DriverLine`."""
        return self._ask(Asked(command_id=_new_id(), truck_id=truck_id, ask="location"))

    def _ask(self, asked: Asked) -> Future[TerminalAnswer]:
        future: Future[TerminalAnswer] = Future()
        future.set_running_or_notify_cancel()
        with self._lock:
            self._waiting[asked.command_id] = _Waiting(future, self._clock_s() + TAKEN_S)

        def sent(done: Future[None]) -> None:
            error = None if done.cancelled() else done.exception()
            if error is not None:
                self._end([asked.command_id], error)

        try:
            self._voice.say(asked.truck_id, asked).add_done_callback(sent)
        except RuntimeError:
            self._end([asked.command_id], WorldError(Text("系统正在停止", "the system is stopping"), retryable=True))
        return future

    def _hear(self, record: ConsumerRecord) -> None:
        said = _read(record)
        if isinstance(said, Taken):
            with self._lock:
                waiting = self._waiting.get(said.command_id)
                if waiting is not None and not waiting.taken:
                    waiting.taken, waiting.until_s = True, self._clock_s() + ANSWERED_S
        elif isinstance(said, Answered):
            if said.answer is not None:
                self._end([said.command_id], said.answer)
            else:
                self._end([said.command_id], WorldError(said.problem or _not_answered().text, retryable=True))

    def _expire(self) -> None:
        now_s = self._clock_s()
        with self._lock:
            over = [(name, one.taken) for name, one in self._waiting.items() if one.until_s <= now_s]
        for name, taken in over:
            self._end([name], _not_answered() if taken else _connected_nowhere())

    def _end(self, command_ids: list[str], result: TerminalAnswer | BaseException) -> None:
        for command_id in command_ids:
            with self._lock:
                waiting = self._waiting.pop(command_id, None)
            if waiting is None:
                continue
            if isinstance(result, BaseException):
                waiting.future.set_exception(result)
            else:
                waiting.future.set_result(result)


class Terminals(Protocol):
    """The terminals that are connected to a gateway; see `connectors.jt808.server.Jt808Server`."""

    def online(self, truck_id: str) -> bool: ...

    def send_text(self, truck_id: str, words: str, *, urgent: bool = False) -> Future[TerminalAnswer]: ...

    def ask_location(self, truck_id: str) -> Future[TerminalAnswer]: ...


class DriverCommands:
    """A gateway's ear for what consoles ask its terminals."""

    def __init__(
        self,
        settings: ClusterSettings,
        terminals: Terminals,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._terminals, self._now_ms = terminals, now_ms
        self._voice = _Voice(settings)
        self.follower = TopicFollower(settings, settings.topics.drivers, self._hear)
        self.counters = Counters()

    def start(self) -> None:
        """Raises WorldError where Kafka or the topic is not there."""
        self._voice.start()
        self.follower.start()

    def stop(self) -> None:
        """Hears no more."""
        self.follower.stop()
        self._voice.stop()

    def samples(self) -> list[Sample]:
        """Commands by what became of them here."""
        return self.counters.samples()

    def _hear(self, record: ConsumerRecord) -> None:
        asked = _read(record)
        if not isinstance(asked, Asked) or not self._terminals.online(asked.truck_id):
            return
        if self._now_ms() - record.timestamp > OUTDATED_MS:
            self._count("outdated")
            return
        self._count("taken")
        self._say(asked.truck_id, Taken(command_id=asked.command_id))
        if asked.ask == "text":
            answering = self._terminals.send_text(asked.truck_id, asked.words, urgent=asked.urgent)
        else:
            answering = self._terminals.ask_location(asked.truck_id)
        answering.add_done_callback(lambda done: self._answer(asked, done))

    def _answer(self, asked: Asked, done: Future[TerminalAnswer]) -> None:
        error = done.exception()
        if error is None:
            self._say(asked.truck_id, Answered(command_id=asked.command_id, answer=done.result()))
            return
        problem = error.text if isinstance(error, WorldError) else Text(str(error), str(error))
        self._say(asked.truck_id, Answered(command_id=asked.command_id, problem=problem))

    def _say(self, truck_id: str, what: Taken | Answered) -> None:
        def sent(done: Future[None]) -> None:
            if not done.cancelled() and done.exception() is not None:
                self._count("not_told")  # the console gives up by itself

        try:
            self._voice.say(truck_id, what).add_done_callback(sent)
        except RuntimeError:  # stopping
            self._count("not_told")

    def _count(self, outcome: str) -> None:
        self.counters.add("driver_commands_total", "Commands to terminals by what became of them", outcome=outcome)


def _new_id() -> str:
    return secrets.token_hex(12)


def _connected_nowhere() -> WorldError:
    return WorldError(Text("终端不在线", "the terminal is not connected"), retryable=True)


def _not_answered() -> WorldError:
    return WorldError(Text("终端没有按时应答", "the terminal did not answer in time"), retryable=True)
