"""What the columns of somebody's CSV files mean: a YAML file, checked, every slip told with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from connectors.field_map import FieldMap, Kind, Source, check_fields, required_fields
from connectors.field_times import Times
from geofences.datum import Datum
from haulwatch.city.documents import author_error, read_file
from haulwatch.domain.text import Text

KINDS: tuple[Kind, ...] = get_args(Kind)
SOURCE = "csv"


class KindOf(BaseModel):
    """What rows are: all of one kind (`value`, or that alone), or as the column `from` says, by `values`; rows with
    other values are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    value: Kind | None = None
    from_: str | None = Field(None, alias="from", min_length=1)
    values: dict[str, Kind] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_way(self) -> KindOf:
        if (self.value is None) == (self.from_ is None) or (self.from_ is not None) != bool(self.values):
            text = Text("写一种 kind，或写 from 和 values", "say one kind, or from and values")
            raise author_error("N053", text)
        return self


def _kind(value: Any) -> Any:
    """The short form."""
    return {"value": value} if isinstance(value, str) else value


class CsvMap(BaseModel):
    """How a file is written (`encoding`, `delimiter`, `quote`, `skip_lines` before the header, or `columns` where there
    is none), and what its columns mean. `order: at` puts the rows in the order of their instants before they are used:
    for exports truck by truck."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Annotated[KindOf, BeforeValidator(_kind)]
    encoding: Literal["utf-8", "gbk"] = "utf-8"
    delimiter: str = ","
    quote: Literal['"', "'", "none"] = '"'
    skip_lines: int = Field(0, ge=0, le=1000)
    columns: tuple[str, ...] | None = None
    order: Literal["lines", "at"] = "lines"
    source: str = Field(SOURCE, min_length=1, max_length=100)
    fields: dict[str, Source]
    time: Times = Times()
    datum: Datum = "wgs84"

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str) -> str:
        value = "\t" if value == "tab" else value
        if len(value) != 1 or value in "\r\n\"'":
            raise author_error("N050", Text("分隔符是一个字符，或 tab", "a delimiter is one character, or tab"))
        return value

    @field_validator("columns")
    @classmethod
    def _different(cls, columns: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for number, name in enumerate(columns or ()):
            if name in (columns or ())[:number]:
                raise author_error("N051", Text(f"列名 {name} 重复", f"column {name} is there twice"), inside=(number,))
        return columns

    @model_validator(mode="after")
    def _fields(self) -> CsvMap:
        required = [required_fields(kind) for kind in self.kinds]
        everywhere = [name for name in required[0] if all(name in names for names in required)]
        check_fields(self.fields, self.kinds, ("truck_id", *everywhere))
        for kind, names in zip(self.kinds, required, strict=True):
            if missing := [name for name in names if name not in self.fields]:
                listed = ", ".join(missing)
                text = Text(f"{kind} 缺少字段：{listed}", f"fields that a {kind} must have: {listed}")
                raise author_error("N036", text, inside=("fields",))
        return self

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What rows may be."""
        if self.kind.value is not None:
            return (self.kind.value,)
        return tuple(kind for kind in KINDS if kind in self.kind.values.values())

    @property
    def map(self) -> FieldMap:
        """The fields with their times and places."""
        return FieldMap(fields=self.fields, time=self.time, datum=self.datum)

    @property
    def used_columns(self) -> list[str]:
        """The columns that it asks for."""
        names = [self.kind.from_, *(source.from_ for source in self.fields.values())]
        return [name for name in names if name is not None]


def read_csv_map(path: Path) -> CsvMap:
    """The file checked. Raises AuthorError with every finding; WorldError where it cannot be read."""
    return read_file(path, CsvMap)
