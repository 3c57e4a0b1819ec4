"""Versions of zones and rules over the deployments."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from haulwatch.console.access import Allowed
from haulwatch.console.answers import JsonAnswer
from haulwatch.console.schemas import answers
from haulwatch.domain.access import LOOKERS
from haulwatch.domain.orders import Actor
from haulwatch.domain.versions import RolloutZones, RuleHistory, Versions, ZoneHistory

Named = Query(min_length=1, max_length=128)


def router(versions: Versions) -> APIRouter:
    """Histories on the workbench."""
    api = APIRouter(prefix="/api/v1/workbench/versions", tags=["workbench"])

    @api.get("/zone", responses=answers(ZoneHistory, 401, 403, 404, 409, 422), response_class=Response)
    def zone(zone_id: Annotated[str, Named], actor: Annotated[Actor, Depends(Allowed(*LOOKERS))]) -> Response:  # noqa: ARG001
        """A zone as it was from one deployment to the next: where it lay, what changed, who wanted it."""
        return JsonAnswer(versions.zone(zone_id))

    @api.get("/rule", responses=answers(RuleHistory, 401, 403, 404, 409, 422), response_class=Response)
    def rule(rule_id: Annotated[str, Named], actor: Annotated[Actor, Depends(Allowed(*LOOKERS))]) -> Response:  # noqa: ARG001
        """A rule as it was from one deployment to the next: params, status and its author's text."""
        return JsonAnswer(versions.rule(rule_id))

    @api.get("/rollout", responses=answers(RolloutZones, 401, 403, 404, 409, 422), response_class=Response)
    def rollout(rollout_id: int, actor: Annotated[Actor, Depends(Allowed(*LOOKERS))]) -> Response:  # noqa: ARG001
        """The zones that a deployment changes, before and after: what its second person decides about."""
        return JsonAnswer(versions.rollout(rollout_id))

    return api
