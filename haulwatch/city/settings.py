"""`city.yaml`: who the city is, where its clock is, which law holds, and how patient the core is with its data."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, BeforeValidator, ConfigDict

from haulwatch.city.documents import author_error
from haulwatch.domain.errors import did_you_mean
from haulwatch.domain.text import Text
from rules.law_packs import available_packs

Datum = Literal["wgs84", "gcj02", "bd09"]

_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_CITY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)


def _duration(minimum_ms: int, maximum_ms: int) -> Callable[[Any], int]:
    """Reads `3s`, `2m`, `1h` (also `1m30s`) as milliseconds within the range."""

    def read(value: Any) -> int:
        if not isinstance(value, str):
            raise author_error("C016", Text("应为时长，如 3s、2m", "must be a duration like 3s or 2m"))
        if re.fullmatch(r"\d+(\.\d+)?", value, re.ASCII):
            raise author_error(
                "C016",
                Text(f"时长 “{value}” 缺少单位", f"Duration “{value}” has no unit"),
                Text(f"写作 {value}s（秒）或 {value}m（分）", f"Write {value}s (seconds) or {value}m (minutes)"),
            )
        if not re.fullmatch(r"(\d+[smhd])+", value, re.ASCII):
            raise author_error(
                "C016",
                Text(f"“{value}” 不是时长", f"“{value}” is not a duration"),
                Text("单位：s 秒、m 分、h 时、d 天", "Units: s, m, h, d"),
            )
        total = sum(int(count) * _UNITS_MS[unit] for count, unit in re.findall(r"(\d+)([smhd])", value, re.ASCII))
        if not minimum_ms <= total <= maximum_ms:
            span = f"{minimum_ms // 1000}s – {maximum_ms // 1000}s"
            raise author_error("C015", Text(f"{value} 超出范围（{span}）", f"{value} is out of range ({span})"))
        return total

    return read


def _number(minimum: float, maximum: float) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        if not isinstance(value, str) or not re.fullmatch(r"\d+(\.\d+)?", value, re.ASCII):
            raise author_error("C015", Text(f"“{value}” 不是数字", f"“{value}” is not a number"))
        if not minimum <= float(value) <= maximum:
            span = f"{minimum:g} – {maximum:g}"
            raise author_error("C015", Text(f"{value} 超出范围（{span}）", f"{value} is out of range ({span})"))
        return float(value)

    return read


def _zone_info(value: Any) -> ZoneInfo:
    known = available_timezones()
    if value in known:
        return ZoneInfo(str(value))
    hint = did_you_mean(str(value), known) or Text("例如 Asia/Shanghai", "For example Asia/Shanghai")
    raise author_error("C017", Text(f"未知时区 “{value}”", f"Unknown time zone “{value}”"), hint)


def _datum(value: Any) -> str:
    plain = re.sub(r"[^a-z0-9]", "", str(value).lower())
    known = ("wgs84", "gcj02", "bd09")
    if value in known:
        return str(value)
    same = {"cgcs2000": "wgs84", "epsg4326": "wgs84", "epsg4490": "wgs84", "gcj": "gcj02", "bd09ll": "bd09"}
    meant = plain if plain in known else same.get(plain)
    hint = Text(f"写作 {meant}", f"Write {meant}") if meant else did_you_mean(plain, known)
    text = Text(
        f"未知坐标系 “{value}”，可用：{', '.join(known)}", f"Unknown datum “{value}”; known: {', '.join(known)}"
    )
    raise author_error("C018", text, hint)


def _law_pack(value: Any) -> str:
    known = available_packs()
    if value in known:
        return str(value)
    hint = did_you_mean(str(value), known) or Text(f"可用：{', '.join(known)}", f"Known: {', '.join(known)}")
    raise author_error("C019", Text(f"没有名为 “{value}” 的法规包", f"There is no law pack “{value}”"), hint)


def _city_id(value: Any) -> str:
    if isinstance(value, str) and _CITY_ID.fullmatch(value):
        return value
    raise author_error(
        "C015",
        Text(f"城市编号 “{value}” 只能用字母、数字、- 和 _", f"City id “{value}”: letters, digits, - and _ only"),
    )


def _text(value: Any) -> Text:
    if isinstance(value, str) and value:
        return Text(value, value)
    if isinstance(value, dict) and isinstance(value.get("zh"), str) and set(value) <= {"zh", "en"}:
        return Text(value["zh"], value.get("en") or value["zh"])
    raise author_error(
        "C015",
        Text("名称应为文字，或 {zh: …, en: …}", "The name must be a text, or {zh: …, en: …}"),
    )


class CitySettings(BaseModel):
    """`city.yaml` (contract: docs/contracts.md, city folder). Durations are milliseconds, `accuracy_m` metres."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    id: Annotated[str, BeforeValidator(_city_id)]
    name: Annotated[Text, BeforeValidator(_text)]
    timezone: Annotated[ZoneInfo, BeforeValidator(_zone_info)]
    datum: Annotated[Datum, BeforeValidator(_datum)]
    law: tuple[Annotated[str, BeforeValidator(_law_pack)], ...]
    lateness: Annotated[int, BeforeValidator(_duration(0, 600_000))] = 3_000
    gap: Annotated[int, BeforeValidator(_duration(10_000, 86_400_000))] = 120_000
    accuracy_m: Annotated[float, BeforeValidator(_number(1, 10_000))] = 50.0
    rules_engine: Literal["native", "durable"] = "native"
