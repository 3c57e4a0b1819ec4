"""Values of foreign records as fields of events: which value, what it means, in which unit. Data, written by people.

A record is whatever can be asked for a value by name: a JSON object by path (`connectors.json_paths`), a row by column.
What a record does not say is left out; what it says and cannot be meant is a `DeviceError`. Ranges are those of
`haulwatch.wire` and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from connectors.field_times import Times
from connectors.json_paths import Several, is_path, no_path
from geofences.datum import Datum, convert
from haulwatch.city.documents import author_error
from haulwatch.domain.errors import DeviceError, did_you_mean
from haulwatch.domain.events import Manifest, Position, Sighting, Weighing
from haulwatch.domain.text import Text

Kind = Literal["position", "weighing", "sighting", "manifest"]
STRUCTS: dict[Kind, type] = {"position": Position, "weighing": Weighing, "sighting": Sighting, "manifest": Manifest}
UNITS: dict[str, dict[str, float]] = {
    "_kmh": {"km/h": 1.0, "m/s": 3.6, "knots": 1.852},
    "_kg": {"kg": 1.0, "t": 1000.0, "g": 0.001},
    "_km": {"km": 1.0, "m": 0.001},
    "_t": {"t": 1.0, "kg": 0.001},
    "_confidence": {"1": 1.0, "%": 0.01},
}
"""By the end of a field's name: what one of this unit is in the field's."""
TRUE = frozenset({"true", "1", "yes", "y", "on", "是", "有"})
FALSE = frozenset({"false", "0", "no", "n", "off", "否", "无"})
Lookup = Callable[[str], Any]
"""The value of that name in a record (or `Several`); None where there is none."""
_NAMES = re.compile(r"[,;|，；、]")


def _shape(type_: Any) -> Any:
    """What a field's type is at bottom: a class, a tuple of words, or None for what cannot be mapped (pictures)."""
    if get_origin(type_) is Annotated:
        return _shape(get_args(type_)[0])
    if get_origin(type_) is Literal:
        return get_args(type_)
    if get_origin(type_) is list:
        return list if _shape(get_args(type_)[0]) is str else None
    if get_origin(type_) is None:
        return type_
    return _shape(get_args(type_)[0])  # of a union what comes first: the others are None or more


SHAPES: dict[Kind, dict[str, Any]] = {
    kind: {field.name: shape for field in msgspec.structs.fields(struct) if (shape := _shape(field.type)) is not None}
    for kind, struct in STRUCTS.items()
}
"""The fields of each kind that can be mapped."""
CONFIDENT: dict[Kind, tuple[str, ...]] = {
    kind: tuple(name for name in shapes if f"{name}_confidence" in shapes) for kind, shapes in SHAPES.items()
}
"""Fields that have a confidence, which says nothing where they do not."""
UNKNOWN = "unknown"


class FieldSource(BaseModel):
    """Where a field comes from: `from` a value of the record, or always the same `value`.

    Then, in this order: `absent` texts say nothing; `bit` (0 is the lowest) takes one bit of a whole number; `values`
    gives texts a meaning, others say nothing; a number is made right by `unit`, or by `scale` and `base`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    from_: str | None = Field(None, alias="from", min_length=1)
    value: str | None = None
    absent: tuple[str, ...] = ()
    bit: int | None = Field(None, ge=0, le=63)
    values: dict[str, str] | None = None
    unit: str | None = None
    scale: float = 1.0
    base: float = 0.0

    @model_validator(mode="after")
    def _one_origin(self) -> FieldSource:
        if (self.from_ is None) == (self.value is None):
            raise author_error("N032", Text("写 from 或 value 之一", "say one of from and value"))
        if self.unit is not None and (self.scale, self.base) != (1.0, 0.0):
            text = Text("unit 已说明换算，不再写 scale、base", "unit says it all: no scale and base beside it")
            raise author_error("N033", text, inside=("unit",))
        return self

    def raw(self, lookup: Lookup) -> Any:
        """What the record says, as text where it has a meaning; None where it says nothing. Raises ValueError."""
        return next(iter(self.meant(self.said(lookup))), None)

    def said(self, lookup: Lookup) -> list[Any]:
        """The values that say something: of several from a path with `*` all, else one at most. Raises ValueError."""
        value = self.value if self.from_ is None else lookup(self.from_)
        if isinstance(value, Several):
            return [said for one in value if (said := self._said(one)) is not None]
        said = self._said(value)
        return [] if said is None else [said]

    def meant(self, said: list[Any]) -> list[Any]:
        """What `values` calls them; those that it does not name are left out. Raises ValueError."""
        if self.values is None:
            return said
        return [self.values[text] for one in said if (text := _text(one)) in self.values]

    def _said(self, value: Any) -> Any:
        if isinstance(value, str):
            value = value.strip()
        if value is None or value == "" or (self.absent and _text(value) in self.absent):
            return None
        return value if self.bit is None else _whole(value) >> self.bit & 1


def _source(value: Any) -> Any:
    """The short form: the name alone."""
    return {"from": value} if isinstance(value, str) else value


Source = Annotated[FieldSource, BeforeValidator(_source)]


class FieldMap(BaseModel):
    """`fields` of events out of records, the form of their times, and the datum of their places."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fields: dict[str, Source]
    time: Times = Times()
    datum: Datum = "wgs84"

    def read(self, kind: Kind, lookup: Lookup, unnamed: list[str] | None = None) -> dict[str, Any]:
        """The fields of an event of this kind. Raises DeviceError: bad_value, bad_time.

        `unnamed` is given the fields whose words `values` does not name; a flag may leave out one of its two.
        """
        shapes, found = SHAPES[kind], dict[str, Any]()
        for name, source in self.fields.items():
            if name not in shapes:
                continue
            value = self._value(name, shapes[name], source, lookup, [] if unnamed is None else unnamed)
            if value is not None:
                found[name] = value
        for name in CONFIDENT[kind]:
            if name not in found:
                found.pop(f"{name}_confidence", None)
        shift(found, self.datum)
        return found

    def _value(self, name: str, shape: Any, source: FieldSource, lookup: Lookup, unnamed: list[str]) -> Any:
        said: list[Any] = []
        try:
            said = source.said(lookup)
            meant = source.meant(said)
            if meant:
                return self._shaped(name, shape, source, meant)
            if said and shape is not bool:
                unnamed.append(name)
            return None
        except (ValueError, OverflowError):
            shown = ", ".join(str(one)[:64] for one in said[:4])
            text = Text(f"字段 {name} 的值不合要求：“{shown}”", f"field {name} cannot be “{shown}”")
            raise DeviceError("bad_value", text) from None

    def _shaped(self, name: str, shape: Any, source: FieldSource, meant: list[Any]) -> Any:
        raw = meant[0]
        if shape is datetime:
            return self.time.instant(raw, name)
        if shape is float:
            return round(_number(raw) * _scale(name, source) + source.base, 9)
        if shape is int:
            figure = _number(raw) * _scale(name, source) + source.base
            return int(figure) if figure == int(figure) else figure
        if shape is bool:
            return _flag(raw)
        if shape is list:
            parts = [part for one in meant for part in _parts(one)]
            return [part.strip() for part in parts if part.strip()]
        text = _text(raw)
        return None if text == UNKNOWN and isinstance(shape, tuple) else text


