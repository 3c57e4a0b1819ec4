"""Work orders: lists by cursor, one order with its "why", and commands guarded by version and idempotency key."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Body, Header, Query, Response
from msgspec import ValidationError

from haulwatch.console.answers import JsonAnswer
from haulwatch.console.ports import CityView
from haulwatch.console.problems import Problem
from haulwatch.console.schemas import (
    CommandBody,
    CountsAnswer,
    NoticesAnswer,
    OrderAnswer,
    OrdersAnswer,
    answers,
    body_of,
)
from haulwatch.domain.breaches import Category, Severity
from haulwatch.domain.orders import Actor, OrderDesk, OrderFilter, Role, Stage
from haulwatch.domain.text import Text

ENTITY_TAG = re.compile(r'^(?:W/)?"(\d{1,9})"$')
MAX_KEY = 128
MAX_ACTOR = 64


def router(
    desk: OrderDesk, city: CityView, roles: frozenset[Role], *, driver_line: bool = False, pictures: bool = False
) -> APIRouter:
    """Routes over `desk`. Until people log in, whoever reaches the console acts with `roles` under the name given.

    `driver_line` and `pictures`: whether drivers can be called and pictures be seen from here.
    """
    api = APIRouter(prefix="/api/v1/orders", tags=["orders"])

    @api.get("", responses=answers(OrdersAnswer, 400, 422), response_class=Response)
    def list_orders(
        stage: Annotated[list[Stage], Query(description="only these stages")] = [],  # noqa: B006  # FastAPI copies it
        category: Annotated[list[Category], Query()] = [],  # noqa: B006
        severity: Annotated[list[Severity], Query()] = [],  # noqa: B006
        truck_id: Annotated[str | None, Query(max_length=32)] = None,
        late: Annotated[bool | None, Query(description="only late ones, or only punctual ones")] = None,
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
        )
        change_id = desk.last_change_id()  # before the page: a change in between is then sent twice, never lost
        page = desk.list(where, cursor=cursor, limit=limit)
        return JsonAnswer(OrdersAnswer(page.orders, page.next_cursor, change_id))

    @api.get("/counts", responses=answers(CountsAnswer), response_class=Response)
    def count_orders() -> Response:
        """How many orders are in each stage."""
        change_id = desk.last_change_id()
        return JsonAnswer(CountsAnswer(desk.counts(), change_id))

    @api.get("/{order_id}", responses=answers(OrderAnswer, 404), response_class=Response)
    def show_order(order_id: str) -> Response:
        """Everything about one order; the entity tag is the version that a command must name."""
        return detail_answer(order_id)

    @api.get("/{order_id}/notices", responses=answers(NoticesAnswer, 404), response_class=Response)
    def list_notices(order_id: str) -> Response:
        """The delivery log of one order."""
        return JsonAnswer(NoticesAnswer(list(desk.notices(order_id))))

    @api.post(
        "/{order_id}/commands",
        responses=answers(OrderAnswer, 400, 403, 404, 409, 422, 428),
        response_class=Response,
        openapi_extra=body_of(CommandBody),
    )
    def command_order(
        order_id: str,
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
        actor = Actor(given_actor(asked.actor), roles)
        desk.command(
            order_id, asked.command, expected_version=version, actor=actor, data=asked.data, idempotency_key=key
        )
        return detail_answer(order_id)

    def detail_answer(order_id: str) -> Response:
        detail = desk.get(order_id)
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


def given_actor(name: str) -> str:
    """The actor's name without surrounding blanks."""
    actor = name.strip()
    if not actor or len(actor) > MAX_ACTOR or not actor.isprintable():
        text = Text(f"请填写操作人姓名（1–{MAX_ACTOR} 字）", f"Give the name of who acts (1-{MAX_ACTOR} characters)")
        raise Problem(422, "actor-required", text)
    return actor
