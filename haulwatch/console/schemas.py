"""OpenAPI schemas from the very types that are encoded, so that document and answer cannot differ."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from fastapi import FastAPI
from msgspec import UNSET, Struct, UnsetType

from haulwatch.console.problems import PROBLEM_JSON, ProblemBody
from haulwatch.domain.deliveries import DeliveryEntry
from haulwatch.domain.events import Manifest, Position, Sighting, Weighing
from haulwatch.domain.live import Refused, SubmissionResult, TerminalAnswer, TruckPosition
from haulwatch.domain.orders import Change, Order, OrderDetail, Stage
from haulwatch.domain.registry import Camera, Squad, Station
from haulwatch.domain.text import Text

Observation = Position | Weighing | Sighting | Manifest
REF = "#/components/schemas/{name}"


class OrdersAnswer(Struct):
    """A page of orders, newest first. `change_id` was current when the page was read: live changes follow from it."""

    orders: list[Order]
    next_cursor: str | None
    change_id: int


class CountsAnswer(Struct):
    """How many orders are in each stage."""

    counts: dict[Stage, int]
    change_id: int


class OrderAnswer(Struct):
    """One order with everything about it, what its rule advises to do on site; whether drivers can be called and
    pictures be seen from here."""

    detail: OrderDetail
    runbook: Text | None
    drivers: bool = False
    pictures: bool = False


class NoticesAnswer(Struct):
    """Who was told of an order, newest first, and what came of it."""

    notices: list[DeliveryEntry]


class CommandBody(Struct, forbid_unknown_fields=True):
    """A command on an order: who gives it, and the fields that its transition asks for."""

    command: str
    actor: str
    data: dict[str, str] = {}


class TextBody(Struct, forbid_unknown_fields=True):
    """A text to the driver of a truck, and who sends it; an urgent one is marked so."""

    text: str
    actor: str
    urgent: bool = False


class LocateBody(Struct, forbid_unknown_fields=True):
    """Who asks where a truck is."""

    actor: str


class CallBody(Struct, forbid_unknown_fields=True):
    """What the driver of an order's truck is told (`text`, read out; `urgent`: at once), or that it is located."""

    ask: Literal["text", "location"]
    actor: str
    text: str = ""
    urgent: bool = False


class TrucksAnswer(Struct):
    """A page of trucks in the order of their ids."""

    trucks: list[TruckPosition]
    next_cursor: str | None


class CityAnswer(Struct):
    """The city in force; `zones` is GeoJSON in WGS-84."""

    name: Text
    bounds: tuple[float, float, float, float]
    zones: dict[str, Any]
    stations: list[Station]
    cameras: list[Camera]
    squads: list[Squad]


class AcceptedAnswer(Struct):
    """Counts of a submission of which every event was good."""

    accepted: int
    duplicates: int


class Health(Struct):
    """Whether the process lives, or what it waits for."""

    status: str
    problems: dict[str, Text] | UnsetType = UNSET


PUBLISHED: tuple[Any, ...] = (
    OrdersAnswer,
    CountsAnswer,
    OrderAnswer,
    NoticesAnswer,
    CommandBody,
    TextBody,
    LocateBody,
    CallBody,
    TerminalAnswer,
    TrucksAnswer,
    CityAnswer,
    AcceptedAnswer,
    Health,
    ProblemBody,
    Change,
    Refused,
    SubmissionResult,
    Observation,
)


def body_of(kind: type) -> dict[str, Any]:
    """`openapi_extra` for a route that reads `kind` as JSON."""
    schema = {"$ref": REF.format(name=kind.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def answers(
    kind: type | None, *problems: int, status: int = 200, media_type: str = "application/json"
) -> dict[int | str, Any]:
    """`responses` for a route that answers with `kind`, or with a problem of one of these statuses."""
    found: dict[int | str, Any] = {}
    if kind is not None:
        schema = {"$ref": REF.format(name=kind.__name__)}
        found[status] = {"description": summary_of(kind), "content": {media_type: {"schema": schema}}}
    problem = {"schema": {"$ref": REF.format(name="ProblemBody")}}
    for code in problems:
        found[code] = {"description": "problem", "content": {PROBLEM_JSON: problem}}
    return found


def summary_of(kind: type) -> str:
    """The first line of a type's docstring."""
    return (kind.__doc__ or "").strip().splitlines()[0]


def install(app: FastAPI) -> None:
    """Adds the schemas of `PUBLISHED` to the app's OpenAPI document."""
    built_in = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = built_in()
            _, components = msgspec.json.schema_components(PUBLISHED, ref_template=REF)
            document.setdefault("components", {}).setdefault("schemas", {}).update(components)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
