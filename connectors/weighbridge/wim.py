"""`POST /ingest/wim/{source}`: weighings of moving trucks (非现场称重), as platforms post them in JSON or CSV.

Answered 202 when the good records are in the log and the bad ones among the dead letters; which those are is in the
answer. Sending them again would not make them better, so they are no reason to refuse the rest.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import msgspec
from fastapi import APIRouter, HTTPException, Request
from msgspec import Struct

from connectors.dead_letters import dead_letter
from connectors.gate import Gate, Tally
from connectors.http.body import Bodies, refusal_code
from connectors.http.credentials import Doorkeeper
from connectors.http.pictures import keep, pictures_at
from connectors.mapped_events import mapped_event, source_name
from connectors.plates import read_plate
from connectors.truck_finder import TruckFinder
from connectors.weighbridge.records import Record, read_csv, read_json
from connectors.weighbridge.settings import WeighbridgeSettings, WimSource
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.events import Event
from haulwatch.domain.instants import to_datetime
from haulwatch.domain.text import Text
from haulwatch.wire import DeadLetter

MAX_LETTERS_BYTES = 8 * 1024 * 1024
"""What is kept of all bad records of one body together."""


class _Refused(Struct, frozen=True):
    row: int
    error: DeviceError
    raw: bytes


class _Taken(Struct):
    events: list[Event]
    refused: list[_Refused]
    whole: DeviceError | None = None


class WimIntake:
    """All platforms."""

    def __init__(self, settings: WeighbridgeSettings, gate: Gate, tally: Tally) -> None:
        """Raises WorldError where a secret is not at its place."""
        self._sources, self._gate, self._tally = settings.wim, gate, tally
        self._door = Doorkeeper({name: one.credentials for name, one in settings.wim.items()}, tally)
        self._bodies = Bodies(settings.body_bytes, settings.bodies_bytes)
        self._finder = TruckFinder(gate.registry)
        self.router = self._router()

    def _router(self) -> APIRouter:
        router = APIRouter()

        @router.post("/ingest/wim/{source}", status_code=202, summary="非现场称重记录 / weigh-in-motion records")
        async def post(source: str, request: Request) -> dict[str, Any]:
            self._door.admit(source, request)
            try:
                async with self._bodies.of(request) as body:
                    taken = await asyncio.to_thread(self._understand, source, body)
            except HTTPException as error:
                self._tally.fault(source, refusal_code(error))
                raise
            letters = _letters(source, taken.refused)
            if taken.events or letters:
                await asyncio.wrap_future(self._gate.submit(taken.events, letters))
            self._tally.took(source, taken.events)
            for one in taken.refused:
                self._tally.fault(source, one.error.code)
            if taken.whole is not None:
                raise taken.whole
            return {
                "accepted": len(taken.events),
                "refused": [
                    {"row": one.row, "code": one.error.code, "reason": msgspec.to_builtins(one.error.text)}
                    for one in taken.refused
                ],
            }

        return router

    def _understand(self, name: str, body: bytes) -> _Taken:
        """Reads a body and keeps its pictures. Raises WorldError: then nothing is answered as kept."""
        source, taken = self._sources[name], _Taken([], [])
        try:
            records = records_of(body, source)
        except DeviceError as error:
            taken.whole = error
            taken.refused.append(_Refused(0, error, body))
            return taken
        received_at = to_datetime(self._gate.now_ms())
        for record in records:
            try:
                taken.events.append(self._event(name, source, record, received_at))
            except DeviceError as error:
                taken.refused.append(_Refused(record.row, error, record.raw()))
        return taken

    def _event(self, name: str, source: WimSource, record: Record, received_at: datetime) -> Event:
        if record.fault is not None:
            raise record.fault
        event = mapped_event(
            "weighing",
            source.map.read("weighing", record.lookup),
            truck_id=self._finder.of_plate(plate_of(record, source)),
            source=source_name("wim", name),
            received_at=received_at,
        )
        pictures, broken = pictures_at(record.lookup, source.images)
        images, left = keep(pictures, self._gate.pictures, source.pictures)
        left["not_a_picture"] += broken
        for code, count in left.items():
            if count:
                self._tally.fault(name, code, count)
        return msgspec.structs.replace(event, images=images) if images else event


def records_of(body: bytes, source: WimSource) -> list[Record]:
    """The records of a body. Raises DeviceError."""
    if source.format == "csv":
        return read_csv(body, source.delimiter, source.encoding)
    return read_json(body, source.records, source.encoding)


def plate_of(record: Record, source: WimSource) -> str:
    """Raises DeviceError: no_plate, bad_plate."""
    try:
        written = source.plate.raw(record.lookup)
    except ValueError:
        written = None
    plate = read_plate(written) if isinstance(written, str) else None
    if plate is None:
        raise DeviceError("no_plate", Text("没有车牌", "it has no plate"))
    return plate.truck_id


def _letters(name: str, refused: list[_Refused]) -> list[DeadLetter]:
    """One each; a body of large bad records fills no log: of the last ones little or nothing is kept but the reason."""
    letters: list[DeadLetter] = []
    room = MAX_LETTERS_BYTES
    for one in refused:
        letter = dead_letter(one.error, source_name("wim", name), one.raw[:room], line=one.row or None)
        room -= min(len(letter.raw), room)
        letters.append(letter)
    return letters
