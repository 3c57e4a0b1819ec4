"""Reads `examples:` of a rule: short stories with the findings that they expect."""

from __future__ import annotations

from typing import get_args

from yaml.nodes import Node

from haulwatch.domain import events
from haulwatch.domain.breaches import Category
from haulwatch.domain.text import Text
from rules import schema
from rules.findings import suggestion
from rules.model import Example, ExampleEvent, Expected, Place
from rules.nodes import Type
from rules.reading import Entry, Reader

_EXTRAS = ("stations", "cameras", "permits", "city")
_KEYS = ("name", "truck", "events", "until", "expect", "zones", "start", *_EXTRAS)
_STRUCTS = {
    "position": events.Position,
    "weighing": events.Weighing,
    "sighting": events.Sighting,
    "manifest": events.Manifest,
}
_EVENT_ONLY = ("t", "on", "arrive")
_UNKNOWN = "unknown"


def read_examples(reader: Reader, node: Node, category: str | None) -> tuple[Example, ...] | None:
    """The examples of a rule; None when one of them cannot be read (already told)."""
    found = [_example(reader, item, category) for item in reader.items(node, Text("examples ", "examples"))]
    whole = tuple(e for e in found if e is not None)
    return whole if len(whole) == len(found) else None


def _example(reader: Reader, node: Node, category: str | None) -> Example | None:
    entries = reader.mapping(node, _KEYS, Text("示例", "example"))
    if entries is None:
        return None
    missing = [key for key in ("name", "events", "expect") if key not in entries]
    for key in missing:
        reader.error(node, "E011", f"示例缺少 {key}", f"example without {key}")
    name = reader.text(entries["name"].value, Text("name ", "name")) if "name" in entries else None
    told = [_event(reader, item) for item in _items(reader, entries, "events")]
    story = tuple(e for e in told if e is not None)
    expect = [_expected(reader, item, category) for item in _items(reader, entries, "expect")]
    known = tuple(e for e in expect if e is not None)
    until = reader.duration(entries["until"].value, Text("until ", "until")) if "until" in entries else 0.0
    if missing or name is None or until is None or len(story) < len(told) or len(known) < len(expect):
        return None
    last = max([e.offset_ms for e in story] + [e.at_ms for e in known], default=0)
    spot = reader.source.spot(node)
    zones = tuple(z for z in _plain_list(reader, entries, "zones") if isinstance(z, dict))
    start = reader.text(entries["start"].value, Text("start ", "start")) if "start" in entries else None
    return Example(
        name=name,
        truck=_truck(reader, entries),
        events=story,
        until_ms=round(until * 1000) if "until" in entries else last,
        expect=known,
        place=Place(spot.file, spot.line, spot.column),
        zones=zones,
        start=start,
        extras={key: reader.plain(entries[key].value, Text(key, key)) for key in _EXTRAS if key in entries},
    )


def _items(reader: Reader, entries: dict[str, Entry], key: str) -> list[Node]:
    return reader.items(entries[key].value, Text(f"{key} ", key)) if key in entries else []


def _plain_list(reader: Reader, entries: dict[str, Entry], key: str) -> list[object]:
    return [reader.plain(item, Text(f"{key} ", key)) for item in _items(reader, entries, key)]


def _truck(reader: Reader, entries: dict[str, Entry]) -> dict[str, object]:
    if "truck" not in entries:
        return {}
    from_registry = (
        "truck_id", "axle_count", "body", "registered_gross_kg", "tare_kg", "carrier_id", "carrier_name",
        "air_suspension", "permit_from", "permit_to", "device_model", "terminal_id",
    )  # fmt: skip
    fields = reader.mapping(entries["truck"].value, from_registry, Text("truck ", "truck")) or {}
    return {name: reader.plain(entry.value, Text(name, name)) for name, entry in fields.items()}


def _event(reader: Reader, node: Node) -> ExampleEvent | None:
    entries = reader.mapping(node, (), Text("示例事件", "event of an example"), open_keys=True)
    if entries is None:
        return None
    missing = [key for key in ("t", "on") if key not in entries]
    for key in missing:
        reader.error(node, "E011", f"示例事件缺少 {key}", f"event of an example without {key}")
    offset = reader.duration(entries["t"].value, Text("t ", "t")) if "t" in entries else None
    kind = (
        reader.choice(entries["on"].value, Text("事件类型", "kind of event"), schema.BASE_KINDS)
        if "on" in entries
        else None
    )
    if kind is None or offset is None:
        return None
    before = reader.report.errors
    fields = {name: _field(reader, kind, name, entry) for name, entry in entries.items() if name not in _EVENT_ONLY}
    if "arrive" in entries:
        fields["arrive"] = reader.duration(entries["arrive"].value, Text("arrive ", "arrive"))
    spot = reader.source.spot(node)
    if reader.report.errors > before:
        return None
    return ExampleEvent(round(offset * 1000), kind, fields, Place(spot.file, spot.line, spot.column))


def _field(reader: Reader, kind: str, name: str, entry: Entry) -> object:
    struct_fields = _STRUCTS[kind].__struct_fields__
    if name not in struct_fields:
        hint = suggestion(name, struct_fields, zh="可用字段", en="available fields")
        reader.error(
            entry.key, "E012", f'未知字段 "{name}"（{kind} 事件）', f'unknown field "{name}" ({kind} event)', hint
        )
        return None
    what = Text(f"{name} ", name)
    value = reader.plain(entry.value, what)
    found = schema.EVENT_FIELDS[kind].get(name)
    if found is not None and value is not None:
        _fits(reader, entry, what, found, value)
    return value


def _fits(reader: Reader, entry: Entry, what: Text, found: Type, value: object) -> None:
    """Tells when an example's value could not come from a device."""
    if found.kind == "enum":
        if value not in (*found.values, _UNKNOWN):
            hint = suggestion(str(value), found.values, zh="可取", en="values")
            reader.error(entry.value, "E034", f"{what.zh}没有取值 {value}", f"{what.en} cannot be {value}", hint)
    elif found.kind == "bool":
        reader.switch(entry.value, what)
    elif found.kind == "number":
        number = reader.number(entry.value, what)
        if number is not None and not (found.low or -1e9) <= number <= (found.high or 1e9):
            zh = f"{what.zh}{number:g} 超出范围 [{found.low:g}, {found.high:g}]"
            reader.error(entry.value, "E017", zh, f"{what.en} {number:g} is outside [{found.low:g}, {found.high:g}]")


def _expected(reader: Reader, node: Node, category: str | None) -> Expected | None:
    entries = reader.mapping(node, ("at", "category"), Text("expect ", "expect"))
    if entries is None:
        return None
    if "at" not in entries:
        reader.error(node, "E011", "expect 缺少 at", "expect without at")
        return None
    at = reader.duration(entries["at"].value, Text("at ", "at"))
    named: str | None = category or ""
    if "category" in entries:
        named = reader.choice(entries["category"].value, Text("category ", "category"), get_args(Category))
    return Expected(round(at * 1000), named) if at is not None and named is not None else None
