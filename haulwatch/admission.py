"""What may enter the log from outside, and what a sender is told: the same for every host that takes submissions.

Codes beside those of `haulwatch.wire`: not_an_observation, received_in_future.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec
from msgspec import Struct

from haulwatch.domain.errors import DeviceError
from haulwatch.domain.events import CityActivated, Event, Tick
from haulwatch.domain.instants import to_datetime
from haulwatch.domain.live import Refused
from haulwatch.domain.text import Text
from haulwatch.wire import (
    MAX_EVENT_BYTES,
    Admit,
    DeadLetter,
    Rejected,
    decode_body,
    decode_lines,
    encode_event,
    fault_of,
    holds_lines,
)

AHEAD_OF_US = timedelta(seconds=60)
"""By how much another gateway's clock may run ahead of ours."""
STAMP_BYTES = 4096
"""More than an event grows by when it is stamped and written anew."""


class Submitted(Struct, frozen=True):
    """A body taken apart: events to be logged, bad ones as letters to be kept, and what the sender is told of these."""

    events: list[Event]
    dead: list[DeadLetter]
    refused: list[Refused]


def submitted(body: bytes, content_type: str, now_ms: int, source: str = "http") -> Submitted:
    """One event, an array, or NDJSON, received at `now_ms`. Never raises: what is wrong with it is told of it."""
    lines = "ndjson" in content_type or holds_lines(body)
    # Only then can the time of receipt make an event larger than who reads the log will take.
    admit = admission(now_ms, weigh=len(body) > MAX_EVENT_BYTES - STAMP_BYTES)
    events, rejected = decode_lines(body, admit) if lines else decode_body(body, admit)
    return Submitted(
        events,
        [letter(one, source, lines=lines) for one in rejected],
        [refused(one, lines=lines) for one in rejected],
    )


def admission(now_ms: int, *, weigh: bool = False) -> Admit:
    """Observations with `received_at`: the sender's where it has one (a gateway), ours where it has none.

    `weigh`: refuse what is larger than `MAX_EVENT_BYTES` when it is written as we write it.
    """
    now = to_datetime(now_ms)
    latest = now + AHEAD_OF_US

    def admit(event: Event) -> Event:
        if isinstance(event, Tick | CityActivated):
            text = Text("该事件只能由系统写入", "only the system itself writes this event")
            raise DeviceError("not_an_observation", text)
        if event.received_at is None:
            event = msgspec.structs.replace(event, received_at=now)
            fault = fault_of(event)
            if fault is not None:
                raise fault
        elif event.received_at > latest:
            text = Text("received_at 晚于服务器时间", "received_at is later than the server's clock")
            raise DeviceError("received_in_future", text)
        if weigh and len(encode_event(event)) > MAX_EVENT_BYTES:
            raise DeviceError("too_large", Text("记录过大", "record too large"))
        return event

    return admit


def letter(rejected: Rejected, source: str, *, lines: bool) -> DeadLetter:
    """A bad event as it is kept: `line` counts from 1, `offset` in an array from 0."""
    if lines:
        return rejected.dead_letter(source, line=rejected.index)
    return rejected.dead_letter(source, offset=rejected.index)


def refused(rejected: Rejected, *, lines: bool) -> Refused:
    """A bad event as its sender is told of it."""
    return Refused(
        index=rejected.index - lines,
        code=rejected.error.code,
        text=rejected.error.text,
        line=rejected.index if lines else None,
        event_id=_event_id(rejected.raw),
    )


class _Named(Struct):
    event_id: str | None = None


def _event_id(raw: bytes) -> str | None:
    """The id of a bad record, where it can be told."""
    try:
        return msgspec.json.decode(raw, type=_Named).event_id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
