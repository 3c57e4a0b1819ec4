"""A published message as events: by the first subscription that fits its topic. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

import msgspec
from msgspec import Struct
from paho.mqtt.client import topic_matches_sub

from connectors.dead_letters import MAX_KEPT_BYTES, dead_letter
from connectors.field_map import FieldMap
from connectors.json_paths import at_path, values_at
from connectors.json_text import decode_json, not_json
from connectors.mapped_events import mapped_event, source_name
from connectors.mqtt.settings import KINDS, Subscription, TruckBy, plain_filter
from connectors.truck_finder import TruckFinder
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.events import Event
from haulwatch.domain.instants import to_datetime
from haulwatch.domain.text import Text
from haulwatch.wire import DeadLetter, Rejected, decode_body, decode_event, encode_event

MAX_PAYLOAD_BYTES = MAX_KEPT_BYTES
"""Far above what a device says at once, and all of it fits into a dead letter."""
MAX_RECORDS = 5_000
"""Of one message: each bad one costs a dead letter."""

KNOWN_TOPICS = 10_000
"""Of so many it is remembered which subscription fits."""
_raws = msgspec.json.Decoder(list[msgspec.Raw])


class Taken(Struct):
    """What became of a message: events, and what could not be one."""

    events: list[Event]
    letters: list[DeadLetter]


class Reader:
    """Reads the messages of one broker."""

    def __init__(self, subscriptions: Sequence[Subscription], finder: TruckFinder) -> None:
        self._subscriptions = [(plain_filter(one.topic), one, one.map) for one in subscriptions]
        self._finder = finder
        self._first = lru_cache(KNOWN_TOPICS)(self._first_fitting)

    def subscription(self, topic: str) -> Subscription | None:
        """The first that fits the topic."""
        found = self._first(topic)
        return None if found is None else found[0]

    def _first_fitting(self, topic: str) -> tuple[Subscription, FieldMap] | None:
        fitting = ((one, map_) for filter_, one, map_ in self._subscriptions if topic_matches_sub(filter_, topic))
        return next(fitting, None)

    def read(self, topic: str, payload: bytes, received_ms: int) -> Taken:
        """Raises WorldError while terminals are to be looked up and no trucks are known, and nothing else."""
        source, received_at = source_name("mqtt", topic), to_datetime(received_ms)
        taken = Taken([], [])
        try:
            found = self._first(topic)
            if found is None:
                text = Text("没有订阅这个主题（会话里留下的旧订阅）", "a topic that is no longer subscribed to")
                raise DeviceError("not_subscribed", text)
            one, map_ = found
            if len(payload) > MAX_PAYLOAD_BYTES:
                text = Text(f"消息过大（{len(payload)} 字节）", f"message too large ({len(payload)} bytes)")
                raise DeviceError("too_large", text)
            if one.format == "event":
                self._own_events(one, topic, payload, source, received_at, taken)
            else:
                self._records(one, map_, topic, payload, source, received_at, taken)
        except DeviceError as error:
            taken.letters.append(dead_letter(error, source, payload))
        return taken

    def _own_events(
        self, one: Subscription, topic: str, payload: bytes, source: str, received_at: datetime, taken: Taken
    ) -> None:
        allowed = KINDS if one.kind is None else (one.kind,)

        def admit(event: Event) -> Event:
            kind = type(event).__name__.lower()
            if kind not in allowed:
                raise DeviceError("kind_not_allowed", Text(f"此主题不收 {kind}", f"no {kind} is taken from this topic"))
            changes: dict[str, Any] = {"received_at": received_at, "source": source}
            if one.truck is not None:
                changes["truck_id"] = self._truck(one.truck, topic, None)
            return decode_event(encode_event(msgspec.structs.replace(event, **changes)))

        events, rejected = decode_body(payload, admit)
        taken.events += events
        taken.letters += [record.dead_letter(source, offset=record.index) for record in rejected]

    def _records(
        self,
        one: Subscription,
        map_: FieldMap,
        topic: str,
        payload: bytes,
        source: str,
        received_at: datetime,
        taken: Taken,
    ) -> None:
        kind, truck = one.kind, one.truck
        assert kind is not None
        assert truck is not None
        for number, raw in enumerate(_records_of(payload)):
            try:
                record = _object(raw)
                fields = map_.read(kind, partial(at_path, record))
                truck_id = self._truck(truck, topic, record)
                event = mapped_event(kind, fields, truck_id=truck_id, source=source, received_at=received_at)
                taken.events.append(event)
            except DeviceError as error:
                taken.letters.append(Rejected(number, error, raw).dead_letter(source, offset=number))

    def _truck(self, by: TruckBy, topic: str, record: Any) -> str:
        if by.level is not None:
            levels = topic.split("/")
            written: Any = levels[by.level - 1] if by.level <= len(levels) else None
        else:
            written = by.value if by.from_ is None else next(iter(values_at(record, by.from_)), None)
        if isinstance(written, int) and not isinstance(written, bool):
            written = str(written)
        if not isinstance(written, str) or not written.strip():
            raise DeviceError("no_truck", Text("没有写明是哪辆车", "it does not say which truck"))
        return self._finder.of_terminal(written) if by.is_ == "terminal_id" else self._finder.of_plate(written)


def _records_of(payload: bytes) -> list[bytes]:
    """The payload, or the elements of the array that it is."""
    if payload.lstrip()[:1] != b"[":
        return [payload]
    try:
        records = _raws.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise not_json(error) from error
    if len(records) > MAX_RECORDS:
        text = Text(f"一次最多 {MAX_RECORDS} 条记录", f"at most {MAX_RECORDS} records at once")
        raise DeviceError("too_many", text)
    return [bytes(record) for record in records]


def _object(raw: bytes) -> dict[str, Any]:
    record = decode_json(raw)
    if not isinstance(record, dict):
        raise DeviceError("not_an_object", Text("不是 JSON 对象", "not a JSON object"))
    return record
