"""How many of a carrier's trucks went over the limit within a year (公路安全保护条例 art. 66: more than a tenth).

Counted in trucks, not in trips: one truck that was over four times is one. A truck counts when an order about it was
confirmed; those that are not decided yet are told beside it. The fleet is what `trucks.csv` has of the carrier.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from math import floor

from haulwatch.console.schemas import FleetShare, ShareNote
from haulwatch.domain.instants import rfc3339, to_ms
from haulwatch.domain.statistics import OffenceGroup
from haulwatch.domain.text import Text

LIMIT_PCT = 10
LAW = Text("《公路安全保护条例》第六十六条", "Highway protection regulation, art. 66")
COUNTED = Text(
    "按车辆计：一年内有超限工单经核查属实的车辆，占车辆档案中该企业车辆的比例；未结的另列。企业全部货运车辆数与处罚决定以主管部门登记为准，"
    "是否处理由执法人员决定。",
    "By trucks: those with an overweight order confirmed within a year, of the carrier's trucks on record here; "
    "undecided ones apart. The authority's own register of the fleet and of penalties counts; an officer decides.",
)


def a_year_before(now: datetime) -> datetime:
    """The same local time a calendar year ago; of 29 February, 28 February."""
    try:
        return now.replace(year=now.year - 1)
    except ValueError:
        return (now - timedelta(days=1)).replace(year=now.year - 1)


def note_of(since: datetime, *, partial: bool) -> ShareNote:
    """What the shares mean; `partial` where who asks sees the orders of some areas only."""
    return ShareNote(law=LAW, counted=COUNTED, limit_pct=LIMIT_PCT, since=rfc3339(to_ms(since)), partial=partial)


def fleet_shares(year: Iterable[OffenceGroup], carriers: Mapping[str, str]) -> dict[str, FleetShare]:
    """The share of each carrier with an overweight order in `year`; `carriers` is the carrier of each truck."""
    confirmed: dict[str, set[str]] = {}
    undecided: dict[str, set[str]] = {}
    for group in year:
        carrier = carriers.get(group.truck_id)
        if carrier is None or group.category != "overweight":
            continue
        confirmed.setdefault(carrier, set())
        if group.confirmed:
            confirmed[carrier].add(group.truck_id)
        if group.open:
            undecided.setdefault(carrier, set()).add(group.truck_id)
    fleets = Counter(carriers.values())
    return {
        carrier: share_of(len(trucks), len(undecided.get(carrier, set()) - trucks), fleets[carrier])
        for carrier, trucks in confirmed.items()
    }


def share_of(confirmed: int, undecided: int, fleet: int) -> FleetShare:
    """Exactly a tenth is not more than a tenth; the percentage is cut off, in favour of the carrier."""
    return FleetShare(
        confirmed_trucks=confirmed,
        undecided_trucks=undecided,
        fleet=fleet,
        pct=floor(confirmed * 1000 / fleet) / 10,
        over=confirmed * 100 > LIMIT_PCT * fleet,
    )
