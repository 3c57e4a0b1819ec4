"""The registry from its tables, and what can only be said with all of them and the zones at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Protocol

from haulwatch.city.cells import bare_plate
from haulwatch.city.tables import CAMERAS, PERMITS, SQUADS, STATIONS, TRUCKS, Rows, load_table
from haulwatch.domain.errors import Finding, did_you_mean
from haulwatch.domain.registry import Camera, Permit, Registry, Squad, Station, Truck
from haulwatch.domain.text import Text

ToWgs84 = Callable[[float, float], tuple[float, float]]
"""(lon, lat) in the folder's datum as (lon, lat) in WGS-84."""
Bounds = tuple[float, float, float, float]
"""West, south, east, north in WGS-84 degrees."""

FAR_DEG = 0.5
"""A station or camera this far (about 50 km) outside all zones is probably a slip."""

HINTS_A_TABLE = 100
"""Searching a close name among a thousand takes milliseconds; with this many findings the slip is another one."""

_ZONE_COLUMNS: dict[str, tuple[str, ...]] = {
    "origin_zone": ("construction_site", "transfer_site"),
    "destination_zone": ("disposal_site", "transfer_site", "construction_site"),
    "route_zone": ("route",),
    "district_zone": ("district", "township"),
}


class KnownZone(Protocol):
    """What the registry needs to know of a zone."""

    @property
    def zone_id(self) -> str:
        """Its id."""
        ...

    @property
    def kind(self) -> str:
        """One of the kinds of the contract."""
        ...


