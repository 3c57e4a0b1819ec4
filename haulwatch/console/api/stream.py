"""`GET /api/v1/live`: the live stream (server-sent events) over the hub."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse

from haulwatch.console.access import Access, Allowed
from haulwatch.console.live import LiveHub
from haulwatch.console.problems import Problem
from haulwatch.console.schemas import answers
from haulwatch.domain.access import PEOPLE
from haulwatch.domain.orders import Actor
from haulwatch.domain.text import Text

EVENTS = """Server-sent events of what you may see; one stream per browser is enough. It ends with your session.

- `hello` `{change_id}`: where the stream begins.
- `order`: a `Change` with the order as it was then; the event id is its `change_id`: resume by `Last-Event-ID`.
- `counts`: orders by stage, after each change.
- `trucks`: `{revision, full, columns, rows}`, at most once a second; `full` replaces everything known before.
- `gone` `{change_id, order_id}`: the order is with another squad now and no longer yours to see.
- `reset` `{change_id}`: too far behind; load the lists anew.
- A comment every ten seconds when there is no news.
"""


def router(hub: LiveHub) -> APIRouter:
    """The stream over `hub`."""
    api = APIRouter(prefix="/api/v1", tags=["live"])

    @api.get(
        "/live",
        description=EVENTS,
        responses={
            200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
            **answers(None, 401, 403, 503),
        },
        response_class=Response,
    )
    async def live(
        request: Request,
        actor: Annotated[Actor, Depends(Allowed(*PEOPLE))],
        after: Annotated[int | None, Query(ge=0, description="begin after this change")] = None,
        last_event_id: Annotated[str | None, Header(description="sent by the browser when it comes back")] = None,
    ) -> Response:
        """The live stream."""
        if hub.closed or hub.streams >= hub.settings.max_streams:
            text = Text("实时连接数已满，请稍后再试", "No more live streams are possible; try again later")
            raise Problem(503, "too-many-streams", text, headers={"Retry-After": "5"})
        resume = int(last_event_id) if last_event_id is not None and last_event_id.isdecimal() else after
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return EventSourceResponse(hub.stream(resume, actor, lambda: still_in(request, actor)), headers=headers)

    return api


def still_in(request: Request, actor: Actor) -> bool:
    """Whether who began to listen may still do so, and sees what it saw then."""
    access: Access = request.app.state.access
    visitor = access.visitor(request, touch=False)
    return visitor is not None and visitor.actor == actor
