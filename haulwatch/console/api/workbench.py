"""Rules and zones for those who own them: what is in force, drafts checked, proposed, approved, rolled back."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from haulwatch.console.access import Allowed
from haulwatch.console.answers import JsonAnswer
from haulwatch.console.api.events import read_limited
from haulwatch.console.problems import Problem
from haulwatch.console.schemas import (
    DecisionBody,
    ProposalBody,
    RollbackBody,
    RolloutsAnswer,
    TrialBody,
    answers,
    body_of,
)
from haulwatch.domain.access import LOOKERS, TUNERS
from haulwatch.domain.orders import Actor
from haulwatch.domain.rollouts import Rollout, RolloutDesk
from haulwatch.domain.text import Text
from haulwatch.domain.trials import Scorecard
from haulwatch.domain.workbench import Checked, Draft, Trial, Trials, Workbench, Workshop

MAX_BODY_BYTES = 16 * 1024 * 1024
T = TypeVar("T")


def router(desk: RolloutDesk, bench: Workbench, trials: Trials) -> APIRouter:
    """The workbench and the desk of deployments."""
    api = APIRouter(prefix="/api/v1/workbench", tags=["workbench"])

    @api.get("", responses=answers(Workshop, 401, 403, 503), response_class=Response)
    def workshop(actor: Annotated[Actor, Depends(Allowed(*LOOKERS))]) -> Response:  # noqa: ARG001
        """The city in force: rules with their params, files, and what waits for its second person."""
        return JsonAnswer(bench.workshop())

    @api.post(
        "/check", responses=answers(Checked, 401, 403, 409, 413, 422), response_class=Response,
        openapi_extra=body_of(Draft),
    )  # fmt: skip
    async def check(request: Request, actor: Annotated[Actor, Depends(Allowed(*TUNERS))]) -> Response:  # noqa: ARG001
        """Everything wrong in a draft, at its place; or what it changes."""
        draft = await given(request, Draft)
        return JsonAnswer(await run_in_threadpool(bench.check, draft))

    @api.get("/rollouts", responses=answers(RolloutsAnswer, 401, 403, 503), response_class=Response)
    def history(actor: Annotated[Actor, Depends(Allowed(*LOOKERS))]) -> Response:  # noqa: ARG001
        """Deployments, the newest first."""
        return JsonAnswer(RolloutsAnswer(list(desk.list())))

    @api.post(
        "/rollouts", responses=answers(Rollout, 400, 401, 403, 409, 413, 422, status=201), status_code=201,
        response_class=Response, openapi_extra=body_of(ProposalBody),
    )  # fmt: skip
    async def propose(request: Request, actor: Annotated[Actor, Depends(Allowed("operator"))]) -> Response:
        """Puts a draft before a second person."""
        asked = await given(request, ProposalBody)
        rollout = await run_in_threadpool(bench.propose, asked.draft, asked.note, actor=actor)
        return JsonAnswer(rollout, status_code=201)

    @api.post(
        "/rollouts/{rollout_id}/decision", responses=answers(Rollout, 401, 403, 404, 409, 422),
        response_class=Response, openapi_extra=body_of(DecisionBody),
    )  # fmt: skip
    async def decide(
        request: Request, rollout_id: int, actor: Annotated[Actor, Depends(Allowed("rule_approver"))]
    ) -> Response:
        """Approves or rejects what another person proposed; what is approved is in force within seconds."""
        asked = await given(request, DecisionBody)
        rollout = await run_in_threadpool(desk.decide, rollout_id, approve=asked.approve, note=asked.note, actor=actor)
        return JsonAnswer(rollout)

    @api.post(
        "/rollouts/{rollout_id}/withdrawal",
        responses=answers(Rollout, 401, 403, 404, 409, 422),
        response_class=Response,
    )
    def withdraw(rollout_id: int, actor: Annotated[Actor, Depends(Allowed("operator"))]) -> Response:
        """Takes back one's own proposal."""
        return JsonAnswer(desk.withdraw(rollout_id, actor=actor))

    @api.post(
        "/rollback", responses=answers(Rollout, 401, 403, 404, 409, 422), response_class=Response,
        openapi_extra=body_of(RollbackBody),
    )  # fmt: skip
    async def roll_back(request: Request, actor: Annotated[Actor, Depends(Allowed(*TUNERS))]) -> Response:
        """Goes back to what was in force before, or to deployment `to`; it has had its second person."""
        asked = await given(request, RollbackBody)
        rollout = await run_in_threadpool(desk.roll_back, asked.note, actor=actor, to=asked.to)
        return JsonAnswer(rollout)

    @api.post(
        "/trials", responses=answers(Trial, 400, 401, 403, 409, 413, 422, status=202), status_code=202,
        response_class=Response, openapi_extra=body_of(TrialBody),
    )  # fmt: skip
    async def begin_trial(request: Request, actor: Annotated[Actor, Depends(Allowed(*TUNERS))]) -> Response:  # noqa: ARG001
        """Begins a trial of a draft on recorded events; of an empty draft, of the rules in force."""
        asked = await given(request, TrialBody)
        return JsonAnswer(await run_in_threadpool(trials.begin, asked.draft, asked.days), status_code=202)

    @api.get("/trials/{trial_id}", responses=answers(Trial, 401, 403, 404, 422), response_class=Response)
    def trial(trial_id: int, actor: Annotated[Actor, Depends(Allowed(*TUNERS))]) -> Response:  # noqa: ARG001
        """How far a trial is, and what it found."""
        return JsonAnswer(trials.get(trial_id))

    @api.delete("/trials/{trial_id}", responses=answers(Trial, 401, 403, 404, 422), response_class=Response)
    def cancel_trial(trial_id: int, actor: Annotated[Actor, Depends(Allowed(*TUNERS))]) -> Response:  # noqa: ARG001
        """Ends a trial before it is done."""
        return JsonAnswer(trials.cancel(trial_id))

    @api.get("/scorecard", responses=answers(Scorecard, 401, 403, 422, 503), response_class=Response)
    def scorecard(
        actor: Annotated[Actor, Depends(Allowed(*LOOKERS))],  # noqa: ARG001
        days: Annotated[int, Query(ge=1, le=3660)] = 30,
    ) -> Response:
        """How each rule has done on the orders of the last days."""
        return JsonAnswer(trials.scorecard(days))

    return api


async def given(request: Request, kind: type[T]) -> T:
    """The body as `kind`; 422 where it is none."""
    body = await read_limited(request, MAX_BODY_BYTES)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(
            422, "invalid-request", Text(f"请求体有误：{error}", f"the body is not as it should be: {error}")
        ) from None
