"""The only place where bytes meet events: decoding with reasons, encoding, partitioning.

A record that cannot be read is never lost and never stops the rest: it becomes a `DeadLetter` with a stable code.
Codes: not_utf8, not_json, not_an_object, unknown_kind, missing_field, wrong_type, out_of_range, bad_value,
lat_lon_swapped, null_island, clock_ahead, too_large, too_many.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Raw, Struct

from haulwatch.domain.errors import DeviceError, WorldError
from haulwatch.domain.events import Event, Position
from haulwatch.domain.text import Text

CLOCK_AHEAD_LIMIT = timedelta(seconds=60)
"""A device clock further ahead of ours than this is a fault; eight hours means UTC+8 was sent as UTC."""
FIRST_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)
LAST_INSTANT = datetime(2200, 1, 1, tzinfo=UTC)
"""No device lived before the one or will live after the other; local calendars end where year numbers do."""
MAX_EVENT_BYTES = 1 << 20
MAX_RECORDS = 50_000
"""Records of one body: each bad one costs an explanation, so a body of nothing but commas must not cost gigabytes."""
BOM = b"\xef\xbb\xbf"
KINDS = ("position", "weighing", "sighting", "manifest", "tick", "city_activated")

Admit = Callable[[Event], Event]
"""A host's own last word on a decoded event: gives the event as it is to be taken, or raises DeviceError."""

_one = msgspec.json.Decoder(Event)
_many = msgspec.json.Decoder(list[Event])
_raws = msgspec.json.Decoder(list[Raw])
_encoder = msgspec.json.Encoder()


