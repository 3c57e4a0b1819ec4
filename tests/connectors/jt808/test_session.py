"""A conversation without a socket: whatever an admitted terminal says, it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from connectors.jt808 import answers, messages
from connectors.jt808.protocol import Fault, Frame, FrameReader
from connectors.jt808.session import Gate, Session
from connectors.jt808.terminals import Codes, Fleet
from haulwatch.domain.events import Event, Image
from haulwatch.metrics import Counters
from haulwatch.wire import DeadLetter, decode_event, encode_event
from tests.connectors.jt808 import frames
from tests.connectors.jt808.terminal import PROFILES, TRUCKS

CLOCK = datetime(2026, 5, 1, 8, 30, 2, tzinfo=UTC)
KNOWN = [messages.LOCATION, messages.LOCATION_BATCH, messages.MEDIA_DATA, messages.LOCATION_ANSWER]
OTHERS = [messages.TERMINAL_ANSWER, messages.REGISTER, messages.AUTHENTICATE, messages.PASS_THROUGH, 0x0F00]
BODIES = (
    st.binary(max_size=80)
    | st.builds(frames.location, lon=st.floats(-180, 180), lat=st.floats(-90, 90), items=st.binary(max_size=30))
    | st.lists(st.binary(max_size=60), max_size=4).map(frames.batch)
    | st.binary(max_size=60).map(lambda data: frames.media(data, where=frames.location()))
)
SAID = st.tuples(st.sampled_from(KNOWN + OTHERS), BODIES, st.none() | st.just((2, 1)) | st.just((2, 2)))


class Pictures:
    """Keeps nothing."""

    def put(self, data: bytes) -> Image:
        """Names a picture by its length."""
        return Image(uri=f"picture:{len(data)}")


class Conversation:
    """A session of one known terminal, and what came out of it."""

    def __init__(self) -> None:
        fleet = Fleet(TRUCKS, PROFILES)
        self.now = CLOCK
        self.events: list[Event] = []
        self.letters: list[DeadLetter] = []
        self.heard: list[Frame | Fault] = []
        self._reader = FrameReader()
        gate = Gate(lambda: fleet, Codes(b"s"), self._submit, Pictures(), {}, Counters(), lambda: self.now)
        self.session = Session(gate, lambda data: self.heard.extend(self._reader.feed(data)))

    async def _submit(self, events: Sequence[Event], letters: Sequence[DeadLetter]) -> None:
        self.events += events
        self.letters += letters

    async def say(self, message_id: int, body: bytes, serial: int = 1, part: tuple[int, int] | None = None) -> None:
        """One message of the terminal."""
        await self.session.take([Frame(message_id, 2013, frames.PHONE, serial, body, part)])

    async def enter(self) -> None:
        """Registers and authenticates."""
        await self.say(messages.REGISTER, frames.registration(2013))
        [registered] = self.heard
        assert isinstance(registered, Frame)
        await self.say(messages.AUTHENTICATE, registered.body[3:])


@given(st.lists(SAID, max_size=8))
def test_whatever_is_said_the_conversation_goes_on(said: list[tuple[int, bytes, tuple[int, int] | None]]) -> None:
    async def talk() -> Conversation:
        conversation = Conversation()
        await conversation.enter()
        for serial, (message_id, body, part) in enumerate(said):
            await conversation.say(message_id, body, serial, part)
        conversation.session.expire()
        await conversation.say(messages.HEARTBEAT, b"", 999)
        return conversation

    conversation = asyncio.run(talk())
    last = conversation.heard[-1]
    assert isinstance(last, Frame)
    assert last.body == answers.general(999, messages.HEARTBEAT, answers.Result.DONE)
    assert all(isinstance(frame, Frame) for frame in conversation.heard)
    for event in conversation.events:
        assert decode_event(encode_event(event)) == event


def test_parts_are_asked_for_again() -> None:
    async def talk() -> Conversation:
        conversation = Conversation()
        await conversation.enter()
        await conversation.say(messages.LOCATION_BATCH, b"\x00\x01\x00", 10, (3, 1))
        conversation.now += timedelta(seconds=28)
        conversation.session.expire()
        return conversation

    last = asyncio.run(talk()).heard[-1]
    assert isinstance(last, Frame)
    assert (last.message_id, last.body.hex()) == (answers.ASK_PARTS, "000a0200020003")


def test_a_plate_that_is_not_the_listed_one_is_counted() -> None:
    async def talk() -> Conversation:
        conversation = Conversation()
        await conversation.say(messages.REGISTER, frames.registration(2013, plate="浙E99999"))
        return conversation

    counted = asyncio.run(talk()).session._gate.counters.samples()
    assert [code for sample in counted for name, code in sample.labels if name == "code"] == ["plate_differs"]
