"""Where an order goes: the jurisdictions that hold the place, a squad on duty for each department, and why. Pure.

The smallest jurisdiction comes first (township, district, city); of the squads that are on duty for a department the
one with the smallest area that holds the place is proposed. Where none fits, the district's duty desk has to find one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from haulwatch.domain.orders import Task
from haulwatch.domain.registry import Squad
from haulwatch.domain.text import Text

AreaKind = Literal["township", "district"]
CITY = "city"
"""What is responsible where no district is: the city itself."""

_RANK: dict[AreaKind, int] = {"township": 0, "district": 1}


class Area(Struct, frozen=True, kw_only=True):
    """An administrative zone; `parent` is the district of a township."""

    zone_id: str
    kind: AreaKind
    name: Text
    parent: str | None = None


class Route(Struct, frozen=True, kw_only=True):
    """Where an order goes; see `Order` for the fields. `why`: the steps that led there, for people."""

    jurisdictions: tuple[str, ...] = ()
    squad_id: str | None = None
    duty_desk: bool = False
    tasks: tuple[Task, ...] = ()
    why: tuple[Text, ...] = ()


ZonesAt = Callable[[float, float], Iterable[str]]
"""The ids of the zones that hold a place (lon, lat in WGS-84 degrees)."""


class Router:
    """Routes within one city."""

    def __init__(self, areas: Iterable[Area], squads: Iterable[Squad], zones_at: ZonesAt) -> None:
        self._areas: Mapping[str, Area] = {area.zone_id: area for area in areas}
        self._squads = sorted(squads, key=lambda squad: squad.squad_id)
        self._zones_at = zones_at

    def route(
        self,
        zone_ids: Sequence[str],
        place: tuple[float, float] | None,
        departments: Sequence[str],
        local: datetime,
    ) -> Route:
        """The route of a finding: `zone_ids` hold it, `departments` take part, `local` is the city's time now."""
        areas, whence = self._areas_of(zone_ids, place)
        why = [_said_areas(areas, whence)]
        tasks: list[Task] = []
        for department in departments:
            squad = self._squad_for(department, areas, local)
            why.append(_said_squad(squad, department, local))
            tasks.append(Task(department=department, squad_id=None if squad is None else squad.squad_id))
        found = [task.squad_id for task in tasks]
        if not departments:
            squad = self._squad_for(None, areas, local)
            why.append(_said_squad(squad, None, local))
            found = [None if squad is None else squad.squad_id]
        duty_desk = None in found
        if duty_desk:
            why.append(_said_desk(areas))
        return Route(
            jurisdictions=tuple(area.zone_id for area in areas),
            squad_id=next((squad_id for squad_id in found if squad_id is not None), None),
            duty_desk=duty_desk,
            tasks=tuple(tasks),
            why=tuple(why),
        )

    def _areas_of(self, zone_ids: Iterable[str], place: tuple[float, float] | None) -> tuple[list[Area], Text]:
        """The administrative zones that hold the finding, the smallest first, and how that is known."""
        whence = Text("线索所在的围栏", "the zones of the finding")
        areas = [self._areas[zone_id] for zone_id in zone_ids if zone_id in self._areas]
        if not areas and place is None:
            whence = Text("没有位置", "no place")
        elif not areas and place is not None:
            whence = Text(f"按位置 {place[0]:.6f}, {place[1]:.6f}", f"by the place {place[0]:.6f}, {place[1]:.6f}")
            areas = [self._areas[zone_id] for zone_id in self._zones_at(*place) if zone_id in self._areas]
        # A township belongs to its district even where the two were drawn with a gap between them.
        parents = [self._areas.get(area.parent) for area in areas if area.parent is not None]
        unique = {area.zone_id: area for area in (*areas, *parents) if area is not None}
        return sorted(unique.values(), key=lambda area: (_RANK[area.kind], area.zone_id)), whence

    def _squad_for(self, department: str | None, areas: Sequence[Area], local: datetime) -> Squad | None:
        ranked = [
            (rank, squad)
            for squad in self._squads
            if (department is None or department in squad.departments)
            and squad.on_duty_at(local.hour * 60 + local.minute)
            and (rank := reach(squad, [area.zone_id for area in areas])) is not None
        ]
        return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


def reach(squad: Squad, jurisdictions: Sequence[str]) -> int | None:
    """How large the squad's area is among `jurisdictions` (0 is the smallest); None where it holds the place not.

    The city's squads reach everywhere, after all others.
    """
    if squad.level == "city" or (squad.level is None and squad.district_zone is None):
        return len(jurisdictions)
    if squad.district_zone in jurisdictions:
        return jurisdictions.index(squad.district_zone)
    return None


def one_level_up(jurisdictions: Sequence[str], levels: int = 1) -> str:
    """Who supervises the smallest of the jurisdictions, `levels` above it: a zone's id, or `CITY`."""
    return jurisdictions[levels] if levels < len(jurisdictions) else CITY


def _said_areas(areas: Sequence[Area], whence: Text) -> Text:
    if not areas:
        zh = f"不在任何街镇或辖区内（{whence.zh}）：由市级负责"
        return Text(zh, f"in no township or district ({whence.en}): the city itself is responsible")
    zh = "、".join(f"{area.name.zh}（{area.zone_id}）" for area in areas)
    en = ", ".join(f"{area.name.en} ({area.zone_id})" for area in areas)
    return Text(f"辖区（由小到大，{whence.zh}）：{zh}", f"jurisdictions, smallest first ({whence.en}): {en}")


def _said_squad(squad: Squad | None, department: str | None, local: datetime) -> Text:
    of = Text(department, department) if department is not None else Text("规则未写部门", "no department in the rule")
    if squad is None:
        return Text(
            f"{of.zh}：{local:%H:%M} 没有合适的在岗中队", f"{of.en}: no squad that fits is on duty at {local:%H:%M}"
        )
    name = squad.name or squad.squad_id
    area = squad.district_zone if squad.level != "city" and squad.district_zone is not None else None
    zh, en = ("全市", "the whole city") if area is None else (area, area)
    return Text(
        f"{of.zh}：{name}（{squad.squad_id}，{zh}），{local:%H:%M} 在岗",
        f"{of.en}: {name} ({squad.squad_id}, {en}), on duty at {local:%H:%M}",
    )


def _said_desk(areas: Sequence[Area]) -> Text:
    district = next((area for area in areas if area.kind == "district"), None)
    if district is None:
        return Text("转市值班台", "to the duty desk of the city")
    return Text(f"转{district.name.zh}值班台", f"to the duty desk of {district.name.en}")
