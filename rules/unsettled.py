"""What an officer must still find out before a suggestion becomes a decision: what the tables do not know.

What a *text* leaves open stands in its pack (`open_questions`); this is about the truck, the station and the record.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from haulwatch.domain.registry import Station, Truck
from haulwatch.domain.text import Text
from rules.law_packs import LawPack, LimitRow

_REVIEW = Text(
    "称重记录须经审核才能作为证据：核对设备检定合格、标志明显、设置地点已公布，车牌、时间与照片相符",
    "The record must be reviewed before it is evidence: device verified, marked, its place published; plate, time and "
    "picture agree",
)
_UNVERIFIED = {
    "excerpt": Text("仅据摘录录入", "was entered from an excerpt"),
    "unverified": Text("尚未核对", "was not checked"),
}


def to_check(
    truck: Truck,
    axle_count: int | None,
    station: Station | None,
    rows: Sequence[LimitRow],
    packs: Sequence[LawPack],
    day: date,
) -> list[dict[str, str]]:
    """Questions `{id, zh, en}` about one weighing; `rows` are the limits that may hold, `axle_count` what was seen."""
    asked = [*_of_truck(truck, axle_count, rows), *_of_station(station, day), ("review", _REVIEW), *_of_packs(packs)]
    return [{"id": name, "zh": text.zh, "en": text.en} for name, text in asked]


def _of_truck(truck: Truck, axle_count: int | None, rows: Sequence[LimitRow]) -> Iterator[tuple[str, Text]]:
    if truck.axle_count is None:
        zh, en = "车辆档案没有轴数，按设备测得的", "No axles on record; the device counted"
        yield "axles", Text(f"{zh} {axle_count} 轴计：核对实车", f"{en} {axle_count}: count them")
    elif axle_count is not None and axle_count != truck.axle_count:
        zh = f"档案为 {truck.axle_count} 轴，设备测得 {axle_count} 轴：核对是否同一辆车"
        en = f"{truck.axle_count} axles on record, the device counted {axle_count}: is it the same truck?"
        yield "axles-differ", Text(zh, en)
    if len(rows) > 1:
        yield (
            "body",
            Text(
                "车型（单车或汽车列车）未登记，限值取了较高的：核对实车",
                "Rigid or articulated is not on record, the higher limit was taken: look",
            ),
        )
    if truck.air_suspension is None and (bonus := max((row.air_suspension_kg for row in rows), default=0.0)):
        zh = f"空气悬架未登记：双轮胎驱动轴装有空气悬架的，限值加 {bonus:,.0f} kg"
        en = f"Air suspension is not on record: with it and dual drive tyres the limit is {bonus:,.0f} kg higher"
        yield "air-suspension", Text(zh, en)
    if truck.registered_gross_kg is None:
        yield (
            "registered-mass",
            Text(
                "行驶证核定总质量未登记：限值不得超过它",
                "The registered mass is not on record: the limit is never above it",
            ),
        )


def _of_station(station: Station | None, day: date) -> Iterator[tuple[str, Text]]:
    if station is None:
        yield (
            "station",
            Text(
                "称重站点未登记，允差与检定情况不明", "The station is not on record: tolerance and verification unknown"
            ),
        )
        return
    if station.tolerance_pct is None:
        yield (
            "tolerance",
            Text("站点允差未登记，没有扣除", "The station's tolerance is not on record, nothing was taken off"),
        )
    if station.verified_until is None:
        yield "verification", Text("站点检定有效期未登记", "The station's verification is not on record")
    elif station.verified_until < day:
        until = station.verified_until.isoformat()
        yield (
            "verification-expired",
            Text(
                f"站点检定已于 {until} 到期：不能作为处罚依据，须复称",
                f"The station's verification ran out on {until}: no ground for a penalty, weigh again",
            ),
        )


def _of_packs(packs: Sequence[LawPack]) -> Iterator[tuple[str, Text]]:
    for pack in packs:
        if (how := _UNVERIFIED.get(pack.verified)) is not None:
            edition = pack.edition.isoformat()
            yield (
                f"source-{pack.id}",
                Text(
                    f"《{pack.title.zh}》（{edition} 版）{how.zh}：引用前核对现行原文",
                    f"{pack.title.en} (edition of {edition}) {how.en}: check the text in force before citing",
                ),
            )
