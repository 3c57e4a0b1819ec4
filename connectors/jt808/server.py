"""The TCP side: an event loop in a thread of its own, one task a connection, commands from any thread.

A connection is read again only when what it sent has been answered, so a slow log slows terminals instead of filling
memory. Whoever floods, sends rubbish, stays silent or does not say who he is, is disconnected and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime

from connectors.group_commit import GroupCommit, SubmitEvents
from connectors.jt808 import answers
from connectors.jt808.limits import Allowance, Limits
from connectors.jt808.protocol import Edition, Fault, Frame, FrameReader
from connectors.jt808.session import Gate, PassThrough, Session, disconnected
from connectors.jt808.terminals import Codes, Fleet
from connectors.pictures import PictureStore
from haulwatch.domain.errors import WorldError
from haulwatch.domain.events import Event
from haulwatch.domain.live import TerminalAnswer
from haulwatch.domain.text import Text
from haulwatch.metrics import Counters, Sample
from haulwatch.wire import DeadLetter

READ_BYTES = 4_096
"""What is taken of a connection before the next has its turn, as long as they send without pause."""
STRANGER_BYTES = 512
"""Of one that has not said who it is: registering and authenticating take less."""
BUFFER_BYTES = 16 * 1024
WAKE_S = 15.0
"""How often a silent connection is looked at: parts that are overdue, time that is over."""
STOP_S = 5.0
BACKLOG = 1_024
ACCEPTED_AT_ONCE = 64
"""Connections that are taken in before those who are here have their turn again."""

log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Connection:
    session: Session
    task: asyncio.Task[None]
    reading: bool = False
    closing: str | None = None
    phones: tuple[str, ...] = field(default=())
    stranger_s: float = 0.0
    """Since when nobody has said here who he is."""


class _Allowances:
    """What one connection may still send: frames, and faults."""

    def __init__(self, limits: Limits, now_s: float) -> None:
        self._frames = Allowance(limits.frames_at_once, limits.frames_a_second, now_s)
        self._faults = Allowance(limits.faults_at_once, limits.faults_a_second, now_s)
        self._stranger_faults = Allowance(limits.stranger_faults, limits.faults_a_second, now_s)

    def taken(self, items: Iterable[Frame | Fault], now_s: float, *, known: bool) -> list[Frame | Fault] | str:
        """All of these; or, as soon as one is too many, why the connection must end."""
        taken: list[Frame | Fault] = []
        for item in items:
            if isinstance(item, Frame):
                if not self._frames.spend(1, now_s):
                    return "flood"
            elif not self._faults.spend(1, now_s) or not (known or self._stranger_faults.spend(1, now_s)):
                return "rubbish"
            taken.append(item)
        return taken


class Jt808Server:
    """`start` listens, `stop` ends in good order; in between terminals come and go.

    `fleet` gives the trucks of the city in force, asked for every message, so it must be quick. Without `pictures`
    a terminal hears that they are not supported.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        fleet: Callable[[], Fleet],
        secret: bytes,
        submit_events: SubmitEvents,
        pictures: PictureStore | None,
        pass_through: Mapping[int, PassThrough] | None = None,
        limits: Limits | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._address = (host, port)
        self._limits = limits or Limits()
        self._fleet = fleet
        self._counters = Counters()
        self._commit = GroupCommit(submit_events)
        self._gate = Gate(
            fleet=fleet,
            codes=Codes(secret),
            submit=self._submit,
            pictures=pictures,
            pass_through=pass_through or {},
            counters=self._counters,
            now=now,
        )
        self._connections: set[_Connection] = set()
        self._strangers: dict[_Connection, None] = {}
        self._by_phone: dict[str, _Connection] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="jt808", daemon=True)
        self._listening: Future[int] = Future()
        self._stop = asyncio.Event()
        self._settled: deque[tuple[Future[None], asyncio.Future[None]]] = deque()
        self._waking = False
        self.port = port

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listens. Raises WorldError when the address is taken."""
        self._thread.start()
        try:
            self.port = self._listening.result()
        except OSError as error:
            self._thread.join()
            self._commit.close()
            where = f"{self._address[0]}:{self._address[1]}"
            raise WorldError(
                Text(f"无法监听 {where}（JT/T 808）", f"cannot listen on {where} for JT/T 808 terminals")
            ) from error

    def stop(self) -> None:
        """Hears nobody any more, answers what was heard, ends."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
        self._commit.close()

    def check(self) -> None:
        """Raises WorldError when terminals are not heard."""
        self._commit.check()
        if not self._thread.is_alive():
            raise WorldError(Text("JT/T 808 服务已停止", "the JT/T 808 server has stopped"))

    def samples(self) -> list[Sample]:
        """Connections, messages, faults by device and code."""
        gauges = [
            Sample("jt808_connections", "Connections of terminals", len(self._connections)),
            Sample("jt808_strangers", "Connections that have not said who they are", len(self._strangers)),
            Sample("jt808_terminals_online", "Terminals that are connected", len(self._by_phone)),
            Sample("jt808_terminals_listed", "Terminals of the city in force", len(self._fleet())),
            Sample("jt808_waiting_events", "Events waiting to be written", self._commit.waiting),
        ]
        return [*gauges, *self._counters.samples()]

    # -- commands, from any thread ------------------------------------------------------------------------------------

    def send_text(self, truck_id: str, words: str, *, urgent: bool = False) -> Future[TerminalAnswer]:
        """A text to the driver (0x8300), shown and read out. Fails with WorldError when the terminal is not here, or
        does not answer in time; ValueError for a text that is empty or too long."""
        return self._command(truck_id, answers.TEXT, lambda edition: answers.text(words, edition, urgent=urgent))

    def ask_location(self, truck_id: str) -> Future[TerminalAnswer]:
        """Where the truck is now (0x8201); its position is an event like any other."""
        return self._command(truck_id, answers.LOCATION_REQUEST, lambda _edition: b"")

    def online(self, truck_id: str) -> bool:
        """Whether the truck's terminal is connected here."""
        return self._phone_of(truck_id) is not None

    def _command(self, truck_id: str, message_id: int, body: Callable[[Edition], bytes]) -> Future[TerminalAnswer]:
        async def ask() -> TerminalAnswer:
            phone = self._phone_of(truck_id)
            if phone is None:
                raise disconnected()
            try:
                async with asyncio.timeout(self._limits.command_s):
                    return await self._by_phone[phone].session.ask(phone, message_id, body)
            except TimeoutError as error:
                text = Text("终端没有按时应答", "the terminal did not answer in time")
                raise WorldError(text, retryable=True) from error

        asking = ask()
        try:
            return asyncio.run_coroutine_threadsafe(asking, self._loop)
        except RuntimeError:  # the loop has been closed
            asking.close()
            failed: Future[TerminalAnswer] = Future()
            failed.set_exception(disconnected())
            return failed

    def _phone_of(self, truck_id: str) -> str | None:
        for phone, connection in list(self._by_phone.items()):
            if connection.session.truck_of(phone) == truck_id:
                return phone
        return None

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        try:
            server = await asyncio.start_server(
                self._connected, *self._address, limit=BUFFER_BYTES, backlog=ACCEPTED_AT_ONCE
            )
            for listening in server.sockets:
                # For asyncio one number says how many may wait and how many are accepted in one go.
                with socket.socket(fileno=os.dup(listening.fileno())) as same:
                    same.listen(BACKLOG)
        except OSError as error:
            self._listening.set_exception(error)
            return
        async with server:
            self._listening.set_result(server.sockets[0].getsockname()[1])
            await self._stop.wait()
            server.close()
            await self._end_all()

    async def _end_all(self) -> None:
        for connection in list(self._connections):
            self._end(connection, "stopping")
        # With those of connections, of commands that have just failed.
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        if tasks:
            _done, late = await asyncio.wait(tasks, timeout=STOP_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _end(self, connection: _Connection, reason: str) -> None:
        """At once when it waits for bytes, else when it has answered what it is working on."""
        connection.closing = connection.closing or reason
        if connection.reading:
            connection.task.cancel()

    async def _submit(self, events: Sequence[Event], letters: Sequence[DeadLetter]) -> None:
        waiting: asyncio.Future[None] = self._loop.create_future()
        self._commit.submit(events, letters).add_done_callback(lambda done: self._durable(done, waiting))
        await waiting

    def _durable(self, done: Future[None], waiting: asyncio.Future[None]) -> None:
        """In a committing thread. The loop is woken once for all that became durable together, not for each."""
        self._settled.append((done, waiting))
        if not self._waking and not self._loop.is_closed():
            self._waking = True
            self._loop.call_soon_threadsafe(self._answer_settled)

    def _answer_settled(self) -> None:
        self._waking = False  # first: what comes from now on wakes the loop again
        while self._settled:
            done, waiting = self._settled.popleft()
            if waiting.done():
                continue  # its connection is gone
            error = done.exception()
            if error is None:
                waiting.set_result(None)
            else:
                waiting.set_exception(error)

    # -- one connection -----------------------------------------------------------------------------------------------

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connection = _Connection(Session(self._gate, writer.write), task)
        connection.session.on_change = lambda: self._note(connection)
        self._connections.add(connection)
        self._estrange(connection)
        try:
            self._refuse_too_many(connection)
            await self._converse(connection, reader, writer)
        except asyncio.CancelledError:
            if connection.closing is None:
                raise
        except OSError:
            connection.closing = connection.closing or "broken"
        except BaseException:
            connection.closing = "failed"
            raise
        finally:
            self._forget(connection)
            reason = connection.closing or "by_terminal"
            self._counters.add("jt808_closed_total", "Connections ended, by reason", reason=reason)
            writer.close()
            with contextlib.suppress(OSError, TimeoutError, asyncio.CancelledError):
                async with asyncio.timeout(1.0):
                    await writer.wait_closed()

    def _estrange(self, connection: _Connection) -> None:
        connection.stranger_s = self._loop.time()
        self._strangers.pop(connection, None)
        self._strangers[connection] = None  # the oldest come first

    def _refuse_too_many(self, connection: _Connection) -> None:
        limits = self._limits
        if len(self._connections) <= limits.connections and len(self._strangers) <= limits.strangers:
            return
        oldest = next(iter(self._strangers))
        if oldest.reading and self._loop.time() - oldest.stranger_s >= limits.patience_s:
            # Else whoever opens connections and says nothing would keep out those who come to speak.
            del self._strangers[oldest]
            self._connections.discard(oldest)
            self._end(oldest, "not_authenticated")
        else:
            connection.closing = "too_many_connections"

    async def _converse(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        frames, session, limits = FrameReader(), connection.session, self._limits
        now_s = heard_s = self._loop.time()
        allowances = _Allowances(limits, now_s)
        while connection.closing is None:
            at_most = READ_BYTES if connection.phones else STRANGER_BYTES
            data = await self._read(connection, reader, at_most)
            now_s = self._loop.time()
            if data == b"":
                return
            if data is not None:
                items = allowances.taken(frames.reading(data), now_s, known=bool(connection.phones))
                if isinstance(items, str):
                    connection.closing = items
                    return
                heard_s = now_s
                await session.take(items)
                connection.closing = connection.closing or session.close
                if len(data) == at_most:
                    await asyncio.sleep(0)  # there is more of it: the others first
            session.expire()
            if writer.transport.get_write_buffer_size():
                async with asyncio.timeout(limits.send_s):
                    await writer.drain()
            if not connection.phones and now_s - connection.stranger_s >= limits.stranger_s:
                connection.closing = connection.closing or "not_authenticated"
            if now_s - heard_s >= limits.idle_s:
                connection.closing = connection.closing or "idle"

    async def _read(self, connection: _Connection, reader: asyncio.StreamReader, at_most: int) -> bytes | None:
        """What came; nothing at the end of the stream, None when it is time to look around."""
        connection.reading = True
        try:
            async with asyncio.timeout(min(WAKE_S, self._limits.stranger_s, self._limits.idle_s)):
                return await reader.read(at_most)
        except TimeoutError:
            return None
        finally:
            connection.reading = False

    def _note(self, connection: _Connection) -> None:
        """Who speaks here now. A terminal that connects anew has given up its old connection."""
        phones = connection.session.phones
        for phone in set(connection.phones) - set(phones):
            if self._by_phone.get(phone) is connection:
                del self._by_phone[phone]
        for phone in phones:
            before = self._by_phone.get(phone)
            self._by_phone[phone] = connection
            if before is not None and before is not connection:
                self._end(before, "replaced")
        connection.phones = phones
        if phones:
            self._strangers.pop(connection, None)
        else:
            self._estrange(connection)

    def _forget(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        self._strangers.pop(connection, None)
        for phone in connection.phones:
            if self._by_phone.get(phone) is connection:
                del self._by_phone[phone]
        connection.session.end()
