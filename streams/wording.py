"""Measured values in words, for the sentence of a finding that a dispatcher reads out and a squad reads on a phone."""

from __future__ import annotations

import re

from haulwatch.domain.breaches import Condition
from haulwatch.domain.text import Text

MEASURES = {
    "held": Text("持续时间", "held for"),
    "count": Text("次数", "count"),
    "age": Text("距上次更新", "age"),
    "distance_m": Text("距离", "distance"),
    "limit_kg": Text("法定限值", "legal limit"),
    "over_ratio": Text("超限比例", "share over the limit"),
    "speed_kmh": Text("车速", "speed"),
    "implied_kmh": Text("推算车速", "implied speed"),
    "gross_kg": Text("总质量", "gross mass"),
    "load_kg": Text("载重质量", "load mass"),
    "quantity_t": Text("数量", "quantity"),
    "mileage_km": Text("里程", "mileage"),
    "inside_s": Text("停留时间", "time inside"),
    "stopped_s": Text("停车时间", "time stopped"),
    "blind_s": Text("无数据时间", "time without data"),
    "dark_s": Text("途中无数据时间", "silent on the way"),
    "duration_s": Text("用时", "duration"),
    "covered_share": Text("补传覆盖率", "share covered"),
    "plate_confidence": Text("车牌置信度", "plate confidence"),
    "cover_confidence": Text("篷盖识别置信度", "cover confidence"),
    "load_confidence": Text("载重识别置信度", "load confidence"),
}
"""What people call a measured value; as on the dispatcher's page."""

MEASURE = re.compile(r"(?:\w+\.)*(\w+)(?:\((?:[^()]|\([^()]*\))*\))?")
"""A field, or a function of anything; a calculation around it is something else and stays as it is written."""
SIGNS = {">=": "≥", ">": ">", "<=": "≤", "<": "<"}
ENDINGS = {"_kmh": "km/h", "_kg": "kg", "_km": "km", "_t": "t", "_m": "m", "_s": "s", "_share": "ratio"}


def said(condition: Condition) -> Text:
    """A measured value against what is allowed: `持续时间 3 分 30 秒（≥ 2 分）`."""
    name = MEASURE.fullmatch(condition.name)
    key = name[1] if name else condition.name
    words = MEASURES.get(key, Text(condition.name, condition.name))
    unit = condition.unit or next((unit for ending, unit in ENDINGS.items() if key.endswith(ending)), None)
    if unit is None and key.endswith(("_confidence", "_ratio")):
        unit = "ratio"
    seen, allowed = _amount(condition.observed, unit), _amount(condition.threshold, unit)
    sign = SIGNS.get(condition.operator, condition.operator)
    return Text(f"{words.zh} {seen.zh}（{sign} {allowed.zh}）", f"{words.en} {seen.en} ({sign} {allowed.en})")


def is_guard(condition: Condition) -> bool:
    """Whether it only says how sure a device was: that carries no finding by itself."""
    return condition.name.endswith("_confidence")


def _amount(value: object, unit: str | None) -> Text:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return Text(str(value), str(value))
    if unit == "s":
        return _duration(round(value))
    if unit == "ratio":
        return _same(f"{_plain(value * 100)} %")
    if unit == "m" and value >= 1000:
        return _same(f"{_plain(value / 1000)} km")
    if unit == "m":
        return _same(f"{round(value)} m")
    if unit == "kg":
        return _same(f"{round(value):,} kg")
    return _same(_plain(value) if unit in (None, "count") else f"{_plain(value)} {unit}")


def _plain(value: float) -> str:
    """At most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def _same(text: str) -> Text:
    return Text(text, text)


def _duration(seconds: int) -> Text:
    """The two largest units: `1 小时 5 分`, `1 h 5 min`."""
    units = ((86_400, "天", "d"), (3_600, "小时", "h"), (60, "分", "min"), (1, "秒", "s"))
    parts: list[tuple[int, str, str]] = []
    for size, zh, en in units:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append((count, zh, en))
    parts = parts[:2] or [(0, "秒", "s")]
    return Text(" ".join(f"{n} {zh}" for n, zh, _ in parts), " ".join(f"{n} {en}" for n, _, en in parts))
