"""The life cycle as the screens need it: which command leads from where to where, by whom, and what must be given."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from haulwatch.console.access import Allowed
from haulwatch.console.answers import JsonAnswer
from haulwatch.console.schemas import LifeCycleAnswer, answers
from haulwatch.domain.access import READERS
from haulwatch.domain.orders import Actor, OrderDesk


def router(desk: OrderDesk) -> APIRouter:
    """The table of transitions of `desk`."""
    api = APIRouter(prefix="/api/v1", tags=["orders"])

    @api.get("/life-cycle", responses=answers(LifeCycleAnswer, 401, 403), response_class=Response)
    def life_cycle(actor: Annotated[Actor, Depends(Allowed(*READERS))]) -> Response:  # noqa: ARG001  # everybody sees the same
        """Every transition, in the order in which screens offer them."""
        return JsonAnswer(LifeCycleAnswer(list(desk.transitions())))

    return api
