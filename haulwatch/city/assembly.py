"""A city from its files: everything wrong in any of them in one run, or one immutable bundle with a content hash.

Pure over bytes and, for expired exceptions, the day it is told: a city that was activated a year ago is the same city
when its log is replayed today.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from zoneinfo import ZoneInfo

from geofences.datum import Datum, convert
from geofences.index import ZoneIndex
from geofences.loading import load_zones
from geofences.zones import Zone
from haulwatch.city.calendar import Calendar, CalendarFile
from haulwatch.city.documents import read_document
from haulwatch.city.files import CALENDAR_FILE, SETTINGS_FILE, content_hash, decides, shipped_files, stray_findings
from haulwatch.city.registry import Bounds, Tables
from haulwatch.city.settings import CitySettings
from haulwatch.domain.errors import AuthorError, Finding
from haulwatch.domain.registry import Registry
from haulwatch.domain.service import Limits
from haulwatch.domain.text import Text
from rules.compiling import CompiledBook
from rules.engines import EngineName, compile_book
from rules.judgements import inexpressible
from rules.law import Law, load_law
from rules.loading import load_books
from rules.model import RuleBook


@dataclass(frozen=True)
class City:
    """All that decides besides the events: settings, law, zones, rules and registry of one city. Places are WGS-84."""

    city_id: str
    name: Text
    timezone: ZoneInfo
    datum: Datum
    lateness_ms: int
    gap_ms: int
    accuracy_m: float
    rules_engine: EngineName
    law: Law
    zones: tuple[Zone, ...]
    index: ZoneIndex
    book: RuleBook
    compiled: CompiledBook
    registry: Registry
    calendar: Calendar
    limits: Limits
    """Service limits that the city has set; the others are as shipped."""
    city_hash: str
    """SHA-256 (hex) of what decides, see `haulwatch.city.files.content_hash`."""
    warnings: tuple[Finding, ...] = field(default=(), repr=False)


def build_city(files: Mapping[str, bytes], *, today: date | None = None) -> City:
    """The city of these files (`city_files`); AuthorError with every finding of every file when one is an error.

    WorldError where it asks for a rule engine that is not installed.
    `today` is the local day at which exceptions of rules count as expired; None where that was checked before.
    """
    city, findings = _read(files, today)
    if city is None:
        raise AuthorError(findings)
    return city


def check_city(files: Mapping[str, bytes], *, today: date | None = None) -> list[Finding]:
    """Everything wrong with these files, warnings included, file by file; empty when all is well."""
    return _read(files, today)[1]


def _read(files: Mapping[str, bytes], today: date | None) -> tuple[City | None, list[Finding]]:
    settings, findings = _settings(files)
    calendar, calendar_findings = _calendar(files)
    datum = settings.datum if settings else "wgs84"
    zones, zone_findings = _zones(files, datum)
    tables = Tables(files)
    tables.check_zones(zones)
    tables.check_places(_bounds(zones), lambda lon, lat: convert(lon, lat, datum, "wgs84"))
    books, shipped = rule_files(files)
    book, rule_findings = load_books(list(books.items()), today=today)
    findings += zone_findings + tables.findings() + rule_findings + calendar_findings + stray_findings(files)
    if book is not None and settings is not None and settings.rules_engine == "durable":
        findings += inexpressible([rule for rule in book.rules if rule.status in ("active", "shadow")])
    broken = any(finding.severity == "error" for finding in findings)
    if broken or settings is None or calendar is None or book is None:
        return None, findings
    registry = tables.registry(lambda lon, lat: convert(lon, lat, datum, "wgs84"))
    law_files = _law_files(files)
    law = load_law(settings.law, law_files)
    shipped |= {f"law/{name}.yaml": law_files[f"{name}.yaml"] for name in (*settings.law, "references")}
    city = City(
        city_id=settings.id,
        name=settings.name,
        timezone=settings.timezone,
        datum=datum,
        lateness_ms=settings.lateness,
        gap_ms=settings.gap,
        accuracy_m=settings.accuracy_m,
        rules_engine=settings.rules_engine,
        law=law,
        zones=tuple(zones),
        index=ZoneIndex(zones, settings.timezone),
        book=book,
        compiled=compile_book(book, registry, law, settings.timezone, settings.id, settings.rules_engine),
        registry=registry,
        calendar=calendar.calendar(),
        limits=calendar.limits(),
        city_hash=content_hash(files, shipped),
        warnings=tuple(findings),
    )
    return city, findings


def _settings(files: Mapping[str, bytes]) -> tuple[CitySettings | None, list[Finding]]:
    data = files.get(SETTINGS_FILE)
    if data is None:
        text = Text("城市文件夹里没有 city.yaml", "The city folder has no city.yaml")
        return None, [Finding(SETTINGS_FILE, 0, 0, "C001", text)]
    return read_document(SETTINGS_FILE, data, CitySettings)


def _calendar(files: Mapping[str, bytes]) -> tuple[CalendarFile | None, list[Finding]]:
    data = files.get(CALENDAR_FILE)
    return (CalendarFile(), []) if data is None else read_document(CALENDAR_FILE, data, CalendarFile)


def _zones(files: Mapping[str, bytes], datum: Datum) -> tuple[list[Zone], list[Finding]]:
    zone_files = [(name, files[name]) for name in sorted(files) if name.startswith("geofences/") and decides(name)]
    if not zone_files:
        text = Text("geofences/ 中没有 .geojson 围栏文件", "There is no .geojson file in geofences/")
        return [], [Finding("geofences/", 0, 0, "C002", text)]
    return load_zones(zone_files, datum)


def _bounds(zones: list[Zone]) -> Bounds | None:
    """The rectangle around all zones; None without zones."""
    if not zones:
        return None
    boxes = [zone.geometry.bounds for zone in zones]
    return (
        min(box[0] for box in boxes),
        min(box[1] for box in boxes),
        max(box[2] for box in boxes),
        max(box[3] for box in boxes),
    )


def rule_files(files: Mapping[str, bytes]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The rule books in force by name, and those of them that are shipped: without a rules/ folder the shipped ones.

    A folder with overlays only (`rules/local/`) tunes the shipped books.
    """
    own = {name: data for name, data in files.items() if name.startswith("rules/") and decides(name)}
    if any(not name.startswith("rules/local/") for name in own):
        return own, {}
    shipped = {name: data for name, data in shipped_files(files).items() if name.startswith("rules/")}
    return shipped | own, shipped


def _law_files(files: Mapping[str, bytes]) -> dict[str, bytes]:
    law = {name: data for name, data in shipped_files(files).items() if name.startswith("law/")}
    return {name.removeprefix("law/"): data for name, data in law.items()}
