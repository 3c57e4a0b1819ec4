"""Device profiles: what a make of terminal adds to a location report, as data (guide: docs/jt808.md).

Extensions collide (0x70 is a load sensor here and harsh driving there), so a profile is chosen by the truck's
`device_model`, never guessed. Findings have the codes of `haulwatch.city` for files that people write, and P001-P004.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from geofences.datum import Datum
from haulwatch.city.documents import author_error, read_document
from haulwatch.domain.errors import AuthorError, Finding, WorldError
from haulwatch.domain.events import Cover, Lift, Load
from haulwatch.domain.text import Text

STANDARD = "standard"
"""The model of terminals that add nothing, and of trucks without a `device_model`."""

States = Literal["load", "cover", "lift"]
Numbers = Literal["load_kg", "speed_kmh", "mileage_km", "satellites", "accuracy_m"]
Field = Literal["load", "cover", "lift", "load_kg", "speed_kmh", "mileage_km", "satellites", "accuracy_m", "alarm"]
STATES: dict[str, tuple[str, ...]] = {"load": get_args(Load), "cover": get_args(Cover), "lift": get_args(Lift)}


def _whole(minimum: int, maximum: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        number = whole_number(value)
        if number is None or not minimum <= number <= maximum:
            span = f"{minimum} – {maximum}"
            raise author_error(
                "P001", Text(f"“{value}” 应为整数（{span}）", f"“{value}” must be a whole number ({span})")
            )
        return number

    return read


def whole_number(text: Any) -> int | None:
    """`12` or `0x0C`, else None."""
    try:
        return int(text, 0) if isinstance(text, str) else None
    except ValueError:
        return None


def _decimal(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("inf")
    if not -1e9 < number < 1e9:
        raise author_error("P001", Text(f"“{value}” 不是数字", f"“{value}” is not a number"))
    return number


def _utc_offset(value: Any) -> float:
    hours = _decimal(value)
    if not -14 <= hours <= 14:
        raise author_error("P001", Text("与 UTC 相差 -14 – 14 小时", "an offset from UTC is -14 to 14 hours"))
    return hours


def _codes(value: Any) -> dict[int, str]:
    if not isinstance(value, dict) or not value:
        raise author_error("P002", Text("应为“读数: 取值”", "must be a mapping of readings to values"))
    codes: dict[int, str] = {}
    for key, meaning in value.items():
        number = whole_number(key)
        if number is None:
            text = Text(f"“{key}” 应为整数，如 0x81", f"“{key}” must be a whole number like 0x81")
            raise author_error("P001", text, inside=(key,), at_key=True)
        if not isinstance(meaning, str) or not meaning:
            raise author_error("P002", Text("应为文字", "must be a text"), inside=(key,))
        codes[number] = meaning
    return codes


class Reading(BaseModel):
    """One field from one additional item: `length` bytes from `offset`, of them the bits `bit` (low) to `bit + bits`.

    A state (`load`, `cover`, `lift`, `alarm`) is what `values` says of the number, and not said where they do not; a
    figure is `number * scale + base`. A reading in `absent` means that there is no sensor.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tlv: Annotated[int, BeforeValidator(_whole(0, 255))]
    field: Field
    offset: Annotated[int, BeforeValidator(_whole(0, 254))] = 0
    length: Annotated[int, BeforeValidator(_whole(1, 8))] = 1
    order: Literal["big", "little"] = "big"
    bit: Annotated[int, BeforeValidator(_whole(0, 63))] | None = None
    bits: Annotated[int, BeforeValidator(_whole(1, 63))] = 1
    scale: Annotated[float, BeforeValidator(_decimal)] = 1.0
    base: Annotated[float, BeforeValidator(_decimal)] = 0.0
    values: Annotated[dict[int, str], BeforeValidator(_codes)] = {}
    absent: tuple[Annotated[int, BeforeValidator(_whole(0, 2**64 - 1))], ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Reading:
        state = self.field in STATES or self.field == "alarm"
        if state != bool(self.values):
            text = (
                Text(f"{self.field} 需要 values", f"{self.field} needs values")
                if state
                else Text(f"{self.field} 是数值，不能有 values", f"{self.field} is a figure and has no values")
            )
            raise author_error("P003", text)
        for code, meaning in self.values.items():
            if self.field in STATES and meaning not in STATES[self.field]:
                known = ", ".join(STATES[self.field])
                text = Text(f"“{meaning}” 应为其中之一：{known}", f"“{meaning}” must be one of: {known}")
                raise author_error("P003", text, inside=("values", _key_of(code)))
        if self.bit is not None and self.bit + self.bits > 8 * self.length:
            raise author_error("P003", Text("超出 length 给出的字节", "beyond the bytes of `length`"), inside=("bit",))
        return self

    def number(self, value: bytes) -> int | None:
        """The number at its place in an item's value; None where the item is too short or there is no sensor."""
        taken = value[self.offset : self.offset + self.length]
        if len(taken) < self.length:
            return None
        number = int.from_bytes(taken, self.order)
        if number in self.absent:
            return None
        return number if self.bit is None else number >> self.bit & (1 << self.bits) - 1


def _key_of(code: int) -> str:
    return f"0x{code:02X}"


class Words(BaseModel):
    """A text in both languages."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zh: str
    en: str


class Profile(BaseModel):
    """One make of terminals; `model` is what trucks.csv calls it.

    `load_bits` says what bits 8-9 of the status are worth: `loaded` (half and full are believed, 00 is not, because
    most terminals without a sensor send it), `all`, or `none`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    title: Words
    verified: Literal["read", "excerpt", "unverified"]
    note: Words | None = None
    datum: Datum = "wgs84"
    utc_offset_h: Annotated[float, BeforeValidator(_utc_offset)] = 8.0
    load_bits: Literal["loaded", "all", "none"] = "loaded"
    readings: tuple[Reading, ...] = ()

    @property
    def items(self) -> frozenset[int]:
        """The ids of additional items that it reads."""
        return frozenset(reading.tlv for reading in self.readings)


def load_profiles(folder: Path | None = None) -> dict[str, Profile]:
    """The shipped profiles and those of a folder, by model; one of the folder replaces a shipped one of its model.

    Raises AuthorError with every finding of every file, WorldError where the folder cannot be read.
    """
    shipped = {
        item.name: item.read_bytes()
        for item in (files("connectors.jt808") / "profiles").iterdir()
        if item.name.endswith(".yaml")
    }
    return read_profiles(shipped) | (read_profiles(_files_of(folder)) if folder is not None else {})


def read_profiles(sources: Mapping[str, bytes]) -> dict[str, Profile]:
    """Profiles from files by name. Raises AuthorError."""
    found: dict[str, Profile] = {}
    findings: list[Finding] = []
    for name in sorted(sources):
        profile, wrong = read_document(name, sources[name], Profile)
        findings += wrong
        if profile is None:
            continue
        if profile.model in found:
            text = Text(f"型号 {profile.model} 已有配置", f"there is a profile of {profile.model} already")
            findings.append(Finding(name, 0, 0, "P004", text))
        found[profile.model] = profile
    if findings:
        raise AuthorError(findings)
    return found


def _files_of(folder: Path) -> dict[str, bytes]:
    try:
        return {path.as_posix(): path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix == ".yaml"}
    except OSError as error:
        raise WorldError(
            Text(f"读不了终端配置目录 {folder}：{error}", f"cannot read the folder of profiles {folder}: {error}")
        ) from error
