"""`haulwatch orders route-test`: where an order would go in a city, and why. Opens no store."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from haulwatch.bootstrap.cities import load_city
from haulwatch.city import City
from haulwatch.dispatch.duty import CityPlan
from haulwatch.dispatch.routing import Route
from haulwatch.domain.breaches import Breach
from haulwatch.domain.errors import WorldError, did_you_mean
from haulwatch.domain.events import Event
from haulwatch.domain.instants import rfc3339, to_ms
from haulwatch.domain.text import Lang, Text
from haulwatch.wire import decode_event

MAX_FILE = 64 * 1024 * 1024


class Found(Struct, frozen=True, kw_only=True):
    """What is to be routed: a place or the zones that hold it, by which rule, and when."""

    name: str
    zone_ids: list[str] = []
    place: tuple[float, float] | None = None
    rule_id: str | None = None
    at_ms: int


class Routed(Struct, frozen=True, kw_only=True):
    """Where it goes, as `--json` prints it."""

    name: str
    at: str
    rule_id: str | None
    place: tuple[float, float] | None
    route: Route


def add(actions: Any) -> None:
    """Adds the action `route-test`."""
    parser = actions.add_parser(
        "route-test",
        help="线索会派往何处，为什么 · where a finding would go, and why",
        description="退出码 1：有线索无人可派 · exit code 1: for one of them nobody is on duty",
    )
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help="事件或线索（JSON、NDJSON，- 为标准输入）· events or findings"
    )
    parser.add_argument("--city", type=Path, required=True, metavar="DIR", help="城市文件夹 · city folder")
    parser.add_argument("--lon", type=float, metavar="DEG", help="经度 WGS-84 · longitude")
    parser.add_argument("--lat", type=float, metavar="DEG", help="纬度 WGS-84 · latitude")
    parser.add_argument("--rule", metavar="ID", help="按哪条规则的部门 · whose departments")
    parser.add_argument("--at", type=_instant, metavar="INSTANT", help="何时，RFC 3339 · when (of the file, else now)")
    parser.add_argument("--json", action="store_true", help="输出 JSON · print JSON")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh", help="语言 · language (zh)")
    parser.set_defaults(run=run_route_test)


def run_route_test(options: argparse.Namespace) -> int:
    """Prints where each goes; 1 when one is left to a duty desk, 2 when what is given cannot be read."""
    lang: Lang = options.lang
    place = None if options.lon is None or options.lat is None else (options.lon, options.lat)
    if (options.file is None) == (place is None) or (options.lon is None) != (options.lat is None):
        return _wrong(Text("给出 --lon 和 --lat，或一个文件", "give --lon and --lat, or a file"), lang)
    if place is not None and not (-180 <= place[0] <= 180 and -90 <= place[1] <= 90):
        return _wrong(Text("经纬度超出范围", "longitude or latitude out of range"), lang)
    city, _files = load_city(options.city)
    rules = [rule.rule_id for rule in city.book.rules]
    if options.rule is not None and options.rule not in rules:
        hint = did_you_mean(options.rule, rules)
        text = Text(f"没有规则 {options.rule}", f"there is no rule {options.rule}")
        return _wrong(text if hint is None else Text(f"{text.zh}；{hint.zh}", f"{text.en}; {hint.en}"), lang)
    if place is not None:
        found = [Found(name=f"{place[0]:.6f} {place[1]:.6f}", place=place, at_ms=to_ms(datetime.now(UTC)))]
    else:
        found = list(_read(options.file, city))
    routed = list(_routed(found, CityPlan(city), options.rule, options.at))
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(routed), indent=2).decode())
    else:
        print("\n\n".join("\n".join(_told(one, city, lang)) for one in routed))
    return 1 if any(one.route.duty_desk for one in routed) else 0


def _routed(found: Sequence[Found], plan: CityPlan, rule_id: str | None, at_ms: int | None) -> Iterator[Routed]:
    for one in found:
        rule, when = rule_id or one.rule_id, one.at_ms if at_ms is None else at_ms
        route = plan.route_place(one.zone_ids, one.place, rule, when)
        yield Routed(name=one.name, at=rfc3339(when), rule_id=rule, place=one.place, route=route)


def _read(name: str, city: City) -> Iterator[Found]:
    """What a file holds: one JSON value, an array, or one a line. Raises WorldError, DeviceError."""
    try:
        data = sys.stdin.buffer.read(MAX_FILE) if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise WorldError(Text(f"读不了 {name}：{error}", f"cannot read {name}: {error}")) from error
    for raw in _values(data):
        yield _found(bytes(raw), city)


def _values(data: bytes) -> Sequence[msgspec.Raw]:
    try:
        whole = msgspec.json.decode(data, type=msgspec.Raw)
        return msgspec.json.decode(data, type=list[msgspec.Raw]) if bytes(whole)[:1] == b"[" else [whole]
    except msgspec.DecodeError:
        return [msgspec.Raw(line) for line in data.splitlines() if line.strip()]


def _found(raw: bytes, city: City) -> Found:
    try:
        breach = msgspec.json.decode(raw, type=Breach)
        at_ms = to_ms(datetime.fromisoformat(breach.detected_at))
    except (msgspec.MsgspecError, ValueError):
        return _found_event(decode_event(raw), city)
    place = None if breach.lon is None or breach.lat is None else (breach.lon, breach.lat)
    return Found(name=breach.breach_id, zone_ids=breach.zone_ids, place=place, rule_id=breach.rule_id, at_ms=at_ms)


def _found_event(event: Event, city: City) -> Found:
    """The place of an event: its own, or that of the camera or the scale that made it; none where nobody knows it."""
    place = _place(event)
    for registered, key in ((city.registry.cameras, "camera_id"), (city.registry.stations, "station_id")):
        device = registered.get(getattr(event, key, None) or "")
        place = place or (None if device is None else _place(device))
    return Found(name=getattr(event, "event_id", ""), place=place, at_ms=to_ms(event.at))


def _place(thing: object) -> tuple[float, float] | None:
    lon, lat = getattr(thing, "lon", None), getattr(thing, "lat", None)
    return None if lon is None or lat is None else (lon, lat)


def _told(one: Routed, city: City, lang: Lang) -> Iterator[str]:
    local = datetime.fromisoformat(one.at).astimezone(city.timezone)
    yield f"{one.name}  {one.rule_id or '-'}  {local:%Y-%m-%d %H:%M} {city.timezone.key}"
    yield from (f"  * {text.lang(lang)}" for text in one.route.why)
    proposed = one.route.squad_id or Text("无", "nobody").lang(lang)
    desk = Text("（值班台）", " (duty desk)").lang(lang) if one.route.duty_desk else ""
    yield f"  {Text('派往', 'goes to').lang(lang)}: {proposed}{desk}"


def _wrong(text: Text, lang: Lang) -> int:
    print(f"haulwatch: {text.lang(lang)}", file=sys.stderr)
    return 2


def _instant(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise ValueError(text)
        return to_ms(at)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError("RFC 3339, e.g. 2026-05-01T22:00:00+08:00") from None
