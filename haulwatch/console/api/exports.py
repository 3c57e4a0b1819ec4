"""The list of orders as a file: the list's filters, every page of it, sent while it is read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from starlette.responses import StreamingResponse

from haulwatch.console.access import Allowed
from haulwatch.console.reach import Reached
from haulwatch.console.schemas import answers
from haulwatch.domain.access import READERS, sees_plates, visible
from haulwatch.domain.breaches import Category, Severity
from haulwatch.domain.order_sheet import csv_lines, json_parts, masked
from haulwatch.domain.orders import Actor, Order, OrderDesk, OrderFilter, Stage

PAGE = 500


def asked_filter(
    stage: Annotated[list[Stage], Query(description="only these stages")] = [],  # noqa: B006  # FastAPI copies it
    category: Annotated[list[Category], Query()] = [],  # noqa: B006
    severity: Annotated[list[Severity], Query()] = [],  # noqa: B006
    truck_id: Annotated[str | None, Query(max_length=32)] = None,
    late: Annotated[bool | None, Query(description="only late ones, or only punctual ones")] = None,
    since: Annotated[str | None, Query(description="first detected at or after; RFC 3339 UTC")] = None,
    squad_id: Annotated[str | None, Query(max_length=128)] = None,
    unassigned: bool = False,
    overdue: bool = False,
    pending: bool = False,
    search: Annotated[str | None, Query(max_length=64, description="part of an order id or of a plate")] = None,
) -> OrderFilter:
    """The filter that a query asks for."""
    return OrderFilter(
        stages=tuple(stage),
        categories=tuple(category),
        severities=tuple(severity),
        truck_id=truck_id,
        late=late,
        since=since,
        squad_id=squad_id,
        unassigned=unassigned,
        overdue=overdue,
        pending=pending,
        search=search,
    )


def router(desk: OrderDesk) -> APIRouter:
    """Two routes; to be added before those that take an order's id at the same place."""
    api = APIRouter(prefix="/api/v1/orders", tags=["orders"])
    content: dict[int | str, Any] = {200: {"content": {"text/csv": {}}}}

    @api.get("/export.csv", responses=answers(None, 401, 403, 422) | content, response_class=Response)
    def export_csv(
        actor: Annotated[Actor, Depends(Allowed(*READERS))],
        where: Annotated[OrderFilter, Depends(asked_filter)],
        lang: Literal["zh", "en"] = "zh",
    ) -> Response:
        """Orders as CSV, newest first: UTF-8 with a byte order mark, no cell that a spreadsheet would calculate."""
        lines = csv_lines(_every(desk, actor, where), lang)
        first = next(lines) + next(lines, "")  # what is wrong with the question is told before the answer begins
        _note(desk, actor, where, "csv")
        return StreamingResponse(
            _portions(chain([first], lines)), media_type="text/csv; charset=utf-8", headers=_headers("orders.csv")
        )

    @api.get("/export.json", responses=answers(None, 401, 403, 422), response_class=Response)
    def export_json(
        actor: Annotated[Actor, Depends(Allowed(*READERS))], where: Annotated[OrderFilter, Depends(asked_filter)]
    ) -> Response:
        """Orders as one JSON array, newest first."""
        parts = json_parts(_every(desk, actor, where))
        first = next(parts)
        _note(desk, actor, where, "json")
        return StreamingResponse(chain([first], parts), media_type="application/json", headers=_headers("orders.json"))

    return api


def _note(desk: OrderDesk, actor: Actor, where: OrderFilter, form: str) -> None:
    """On record before the first byte is sent."""
    desk.note_export(visible(actor, where), actor=actor, form=form, plates=sees_plates(actor, exported=True))


def _every(desk: OrderDesk, actor: Actor, where: OrderFilter) -> Iterator[Order]:
    reached, hidden = Reached(desk, actor), not sees_plates(actor, exported=True)
    cursor: str | None = None
    while True:
        page = reached.list(where, cursor=cursor, limit=PAGE)
        yield from (masked(order) if hidden else order for order in page.orders)
        cursor = page.next_cursor
        if cursor is None:
            return


def _portions(lines: Iterator[str]) -> Iterator[bytes]:
    """Many lines at once: each portion is a change of threads."""
    while some := list(islice(lines, PAGE)):
        yield "".join(some).encode()


def _headers(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
