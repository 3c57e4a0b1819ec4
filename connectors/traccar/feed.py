"""The Traccar connector at work: `POST` and `GET /ingest/traccar`, and a topic of Kafka.

Traccar takes every answer that is not 2xx for a failure, and where it is set up so it sends again
(PositionForwardingHandler): what is kept aside as a dead letter is answered 200, and what is not durable never is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import APIRouter, HTTPException, Request

from connectors.gate import Gate, Tally
from connectors.http.body import read_body, refusal_code
from connectors.http.credentials import Doorkeeper
from connectors.traccar.intake import Intake, Reader
from connectors.traccar.mapping import Mapper
from connectors.traccar.reports import MAX_REPORT_BYTES, Report, read_query, read_report
from connectors.traccar.settings import TraccarSettings
from connectors.truck_finder import TruckFinder
from haulwatch.metrics import Sample

if TYPE_CHECKING:
    from connectors.traccar.topic import TopicReader

HTTP, KAFKA = "http", "kafka"


class Traccar:
    """A `Feed`. The devices of its figures are the two ways in: trucks are too many to be figures."""

    def __init__(self, settings: TraccarSettings, gate: Gate) -> None:
        """Raises WorldError where a secret is not at its place."""
        ways = [way for way in (HTTP, KAFKA) if getattr(settings, way) is not None]
        self._tally = Tally("traccar", ways, gate.now_ms)
        mapper = Mapper(settings, TruckFinder(gate.registry))
        self.routers: Sequence[APIRouter] = ()
        if settings.http is not None:
            self._doorkeeper = Doorkeeper({HTTP: settings.http}, self._tally)
            self._intake = Intake(HTTP, gate, mapper, self._tally)
            self.routers = (self._router(),)
        self._topic: TopicReader | None = None
        if settings.kafka is not None:
            from connectors.traccar.topic import TopicReader  # who has no Kafka need not wait for its libraries

            self._topic = TopicReader(settings.kafka, Intake(KAFKA, gate, mapper, self._tally))

    def start(self) -> None:
        """See `Feed`."""
        if self._topic is not None:
            self._topic.start()

    def stop(self) -> None:
        """See `Feed`."""
        if self._topic is not None:
            self._topic.stop()

    def check(self) -> None:
        """See `Feed`."""
        if self._topic is not None:
            self._topic.check()

    def samples(self) -> Sequence[Sample]:
        """See `Feed`."""
        return [*self._tally.samples(), *(self._topic.samples() if self._topic is not None else ())]

    def _router(self) -> APIRouter:
        router = APIRouter()

        @router.post("/ingest/traccar", summary="Traccar 转发的 JSON / JSON that Traccar forwards")
        async def post(request: Request) -> dict[str, Any]:
            self._doorkeeper.admit(HTTP, request)
            try:
                raw = await read_body(request, MAX_REPORT_BYTES)
            except HTTPException as refused:
                self._tally.fault(HTTP, refusal_code(refused))
                raise
            return await self._take(raw, read_report)

        @router.get("/ingest/traccar", summary="Traccar 转发的地址 / an address that Traccar calls")
        async def get(request: Request) -> dict[str, Any]:
            self._doorkeeper.admit(HTTP, request)
            query = {name: value for name, value in request.query_params.items() if name != "token"}
            return await self._take(msgspec.json.encode(query), _of_query)

        return router

    async def _take(self, raw: bytes, reader: Reader) -> dict[str, Any]:
        """Answers when it is durable. Raises Busy, WorldError."""
        read = self._intake.read([raw], reader)
        await asyncio.wrap_future(self._intake.submit(read))
        self._intake.count(read)
        return {"accepted": len(read.events), "refused": [letter.code for letter in read.letters]}


def _of_query(raw: bytes) -> Report:
    """A query as it is kept in a dead letter: as JSON, without the token."""
    return read_query(msgspec.json.decode(raw, type=dict[str, str]))
