"""`haulwatch zones check|convert|at`: are zone files right, in which datum, and which zones hold a place."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from geofences.datum import DATUMS, Datum, convert
from geofences.index import ZoneIndex
from geofences.loading import load_zones
from geofences.shifting import shift_file
from geofences.zones import Zone
from haulwatch.city.documents import read_document
from haulwatch.city.settings import CitySettings
from haulwatch.domain.errors import AuthorError, Finding, WorldError
from haulwatch.domain.instants import rfc3339, to_ms
from haulwatch.domain.text import Lang, Text

_SETTINGS = "city.yaml"
_DEFAULT_TIMEZONE = ZoneInfo("Asia/Shanghai")


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the verb `zones` with its three actions."""
    parser = subparsers.add_parser("zones", help="电子围栏 · zones")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", help="检查围栏文件，一次列出所有错误 · find every error of every file")
    check.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="文件、文件夹或城市文件夹 · files or folders"
    )
    check.set_defaults(run=run_check)
    shift = actions.add_parser("convert", help="换算坐标系 · convert the datum of a file")
    shift.add_argument("file", type=Path, metavar="FILE", help="GeoJSON 文件 · a GeoJSON file")
    shift.add_argument("--from", dest="from_", choices=DATUMS, required=True, help="原坐标系 · its datum")
    shift.add_argument(
        "--to", choices=DATUMS, default="wgs84", help="目标坐标系，默认 wgs84 · the datum wanted (wgs84)"
    )
    shift.add_argument("--out", type=Path, metavar="FILE", help="写到文件，默认标准输出 · write here, not to stdout")
    shift.set_defaults(run=run_convert)
    at = actions.add_parser("at", help="这一点在哪些围栏里 · the zones that hold a place")
    at.add_argument("lon", type=float, metavar="LON", help="经度 · longitude")
    at.add_argument("lat", type=float, metavar="LAT", help="纬度 · latitude")
    at.add_argument(
        "--city", nargs="+", type=Path, required=True, metavar="PATH", help="城市文件夹或围栏文件 · city or zone files"
    )
    at.add_argument(
        "--at", type=_instant, metavar="TIME", help="时刻，如 2026-05-01T22:00+08:00，默认现在 · when (now)"
    )
    at.add_argument("--point-datum", choices=DATUMS, default="wgs84", help="这一点的坐标系 · the place's datum (wgs84)")
    at.set_defaults(run=run_at)
    for action in (check, at):
        action.add_argument("--datum", choices=DATUMS, help="文件的坐标系，默认按 city.yaml · the files' datum")
        action.add_argument("--json", action="store_true", help="输出 JSON · print JSON")
    for action in (check, shift, at):
        action.add_argument("--lang", choices=("zh", "en"), default="zh", help="语言 · language (zh)")


def run_check(options: argparse.Namespace) -> int:
    """Prints every finding and one line of sums; 1 when one of them is an error."""
    lang: Lang = options.lang
    files, datum, _ = _read(options.paths, options.datum)
    zones, findings = load_zones(files, datum)
    errors = sum(finding.severity == "error" for finding in findings)
    sums = {"files": len(files), "zones": len(zones), "errors": errors, "warnings": len(findings) - errors}
    if options.json:
        _print_json({**sums, "datum": datum, "findings": findings})
        return 1 if errors else 0
    for finding in findings:
        print(finding.render(lang), end="\n\n")
    numbers = tuple(sums.values())
    zh, en = "%d 个文件，%d 个围栏，%d 处错误，%d 处警告", "%d files, %d zones, %d errors, %d warnings"
    print((zh if lang == "zh" else en) % numbers)
    return 1 if errors else 0


def run_convert(options: argparse.Namespace) -> int:
    """Writes the file in the other datum."""
    shifted = shift_file(options.file.as_posix(), _bytes(options.file), options.from_, options.to)
    if isinstance(shifted, list):
        raise AuthorError(shifted)
    if options.out is None:
        sys.stdout.buffer.write(shifted)
        sys.stdout.buffer.flush()
        return 0
    try:
        options.out.write_bytes(shifted)
    except OSError as error:
        text = Text(f"无法写入 {options.out}：{error.strerror}", f"Cannot write {options.out}: {error.strerror}")
        raise WorldError(text) from error
    return 0


