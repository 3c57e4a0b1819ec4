"""The processor on Kafka, hosted by Faust: consumer group, agents, lifecycle and web pages are Faust's.

What must not be lost does not rest on it (see streams/cluster_host.py): the place of every record is checked, offsets
are committed by ourselves, no exception leaves an agent's body (Faust would acknowledge the record and go on), and no
Faust table holds state.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import faust
from aiokafka.errors import IllegalStateError
from faust.types import TP
from faust.web import Request, Response, View

from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text
from haulwatch.metrics import Sample, render
from haulwatch.topics import TRACE_HEADER, Topics
from streams.cluster_host import CityOf, ClusterHost, dead_letter_record
from streams.inlets import Inlet
from streams.kafka_outputs import Headers, Outgoing
from streams.kafka_places import committed_offsets

LINGER_S = 0.05
COMMIT_S = 1.0
WATCH_S = 5.0
FOREVER_S = 1e9
INLET_EVENTS = 5_000
"""Events of one inlet that may wait for the log; then its agent waits."""
RECORD_EVENTS = 500
BUFFERED_RECORDS = 256
"""Records that Faust reads ahead for an agent. Small: they are of a hundred events each, and may be of 12 MB."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KafkaAccess:
    """How to reach Kafka: for Faust, and (`connection`) for the clients beside it."""

    brokers: list[str]
    security: str = "PLAINTEXT"
    mechanism: str | None = None
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None

    @property
    def connection(self) -> dict[str, Any]:
        """Keyword arguments of an aiokafka client."""
        return {
            "bootstrap_servers": self.brokers,
            "security_protocol": self.security,
            "ssl_context": self.tls,
            "sasl_mechanism": self.mechanism or "PLAIN",
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password,
        }

    @property
    def credentials(self) -> faust.auth.Credentials | None:
        """The same for Faust."""
        if self.security.startswith("SASL"):
            return faust.SASLCredentials(
                username=self.username, password=self.password, mechanism=self.mechanism, ssl_context=self.tls
            )
        return faust.SSLCredentials(context=self.tls) if self.security == "SSL" else None


class WorkerApp(faust.App):
    """A Faust app that has something to finish while its consumer still runs."""

    before_stop: Callable[[], Awaitable[None]]

    async def on_stop(self) -> None:
        """Called by Faust when the app stops."""
        await self.before_stop()
        await super().on_stop()


