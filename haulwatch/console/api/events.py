"""The way in for events over HTTP: answered only when the good ones are durable, with one entry per bad one."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from haulwatch.console.access import Allowed
from haulwatch.console.answers import JsonAnswer
from haulwatch.console.ports import EventIntake
from haulwatch.console.problems import Problem
from haulwatch.console.schemas import REF, AcceptedAnswer, answers
from haulwatch.domain.live import Busy, SubmissionResult
from haulwatch.domain.text import Text
from haulwatch.metrics import Counters

JSON = "application/json"
NDJSON = "application/x-ndjson"
MEDIA_TYPES = {JSON: JSON, NDJSON: NDJSON, "application/ndjson": NDJSON, "application/jsonl": NDJSON}

_EVENT = {"oneOf": [{"$ref": REF.format(name=kind)} for kind in ("Position", "Weighing", "Sighting", "Manifest")]}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": {"oneOf": [_EVENT, {"type": "array", "items": _EVENT}]}},
            NDJSON: {"schema": {"type": "string", "description": "one event a line"}},
        },
    }
}


def router(intake: EventIntake, counters: Counters, max_body_bytes: int) -> APIRouter:
    """`POST /api/v1/events` into `intake`, with at most `max_body_bytes` a request."""
    api = APIRouter(prefix="/api/v1", tags=["events"])

    @api.post(
        "/events",
        status_code=202,
        dependencies=[Depends(Allowed("device"))],
        responses=answers(AcceptedAnswer, 400, 401, 403, 413, 415, 429, 503, status=202),
        response_class=Response,
        openapi_extra=_BODY,
    )
    async def submit_events(request: Request) -> Response:
        """Takes one event, an array, or NDJSON. 202 when all were good; 400 lists the bad ones, the rest is kept."""
        media_type = media_type_of(request)
        body = await read_limited(request, max_body_bytes)
        try:
            result = await run_in_threadpool(intake.submit, body, media_type)
        except Busy:
            counters.add("console_events_busy_total", "Submissions refused because the queue was full")
            raise
        count(counters, result)
        if result.errors:
            raise rejected(result)
        return JsonAnswer(AcceptedAnswer(result.accepted, result.duplicates), status_code=202)

    return api


def media_type_of(request: Request) -> str:
    """JSON or NDJSON; anything else is refused, also because a foreign page may send plain text unasked."""
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    media_type = MEDIA_TYPES.get(declared)
    if media_type is None:
        text = Text(f"Content-Type 应为 {JSON} 或 {NDJSON}", f"Content-Type must be {JSON} or {NDJSON}")
        raise Problem(415, "unsupported-media-type", text)
    return media_type


async def read_limited(request: Request, limit: int) -> bytes:
    """The body, or 413 as soon as it is known to be larger than `limit` bytes."""
    declared = request.headers.get("content-length", "")
    received = bytearray()
    if not (declared.isdigit() and int(declared) > limit):
        async for piece in request.stream():
            received += piece
            if len(received) > limit:
                break
        else:
            return bytes(received)
    text = Text(f"请求体超过 {limit} 字节，请分批发送", f"The body is larger than {limit} bytes; send it in parts")
    raise Problem(413, "too-large", text, headers={"Connection": "close"})


def count(counters: Counters, result: SubmissionResult) -> None:
    """Counts what became of a submission, bad events by code."""
    name, text = "console_events_total", "Events submitted over HTTP by what became of them"
    counters.add(name, text, result.accepted, outcome="accepted")
    counters.add(name, text, result.duplicates, outcome="duplicate")
    for error in result.errors:
        counters.add("console_events_refused_total", "Events refused over HTTP by code", code=error.code)


def rejected(result: SubmissionResult) -> Problem:
    """400 with one entry per bad event, saying also how many good ones were kept."""
    bad = len(result.errors)
    kept = result.accepted + result.duplicates
    text = Text(f"{bad} 条事件有误，其余 {kept} 条已接收", f"{bad} events are bad; the other {kept} were kept")
    errors = [
        {
            "index": error.index,
            "line": error.line,
            "event_id": error.event_id,
            "code": error.code,
            "reason": msgspec.to_builtins(error.text),
        }
        for error in result.errors
    ]
    return Problem(400, "bad-events", text, errors=errors, accepted=result.accepted, duplicates=result.duplicates)