def run_at(options: argparse.Namespace) -> int:
    """Prints the zones that hold the place, those that do not count at that time marked."""
    lang: Lang = options.lang
    files, datum, timezone = _read(options.city, options.datum)
    zones, findings = load_zones(files, datum)
    if any(finding.severity == "error" for finding in findings):
        raise AuthorError(findings)
    if not (-180 <= options.lon <= 180 and -90 <= options.lat <= 90):
        text = Text("先经度、后纬度，单位为度", "Longitude first, then latitude, in degrees")
        raise AuthorError([_unlocated("Z022", text, f"{options.lon:g} {options.lat:g}")])
    lon, lat = convert(options.lon, options.lat, options.point_datum, "wgs84")
    at_ms = _at_ms(options.at, timezone)
    index = ZoneIndex(zones, timezone)
    counting = index.at(lon, lat, at_ms).ids
    held = sorted((zone for zone in zones if index.covers(zone.zone_id, lon, lat)), key=lambda zone: zone.zone_id)
    if options.json:
        place = {"lon": lon, "lat": lat, "at": rfc3339(at_ms)}
        _print_json({**place, "zones": [_described(zone, zone.zone_id in counting) for zone in held]})
        return 0
    for zone in held:
        off = "" if zone.zone_id in counting else "  " + Text("（此时不生效）", "(not in force then)").lang(lang)
        print(f"{zone.zone_id}  {zone.kind}  {zone.name.lang(lang)}{off}")
    if not held:
        print(Text("不在任何围栏内", "in no zone").lang(lang))
    return 0


def _described(zone: Zone, in_force: bool) -> dict[str, Any]:
    return {
        "zone_id": zone.zone_id,
        "kind": zone.kind,
        "name": zone.name,
        "parent": zone.parent,
        "in_force": in_force,
    }


def _instant(text: str) -> datetime:
    """A time as written; one without offset is the city's own."""
    return datetime.fromisoformat(text)


def _at_ms(at: datetime | None, timezone: ZoneInfo) -> int:
    if at is None:
        return to_ms(datetime.now(UTC))
    return to_ms(at if at.tzinfo else at.replace(tzinfo=timezone))


def _read(paths: Sequence[Path], datum: Datum | None) -> tuple[list[tuple[str, bytes]], Datum, ZoneInfo]:
    """The zone files at `paths`, and the datum and time zone that their city's `city.yaml` declares."""
    files: dict[str, bytes] = {}
    cities: list[CitySettings] = []
    for path in paths:
        if path.is_dir() and (path / _SETTINGS).exists():
            cities.append(_settings(path / _SETTINGS))
        for file in _zone_files(path):
            files[file.as_posix()] = _bytes(file)
    datums = {city.datum for city in cities}
    if datum is None and len(datums) > 1:
        text = Text("这些城市的坐标系不同，请分别检查", "These cities differ in their datum; check one at a time")
        raise WorldError(text)
    timezone = cities[0].timezone if cities else _DEFAULT_TIMEZONE
    return list(files.items()), datum or (cities[0].datum if cities else "wgs84"), timezone


def _settings(file: Path) -> CitySettings:
    settings, findings = read_document(file.as_posix(), _bytes(file), CitySettings)
    if settings is None:
        raise AuthorError(findings)
    return settings


def _zone_files(path: Path) -> list[Path]:
    """The file itself, a city's zone files, or every `.geojson` file below a folder."""
    if not path.is_dir():
        return [path]
    found = sorted((path / "geofences").glob("*.geojson") if (path / _SETTINGS).exists() else path.rglob("*.geojson"))
    if not found:
        text = Text("文件夹里没有 .geojson 文件", "There is no .geojson file in the folder")
        raise AuthorError([_unlocated("Z008", text, path.as_posix())])
    return found


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        text = Text(f"无法读取：{error.strerror}", f"Cannot read the file: {error.strerror}")
        raise AuthorError([_unlocated("Z008", text, file.as_posix())]) from error


def _unlocated(code: str, text: Text, file: str) -> Finding:
    return Finding(file, 0, 0, code, text)


def _print_json(value: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