class Tables:
    """All tables of a city as read, before and after they are checked against each other and the zones."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.trucks = load_table(TRUCKS, files.get(TRUCKS.file))
        self.stations = load_table(STATIONS, files.get(STATIONS.file))
        self.cameras = load_table(CAMERAS, files.get(CAMERAS.file))
        self.permits = load_table(PERMITS, files.get(PERMITS.file))
        self.squads = load_table(SQUADS, files.get(SQUADS.file))
        _check_trucks(self.trucks)
        for key, permit in self.permits.rows.items():
            _check_period(self.permits, key, "valid_to", permit.valid_from, permit.valid_to)

    def findings(self) -> list[Finding]:
        """Everything found so far, table by table in the order of lines."""
        tables = (self.trucks, self.stations, self.cameras, self.permits, self.squads)
        return [finding for table in tables for finding in sorted(table.findings, key=lambda f: (f.line, f.column))]

    def check_zones(self, zones: Iterable[KnownZone]) -> None:
        """Adds what is wrong with references to zones."""
        kinds = {zone.zone_id: zone.kind for zone in zones}
        for key, permit in self.permits.rows.items():
            for column in ("origin_zone", "destination_zone", "route_zone"):
                _check_zone(self.permits, key, column, getattr(permit, column), kinds)
        for key, squad in self.squads.rows.items():
            _check_zone(self.squads, key, "district_zone", squad.district_zone, kinds)

    def check_places(self, bounds: Bounds | None, to_wgs84: ToWgs84) -> None:
        """Adds what is wrong with the places of stations and cameras; `bounds` are those of all zones."""
        _check_places(self.stations, bounds, to_wgs84)
        _check_places(self.cameras, bounds, to_wgs84)

    def registry(self, to_wgs84: ToWgs84) -> Registry:
        """The tables as one value, places in WGS-84."""
        return Registry(
            trucks=self.trucks.rows,
            stations={key: _placed_station(row, to_wgs84) for key, row in self.stations.rows.items()},
            cameras={key: _placed_camera(row, to_wgs84) for key, row in self.cameras.rows.items()},
            permits=self.permits.rows,
            squads=self.squads.rows,
        )


def _check_trucks(trucks: Rows[Truck]) -> None:
    terminals: dict[str, str] = {}
    for key, truck in trucks.rows.items():
        if (bare := bare_plate(key)) != key:
            trucks.report(
                key,
                "truck_id",
                "C039",
                Text(
                    f"车牌 “{key}” 含有空格、间隔号或全角字符",
                    f"Plate “{key}” has blanks, dots or full-width characters",
                ),
                Text(f"终端和相机上报的多半是 {bare}", f"Terminals and cameras probably report {bare}"),
                "warning",
            )
        _check_period(trucks, key, "permit_to", truck.permit_from, truck.permit_to)
        if truck.tare_kg and truck.registered_gross_kg and truck.tare_kg >= truck.registered_gross_kg:
            text = Text("空车质量不小于总质量", "The tare is not below the registered gross mass")
            trucks.report(key, "tare_kg", "C041", text, severity="warning")
        if truck.terminal_id is not None and (first := terminals.setdefault(_one_form(truck.terminal_id), key)) != key:
            text = Text(
                f"终端 {truck.terminal_id} 已登记在 {first} 名下",
                f"Terminal {truck.terminal_id} is already that of {first}",
            )
            trucks.report(key, "terminal_id", "C026", text)


def _one_form(terminal_id: str) -> str:
    """Terminals write their numbers with any number of leading zeros, and their ids in capitals or not."""
    return terminal_id.upper().lstrip("0") or "0"


def _check_period(
    rows: Rows[Truck] | Rows[Permit], key: str, column: str, begins: date | None, ends: date | None
) -> None:
    if begins is not None and ends is not None and begins > ends:
        text = Text(f"结束日期 {ends} 早于开始日期 {begins}", f"Ends on {ends}, before it begins on {begins}")
        rows.report(key, column, "C038", text)


def _check_zone(
    rows: Rows[Permit] | Rows[Squad], key: str, column: str, zone_id: str | None, kinds: Mapping[str, str]
) -> None:
    if zone_id is None:
        return
    kind = kinds.get(zone_id)
    if kind is None:
        text = Text(f"没有编号为 “{zone_id}” 的围栏", f"There is no zone “{zone_id}”")
        hint = did_you_mean(zone_id, kinds) if len(rows.findings) < HINTS_A_TABLE else None
        rows.report(key, column, "C035", text, hint)
    elif kind not in _ZONE_COLUMNS[column]:
        expected = ", ".join(_ZONE_COLUMNS[column])
        text = Text(
            f"围栏 “{zone_id}” 的类型是 {kind}，这里通常是 {expected}",
            f"Zone “{zone_id}” is a {kind}; expected: {expected}",
        )
        rows.report(key, column, "C036", text, severity="warning")


def _check_places(rows: Rows[Station] | Rows[Camera], bounds: Bounds | None, to_wgs84: ToWgs84) -> None:
    for key, row in rows.rows.items():
        if row.lon is None and row.lat is None:
            continue
        if row.lon is None or row.lat is None:
            text = Text("经度和纬度要么都写，要么都不写", "Longitude and latitude come together or not at all")
            rows.report(key, rows.table.key, "C040", text)
        elif bounds is not None and not _near(to_wgs84(row.lon, row.lat), bounds):
            text = Text(
                f"位置（{row.lon}, {row.lat}）离所有围栏都很远", f"({row.lon}, {row.lat}) is far from every zone"
            )
            rows.report(key, "lon", "C037", text, severity="warning")


def _near(place: tuple[float, float], bounds: Bounds) -> bool:
    west, south, east, north = bounds
    return west - FAR_DEG <= place[0] <= east + FAR_DEG and south - FAR_DEG <= place[1] <= north + FAR_DEG


def _placed_station(row: Station, to_wgs84: ToWgs84) -> Station:
    if row.lon is None or row.lat is None:
        return row
    lon, lat = to_wgs84(row.lon, row.lat)
    return Station(
        station_id=row.station_id,
        name=row.name,
        lon=lon,
        lat=lat,
        tolerance_pct=row.tolerance_pct,
        verified_until=row.verified_until,
        mode=row.mode,
    )


def _placed_camera(row: Camera, to_wgs84: ToWgs84) -> Camera:
    if row.lon is None or row.lat is None:
        return row
    lon, lat = to_wgs84(row.lon, row.lat)
    return Camera(camera_id=row.camera_id, name=row.name, lon=lon, lat=lat, trust=row.trust)
