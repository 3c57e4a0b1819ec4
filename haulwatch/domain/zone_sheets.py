"""Zones as operators see and change them: what a file says of each, where it lies, what is doubtful about a draft.

Geometry is GeoJSON in WGS-84, whatever datum the city's files are drawn in.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Protocol

from msgspec import Meta, Struct

from haulwatch.domain.errors import Finding
from haulwatch.domain.text import Text
from haulwatch.domain.workbench import Draft

PointDatum = Literal["wgs84", "gcj02", "bd09"]
GeoJson = dict[str, Any]


class ZoneSheet(Struct, frozen=True, kw_only=True):
    """A zone. `properties` and `outline` are what its file says, `area` is what counts where that is another (grown by
    a margin); `counts`: today and at this hour."""

    zone_id: str
    kind: str
    name: Text
    file: str
    line: int
    properties: dict[str, Any]
    outline: GeoJson
    area: GeoJson | None
    area_m2: float
    counts: bool


class ZoneMap(Struct, frozen=True):
    """The zones of the city in force. `datum` is that of its files."""

    city_hash: str
    datum: PointDatum
    bounds: tuple[float, float, float, float]
    zones: list[ZoneSheet]


class ZoneDoubt(Struct, frozen=True, kw_only=True):
    """What may be meant, and mostly is not: an overlap (`shape`, `area_m2`) of zones that exclude each other, a zone
    too small for positions, one far from all others."""

    code: str
    text: Text
    zone_ids: list[str]
    area_m2: float | None = None
    shape: GeoJson | None = None


class ZoneTrouble(Struct, frozen=True):
    """An error or warning of a zone's file, and the zone that it is about (None: the file)."""

    zone_id: str | None
    finding: Finding


class DraftedZones(Struct, frozen=True):
    """What a draft does to zones: those that are new or otherwise, as they would be; those that go; what is wrong."""

    zones: list[ZoneSheet]
    removed: list[str]
    troubles: list[ZoneTrouble]
    doubts: list[ZoneDoubt]


class PlaceBody(Struct):
    """A place in the datum that it was read in, at an instant (None: now; without offset the city's own time). With a
    draft its zones are asked, else those in force."""

    lon: Annotated[float, Meta(ge=-180, le=180)]
    lat: Annotated[float, Meta(ge=-90, le=90)]
    datum: PointDatum = "wgs84"
    at: datetime | None = None
    draft: Draft | None = None


class ZoneHere(Struct, frozen=True):
    """A zone that holds a place; where it does not count at that instant, `why` says what keeps it from it."""

    zone_id: str
    kind: str
    name: Text
    counts: bool
    why: Text | None


class ZonesHere(Struct, frozen=True):
    """The zones that hold a place, the smallest first; the place in every datum as (longitude, latitude)."""

    at: str
    wgs84: tuple[float, float]
    gcj02: tuple[float, float]
    bd09: tuple[float, float]
    zones: list[ZoneHere]


class ImportBody(Struct):
    """A file drawn elsewhere: GeoJSON, KML, KMZ or a zipped Shapefile, in base64. `datum` None: what the file says of
    itself. `kind` is of features without one; `id_field` and `name_field` name the attributes to take."""

    draft: Draft
    file: Annotated[str, Meta(max_length=255)]
    data: bytes
    datum: PointDatum | None = None
    kind: str | None = None
    id_field: str | None = None
    name_field: str | None = None


class ImportedZone(Struct, frozen=True, kw_only=True):
    """A feature of the file as it would come into the draft; `reasons` say why one is rejected."""

    zone_id: str
    change: Literal["added", "changed", "same", "rejected"]
    properties: dict[str, Any]
    geometry: GeoJson | None
    reasons: list[Text]


class ZoneImport(Struct, frozen=True, kw_only=True):
    """What a file would bring. `said`: the datum is the file's own word; `fields`: the attributes that it has."""

    datum: PointDatum
    said: bool
    fields: list[str]
    zones: list[ImportedZone]


class Zones(Protocol):
    """Where zones are looked at and drawn; see `haulwatch.bootstrap.zone_desk.ZoneDesk` for each."""

    def in_force(self) -> ZoneMap: ...

    def drafted(self, draft: Draft) -> DraftedZones: ...

    def here(self, place: PlaceBody) -> ZonesHere: ...

    def read_import(self, body: ImportBody) -> ZoneImport: ...
