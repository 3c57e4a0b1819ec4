"""The address of cameras that post JSON: answered when what came is durable, with what was taken and what was not."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
from fastapi import APIRouter, HTTPException, Request, Response

from connectors.camera.mapping import Document, documents, events_of, plate_of, sighting, without_pictures
from connectors.camera.settings import CameraSettings, SourceSettings
from connectors.dead_letters import dead_letter
from connectors.gate import Gate, Tally
from connectors.http.body import Bodies, refusal_code
from connectors.http.credentials import Doorkeeper
from connectors.http.pictures import keep, pictures_at
from connectors.json_paths import at_path
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.events import Sighting
from haulwatch.domain.instants import to_datetime
from haulwatch.metrics import Sample
from haulwatch.wire import DeadLetter

NAME = "camera"


class _Taken:
    """What became of one body."""

    def __init__(self) -> None:
        self.events: list[Sighting] = []
        self.letters: list[DeadLetter] = []
        self.refused: list[dict[str, Any]] = []
        self.index = 0


class CameraFeed:
    """`camera:` at work."""

    def __init__(self, settings: CameraSettings, gate: Gate) -> None:
        """Raises WorldError where a password is not at its place."""
        self._settings, self._gate = settings, gate
        self._tally = Tally(NAME, settings.sources, gate.now_ms)
        self._door = Doorkeeper({name: one.credentials for name, one in settings.sources.items()}, self._tally)
        self._bodies = Bodies(settings.body_bytes, settings.bodies_bytes, timeout_s=settings.body_s)
        self._lock = threading.Lock()
        self._passed_over: Counter[tuple[str, str]] = Counter()
        self.routers: Sequence[APIRouter] = (self._router(),)

    def start(self) -> None:
        """Nothing of its own to begin."""

    def stop(self) -> None:
        """Nothing of its own to end: requests end with the server."""

    def check(self) -> None:
        """Able to work as long as the log is."""

    def samples(self) -> Sequence[Sample]:
        """Its figures."""
        with self._lock:
            passed_over = sorted(self._passed_over.items())
        return [
            *self._tally.samples(),
            *(
                Sample(
                    "camera_passed_over_total",
                    "Events that are none of ours",
                    count,
                    (("device", device), ("reason", reason)),
                    "counter",
                )
                for (device, reason), count in passed_over
            ),
            Sample("camera_body_bytes", "Bytes of bodies in memory", self._bodies.held),
        ]

    def _router(self) -> APIRouter:
        router = APIRouter()

        @router.post("/ingest/camera/{source}", include_in_schema=False)
        async def receive(source: str, request: Request) -> Response:
            self._door.admit(source, request)
            try:
                async with self._bodies.of(request) as body:
                    content_type = request.headers.get("content-type", "")
                    taken = await asyncio.to_thread(self._understand, source, body, content_type)
            except HTTPException as error:
                self._tally.fault(source, refusal_code(error))
                raise
            if taken.events or taken.letters:
                await asyncio.wrap_future(self._gate.submit(taken.events, taken.letters))
            self._tally.took(source, taken.events)
            said = self._settings.sources[source].answer
            answer = msgspec.json.encode({"accepted": len(taken.events), "refused": taken.refused})
            return Response(said or answer, media_type="application/json")

        return router

    def _understand(self, name: str, body: bytes, content_type: str) -> _Taken:
        """Reads a body and keeps its pictures. Raises WorldError: then nothing is answered as kept."""
        taken = _Taken()
        try:
            found, strange = documents(body, content_type)
        except DeviceError as error:
            self._refuse(name, error, body, taken)
            return taken
        if strange:
            self._tally.fault(name, "unknown_part", strange)
        for document in found:
            self._read(name, document, taken)
        return taken

    def _read(self, name: str, document: Document, taken: _Taken) -> None:
        source = self._settings.sources[name]
        try:
            events = events_of(document.data, source)
        except DeviceError as error:
            self._refuse(name, error, document.data, taken)
            return
        beside = document.pictures
        if len(events) != 1 and beside:
            self._tally.fault(name, "picture_of_nobody", len(beside))
            beside = ()
        for event in events:
            try:
                self._take(name, source, event, beside, taken)
            except DeviceError as error:
                self._refuse(name, error, msgspec.json.encode(without_pictures(event)), taken)
            taken.index += 1

    def _take(self, name: str, source: SourceSettings, event: Any, beside: Sequence[bytes], taken: _Taken) -> None:
        """Raises DeviceError where it cannot be an event."""
        plate = plate_of(event, source)
        if plate is None:
            self._pass_over(name, "no_plate")
            return
        if self._settings.vehicles == "registered" and plate.truck_id not in self._gate.registry().trucks:
            self._pass_over(name, "not_registered")
            return
        one, unnamed = sighting(event, plate, source, name, to_datetime(self._gate.now_ms()))
        pictures, broken = pictures_at(partial(at_path, event), source.images)
        images, left = keep((*pictures, *beside), self._gate.pictures, self._settings.pictures)
        left["not_a_picture"] += broken
        left["unknown_word"] += unnamed
        for code, count in left.items():
            if count:
                self._tally.fault(name, code, count)
        taken.events.append(msgspec.structs.replace(one, images=images) if images else one)

    def _refuse(self, name: str, error: DeviceError, raw: bytes, taken: _Taken) -> None:
        self._tally.fault(name, error.code)
        taken.refused.append({"index": taken.index, "code": error.code, "reason": error.text})
        taken.letters.append(dead_letter(error, f"{NAME}:{name}", raw))

    def _pass_over(self, name: str, reason: str) -> None:
        with self._lock:
            self._passed_over[name, reason] += 1