class DeadLetter(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A record that was kept aside: why (`reason`, `code`), where it came from, and what it was."""

    reason: str
    code: str
    source: str
    raw: str
    line: int | None = None
    offset: int | None = None


class Rejected(Struct, frozen=True):
    """One bad record of a batch: its index (from 0) or, in NDJSON, line (from 1); the error; the bytes."""

    index: int
    error: DeviceError
    raw: bytes

    def dead_letter(self, source: str, *, line: int | None = None, offset: int | None = None) -> DeadLetter:
        """The record as a dead letter of `source`."""
        return DeadLetter(
            reason=str(self.error),
            code=self.error.code,
            source=source,
            raw=printable(self.raw),
            line=line,
            offset=offset,
        )


def decode_event(raw: bytes) -> Event:
    """One event from its JSON bytes. Raises `DeviceError` with the code and field."""
    if len(raw) > MAX_EVENT_BYTES:
        raise DeviceError("too_large", Text(f"记录过大（{len(raw)} 字节）", f"record too large ({len(raw)} bytes)"))
    try:
        event: Event = _one.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _explained(raw, error) from error
    fault = fault_of(event)
    if fault is not None:
        raise fault
    return event


def decode_logged(raw: bytes) -> Event:
    """An event as we have written it ourselves: it was checked then, and stamping may have made it longer."""
    try:
        event: Event = _one.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WorldError(
            Text(f"事件日志中有损坏的记录：{error}", f"a record of the event log is damaged: {error}")
        ) from error
    return event


def decode_events(raw: bytes, admit: Admit | None = None) -> tuple[list[Event], list[Rejected]]:
    """A record of the observations log: one event or an array of them. Bad ones are told apart from good ones."""
    if len(raw) > MAX_EVENT_BYTES:
        return _decode_each(raw, admit)
    try:
        events = _many.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _decode_each(raw, admit)
    good: list[Event] = []
    bad: list[Rejected] = []
    for index, event in enumerate(events):
        try:
            fault = fault_of(event)
            if fault is not None:
                raise fault
            good.append(event if admit is None else admit(event))
        except DeviceError as error:
            bad.append(Rejected(index, error, encode_event(event)))
    return good, bad


def _decode_each(raw: bytes, admit: Admit | None) -> tuple[list[Event], list[Rejected]]:
    parts: Sequence[bytes | Raw]
    try:
        parts = _raws.decode(raw) if raw.lstrip()[:1] == b"[" else [raw]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return [], [Rejected(0, _explained(raw, error), raw)]
    if len(parts) > MAX_RECORDS:
        return _too_many(len(parts), 0, raw)
    return _collect(((n, bytes(part)) for n, part in enumerate(parts)), admit)


def decode_lines(raw: bytes, admit: Admit | None = None) -> tuple[list[Event], list[Rejected]]:
    """NDJSON: one event a line, blank lines skipped; `index` of a rejected one is its line number, from 1."""
    count = raw.count(b"\n")
    if count > MAX_RECORDS:
        return _too_many(count, 1, raw)
    lines = raw.removeprefix(BOM).split(b"\n")
    return _collect(((n, line) for n, line in enumerate(lines, 1) if line.strip()), admit)


def _too_many(count: int, index: int, raw: bytes) -> tuple[list[Event], list[Rejected]]:
    text = Text(
        f"一次最多 {MAX_RECORDS} 条记录，收到 {count} 条", f"{count} records at once; at most {MAX_RECORDS} are taken"
    )
    return [], [Rejected(index, DeviceError("too_many", text), raw[:1024])]


def decode_body(raw: bytes, admit: Admit | None = None) -> tuple[list[Event], list[Rejected]]:
    """What is posted to us: one event, an array, or NDJSON (see `holds_lines`)."""
    return decode_lines(raw, admit) if holds_lines(raw) else decode_events(raw.removeprefix(BOM).strip(), admit)


def holds_lines(raw: bytes) -> bool:
    """Whether a body is NDJSON: more than one line, and neither an array nor one JSON value as a whole."""
    text = raw.removeprefix(BOM).strip()
    return text[:1] != b"[" and b"\n" in text and not _is_json(text)


def _is_json(raw: bytes) -> bool:
    try:
        msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _collect(parts: Iterable[tuple[int, bytes]], admit: Admit | None) -> tuple[list[Event], list[Rejected]]:
    good: list[Event] = []
    bad: list[Rejected] = []
    for index, part in parts:
        try:
            event = decode_event(part)
            good.append(event if admit is None else admit(event))
        except DeviceError as error:
            bad.append(Rejected(index, error, part))
    return good, bad


def fault_of(event: Event) -> DeviceError | None:
    """What types cannot say: 0/0 positions, clocks that run ahead, instants outside any calendar, plates that nobody
    can read; None when all is well."""
    if type(event) is Position and event.lon == 0.0 and event.lat == 0.0:
        return DeviceError("null_island", Text("坐标为 0/0（未定位）", "position is 0/0 (no fix)"))
    received_at = event.received_at
    if received_at is not None and event.at > received_at:
        ahead = event.at - received_at
        if ahead > CLOCK_AHEAD_LIMIT:
            return _clock_ahead(ahead)
    if event.at < FIRST_INSTANT or (received_at or event.at) >= LAST_INSTANT:
        years = f"{FIRST_INSTANT.year}-{LAST_INSTANT.year}"
        return DeviceError("out_of_range", Text(f"时刻不在 {years} 年之间", f"instant outside of {years}"))
    if not getattr(event, "truck_id", "").isprintable():
        return DeviceError("bad_value", Text("字段 truck_id 含不可见字符", "truck_id has invisible characters"))
    return None


def _clock_ahead(ahead: timedelta) -> DeviceError:
    seconds = ahead.total_seconds()
    eight_hours = abs(seconds - 8 * 3600) < 600
    note_zh = "，约 8 小时：疑似把北京时间当作 UTC" if eight_hours else ""
    note_en = ", about 8 h: probably UTC+8 sent as UTC" if eight_hours else ""
    return DeviceError(
        "clock_ahead",
        Text(
            f"设备时钟超前 {seconds:.0f} 秒（上限 60 秒）{note_zh}",
            f"device clock is {seconds:.0f} s ahead (limit 60 s){note_en}",
        ),
    )


_FIELD = re.compile(r" - at `\$\.?([^`]*)`$")


def _explained(raw: bytes, error: Exception) -> DeviceError:
    """A decoding error as a code and a sentence in both languages that names the field."""
    if isinstance(error, UnicodeDecodeError):
        return DeviceError("not_utf8", Text("不是 UTF-8 编码", "not UTF-8"))
    if not isinstance(error, msgspec.ValidationError):
        if not _is_utf8(raw):
            return DeviceError("not_utf8", Text("不是 UTF-8 编码", "not UTF-8"))
        return DeviceError("not_json", Text(f"不是合法的 JSON：{error}", f"not JSON: {error}"))
    message = str(error)
    match = _FIELD.search(message)
    field = match.group(1) if match else ""
    what = _FIELD.sub("", message)
    code = _code_of(what, field, raw)
    return DeviceError(code, _TEXTS.get(code, _default_text)(field, what))


def _code_of(what: str, field: str, raw: bytes) -> str:
    if not field and ("Expected `object`" in what or "Expected `array`" in what):
        return "not_an_object"
    if "missing required field `kind`" in what or field == "kind" or ("Invalid value '" in what and not field):
        return "unknown_kind"
    if "missing required field" in what:
        return "missing_field"
    if field == "lat" and "Expected `float`" in what and _looks_swapped(raw):
        return "lat_lon_swapped"
    if what.startswith("Expected `") and (">=" in what or "<=" in what or "> " in what or "< " in what):
        return "out_of_range"
    if what.startswith("Expected `") and "matching regex" not in what:
        return "wrong_type"
    return "bad_value"


def _looks_swapped(raw: bytes) -> bool:
    try:
        values: Any = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False  # the rest of the record is worse still
    lat, lon = values.get("lat"), values.get("lon")
    if not isinstance(lat, int | float) or not isinstance(lon, int | float):
        return False
    return 90 < abs(lat) <= 180 and abs(lon) <= 90


def _default_text(field: str, what: str) -> Text:
    return Text(f"字段 {field or '（整条记录）'} 不合要求：{what}", f"field {field or '(record)'}: {what}")


_TEXTS: dict[str, Callable[[str, str], Text]] = {
    "not_an_object": lambda _field, what: Text(f"不是事件对象：{what}", f"not an event object: {what}"),
    "unknown_kind": lambda _field, what: Text(
        f"未知的事件类型 kind（可用：{', '.join(KINDS)}）：{what}", f"unknown kind (one of {', '.join(KINDS)}): {what}"
    ),
    "missing_field": lambda _field, what: Text(f"缺少必填字段：{what}", f"required field missing: {what}"),
    "lat_lon_swapped": lambda _field, _what: Text("经纬度疑似写反", "latitude and longitude look swapped"),
    "out_of_range": lambda field, what: Text(f"字段 {field} 超出范围：{what}", f"field {field} out of range: {what}"),
    "wrong_type": lambda field, what: Text(f"字段 {field} 类型错误：{what}", f"field {field} has a wrong type: {what}"),
}


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def printable(raw: bytes) -> str:
    """The bytes as text for a dead letter; what is not UTF-8 is kept as `base64:…`, so nothing of it is lost."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(raw).decode()


def encode_dead_letter(letter: DeadLetter, at_most: int) -> bytes:
    """A dead letter as JSON of at most so many bytes, where what it keeps allows that at all.

    Control characters take six bytes each in JSON; Base64 is never more than a third longer than what came.
    """
    value = _encoder.encode(letter)
    if len(value) > at_most and not letter.raw.startswith("base64:"):
        raw = "base64:" + base64.b64encode(letter.raw.encode()).decode()
        value = _encoder.encode(msgspec.structs.replace(letter, raw=raw))
    return value


def encode_event(event: Event) -> bytes:
    """One event as compact JSON, not ASCII-escaped."""
    return _encoder.encode(event)


def encode_events(events: Sequence[Event]) -> bytes:
    """Events as one record of the observations log: a JSON array."""
    return _encoder.encode(events)


def partition(truck_id: str, partitions: int) -> int:
    """The partition of a truck: `murmur2(utf8(truck_id)) mod partitions`, as Kafka's default partitioner."""
    return (murmur2(truck_id.encode()) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """MurmurHash2, 32 bit, with Kafka's seed (org.apache.kafka.common.utils.Utils.murmur2), unsigned."""
    length = len(data)
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = (0x9747B28C ^ length) & mask
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little")
        k = (k * m) & mask
        k ^= k >> 24
        k = (k * m) & mask
        h = ((h * m) & mask) ^ k
    tail = data[whole:]
    if tail:
        h = ((h ^ int.from_bytes(tail, "little")) * m) & mask
    h ^= h >> 13
    h = (h * m) & mask
    return h ^ (h >> 15)
