"""Where an order goes: the smallest jurisdiction, a squad on duty for each department, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pytest

from haulwatch.dispatch.duty import CityPlan
from haulwatch.dispatch.routing import Area, Route, Router, one_level_up
from haulwatch.domain.orders import Task
from haulwatch.domain.registry import Hours, Squad
from haulwatch.domain.text import Text
from haulwatch.testing import city_of, square
from tests.dispatch.conftest import MORNING_MS

AREAS = (
    Area(zone_id="D1", kind="district", name=Text("东区", "East")),
    Area(zone_id="D2", kind="district", name=Text("西区", "West")),
    Area(zone_id="T1", kind="township", name=Text("青镇", "Qing"), parent="D1"),
    Area(zone_id="T9", kind="township", name=Text("孤镇", "Lone")),
)
DAY = Hours(7 * 60, 19 * 60)
NIGHT = Hours(19 * 60, 7 * 60)
SQUADS = (
    Squad(squad_id="Q-C", name="机动", level="city", departments=("law", "traffic", "water")),
    Squad(squad_id="Q-D1", name="东一", district_zone="D1", level="district", departments=("law", "traffic")),
    Squad(squad_id="Q-D2", name="西一", district_zone="D2", level="district", departments=("law", "traffic")),
    Squad(squad_id="Q-T1a", name="青日", district_zone="T1", level="township", departments=("law",), hours=(DAY,)),
    Squad(
        squad_id="Q-T1b", name="青夜", district_zone="T1", level="township", departments=("traffic",), hours=(NIGHT,)
    ),
)
HERE = (120.1, 30.9)


def local(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 5, 1, hour, minute)


def route(
    zone_ids: Sequence[str] = ("S-1", "D1", "T1"),
    departments: Sequence[str] = ("law",),
    hour: int = 10,
    *,
    squads: Sequence[Squad] = SQUADS,
    place: tuple[float, float] | None = HERE,
    holds: Sequence[str] = (),
) -> Route:
    return Router(AREAS, squads, lambda _lon, _lat: holds).route(zone_ids, place, departments, local(hour))


def test_the_smallest_jurisdiction_comes_first_and_other_zones_are_none() -> None:
    assert route(("S-1", "D1", "T1", "F-2")).jurisdictions == ("T1", "D1")


def test_a_township_brings_its_district_even_where_the_map_has_a_gap() -> None:
    assert route(("T1",)).jurisdictions == ("T1", "D1")
    assert route(("T9",)).jurisdictions == ("T9",)


@pytest.mark.parametrize(
    ("zones", "departments", "hour", "squads"),
    [
        (("T1", "D1"), ("law",), 10, ["Q-T1a"]),  # the township's own squad, by day
        (("T1", "D1"), ("law",), 22, ["Q-D1"]),  # at night it sleeps: the district's
        (("T1", "D1"), ("traffic",), 10, ["Q-D1"]),  # the township has its traffic squad by night only
        (("T1", "D1"), ("traffic",), 6, ["Q-T1b"]),  # hours run over midnight
        (("T1", "D1"), ("traffic",), 7, ["Q-D1"]),  # the end of the hours is not in them
        (("T1", "D1"), ("water",), 10, ["Q-C"]),  # only the city has that department
        (("D2",), ("law", "traffic", "water"), 10, ["Q-D2", "Q-D2", "Q-C"]),  # each department its own
        (("D2",), ("police",), 10, [None]),  # nobody
        ((), ("law",), 10, ["Q-C"]),  # outside of everything: the city
    ],
)
def test_who_is_on_duty(zones: Sequence[str], departments: Sequence[str], hour: int, squads: list[str | None]) -> None:
    found = route(zones, departments, hour)
    assert [task.squad_id for task in found.tasks] == squads
    assert [task.department for task in found.tasks] == list(departments)
    assert found.squad_id == squads[0]
    assert found.duty_desk == (None in squads)


def test_a_department_without_anybody_is_left_to_the_duty_desk_and_the_others_go_on() -> None:
    found = route(departments=("police", "law"))
    assert found.tasks == (Task(department="police"), Task(department="law", squad_id="Q-T1a"))
    assert (found.squad_id, found.duty_desk) == ("Q-T1a", True)


def test_a_rule_without_departments_gets_the_nearest_squad_and_no_tasks() -> None:
    found = route(departments=())
    assert (found.tasks, found.squad_id, found.duty_desk) == ((), "Q-T1a", False)


def test_without_a_squad_the_duty_desk_of_the_district() -> None:
    found = route(squads=())
    assert (found.squad_id, found.duty_desk) == (None, True)
    assert found.why[-1] == Text("转东区值班台", "to the duty desk of East")
    assert route((), squads=()).why[-1] == Text("转市值班台", "to the duty desk of the city")


def test_a_squad_without_a_zone_is_nobody_s_unless_it_is_the_city_s() -> None:
    lost = Squad(squad_id="Q-X", level="district", departments=("law",))
    assert route(squads=(lost,)).squad_id is None
    assert route(squads=(Squad(squad_id="Q-Y", departments=("law",)),)).squad_id == "Q-Y"


def test_a_finding_that_names_no_area_is_looked_up_by_its_place() -> None:
    assert route(("S-1",), holds=("T1", "D1")).jurisdictions == ("T1", "D1")
    assert route(("D2",), holds=("T1", "D1")).jurisdictions == ("D2",), "what the finding says counts"
    assert route((), holds=("T1",), place=None).jurisdictions == ()


def test_the_reasons_can_be_read() -> None:
    found = route(departments=("law", "police"))
    assert [text.en for text in found.why] == [
        "jurisdictions, smallest first (the zones of the finding): Qing (T1), East (D1)",
        "law: 青日 (Q-T1a, T1), on duty at 10:00",
        "police: no squad that fits is on duty at 10:00",
        "to the duty desk of East",
    ]
    assert [text.zh for text in found.why] == [
        "辖区（由小到大，线索所在的围栏）：青镇（T1）、东区（D1）",
        "law：青日（Q-T1a，T1），10:00 在岗",
        "police：10:00 没有合适的在岗中队",
        "转东区值班台",
    ]


def test_one_level_up() -> None:
    assert one_level_up(["T1", "D1"]) == "D1"
    assert one_level_up(["T1", "D1"], 2) == one_level_up(["D1"]) == one_level_up([]) == "city"


def test_a_city_plans_by_its_own_files() -> None:
    zones = [square("D1", "district", 120.1, 30.86, 0.2), square("T1", "township", 120.1, 30.86, 0.05, parent="D1")]
    squads = "squad_id,name,district_zone,level,departments,hours\nQ1,一队,T1,township,综合执法,07:00-19:00\n"
    calendar = "working_hours: {mon-fri: '08:00-16:00'}\nservice_clocks: {file: {low: 1d working}}\n"
    plan = CityPlan(city_of(zones=zones, tables={"squads.csv": squads, "calendar.yaml": calendar}))
    rule_id = next(iter(plan._policies))
    by_day = plan.route_place([], (120.1, 30.86), rule_id, MORNING_MS)
    assert by_day.jurisdictions == ("T1", "D1")
    assert plan.route_place([], (120.2, 30.86), rule_id, MORNING_MS).jurisdictions == ("D1",)
    assert plan.route_place([], (121.2, 30.86), rule_id, MORNING_MS).jurisdictions == ()
    assert "Q1" in {task.squad_id for task in by_day.tasks}, "eight in the morning, local time"
    at_night = plan.route_place([], (120.1, 30.86), rule_id, MORNING_MS - 3 * 3_600_000)
    assert "Q1" not in {task.squad_id for task in at_night.tasks}
    assert plan.terms().limit("file", "low").minutes == 8 * 60, "a working day of this city"
    assert plan.terms().limit("file", "urgent").minutes == 10, "as shipped"
