"""What the law says of a mass: the limit of a truck, and the consequence that each pack suggests.

Everything here is a suggestion with its edition and its steps; a person decides (行政处罚法 art. 41, docs/law.md).

Unknown never fires, so a limit is only ever the *highest* that the known facts allow: with three or four axles and an
unknown body it is the articulated one. What exceeds that is over whatever the body is. An addition that the law grants
for equipment (air suspension) counts only when the registry says that the truck has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from math import ceil, floor
from typing import Any

from haulwatch.domain.registry import Station, Truck
from haulwatch.domain.text import Text
from rules.law_packs import (
    Band,
    LawPack,
    LimitRow,
    MassLimits,
    PenaltyScale,
    Reference,
    load_packs,
    load_references,
    shipped_law,
)
from rules.unsettled import to_check

DAY_MS = 86_400_000
LEGAL_TIME_MS = 8 * 3_600_000
"""Offset of the legal time of China, in which dates of entry into force are meant."""
EPOCH = date(1970, 1, 1)
DECIDES = Text(
    "以上为按条文计算的建议，由执法人员审核后决定",
    "Calculated from the text as a suggestion; an officer reviews and decides",
)
_CONSEQUENCES = {
    "none": Text("未超限，不予处罚", "not over the limit, no penalty"),
    "education": Text("批评教育，不罚款", "education, no fine"),
    "warning": Text("警告", "warning"),
}
_BODIES = {"rigid": Text("单车", "rigid"), "articulated": Text("汽车列车", "articulated")}


class Law:
    """The law packs of a city; for each topic the later pack that is in force wins."""

    def __init__(self, packs: Sequence[LawPack], references: Mapping[str, Reference]) -> None:
        self.packs = tuple(packs)
        self.references = references
        self._limits: dict[tuple[object, ...], float | None] = {}
        self._tables: dict[int, LawPack | None] = {}

    def limit_kg(self, truck: Truck, axle_count: int | None, at_ms: int) -> float | None:
        """Legal gross mass limit in kg at `at_ms`; None when the axles are unknown or no table is in force.

        `axle_count` is what the event saw; it counts when the registry has none.
        """
        axles = truck.axle_count if truck.axle_count is not None else axle_count
        if axles is None:
            return None
        table = self._table(at_ms)
        key = (table and table.id, axles, truck.body, truck.registered_gross_kg, truck.air_suspension)
        if key not in self._limits:
            self._limits[key] = None if table is None else limit_in(table.mass_limits, axles, truck)
        return self._limits[key]

    def _table(self, at_ms: int) -> LawPack | None:
        """The last pack in force on that day that has a table of limits; remembered by day."""
        day = (at_ms + LEGAL_TIME_MS) // DAY_MS
        if day not in self._tables:
            holding = [p for p in self.packs if p.mass_limits is not None and p.in_force(_date(day))]
            self._tables[day] = holding[-1] if holding else None
        return self._tables[day]

    def basis(self, keys: Sequence[str]) -> list[str]:
        """The cited articles in Chinese, in the order of `keys`; a key without an entry stands for itself."""
        return [self.references[key].title.zh if key in self.references else key for key in keys]

    def suggestion(
        self,
        category: str,
        truck: Truck,
        gross_kg: float | None,
        judged_kg: float | None,
        at_ms: int,
        axle_count: int | None = None,
        station: Station | None = None,
    ) -> dict[str, Any] | None:
        """What each pack suggests for an overweight truck; None for other categories or without a limit.

        `gross_kg` is the reading, `judged_kg` the reading less the station's tolerance (the reading itself when None);
        penalties rest on `judged_kg`; `station` is where it was weighed, None where it is not on record. Keys:
        limit_kg, gross_kg, judged_kg, {raw,judged}_excess_{kg,pct}, limit (law, steps, open questions), packs (each:
        consequence, amount_yuan, steps, open questions, other readings), applies, to_check (what a person must still
        find out), text, decides. Masses kg, money yuan, texts `{zh, en}`.
        """
        limit_kg = self.limit_kg(truck, axle_count, at_ms)
        table = self._table(at_ms)
        if category != "overweight" or gross_kg is None or limit_kg is None or table is None:
            return None
        judged_kg = gross_kg if judged_kg is None else judged_kg
        raw, judged = excess_of(gross_kg, limit_kg), excess_of(judged_kg, limit_kg)
        day = _date((at_ms + LEGAL_TIME_MS) // DAY_MS)
        scales = [pack for pack in self.packs if pack.overweight_penalty is not None and pack.in_force(day)]
        packs = [_consequence(pack, pack.overweight_penalty, judged, limit_kg) for pack in scales]
        if packs:
            packs[-1]["applies"] = True
        axles = (truck.axle_count if truck.axle_count is not None else axle_count) or 0
        rows = rows_for(table.mass_limits, axles, truck.body) if table.mass_limits is not None else []
        texts = list({pack.id: pack for pack in (table, *scales)}.values())
        return {
            "limit_kg": number(limit_kg),
            "gross_kg": number(gross_kg),
            "judged_kg": number(judged_kg),
            "raw_excess_kg": number(raw),
            "raw_excess_pct": percent(raw, limit_kg),
            "judged_excess_kg": number(judged),
            "judged_excess_pct": percent(judged, limit_kg),
            "limit": _explain_limit(table, axles, truck, limit_kg),
            "packs": packs,
            "applies": packs[-1]["pack_id"] if packs else None,
            "to_check": to_check(truck, axle_count, station, rows, texts, day),
            "text": _both(_summary(limit_kg, gross_kg, judged_kg)),
            "decides": _both(DECIDES),
        }


def load_law(names: Sequence[str], law_files: Mapping[str, bytes] | None = None) -> Law:
    """The law of a city by the names of its packs (`city.yaml`, `law:`); AuthorError when one is unknown or wrong.

    `law_files` are the files of the packs by name; None: the shipped ones.
    """
    law_files = shipped_law() if law_files is None else law_files
    return Law(load_packs(names, law_files), load_references(law_files))


def limit_in(table: MassLimits | None, axles: int, truck: Truck) -> float | None:
    """The highest limit that the known facts allow, never above the registered mass; None when no row fits."""
    if table is None:
        return None
    possible = [_row_limit(row, truck) for row in rows_for(table, axles, truck.body)]
    if not possible:
        return None
    limit = max(possible)
    if table.capped_by_registered_mass and truck.registered_gross_kg is not None:
        limit = min(limit, truck.registered_gross_kg)
    return limit


def rows_for(table: MassLimits, axles: int, body: str | None) -> list[LimitRow]:
    """The rows that can hold: all bodies while the body is unknown."""
    rows = [row for row in table.rows if row.axles == axles or (row.or_more and axles > row.axles)]
    return [row for row in rows if row.body == "any" or body is None or row.body == body]


def _row_limit(row: LimitRow, truck: Truck) -> float:
    return row.limit_kg + (row.air_suspension_kg if truck.air_suspension else 0.0)


def excess_of(mass_kg: float, limit_kg: float) -> float:
    """How much `mass_kg` is over the limit, not below 0, to the gram (so that sums of floats do not add a kilogram)."""
    return max(round(mass_kg - limit_kg, 3), 0.0)


def fine_yuan(scale: PenaltyScale, excess_kg: float, limit_kg: float, rounding: str | None = None) -> float:
    """The fine in yuan for `excess_kg` over `limit_kg`, capped; `rounding` replaces that of the bands."""
    return min(sum(amount for _band, _mass, amount in _shares(scale, excess_kg, limit_kg, rounding)), scale.cap_yuan)


def _shares(
    scale: PenaltyScale, excess_kg: float, limit_kg: float, rounding: str | None = None
) -> list[tuple[Band, float, float]]:
    """For each fine band that is reached: the mass (kg) it counts and its amount (yuan)."""
    starts = [band.start_kg(limit_kg) for band in scale.bands]
    shares = []
    for band, start, end in zip(scale.bands, starts, [*starts[1:], float("inf")], strict=True):
        if excess_kg <= start or band.consequence != "fine":
            continue
        mass = excess_kg if band.of == "whole" else min(excess_kg, end) - start
        shares.append((band, mass, round(_units(mass / band.per_kg, rounding or band.rounding) * band.yuan, 2)))
    return shares


def _units(units: float, rounding: str) -> float:
    if rounding == "none":
        return units
    return float(ceil(round(units, 9)) if rounding == "up" else floor(round(units, 9)))


def _consequence(pack: LawPack, scale: PenaltyScale | None, excess_kg: float, limit_kg: float) -> dict[str, Any]:
    assert scale is not None
    reached = [band for band in scale.bands if excess_kg > band.start_kg(limit_kg)]
    kind = reached[-1].consequence if reached else "none"
    amount = fine_yuan(scale, excess_kg, limit_kg)
    roundings = {band.rounding for band in reached if band.consequence == "fine"}
    others = [r for r in ("up", "down", "none") if r not in roundings] if roundings else []
    text = _CONSEQUENCES.get(kind) or Text(f"建议罚款 {yuan(amount)} 元", f"suggested fine {yuan(amount)} yuan")
    return {
        "pack_id": pack.id,
        "title": pack.title.text(),
        "article": scale.article.text(),
        "edition": pack.edition.isoformat(),
        "jurisdiction": {"code": pack.jurisdiction.code, "zh": pack.jurisdiction.zh, "en": pack.jurisdiction.en},
        "verified": pack.verified,
        "applies": False,
        "consequence": kind,
        "amount_yuan": number(amount),
        "text": _both(text),
        "steps": [_both(step) for step in _steps(scale, excess_kg, limit_kg)],
        "open_questions": pack.questions("overweight_penalty"),
        "other_readings": [
            {"rounding": r, "amount_yuan": number(fine_yuan(scale, excess_kg, limit_kg, r))} for r in others
        ],
    }


def _steps(scale: PenaltyScale, excess_kg: float, limit_kg: float) -> list[Text]:
    """The calculation, one line a step."""
    share = f"{percent(excess_kg, limit_kg)} %"
    steps = [
        Text(
            f"判定超限 {kg(excess_kg)} kg ÷ 限值 {kg(limit_kg)} kg = {share}",
            f"judged excess {kg(excess_kg)} kg / limit {kg(limit_kg)} kg = {share}",
        )
    ]
    reached = [band for band in scale.bands if excess_kg > band.start_kg(limit_kg)]
    if reached and reached[-1].consequence != "fine":
        text, above = _CONSEQUENCES[reached[-1].consequence], kg(reached[-1].start_kg(limit_kg))
        steps.append(Text(f"超过 {above} kg：{text.zh}", f"above {above} kg: {text.en}"))
    total = 0.0
    for band, mass, amount in _shares(scale, excess_kg, limit_kg):
        start = band.start_kg(limit_kg)
        units = f"{_units(mass / band.per_kg, band.rounding):g} × {band.yuan:g} = {yuan(amount)}"
        zh = "全部超限量" if band.of == "whole" else f"超过 {kg(start)} kg 的部分"
        en = "the whole excess" if band.of == "whole" else f"the part above {kg(start)} kg"
        steps.append(Text(f"{zh} {kg(mass)} kg：{units} 元", f"{en}, {kg(mass)} kg: {units} yuan"))
        total += amount
    if total > scale.cap_yuan:
        cap = yuan(scale.cap_yuan)
        steps.append(
            Text(f"合计 {yuan(total)} 元，最高不超过 {cap} 元", f"total {yuan(total)} yuan, capped at {cap} yuan")
        )
    return steps


def _explain_limit(pack: LawPack, axles: int, truck: Truck, limit_kg: float) -> dict[str, Any]:
    """Where the limit comes from: text, edition, steps, and what the registry leaves open."""
    table = pack.mass_limits
    assert table is not None
    rows = rows_for(table, axles, truck.body)
    steps = [Text(f"{axles} 轴，{_row_text(r).zh}", f"{axles} axles, {_row_text(r).en}") for r in rows]
    if truck.air_suspension and any(row.air_suspension_kg for row in rows):
        bonus = kg(max(row.air_suspension_kg for row in rows))
        steps.append(Text(f"登记装有空气悬架：加 {bonus} kg", f"air suspension on record: {bonus} kg more"))
    if len(rows) > 1:
        steps.append(
            Text("车辆类型未登记，取可能的最高限值", "body type not on record: the highest possible limit is taken")
        )
    registered = truck.registered_gross_kg
    if registered is not None and table.capped_by_registered_mass and registered <= limit_kg:
        steps.append(
            Text(f"不超过行驶证核定总质量 {kg(registered)} kg", f"not above the registered mass of {kg(registered)} kg")
        )
    return {
        "pack_id": pack.id,
        "title": pack.title.text(),
        "article": table.article.text(),
        "edition": pack.edition.isoformat(),
        "steps": [_both(step) for step in steps],
        "alternatives": [{"body": r.body, "limit_kg": number(_row_limit(r, truck))} for r in rows] if rows[1:] else [],
        "open_questions": pack.questions("mass_limits"),
    }


def _row_text(row: LimitRow) -> Text:
    body = _BODIES.get(row.body)
    zh, en = (f"{body.zh}：", f"{body.en}: ") if body else ("", "")
    more = "及以上" if row.or_more else ""
    return Text(
        f"{zh}{more}限值 {kg(row.limit_kg)} kg", f"{en}limit {kg(row.limit_kg)} kg{' (or more axles)' if more else ''}"
    )


def _summary(limit_kg: float, gross_kg: float, judged_kg: float) -> Text:
    """One line for a screen; the whole percent is cut off, not rounded, in favour of the driver."""
    raw, judged = excess_of(gross_kg, limit_kg), excess_of(judged_kg, limit_kg)
    zh = f"限值 {kg(limit_kg)} kg，称重 {kg(gross_kg)} kg，超限 {kg(raw)} kg（{floor(percent(raw, limit_kg))} %）"
    en = f"limit {kg(limit_kg)} kg, weighed {kg(gross_kg)} kg, {kg(raw)} kg over ({floor(percent(raw, limit_kg))} %)"
    if judged_kg != gross_kg:
        share = floor(percent(judged, limit_kg))
        zh += f"；扣除允差后按 {kg(judged_kg)} kg 判定，超限 {kg(judged)} kg（{share} %）"
        en += f"; judged at {kg(judged_kg)} kg after tolerance, {kg(judged)} kg over ({share} %)"
    return Text(zh, en)


def percent(excess_kg: float, limit_kg: float) -> float:
    """Excess in percent of the limit, one decimal, cut off."""
    return floor(round(excess_kg / limit_kg * 1000, 6)) / 10


def number(value: float) -> int | float:
    """A whole number as int, anything else to three decimals."""
    return int(value) if value == int(value) else round(value, 3)


def kg(value: float) -> str:
    """Kilograms for people: `27,900`."""
    return f"{value:,.0f}"


def yuan(value: float) -> str:
    """Yuan for people: `4,500`, `840.5`."""
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def _both(text: Text) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}


def _date(day: int) -> date:
    return EPOCH + timedelta(days=day)
