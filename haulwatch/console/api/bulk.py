"""`POST /api/v1/orders/commands`: one command with one reason on many orders; each succeeds or fails by itself."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Body, Depends, Header, Response
from msgspec import ValidationError

from haulwatch.console.access import Allowed
from haulwatch.console.answers import JsonAnswer
from haulwatch.console.api.orders import given_key
from haulwatch.console.problems import Problem, problem_of
from haulwatch.console.reach import Reached
from haulwatch.console.schemas import BulkAnswer, BulkBody, BulkResult, answers, body_of
from haulwatch.domain.access import COMMANDERS
from haulwatch.domain.orders import Actor, Order, OrderDesk, OrderError, Step
from haulwatch.domain.text import Text

MAX_ORDERS = 1000


def router(desk: OrderDesk) -> APIRouter:
    """Bulk commands over `desk`."""
    api = APIRouter(prefix="/api/v1/orders", tags=["orders"])

    @api.post(
        "/commands",
        responses=answers(BulkAnswer, 400, 401, 403, 422),
        response_class=Response,
        openapi_extra=body_of(BulkBody),
    )
    def command_orders(
        actor: Annotated[Actor, Depends(Allowed(*COMMANDERS))],
        body: Annotated[Any, Body(embed=False)],
        idempotency_key: Annotated[str | None, Header(description="the same for every repeat")] = None,
    ) -> Response:
        """At most 1,000 orders in one transaction; the results are in the order of the request."""
        key = given_key(idempotency_key)
        asked = _asked(body)
        steps = [Step(one.order_id, one.version) for one in asked.orders]
        results = Reached(desk, actor).bulk(asked.command, steps, data=asked.data, idempotency_key=key)
        return JsonAnswer(
            BulkAnswer([_result(step.order_id, result) for step, result in zip(steps, results, strict=True)])
        )

    return api


def _asked(body: Any) -> BulkBody:
    try:
        asked = msgspec.convert(body, BulkBody)
    except ValidationError as error:
        raise Problem(422, "invalid-request", Text(str(error), str(error))) from None
    named = {one.order_id for one in asked.orders}
    if not 0 < len(asked.orders) <= MAX_ORDERS or len(named) != len(asked.orders):
        text = Text(f"一次 1–{MAX_ORDERS} 张工单，不得重复", f"1 to {MAX_ORDERS} orders at once, each named once")
        raise Problem(422, "invalid-request", text)
    return asked


def _result(order_id: str, result: Order | OrderError) -> BulkResult:
    if isinstance(result, Order):
        return BulkResult(order_id=order_id, order=result)
    return BulkResult(order_id=order_id, problem=problem_of(result).body())
