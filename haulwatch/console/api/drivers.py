"""Speaking to drivers through the terminals in their trucks: a text that is read out, and where the truck is now.

Who asked goes on record with what was sent: in the order's history, or in the log.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Body, Depends, Response
from msgspec import ValidationError
from starlette.concurrency import run_in_threadpool

from haulwatch.console.access import Allowed
from haulwatch.console.answers import JsonAnswer
from haulwatch.console.ports import DriverLine
from haulwatch.console.problems import Problem
from haulwatch.console.reach import Reached
from haulwatch.console.schemas import CallBody, TextBody, answers, body_of
from haulwatch.domain.errors import WorldError
from haulwatch.domain.live import TerminalAnswer
from haulwatch.domain.orders import Actor, OrderDesk, Role
from haulwatch.domain.text import Text

log = logging.getLogger(__name__)


CALLERS: tuple[Role, ...] = ("dispatcher", "duty_officer", "squad")
DESK_CALLERS: tuple[Role, ...] = ("dispatcher", "duty_officer")


def order_router(drivers: DriverLine, desk: OrderDesk) -> APIRouter:
    """Calling the driver of an order's truck; what was asked and what came of it joins the order's history."""
    api = APIRouter(prefix="/api/v1/orders", tags=["drivers"])

    @api.post(
        "/{order_id}/driver",
        responses=answers(TerminalAnswer, 401, 403, 404, 422, 503),
        response_class=Response,
        openapi_extra=body_of(CallBody),
    )
    async def call_driver(
        order_id: str,
        actor: Annotated[Actor, Depends(Allowed(*CALLERS))],
        body: Annotated[Any, Body(embed=False)],
    ) -> Response:
        """Answers when the terminal has answered; 503 where it is not connected or does not answer in time."""
        asked = _read(body, CallBody)
        order = (await run_in_threadpool(Reached(desk, actor).get, order_id)).order
        said = {"text": asked.text} if asked.ask == "text" else {}
        # Before it is sent: what a driver was told must be on record even where nothing comes back.
        await run_in_threadpool(desk.note, order_id, f"driver_{asked.ask}", actor=actor, detail=said)
        try:
            answer = await _asked_of(drivers, order.truck_id, asked)
        except WorldError as error:
            outcome = {"outcome": error.text.zh}
            await run_in_threadpool(desk.note, order_id, "driver_silent", actor=actor, detail=outcome)
            raise
        outcome = {"terminal": answer.result}
        await run_in_threadpool(desk.note, order_id, "driver_answered", actor=actor, detail=outcome)
        return JsonAnswer(answer)

    return api


async def _asked_of(drivers: DriverLine, truck_id: str, asked: CallBody) -> TerminalAnswer:
    if asked.ask == "location":
        return await asyncio.wrap_future(drivers.ask_location(truck_id))
    return await _told(drivers, truck_id, asked.text, urgent=asked.urgent)


async def _told(drivers: DriverLine, truck_id: str, words: str, *, urgent: bool) -> TerminalAnswer:
    try:
        return await asyncio.wrap_future(drivers.send_text(truck_id, words, urgent=urgent))
    except ValueError:
        text = Text("文字应为 1–1000 字节（GBK）", "A text has 1 to 1,000 bytes (GBK)")
        raise Problem(422, "invalid-text", text) from None


def router(drivers: DriverLine) -> APIRouter:
    """Routes over the terminals that are connected; 503 when the truck's is not, or does not answer in time."""
    api = APIRouter(prefix="/api/v1/trucks", tags=["drivers"])

    @api.post(
        "/{truck_id}/text",
        responses=answers(TerminalAnswer, 401, 403, 422, 503),
        response_class=Response,
        openapi_extra=body_of(TextBody),
    )
    async def send_text(
        truck_id: str,
        actor: Annotated[Actor, Depends(Allowed(*DESK_CALLERS))],
        body: Annotated[Any, Body(embed=False)],
    ) -> Response:
        """Shows the driver a text and reads it out; answers when the terminal says that it has it."""
        asked = _read(body, TextBody)
        answer = await _told(drivers, truck_id, asked.text, urgent=asked.urgent)
        _log("text sent to a driver", truck_id, actor.actor_id, answer, text=asked.text)
        return JsonAnswer(answer)

    @api.post("/{truck_id}/locate", responses=answers(TerminalAnswer, 401, 403, 422, 503), response_class=Response)
    async def locate(truck_id: str, actor: Annotated[Actor, Depends(Allowed(*DESK_CALLERS))]) -> Response:
        """Asks the terminal where it is; its position is taken in like any other."""
        answer = await asyncio.wrap_future(drivers.ask_location(truck_id))
        _log("truck located on request", truck_id, actor.actor_id, answer)
        return JsonAnswer(answer)

    return api


def _read(body: Any, kind: type[Any]) -> Any:
    try:
        return msgspec.convert(body, kind)
    except ValidationError as error:
        raise Problem(422, "invalid-request", Text(str(error), str(error))) from None


def _log(message: str, truck_id: str, actor: str, answer: TerminalAnswer, **more: str) -> None:
    log.info(message, extra={"fields": {"truck": truck_id, "actor": actor, "result": answer.result, **more}})
