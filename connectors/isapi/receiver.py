"""The receiver: who is admitted, what is kept, when a camera hears that all is well.

A camera hears 200 when what it sent is durable: its sighting in the log, a first half in the folder of those that wait,
what cannot be an event among the dead letters. Anything else, and it sends again by itself.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Sequence
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response

from connectors.dead_letters import dead_letter
from connectors.gate import Gate, Tally
from connectors.http.body import Bodies, refusal_code
from connectors.http.credentials import Doorkeeper
from connectors.http.pictures import keep
from connectors.isapi.mapping import NO_TRUCKS, Alert, Refused, Seen, alerts, seen, sighting
from connectors.isapi.settings import CameraSettings, IsapiSettings
from connectors.isapi.waiting import Waiting, pair_key
from haulwatch.domain.errors import DeviceError, WorldError
from haulwatch.domain.events import Sighting
from haulwatch.domain.instants import to_datetime, to_ms
from haulwatch.domain.text import Text
from haulwatch.metrics import Sample
from haulwatch.wire import DeadLetter

NAME = "isapi"
KNOWN_PAIRS = 10_000
ANSWER = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<ResponseStatus version="2.0" xmlns="http://www.isapi.org/ver20/XMLSchema"><statusCode>1</statusCode>'
    b"<statusString>OK</statusString><subStatusCode>ok</subStatusCode></ResponseStatus>\n"
)

log = logging.getLogger(__name__)


class Taken:
    """What became of one body."""

    def __init__(self) -> None:
        self.events: list[Sighting] = []
        self.letters: list[DeadLetter] = []
        self.pairs: list[tuple[str, Sighting]] = []
        """Messages that are whole, under the keys of their pairs."""


class IsapiFeed:
    """`isapi:` at work."""

    def __init__(self, settings: IsapiSettings, gate: Gate) -> None:
        """Raises WorldError where a password is not at its place."""
        self._settings, self._gate = settings, gate
        self._tally = Tally(NAME, settings.cameras, gate.now_ms)
        self._door = Doorkeeper({name: one.credentials for name, one in settings.cameras.items()}, self._tally)
        self._bodies = Bodies(settings.body_bytes, settings.bodies_bytes, timeout_s=settings.body_s)
        holds = gate.waiting is not None and settings.hold_s > 0
        self._waiting = Waiting(gate.waiting / NAME) if gate.waiting is not None and holds else None
        self._lock = threading.Lock()
        self._messages: Counter[tuple[str, str]] = Counter()
        self._whole: OrderedDict[str, None] = OrderedDict()
        self._ending = threading.Event()
        self._sweeper: threading.Thread | None = None
        self._failure: BaseException | None = None
        self.routers: Sequence[APIRouter] = (self._router(),)

    def start(self) -> None:
        """Begins to look after first halves; those of an earlier life too."""
        if self._waiting is not None and self._sweeper is None:
            self._sweeper = threading.Thread(target=self._sweep_until_told, name="isapi-waiting", daemon=True)
            self._sweeper.start()

    def stop(self) -> None:
        """First halves that still wait stay where they are: the next process finds them."""
        self._ending.set()
        if self._sweeper is not None:
            self._sweeper.join()

    def check(self) -> None:
        """Raises WorldError when first halves are not looked after any more."""
        if self._failure is not None:
            raise WorldError(Text(f"海康接收故障：{self._failure}", f"the ISAPI receiver failed: {self._failure}"))

    def samples(self) -> Sequence[Sample]:
        """Its figures."""
        with self._lock:
            messages = sorted(self._messages.items())
        return [
            *self._tally.samples(),
            *(
                Sample(
                    "isapi_messages_total",
                    "Messages by camera and kind",
                    count,
                    (("device", device), ("message", kind)),
                    "counter",
                )
                for (device, kind), count in messages
            ),
            Sample("isapi_body_bytes", "Bytes of bodies in memory", self._bodies.held),
        ]

    def sweep(self) -> int:
        """Takes the first halves whose other half has not come into the log: how many. Raises WorldError, Busy."""
        if self._waiting is None:
            return 0
        taken = 0
        for path in self._waiting.due(self._gate.now_ms() - round(self._settings.hold_s * 1000)):
            taken += self._take_alone(self._waiting, path)
        return taken

    def _take_alone(self, waiting: Waiting, path: Path) -> int:
        try:
            event = waiting.read(path)
        except DeviceError as error:
            self._tally.fault("", error.code)
            return 0
        if not isinstance(event, Sighting):
            return 0
        self._gate.submit([event]).result()
        waiting.done(path)
        device = (event.source or "").partition(":")[2]
        self._tally.took(device, [event])
        self._count(device, "plate_alone")
        return 1

    def _sweep_until_told(self) -> None:
        while not self._ending.wait(max(0.05, min(1.0, self._settings.hold_s / 4))):
            try:
                self.sweep()
            except WorldError as error:
                self._count("", "sweep_put_off")
                log.warning("%s", error)
            except BaseException as error:
                self._failure = error
                raise

    def _router(self) -> APIRouter:
        router = APIRouter()

        @router.post("/ingest/isapi/{camera_id}", include_in_schema=False)
        async def receive(camera_id: str, request: Request) -> Response:
            self._door.admit(camera_id, request)
            try:
                async with self._bodies.of(request) as body:
                    content_type = request.headers.get("content-type", "")
                    taken = await asyncio.to_thread(self._understand, camera_id, body, content_type)
            except HTTPException as error:
                self._tally.fault(camera_id, refusal_code(error))
                raise
            if taken.events or taken.letters:
                await asyncio.wrap_future(self._gate.submit(taken.events, taken.letters))
            if taken.pairs:
                await asyncio.to_thread(self._settle, taken.pairs)
            self._tally.took(camera_id, taken.events)
            return Response(ANSWER, media_type="application/xml")

        return router

    def _understand(self, sender: str, body: bytes, content_type: str) -> Taken:
        """Reads a body and keeps its pictures and first halves. Raises WorldError: then nothing is answered as kept."""
        taken, camera = Taken(), self._settings.cameras[sender]
        if not body.strip():
            self._count(sender, "empty")
            return taken
        try:
            found, refused = alerts(body, content_type, camera.encoding or "")
        except DeviceError as error:
            found, refused = [], [Refused(error, body)]
        for one in refused:
            self._refuse(sender, one, taken)
        for alert in found:
            try:
                self._take(sender, camera, alert, taken)
            except DeviceError as error:
                self._refuse(sender, Refused(error, alert.raw), taken)
        return taken

    def _take(self, sender: str, camera: CameraSettings, alert: Alert, taken: Taken) -> None:
        """Raises DeviceError where it cannot be an event."""
        one = seen(alert.tree, camera.utc_offset_h)
        if not isinstance(one, Seen):
            self._count(sender, one)
            return
        self._count(sender, "anpr")
        if not self._wanted(one):
            self._count(sender, "not_wanted")
            return
        received_ms = self._gate.now_ms()
        received_at, camera_id = to_datetime(received_ms), _camera_of(sender, camera, one.channel)
        sighting(one, sender, camera_id, (), received_at)  # what cannot be an event keeps no pictures
        images, left = keep(alert.pictures, self._gate.pictures, self._settings.pictures)
        for code, count in left.items():
            self._tally.fault(sender, code, count)
        if one.linked:
            self._tally.fault(sender, "picture_elsewhere", one.linked)
        event = sighting(one, sender, camera_id, images, received_at)
        pair = pair_key(sender, one.uuid or f"{one.at.isoformat()}|{event.truck_id}")
        if not one.more_to_come:
            taken.events.append(event)
            taken.pairs.append((pair, event))
        elif self._waiting is None:
            taken.events.append(event)
        else:
            self._waiting.hold(pair, event, received_ms)
            self._count(sender, "plate_held")
            if self._knows(event.event_id.removesuffix(":plate")):  # asked last: the other half may be on its way
                self._waiting.drop(pair, to_ms(event.at))

    def _wanted(self, one: Seen) -> bool:
        if self._settings.vehicles == "all" or one.plate.truck_id in self._gate.registry().trucks:
            return True
        return self._settings.vehicles == "trucks" and one.fields.get("vehicle_type") not in NO_TRUCKS

    def _settle(self, pairs: Sequence[tuple[str, Sighting]]) -> None:
        """Whole messages are in the log: their first halves are needed no more."""
        for pair, event in pairs:
            with self._lock:
                self._whole[event.event_id] = None
                if len(self._whole) > KNOWN_PAIRS:
                    self._whole.popitem(last=False)
            if self._waiting is not None:
                self._waiting.drop(pair, to_ms(event.at))

    def _knows(self, event_id: str) -> bool:
        with self._lock:
            return event_id in self._whole

    def _refuse(self, sender: str, one: Refused, taken: Taken) -> None:
        self._tally.fault(sender, one.error.code)
        if not one.kept:
            return
        taken.letters.append(dead_letter(one.error, f"{NAME}:{sender}", one.raw))

    def _count(self, sender: str, kind: str) -> None:
        with self._lock:
            self._messages[sender if sender in self._settings.cameras else "unknown", kind] += 1


def _camera_of(sender: str, camera: CameraSettings, channel: str) -> str:
    """Whose sighting it is. Raises DeviceError (`unknown_channel`)."""
    if not camera.channels:
        return camera.camera_id or sender
    found = camera.channels.get(channel)
    if found is None:
        raise DeviceError(
            "unknown_channel",
            Text(f"设置里没有通道 {channel[:40]}", f"the settings have no channel {channel[:40]}"),
        )
    return found