class FaustHost:
    """A worker: `run` blocks until it is told to stop (SIGTERM, SIGINT)."""

    def __init__(
        self,
        access: KafkaAccess,
        topics: Topics,
        partitions: int,
        city_of: CityOf,
        *,
        web_host: str,
        web_port: int,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._topics = topics
        self._access = access
        self._inlets = {topic: Inlet(topic, kind, partitions) for topic, kind in topics.inlets.items()}
        self._flushed = asyncio.Event()
        self._inlets_known = asyncio.Event()
        self._learning: asyncio.Task[None] | None = None
        self._committed: dict[TP, int] = {}
        self._on_stop = on_stop
        self.counters: Counter[str] = Counter()
        self.failure: BaseException | None = None
        self.app = self._new_app(access, web_host, web_port)
        self.cluster = ClusterHost(access.connection, topics, partitions, city_of, seek=self._seek)
        self.cluster.failed = self._failed  # type: ignore[method-assign]
        self._wire()

    def _new_app(self, access: KafkaAccess, web_host: str, web_port: int) -> faust.App:
        app = WorkerApp(
            f"{self._topics.prefix}-worker",
            broker=[f"aiokafka://{broker}" for broker in access.brokers],
            broker_credentials=access.credentials,
            broker_session_timeout=6.0,  # the least that brokers allow: a killed worker's trucks wait this long
            broker_heartbeat_interval=1.5,
            broker_request_timeout=40.0,
            # Faust's own ideas of a stream that has stopped rest on its acknowledgements, which are not used.
            broker_commit_livelock_soft_timeout=FOREVER_S,
            stream_processing_timeout=FOREVER_S,
            consumer_auto_offset_reset="earliest",
            consumer_max_fetch_size=4 << 20,
            stream_buffer_maxsize=BUFFERED_RECORDS,
            stream_wait_empty=False,
            store="memory://",
            datadir=tempfile.gettempdir(),  # Faust wants a folder that is there; nothing is kept in it
            topic_allow_declare=False,
            topic_disable_leader=True,
            autodiscover=False,
            web_host=web_host,
            web_bind=web_host,
            web_port=web_port,
            worker_redirect_stdouts=False,
        )
        app.before_stop = self._stop
        return app

    # -- wiring -----------------------------------------------------------------------------------------------------

    def _wire(self) -> None:
        app = self.app
        observations = self._raw_topic(self._topics.observations)
        app.agent(observations, name="observations", concurrency=1)(self._observe)
        for name, inlet in self._inlets.items():
            app.agent(self._raw_topic(name), name=name, concurrency=1)(self._agent_of(inlet))
        app.task(self._start)
        app.on_partitions_assigned.connect(self._assigned, weak=False)
        # Faust makes a method of each, which a bound method is already: hence functions.
        for path, answer in (("/metrics", self._metrics), ("/healthz", self._healthy), ("/readyz", self._is_ready)):
            app.page(path)(_page(answer))

    def _raw_topic(self, name: str) -> Any:
        return self.app.topic(
            name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", allow_empty=True
        )

    # -- agents -----------------------------------------------------------------------------------------------------

    async def _observe(self, stream: Any) -> None:
        async for event in stream.noack().events():
            message = event.message
            try:
                await self.cluster.take(
                    message.partition, message.value, _timestamp_ms(message), message.offset, _headers(message)
                )
            except Exception as error:
                log.exception("a record of the log could not be taken")
                self._failed(error)
                await asyncio.Event().wait()  # not a record further; the process ends

    def _agent_of(self, inlet: Inlet) -> Callable[[Any], Any]:
        async def take_in(stream: Any) -> None:
            async for event in stream.noack().events():
                try:
                    await self._take_in(inlet, event.message)
                except Exception as error:
                    log.exception("a record of an inlet could not be taken")
                    self._failed(error)
                    await asyncio.Event().wait()

        return take_in

    async def _take_in(self, inlet: Inlet, message: Any) -> None:
        """Takes a record of an inlet: the next one, or else nothing comes of it."""
        await self._inlets_known.wait()
        number, offset = message.partition, message.offset
        expected = inlet.next.get(number, offset)
        if offset < expected or not await self.cluster.places.is_next(inlet.topic, number, expected, offset):
            return
        inlet.take(message.value, _timestamp_ms(message), number, offset)
        while inlet.waiting >= INLET_EVENTS:
            self._flushed.clear()
            await self._flushed.wait()

    async def _flush_forever(self) -> None:
        while True:
            await asyncio.sleep(LINGER_S)
            for inlet in self._inlets.values():
                if inlet.waiting:
                    await self._flush(inlet)
                    self._flushed.set()

    async def _flush(self, inlet: Inlet) -> None:
        """Writes what has gathered; its place may be committed once the broker has all of it."""
        pack, send = inlet.swap(), self.cluster.outputs.send
        written = [
            await send(Outgoing(self._topics.observations, value, partition=number))
            for number, value in pack.records(RECORD_EVENTS)
        ]
        written += [await send(dead_letter_record(self._topics, letter)) for letter in pack.dead]
        await asyncio.gather(*written)
        inlet.written(pack)
        self.counters[f"inlet_events|{inlet.topic}"] += sum(len(events) for events in pack.events.values())
        for letter in pack.dead:
            self.counters[f"inlet_dead|{letter.code}"] += 1

    # -- places -----------------------------------------------------------------------------------------------------

    async def _assigned(self, *_: Any, **__: Any) -> None:
        assigned = self.app.consumer.assignment()
        self._committed.clear()
        self._inlets_known.clear()
        if self._learning is not None:
            self._learning.cancel()
        self._learning = asyncio.get_running_loop().create_task(self._learn(assigned))
        self._learning.add_done_callback(self._learned)
        self.cluster.assign({tp.partition for tp in assigned if tp.topic == self._topics.observations})

    async def _learn(self, assigned: Collection[TP]) -> None:
        """From where each inlet's partitions are to be read."""
        group = self.app.conf.id
        for inlet in self._inlets.values():
            numbers = sorted(tp.partition for tp in assigned if tp.topic == inlet.topic)
            inlet.assign(await committed_offsets(self._access.connection, group, inlet.topic, numbers))
        self._inlets_known.set()

    def _learned(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._failed(task.exception())

    async def _commit_forever(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_S)
            if not self.app.rebalancing:
                await self._commit()

    async def _commit(self) -> None:
        """Commits what is done with: by ourselves, since Faust's acknowledgements stop for good at the first gap."""
        done = {TP(self._topics.observations, number): at for number, at in self.cluster.saved_offsets().items()}
        for inlet in self._inlets.values():
            done |= {TP(inlet.topic, number): at for number, at in inlet.done.items()}
        assigned = self.app.consumer.assignment()
        news = {tp: at for tp, at in done.items() if at and tp in assigned and self._committed.get(tp) != at}
        if news and await self.app.consumer._commit_offsets(news):  # type: ignore[attr-defined]
            self._committed |= news

    async def _watch_forever(self) -> None:
        """Reads again where the consumer has stopped short of a partition's end."""
        before: dict[TP, int] = {}
        while True:
            await asyncio.sleep(WATCH_S)
            expected = {TP(self._topics.observations, n): at for n, at in self.cluster.positions().items()}
            for inlet in self._inlets.values():
                expected |= {TP(inlet.topic, n): at for n, at in inlet.next.items()}
            if not self.app.rebalancing:
                for tp in self.app.consumer.assignment() & set(expected):
                    end = self.app.consumer.highwater(tp)
                    if end is not None and expected[tp] < end and before.get(tp) == expected[tp]:
                        self.cluster.counters["reread_after_standstill"] += 1
                        await self._seek(tp.topic, tp.partition, expected[tp])
            before = expected

    # -- life -------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Runs until SIGTERM or SIGINT. Raises what made it fail."""
        worker = faust.Worker(self.app, quiet=True, override_logging=False)
        worker.spinner = None  # it writes to the terminal whoever reads it
        try:
            worker.execute_from_commandline()
        except SystemExit as ended:
            if ended.code not in (None, 0) and self.failure is None:
                text = Text("工作进程异常结束，原因见日志", "the worker has ended; its log says why")
                raise WorldError(text, retryable=True) from ended
        if self.failure is not None:
            raise self.failure

    async def _start(self) -> None:
        await self.cluster.start()
        await asyncio.gather(self._flush_forever(), self._commit_forever(), self._watch_forever())

    async def _stop(self) -> None:
        if self.failure is None:
            await self.cluster.stop()
            await self._commit()
        self._on_stop()

    async def _seek(self, topic: str, number: int, offset: int) -> None:
        fields = {"topic": topic, "partition": number, "offset": offset}
        try:
            # Not `seek`, which works on the consumer from outside of its thread and breaks its fetcher.
            await self.app.consumer.seek_wait({TP(topic, number): offset})
        except (IllegalStateError, TimeoutError) as error:
            # Given up meanwhile, or no broker: every record's place is checked all the same.
            log.info("the consumer was not moved", extra={"fields": {**fields, "error": repr(error)}})

    def _failed(self, error: BaseException | None) -> None:
        if self.failure is None:
            self.failure = error
            log.critical("the worker stops", exc_info=error)
            asyncio.get_running_loop().create_task(self.app.crash(error or RuntimeError("unknown")))

    # -- web --------------------------------------------------------------------------------------------------------

    async def _metrics(self, view: View) -> Response:
        return view.text(render(self.samples()), content_type="text/plain")

    async def _healthy(self, view: View) -> Response:
        return view.json({"status": "ok"})

    async def _is_ready(self, view: View) -> Response:
        """Ready when it takes part in the group and every partition it was given is restored."""
        waiting = self.cluster.unready
        if self.app.rebalancing or self.cluster.counters["rebalances"] == 0 or waiting:
            return view.json({"status": "waiting", "partitions": waiting}, status=503)
        return view.json({"status": "ok", "partitions": self.cluster.owned})

    def samples(self) -> Iterator[Sample]:
        """Figures for /metrics."""
        yield from self.cluster.samples()
        for key, value in sorted(self.counters.items()):
            name, _, label = key.partition("|")
            if name == "inlet_events":
                yield Sample("inlet_events_total", "Events taken from an inlet", value, (("topic", label),), "counter")
            else:
                labels = (("code", label), ("partition", "inlet"))
                yield Sample("dead_letters_total", "Bad records by code", value, labels, "counter")


def _page(answer: Callable[[View], Awaitable[Response]]) -> Callable[[View, Request], Awaitable[Response]]:
    async def page(view: View, _request: Request) -> Response:
        return await answer(view)

    return page


def _timestamp_ms(message: Any) -> int:
    """The broker's time of a record (Faust gives seconds)."""
    timestamp_ms: int = round(message.timestamp * 1000)
    return timestamp_ms


def _headers(message: Any) -> Headers:
    """The trace headers of a record."""
    headers = message.headers
    pairs = headers.items() if isinstance(headers, dict) else headers or ()
    return tuple((name, value) for name, value in pairs if name == TRACE_HEADER)
