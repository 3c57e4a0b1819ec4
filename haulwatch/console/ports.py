"""What the console needs from the rest of the system, as shapes; `haulwatch.bootstrap` fits the real things in.

Every method may block (it is called from a worker thread, several at a time) and may raise `WorldError`, which becomes
a 503 answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import IO, Any, Protocol
from zoneinfo import ZoneInfo

from haulwatch.domain.events import Image
from haulwatch.domain.evidence import PackReceipt, Scene
from haulwatch.domain.live import SubmissionResult, TerminalAnswer, TruckPosition
from haulwatch.domain.orders import Actor
from haulwatch.domain.people import Claimed
from haulwatch.domain.registry import Camera, Squad, Station
from haulwatch.domain.text import Text

GeoJson = Mapping[str, Any]
"""A FeatureCollection in WGS-84 degrees."""


class EventIntake(Protocol):
    """Where submitted events go."""

    def submit(self, body: bytes, content_type: str) -> SubmissionResult:
        """Takes one event, an array, or NDJSON (`application/x-ndjson`); returns only when the good ones are durable.

        Raises `Busy` when the queue is full; then nothing was taken.
        """
        ...


class TruckFeed(Protocol):
    """The last known state of every truck."""

    def snapshot(self) -> Sequence[TruckPosition]:
        """All trucks, in any order."""
        ...

    def changed_since(self, revision: int) -> tuple[int, Sequence[TruckPosition]]:
        """The current revision, and the trucks that changed after `revision` (0: all). Asked about once a second."""
        ...


class DriverLine(Protocol):
    """Terminals of trucks that are connected to this process. Futures fail with WorldError."""

    def send_text(self, truck_id: str, words: str, *, urgent: bool = False) -> Future[TerminalAnswer]:
        """Shown to the driver and read out. The future fails with ValueError for a text that does not fit."""
        ...

    def ask_location(self, truck_id: str) -> Future[TerminalAnswer]:
        """Where the truck is now."""
        ...


class Pictures(Protocol):
    """Pictures that came with observations, and photos of squads: the bytes as they were received."""

    def put(self, data: bytes) -> Image:
        """Keeps the bytes under their digest; durable when it returns. The same bytes are kept once."""
        ...

    def get(self, sha256: str) -> bytes | None:
        """The bytes with this digest (64 hexadecimal digits); None where they are not here."""
        ...


class IdentityProvider(Protocol):
    """A city's own identity service. Raises WorldError while it is away."""

    @property
    def label(self) -> Text:
        """How the way through it is called."""
        ...

    def address(self, *, state: str, nonce: str, verifier: str) -> str:
        """Where a browser goes to be vouched for."""
        ...

    def claimed(self, *, code: str, nonce: str, verifier: str) -> Claimed:
        """Who came back with this code. Raises `NotVouchedFor`."""
        ...


class PackDesk(Protocol):
    """Evidence packs of orders; whatever it gives is put on record. Raises `UnknownOrder`."""

    def export(self, order_id: str, out: IO[bytes], *, actor: Actor) -> PackReceipt:
        """Writes the order's pack, made at this moment, to `out`."""
        ...

    def scene(self, order_id: str, *, actor: Actor) -> Scene:
        """The city as it was for this order."""
        ...


class CityView(Protocol):
    """The city in force, as a map can draw it."""

    @property
    def name(self) -> Text:
        """What the city is called."""
        ...

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees: what the map shows at first."""
        ...

    @property
    def zones(self) -> GeoJson:
        """Zones with the properties `zone_id`, `kind`, `name` (`{zh, en}` or a string); routes may be lines."""
        ...

    @property
    def basemap(self) -> Mapping[str, GeoJson]:
        """Layers to draw below, in drawing order: `water`, `green`, `roads` (`class`), `labels` (`name`); may lack."""
        ...

    @property
    def stations(self) -> Sequence[Station]:
        """Weigh stations."""
        ...

    @property
    def cameras(self) -> Sequence[Camera]:
        """Cameras."""
        ...

    @property
    def squads(self) -> Sequence[Squad]:
        """Field squads that an order can be dispatched to."""
        ...

    @property
    def carriers(self) -> Mapping[str, str]:
        """The carrier of each registered truck that has one: name, or id where it has none, by truck_id."""
        ...

    @property
    def runbooks(self) -> Mapping[str, Text]:
        """What to do on site, by rule id, for the rules that say so."""
        ...

    @property
    def centres(self) -> Mapping[str, tuple[float, float]]:
        """The centre of each district and township, by zone id: longitude, latitude."""
        ...

    @property
    def timezone(self) -> ZoneInfo:
        """The clock that people there read."""
        ...


@dataclass(frozen=True)
class CityPicture:
    """A `CityView` of plain values."""

    name: Text
    bounds: tuple[float, float, float, float]
    zones: GeoJson
    basemap: Mapping[str, GeoJson] = field(default_factory=dict)
    stations: Sequence[Station] = ()
    cameras: Sequence[Camera] = ()
    squads: Sequence[Squad] = ()
    carriers: Mapping[str, str] = field(default_factory=dict)
    runbooks: Mapping[str, Text] = field(default_factory=dict)
    centres: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Shanghai"))
