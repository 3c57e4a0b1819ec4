"""What is said of a sender that posts records of its own form: who it is, and where in them everything stands."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from connectors.field_map import FieldMap, Kind, Source, check_fields, check_paths
from connectors.field_times import Times
from connectors.http.credentials import Credentials
from connectors.json_paths import is_path, no_path
from haulwatch.city.documents import author_error
from haulwatch.domain.text import Text


class PostedRecords(BaseModel):
    """One sender of JSON, and the base of one that may post something else."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    credentials: Credentials
    records: str | None = None
    """The path to the list of records (`data.list`); without it the body is one record or a list of them."""
    plate: Source
    fields: dict[str, Source]
    time: Times = Times()
    images: tuple[str, ...] = ()
    """Where pictures are, in Base64 (`shots.*.data`), also as `data:` addresses."""

    @property
    def map(self) -> FieldMap:
        """The fields with their times."""
        return FieldMap(fields=self.fields, time=self.time)

    def check(self, kind: Kind, required: Iterable[str], *, json: bool = True) -> None:
        """Raises an author's error where a record cannot become such an event."""
        check_fields(self.fields, (kind,), required)
        if "truck_id" in self.fields:
            text = Text("车牌写在 plate，不写在 fields", "the plate is said in plate, not in fields")
            raise author_error("N063", text, inside=("fields", "truck_id"), at_key=True)
        if not json:
            return
        check_paths({"plate": self.plate})
        check_paths(self.fields, "fields")
        if self.records is not None and not is_path(self.records):
            raise no_path("records")
        for number, path in enumerate(self.images):
            if not is_path(path):
                raise no_path("images", number)
