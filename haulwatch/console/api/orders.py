"""Work orders: lists by cursor, one order with its "why", and commands guarded by version and idempotency key."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Body, Depends, Header, Query, Response
from msgspec import ValidationError

from haulwatch.console.access import Allowed
from haulwatch.console.answers import JsonAnswer
from haulwatch.console.ports import CityView
from haulwatch.console.problems import Problem
from haulwatch.console.reach import Reached
from haulwatch.console.schemas import (
    CommandBody,
    CountsAnswer,
    NoticesAnswer,
    OrderAnswer,
    OrdersAnswer,
    answers,
    body_of,
)
from haulwatch.domain.access import COMMANDERS, READERS
from haulwatch.domain.breaches import Category, Severity
from haulwatch.domain.orders import Actor, OrderDesk, OrderDetail, OrderFilter, Stage
from haulwatch.domain.text import Text

ENTITY_TAG = re.compile(r'^(?:W/)?"(\d{1,9})"$')
MAX_KEY = 128


def router(desk: OrderDesk, city: CityView, *, driver_line: bool = False, pictures: bool = False) -> APIRouter:
    """Routes over `desk`, each within the reach of who asks and in its name.

    `driver_line` and `pictures`: whether drivers can be called and pictures be seen from here.
    """
    api = APIRouter(prefix="/api/v1/orders", tags=["orders"])

    @api.get("", responses=answers(OrdersAnswer, 400, 401, 403, 422), response_class=Response)
    def list_orders(
        actor: Annotated[Actor, Depends(Allowed(*READERS))],
        stage: Annotated[list[Stage], Query(description="only these stages")] = [],  # noqa: B006  # FastAPI copies it
        category: Annotated[list[Category], Query()] = [],  # noqa: B006
        severity: Annotated[list[Severity], Query()] = [],  # noqa: B006
        truck_id: Annotated[str | None, Query(max_length=32)] = None,
        late: Annotated[bool | None, Query(description="only late ones, or only punctual ones")] = None,
        jurisdiction: Annotated[list[str], Query(max_length=16)] = [],  # noqa: B006
        squad_id: Annotated[str | None, Query(max_length=128)] = None,
        unassigned: Annotated[bool, Query(description="only open ones that no squad has")] = False,
        overdue: Annotated[bool, Query(description="only those whose clock has run out")] = False,
        pending: Annotated[bool, Query(description="only those with a request that waits for approval")] = False,
        mine: Annotated[bool, Query(description="only those to which the asker has given a command")] = False,
        search: Annotated[str | None, Query(max_length=64, description="part of an order id or a plate")] = None,
        since: Annotated[str | None, Query(description="first detected at or after; RFC 3339 UTC")] = None,
        cursor: Annotated[str | None, Query(max_length=256)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response:
        """Orders, newest first, one page."""
        where = OrderFilter(
            stages=tuple(stage),
            categories=tuple(category),
            severities=tuple(severity),
            truck_id=truck_id,
            late=late,
            since=since,
            jurisdictions=tuple(jurisdiction),
            squad_id=squad_id,
            unassigned=unassigned,
            overdue=overdue,
            pending=pending,
            commanded_by=actor.actor_id if mine else None,
            search=search or None,
        )
        change_id = desk.last_change_id()  # before the page: a change in between is then sent twice, never lost
        page = Reached(desk, actor).list(where, cursor=cursor, limit=limit)
        return JsonAnswer(OrdersAnswer(page.orders, page.next_cursor, change_id))

    @api.get("/counts", responses=answers(CountsAnswer, 401, 403), response_class=Response)
    def count_orders(actor: Annotated[Actor, Depends(Allowed(*READERS))]) -> Response:
        """How many orders are in each stage."""
        change_id = desk.last_change_id()
        return JsonAnswer(CountsAnswer(Reached(desk, actor).counts(), change_id))

    @api.get("/{order_id}", responses=answers(OrderAnswer, 401, 403, 404), response_class=Response)
    def show_order(order_id: str, actor: Annotated[Actor, Depends(Allowed(*READERS))]) -> Response:
        """Everything about one order; the entity tag is the version that a command must name.

        That somebody looked is put on record, once an hour.
        """
        detail = Reached(desk, actor).get(order_id)
        desk.note_read("order_read", detail.order.order_id, actor=actor, detail={})
        return detail_answer(detail)

    @api.get("/{order_id}/notices", responses=answers(NoticesAnswer, 401, 403, 404), response_class=Response)
    def list_notices(order_id: str, actor: Annotated[Actor, Depends(Allowed(*READERS))]) -> Response:
        """The delivery log of one order."""
        return JsonAnswer(NoticesAnswer(list(Reached(desk, actor).notices(order_id))))

    @api.post(
        "/{order_id}/commands",
        responses=answers(OrderAnswer, 400, 401, 403, 404, 409, 422, 428),
        response_class=Response,
        openapi_extra=body_of(CommandBody),
    )
    def command_order(
        order_id: str,
        actor: Annotated[Actor, Depends(Allowed(*COMMANDERS))],
        body: Annotated[Any, Body(embed=False)],
        if_match: Annotated[str | None, Header(description='the order\'s version as an entity tag: `"3"`')] = None,
        idempotency_key: Annotated[str | None, Header(description="the same for every repeat of one command")] = None,
    ) -> Response:
        """Carries out one command; repeating it with the same key answers as the first time and changes nothing."""
        version = expected_version(if_match)
        key = given_key(idempotency_key)
        try:
            asked = msgspec.convert(body, CommandBody)
        except ValidationError as error:
            raise Problem(422, "invalid-request", Text(str(error), str(error))) from None
        reached = Reached(desk, actor)
        done = reached.command(order_id, asked.command, expected_version=version, data=asked.data, idempotency_key=key)
        return detail_answer(reached.after(done))

    def detail_answer(detail: OrderDetail) -> Response:
        answer = OrderAnswer(detail, city.runbooks.get(detail.order.rule_id), driver_line, pictures)
        return JsonAnswer(answer, headers={"ETag": f'"{detail.order.version}"'})

    return api


def expected_version(if_match: str | None) -> int:
    """The version in an `If-Match` header; without it a command is refused, for it was decided on nothing."""
    if if_match is None:
        raise Problem(
            428, "version-required", Text("缺少 If-Match（工单版本）", "If-Match with the version is required")
        )
    match = ENTITY_TAG.match(if_match.strip())
    if match is None:
        raise Problem(400, "invalid-version", Text('If-Match 应形如 "3"', 'If-Match must look like "3"'))
    return int(match[1])


def given_key(idempotency_key: str | None) -> str:
    """The `Idempotency-Key` header, which every command must carry."""
    if not idempotency_key or len(idempotency_key) > MAX_KEY:
        text = Text(
            f"缺少 Idempotency-Key（1–{MAX_KEY} 字符）", f"Idempotency-Key (1-{MAX_KEY} characters) is required"
        )
        raise Problem(400, "idempotency-key-required", text)
    return idempotency_key
