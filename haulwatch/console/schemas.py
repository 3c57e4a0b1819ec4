"""OpenAPI schemas from the very types that are encoded, so that document and answer cannot differ."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import FastAPI
from msgspec import UNSET, Struct, UnsetType

from haulwatch.console.near_answers import NearestAnswer
from haulwatch.console.problems import PROBLEM_JSON, ProblemBody
from haulwatch.console.squad_answers import SquadTasksAnswer, TruckPositionAnswer, WhereaboutsAnswer
from haulwatch.domain.deliveries import DeliveryEntry
from haulwatch.domain.events import Manifest, Position, Sighting, Weighing
from haulwatch.domain.evidence import Scene
from haulwatch.domain.live import Refused, SubmissionResult, TerminalAnswer, TruckPosition
from haulwatch.domain.orders import Change, Order, OrderDetail, Role, Stage, Transition
from haulwatch.domain.photos import Photo
from haulwatch.domain.probes import ProbeAnswer, ProbeBody
from haulwatch.domain.registry import Camera, Squad, Station
from haulwatch.domain.rollouts import Rollout
from haulwatch.domain.statistics import WallFigures
from haulwatch.domain.text import Text
from haulwatch.domain.trials import Scorecard
from haulwatch.domain.versions import RolloutZones, RuleHistory, ZoneHistory
from haulwatch.domain.workbench import Checked, Draft, Trial, Workshop
from haulwatch.domain.zone_sheets import DraftedZones, ImportBody, PlaceBody, ZoneImport, ZoneMap, ZonesHere

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


class LifeCycleAnswer(Struct):
    """The life cycle of an order: one row for each command in each stage."""

    transitions: list[Transition]


class SourceAge(Struct):
    """When a source was last heard (null: never since the process began). `kind` `link` is many devices together:
    `devices` of them, of which `silent` have said nothing for ten minutes."""

    source: str
    kind: str
    name: str | None
    last_at: str | None
    devices: int = 1
    silent: int = 0


class SourcesAnswer(Struct):
    """How old the news of each source is at the instant `at`; `lacks` says what this process cannot know."""

    at: str
    sources: list[SourceAge]
    lacks: Text | None


class TruckCounts(Struct):
    """Trucks that are known, that were heard of late, that move, and that are loaded."""

    known: int
    heard: int
    moving: int
    loaded: int


class WallAnswer(Struct):
    """What a wall screen shows: figures that name nobody."""

    orders: WallFigures
    trucks: TruckCounts
    sources: SourcesAnswer
    city: Text
    bounds: tuple[float, float, float, float]


class FleetShare(Struct, frozen=True):
    """Of a carrier's `fleet` on record, the trucks with a confirmed overweight order within a year, as `pct` cut off;
    `undecided_trucks` are those with open ones only. `over`: more than the law's tenth."""

    confirmed_trucks: int
    undecided_trucks: int
    fleet: int
    pct: float
    over: bool


class ShareNote(Struct, frozen=True):
    """What `FleetShare` rests on: the article, what is counted since when; `partial`: the orders of some areas only."""

    law: Text
    counted: Text
    limit_pct: int
    since: str
    partial: bool


class Offender(Struct):
    """A truck, carrier or site by `key`, with the orders that stand against it; `name` where the key is an id.

    `share` is a carrier's, null without an overweight order within a year. A carrier with more than a tenth is named
    even when it has no other order in the days that were asked for.
    """

    key: str
    name: Any
    orders: int
    confirmed: int
    open: int
    trucks: int
    last_at: str
    categories: dict[str, int]
    share: FleetShare | None = None


class OffendersAnswer(Struct):
    """Who was found most often since an instant, the most orders first; the carrier "" is of unregistered trucks."""

    by: str
    since: str
    offenders: list[Offender]
    shares: ShareNote | None = None


class NoticesAnswer(Struct):
    """Who was told of an order, newest first, and what came of it."""

    notices: list[DeliveryEntry]


class PhotosAnswer(Struct):
    """Photos of an order, in the order in which they arrived."""

    photos: list[Photo]


class CommandBody(Struct, forbid_unknown_fields=True):
    """A command on an order, and the fields that its transition asks for."""

    command: str
    data: dict[str, str] = {}


class BulkStep(Struct, forbid_unknown_fields=True):
    """An order and the version on which the command was decided."""

    order_id: str
    version: int


class BulkBody(Struct, forbid_unknown_fields=True):
    """One command with its fields on many orders."""

    command: str
    orders: list[BulkStep]
    data: dict[str, str] = {}


class BulkResult(Struct, omit_defaults=True):
    """What became of one order: the order as it is then, or the problem."""

    order_id: str
    order: Order | None = None
    problem: dict[str, Any] | None = None


class BulkAnswer(Struct):
    """What became of each order of a bulk command, in the order of the request."""

    results: list[BulkResult]


class TextBody(Struct, forbid_unknown_fields=True):
    """A text to the driver of a truck; an urgent one is marked so."""

    text: str
    urgent: bool = False


class CallBody(Struct, forbid_unknown_fields=True):
    """What the driver of an order's truck is told (`text`, read out; `urgent`: at once), or that it is located."""

    ask: Literal["text", "location"]
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


class MeAnswer(Struct):
    """Who is logged in, and what it may; `must_change`: the password, before anything else."""

    actor_id: str
    name: str
    roles: list[Role]
    jurisdiction: list[str]
    squad_id: str | None
    must_change: bool


class RolloutsAnswer(Struct):
    """Deployments, the newest first."""

    rollouts: list[Rollout]


class ProposalBody(Struct):
    """A draft to put before a second person, and why."""

    draft: Draft
    note: str


class TrialBody(Struct):
    """A draft to try on the events of the last `days` (null: all that are recorded)."""

    draft: Draft
    days: Annotated[int, msgspec.Meta(ge=1, le=3660)] | None = None


class DecisionBody(Struct):
    """What the second person says; a rejection says why."""

    approve: bool
    note: str = ""


class RollbackBody(Struct):
    """Why, and to which deployment; null: to the one that was in force before."""

    note: str
    to: int | None = None


PUBLISHED: tuple[Any, ...] = (
    Workshop,
    Checked,
    Draft,
    Rollout,
    RolloutsAnswer,
    ProposalBody,
    DecisionBody,
    TrialBody,
    Trial,
    Scorecard,
    RollbackBody,
    ZoneMap,
    DraftedZones,
    PlaceBody,
    ZonesHere,
    ImportBody,
    ZoneImport,
    ZoneHistory,
    RuleHistory,
    RolloutZones,
    ProbeBody,
    ProbeAnswer,
    OrdersAnswer,
    CountsAnswer,
    OrderAnswer,
    LifeCycleAnswer,
    NearestAnswer,
    BulkBody,
    BulkAnswer,
    SourcesAnswer,
    WallAnswer,
    OffendersAnswer,
    NoticesAnswer,
    PhotosAnswer,
    Photo,
    SquadTasksAnswer,
    TruckPositionAnswer,
    WhereaboutsAnswer,
    CommandBody,
    TextBody,
    CallBody,
    TerminalAnswer,
    TrucksAnswer,
    CityAnswer,
    AcceptedAnswer,
    Health,
    MeAnswer,
    ProblemBody,
    Change,
    Scene,
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
