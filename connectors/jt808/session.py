"""One connection's conversation, without its socket: what is said, what becomes of it, when it is answered.

What a terminal reports is answered (0x8001, pictures 0x8800) only when it is durable. While it cannot be made so,
there is no answer: the terminal keeps its report and sends it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from connectors.jt808 import answers, mapping, messages
from connectors.jt808.answers import Registered, Result
from connectors.jt808.mapping import Mapped, Reporter
from connectors.jt808.parts import Assembler, Whole
from connectors.jt808.protocol import Edition, Fault, Frame, encode
from connectors.jt808.terminals import Codes, Fleet
from connectors.pictures import PictureStore
from haulwatch.domain.errors import DeviceError, WorldError
from haulwatch.domain.events import Event, Position
from haulwatch.domain.live import TerminalAnswer
from haulwatch.domain.text import Text
from haulwatch.metrics import Counters
from haulwatch.wire import DeadLetter

MAX_NUMBERS = 64
"""Terminals of one connection: more than one where a platform forwards."""
MAX_WRONG_CODES = 3
STRANGER = "unknown"
JPEG = 0

PassThrough = Callable[[Reporter, bytes, datetime], Mapped]
"""What a make of terminal sends through 0x0900 under one type, as events. Pure; may raise DeviceError."""


@dataclass(frozen=True)
class Gate:
    """What all connections share."""

    fleet: Callable[[], Fleet]
    codes: Codes
    submit: Callable[[Sequence[Event], Sequence[DeadLetter]], Awaitable[None]]
    pictures: PictureStore | None
    pass_through: Mapping[int, PassThrough]
    counters: Counters
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def count_fault(self, code: str, device: str) -> None:
        """One more fault of a device."""
        self.counters.add("jt808_faults_total", "Faults of JT/T 808 terminals", code=code, device=device)


SAID: dict[int, Literal["done", "failed", "wrong", "unsupported"]] = {
    0: "done",
    1: "failed",
    2: "wrong",
    3: "unsupported",
}
"""The result of 0x0001."""


@dataclass
class _Work:
    """What one portion of bytes leads to."""

    events: list[Event] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    pictures: list[tuple[messages.Media, Reporter]] = field(default_factory=list)
    answers: list[tuple[bool, bytes]] = field(default_factory=list)
    """Frames to send, in order; True: only when events and letters are durable."""
    located: list[tuple[asyncio.Future[TerminalAnswer], TerminalAnswer]] = field(default_factory=list)


class Session:
    """`take` what came; `close` says why the connection must end, when it must."""

    def __init__(self, gate: Gate, send: Callable[[bytes], None]) -> None:
        self._gate, self._send = gate, send
        self._assembler = Assembler()
        self._terminals: dict[str, str] = {}
        self._editions: dict[str, Edition] = {}
        self._serial = 0
        self._asked: dict[tuple[str, int], tuple[int, asyncio.Future[TerminalAnswer]]] = {}
        self._wrong_codes = 0
        self.close: str | None = None
        self.on_change: Callable[[], None] = lambda: None
        """Called when `phones` change, before the terminal hears of it."""

    @property
    def phones(self) -> tuple[str, ...]:
        """Numbers that have said who they are, in one form for all editions."""
        return tuple(map(mapping.phone_number, self._terminals))

    def truck_of(self, phone: str) -> str | None:
        """The truck of a terminal that has said here who it is, by its number in one form."""
        for number, terminal_id in list(self._terminals.items()):  # asked by other threads, too
            if mapping.phone_number(number) == phone:
                reporter = self._gate.fleet().reporter(number, terminal_id)
                return None if reporter is None else reporter.truck_id
        return None

    async def take(self, items: Sequence[Frame | Fault]) -> None:
        """Does what these ask for; returns when their answers are sent."""
        work = _Work()
        for item in items:
            self._one(item, work)
        try:
            await self._keep_pictures(work)
            if work.events or work.letters:
                await self._gate.submit(work.events, work.letters)
        except WorldError:
            unanswered = sum(durable for durable, _frame in work.answers)
            self._gate.counters.add(
                "jt808_unanswered_total", "Messages left unanswered while nothing could be stored", unanswered
            )
            work.answers = [answer for answer in work.answers if not answer[0]]
        for _durable, frame in work.answers:
            self._send(frame)
        for future, outcome in work.located:
            if not future.done():
                future.set_result(outcome)

    def expire(self) -> None:
        """Asks for parts that did not come, and gives up what has waited for too long."""
        if not self._assembler.unfinished:
            return
        missing, faults = self._assembler.expire(self._now_ms())
        for one in missing:
            body = answers.ask_parts(one.first_serial, one.numbers, one.frame.edition)
            self._send(self._frame(answers.ASK_PARTS, body, one.frame.phone, one.frame.edition))
        for fault in faults:
            self._count(fault)

    def ask(self, phone: str, message_id: int, body: Callable[[Edition], bytes]) -> asyncio.Future[TerminalAnswer]:
        """Sends a command; the future is what the terminal with this number says to it."""
        number = next(number for number in self._terminals if mapping.phone_number(number) == phone)
        future: asyncio.Future[TerminalAnswer] = asyncio.get_running_loop().create_future()
        edition = self._editions[number]
        frame = self._frame(message_id, body(edition), number, edition)
        key = (number, self._serial)
        self._asked[key] = (message_id, future)
        future.add_done_callback(lambda _future: self._asked.pop(key, None))
        self._send(frame)
        return future

    def end(self) -> None:
        """The connection is gone: nobody will answer any more."""
        for _message_id, future in list(self._asked.values()):
            if not future.done():
                future.set_exception(disconnected())

    # -- message by message -------------------------------------------------------------------------------------------

    def _one(self, item: Frame | Fault, work: _Work) -> None:
        if isinstance(item, Fault):
            self._fault(item, work)
            return
        if item.made_good:
            self._gate.counters.add("jt808_unescaped_total", "Frames read although nobody had escaped them")
        if item.message_id not in (messages.REGISTER, messages.AUTHENTICATE) and item.phone not in self._terminals:
            self._gate.count_fault("not_authenticated", STRANGER)
            return
        whole, faults = self._assembler.add(item, self._now_ms())
        for fault in faults:
            self._fault(fault, work)
        if whole is not None:
            self._whole(whole, work)
        elif item.message_id == messages.MEDIA_DATA:
            # 0x8800 says that a picture is kept; this only that a part came, which some wait for before the next.
            self._answer(item, Result.DONE, work, durable=False)

    def _whole(self, whole: Whole, work: _Work) -> None:
        frame = whole.frame
        self._gate.counters.add("jt808_messages_total", "Messages by id", message=f"0x{frame.message_id:04X}")
        conversation = _CONVERSATION.get(frame.message_id)
        if conversation is not None:
            conversation(self, frame, work)
            return
        reporter = self._gate.fleet().reporter(frame.phone, self._terminals[frame.phone])
        if reporter is None:
            self._gate.count_fault("not_authenticated", STRANGER)
            self._leave(frame.phone)
            return
        report = _REPORTS.get(frame.message_id, Session._unsupported)
        try:
            result = report(self, frame, reporter, work)
        except DeviceError as error:
            self._gate.count_fault(error.code, reporter.phone)
            work.letters.append(mapping.letter(error, reporter.source, frame.body))
            result = Result.WRONG
        if result is not None:
            for serial in whole.serials:
                self._answer(frame, result, work, serial=serial)

    def _register(self, frame: Frame, work: _Work) -> None:
        try:
            said = messages.registration(frame.body, frame.edition)
        except DeviceError as error:
            self._gate.count_fault(error.code, STRANGER)
            self._answer(frame, Result.WRONG, work, durable=False)
            return
        terminal_id = self._gate.fleet().terminal_of(frame.phone, said.terminal_id)
        if terminal_id is None:
            self._gate.count_fault("not_on_the_list", STRANGER)
            body = answers.registered(frame.serial, Registered.NO_SUCH_TERMINAL)
        else:
            reporter = self._gate.fleet().reporter(frame.phone, terminal_id)
            if reporter is not None and said.plate not in ("", reporter.truck_id):
                self._gate.count_fault("plate_differs", reporter.phone)  # a terminal that was moved, or a slip
            code = self._gate.codes.issue(frame.phone, terminal_id)
            body = answers.registered(frame.serial, Registered.DONE, code)
        work.answers.append((False, self._frame(answers.REGISTERED, body, frame.phone, frame.edition)))

    def _authenticate(self, frame: Frame, work: _Work) -> None:
        code = messages.authentication_code(frame.body, frame.edition)
        terminal_id = self._gate.codes.terminal_of(frame.phone, code)
        reporter = None if terminal_id is None else self._gate.fleet().reporter(frame.phone, terminal_id)
        known = terminal_id is not None and reporter is not None
        if terminal_id is not None and known and len(self._terminals) < MAX_NUMBERS:
            self._terminals[frame.phone] = terminal_id
            self._editions[frame.phone] = frame.edition
            self.on_change()
        else:
            known = False
            self._gate.count_fault("not_authenticated", STRANGER)
            self._wrong_codes += 1
            if self._wrong_codes >= MAX_WRONG_CODES:
                self.close = "wrong_codes"
        self._answer(frame, Result.DONE if known else Result.FAILED, work, durable=False)

    def _heartbeat(self, frame: Frame, work: _Work) -> None:
        self._answer(frame, Result.DONE, work, durable=False)

    def _logout(self, frame: Frame, work: _Work) -> None:
        self._answer(frame, Result.DONE, work, durable=False)
        self._leave(frame.phone)

    def _time(self, frame: Frame, work: _Work) -> None:
        body = answers.time(self._gate.now())
        work.answers.append((False, self._frame(answers.TIME, body, frame.phone, frame.edition)))

    def _answered(self, frame: Frame, _work: _Work) -> None:
        try:
            said = messages.terminal_answer(frame.body)
        except DeviceError as error:
            self._gate.count_fault(error.code, mapping.phone_number(frame.phone))
            return
        message_id, future = self._asked.get((frame.phone, said.serial), (0, None))
        # A location is still to come where it was asked for and the terminal says that it will.
        if future is not None and not future.done() and (message_id != answers.LOCATION_REQUEST or said.result):
            future.set_result(TerminalAnswer(result=SAID.get(said.result, "failed")))

    def _location(self, frame: Frame, reporter: Reporter, work: _Work) -> Result:
        self._positions((messages.location(frame.body),), reporter, work)
        return Result.DONE

    def _location_answer(self, frame: Frame, reporter: Reporter, work: _Work) -> Result:
        serial, location = messages.location_answer(frame.body)
        events = self._positions((location,), reporter, work)
        _message_id, future = self._asked.get((frame.phone, serial), (0, None))
        position = next((event for event in events if isinstance(event, Position)), None)
        if future is not None:
            work.located.append((future, TerminalAnswer(result="done", position=position)))
        return Result.DONE

    def _batch(self, frame: Frame, reporter: Reporter, work: _Work) -> Result:
        batch = messages.batch(frame.body)
        self._positions(batch.locations, reporter, work, resent=batch.resent)
        if batch.unread or batch.cut:
            text = Text("批量上报中有读不出的位置", "the batch has locations that cannot be read")
            error = DeviceError("batch_damaged", text)
            self._gate.count_fault(error.code, reporter.phone)
            work.letters.append(mapping.letter(error, reporter.source, frame.body))
        return Result.DONE

    def _media(self, frame: Frame, reporter: Reporter, work: _Work) -> Result | None:
        media = messages.media(frame.body)
        if self._gate.pictures is None:
            self._gate.count_fault("pictures_not_kept", reporter.phone)
            return Result.UNSUPPORTED
        if media.kind == 0:
            work.pictures.append((media, reporter))
        else:
            self._gate.count_fault("not_a_picture", reporter.phone)
        self._answer(frame, Result.DONE, work)
        body = answers.media_taken(media.media_id)
        work.answers.append((True, self._frame(answers.MEDIA_TAKEN, body, frame.phone, frame.edition)))
        return None

    def _media_event(self, _frame: Frame, _reporter: Reporter, _work: _Work) -> Result:
        return Result.DONE  # announces a picture, which then comes

    def _pass_through(self, frame: Frame, reporter: Reporter, work: _Work) -> Result:
        hook = self._gate.pass_through.get(frame.body[0]) if frame.body else None
        if hook is None:
            self._gate.count_fault("pass_through_unknown", reporter.phone)
            return Result.UNSUPPORTED
        self._mapped(hook(reporter, frame.body[1:], self._gate.now()), reporter, work)
        return Result.DONE

    def _unsupported(self, _frame: Frame, reporter: Reporter, _work: _Work) -> Result:
        self._gate.count_fault("message_unknown", reporter.phone)
        return Result.UNSUPPORTED

    def _leave(self, number: str) -> None:
        del self._terminals[number]
        self.on_change()

    # -- what they share ----------------------------------------------------------------------------------------------

    def _positions(
        self, locations: tuple[messages.Location, ...], reporter: Reporter, work: _Work, *, resent: bool = False
    ) -> list[Event]:
        for location in locations:
            if location.cut is not None:
                self._gate.count_fault("item_overrun", reporter.phone)
        mapped = mapping.positions(locations, reporter, self._gate.now(), resent=resent)
        self._mapped(mapped, reporter, work)
        return mapped.events

    def _mapped(self, mapped: Mapped, reporter: Reporter, work: _Work) -> None:
        work.events += mapped.events
        work.letters += mapped.letters
        for letter in mapped.letters:
            self._gate.count_fault(letter.code, reporter.phone)
        for item, number in mapped.unknown_items.items():
            name, text = "jt808_unknown_items_total", "Additional items that no profile reads"
            self._gate.counters.add(name, text, number, item=f"0x{item:02X}", model=reporter.profile.model)

    async def _keep_pictures(self, work: _Work) -> None:
        for media, reporter in work.pictures:
            assert self._gate.pictures is not None, "else it was refused"
            image = await asyncio.to_thread(self._gate.pictures.put, media.data)
            self._mapped(mapping.sighting(media, image, reporter, self._gate.now()), reporter, work)

    def _count(self, fault: Fault) -> str | None:
        """Counts a fault; the number of the terminal whose it is, where that is known."""
        phone = fault.phone if fault.phone in self._terminals else next(iter(self._terminals), None)
        device = None if phone is None else mapping.phone_number(phone)
        self._gate.count_fault(fault.code, device or STRANGER)
        return device

    def _fault(self, fault: Fault, work: _Work) -> None:
        """Counted; of a terminal that is known, kept as well."""
        device = self._count(fault)
        if device is not None:
            work.letters.append(mapping.letter(DeviceError(fault.code, fault.text), f"jt808:{device}", fault.raw))

    def _answer(
        self, frame: Frame, result: Result, work: _Work, *, serial: int | None = None, durable: bool = True
    ) -> None:
        body = answers.general(frame.serial if serial is None else serial, frame.message_id, result)
        work.answers.append((durable, self._frame(answers.GENERAL, body, frame.phone, frame.edition)))

    def _frame(self, message_id: int, body: bytes, phone: str, edition: Edition) -> bytes:
        self._serial = (self._serial + 1) % 0x10000
        return encode(Frame(message_id, edition, phone, self._serial, body))

    def _now_ms(self) -> int:
        return int(self._gate.now().timestamp() * 1000)


_CONVERSATION: Mapping[int, Callable[[Session, Frame, _Work], None]] = {
    messages.REGISTER: Session._register,
    messages.AUTHENTICATE: Session._authenticate,
    messages.HEARTBEAT: Session._heartbeat,
    messages.LOGOUT: Session._logout,
    messages.TIME_REQUEST: Session._time,
    messages.TERMINAL_ANSWER: Session._answered,
}
_REPORTS: Mapping[int, Callable[[Session, Frame, Reporter, _Work], Result | None]] = {
    messages.LOCATION: Session._location,
    messages.LOCATION_ANSWER: Session._location_answer,
    messages.LOCATION_BATCH: Session._batch,
    messages.MEDIA_EVENT: Session._media_event,
    messages.MEDIA_DATA: Session._media,
    messages.PASS_THROUGH: Session._pass_through,
}


def disconnected() -> WorldError:
    """A command to a terminal that is not there."""
    return WorldError(Text("终端不在线", "the terminal is not connected"), retryable=True)