def check_fields(
    fields: Mapping[str, FieldSource], kinds: Collection[Kind], required: Iterable[str] = (), *, key: str = "fields"
) -> None:
    """Raises an author's error, inside `key`, where events of these kinds have no such field or no such unit."""
    known = {name: shape for kind in kinds for name, shape in SHAPES[kind].items()}
    for name, source in fields.items():
        if name not in known:
            text = Text(f"事件没有字段 {name}", f"there is no field {name} in such events")
            raise author_error("N034", text, did_you_mean(name, known), inside=(key, name), at_key=True)
        units = _units(name)
        if source.unit is not None and source.unit not in units:
            listed = ", ".join(units) or "-"
            text = Text(f"{name} 的单位可以是：{listed}", f"units of {name}: {listed}")
            raise author_error("N033", text, inside=(key, name, "unit"))
        words = ("true", "false", *TRUE, *FALSE) if known[name] is bool else known[name]
        if isinstance(words, tuple) and source.values is not None:
            for value, word in source.values.items():
                if word not in words:
                    listed = ", ".join(dict.fromkeys(words))
                    text = Text(f"{name} 的取值是：{listed}", f"{name} is one of: {listed}")
                    raise author_error("N035", text, did_you_mean(word, words), inside=(key, name, "values", value))
    missing = [name for name in required if name not in fields]
    if missing:
        listed = ", ".join(missing)
        raise author_error("N036", Text(f"缺少字段：{listed}", f"missing fields: {listed}"), inside=(key,))


def check_paths(sources: Mapping[str, FieldSource], *inside: str) -> None:
    """Raises an author's error at the first that is taken from what cannot be a path; for records that are JSON."""
    for name, source in sources.items():
        if source.from_ is not None and not is_path(source.from_):
            raise no_path(*inside, name)


def required_fields(kind: Kind) -> tuple[str, ...]:
    """What an event of this kind must have, without ids, truck and source."""
    fields = msgspec.structs.fields(STRUCTS[kind])
    return tuple(field.name for field in fields if field.required and field.name not in ("event_id", "truck_id"))


def _units(name: str) -> dict[str, float]:
    return next((units for end, units in UNITS.items() if name.endswith(end)), {})


def _scale(name: str, source: FieldSource) -> float:
    return source.scale if source.unit is None else _units(name)[source.unit]


def shift(fields: dict[str, Any], datum: Datum) -> None:
    """`lon` and `lat` from `datum` to WGS-84; what is no place stays as it came, to be told so."""
    if datum == "wgs84":
        return
    lon, lat = fields.get("lon"), fields.get("lat")
    if lon is None or lat is None or (lon, lat) == (0.0, 0.0) or not (abs(lat) <= 90 and abs(lon) <= 180):
        return
    east, north = convert(lon, lat, datum, "wgs84")
    fields["lon"], fields["lat"] = round(east, 7), round(north, 7)


def _parts(value: Any) -> list[str]:
    """The names of a list, or of a text that lists them."""
    return [_text(part) for part in value] if isinstance(value, list) else _NAMES.split(_text(value))


def _text(value: Any) -> str:
    """As a person writes it in a table of values. Raises ValueError for objects and lists."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError(value)


def _number(value: Any) -> float:
    """Numbers that every further step can hold. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(value)
    number = float(value)
    if not -1e15 < number < 1e15:
        raise ValueError(value)
    return number


def _whole(value: Any) -> int:
    if isinstance(value, str):
        return int(value, 0) if value.lower().startswith("0x") else int(value)
    if isinstance(value, int):
        return int(value)
    raise ValueError(value)


def _flag(value: Any) -> bool:
    text = _text(value).lower()
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    raise ValueError(value)
