"""Errors as `application/problem+json` (RFC 9457), in both languages, with a stable `code` to count and test by."""

from __future__ import annotations

import http
from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from msgspec import UNSET, Struct, UnsetType
from starlette.exceptions import HTTPException

from haulwatch.domain.errors import AuthorError, DeviceError, WorldError
from haulwatch.domain.live import Busy
from haulwatch.domain.orders import BadCommand, Conflict, NotPermitted, Order, OrderError, UnknownOrder
from haulwatch.domain.people import LockedOut
from haulwatch.domain.rollouts import RolloutRefused
from haulwatch.domain.text import Text

PROBLEM_JSON = "application/problem+json"


class ProblemBody(Struct, omit_defaults=True):
    """What every error answer looks like; `errors` and `order` only where they mean something."""

    type: str
    title: str
    status: int
    detail: str
    text: Text
    code: str
    errors: list[dict[str, Any]] | UnsetType = UNSET
    order: Order | UnsetType = UNSET
    accepted: int | UnsetType = UNSET
    duplicates: int | UnsetType = UNSET
    claimed_sha256: str | UnsetType = UNSET
    received_sha256: str | UnsetType = UNSET


class Problem(Exception):  # noqa: N818  # named after what it becomes: problem+json
    """Raise it anywhere below a route: becomes the answer. `extra` are further members of the body."""

    def __init__(
        self, status: int, code: str, text: Text, *, headers: Mapping[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(text.en)
        self.status, self.code, self.text = status, code, text
        self.headers = dict(headers or {})
        self.extra = extra

    def response(self) -> Response:
        """The problem as an answer."""
        return Response(
            msgspec.json.encode(self.body()), status_code=self.status, media_type=PROBLEM_JSON, headers=self.headers
        )

    def body(self) -> dict[str, Any]:
        """The problem as an object of RFC 9457."""
        return {
            "type": f"urn:haulwatch:problem:{self.code}",
            "title": http.HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": f"{self.text.zh} / {self.text.en}",
            "text": self.text,
            "code": self.code,
            **self.extra,
        }


def install(app: FastAPI) -> None:
    """Every error of the app leaves as a problem; anything unforeseen stays a 500 and is logged by the server."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(OrderError, _order)
    app.add_exception_handler(LockedOut, _locked_out)
    app.add_exception_handler(RolloutRefused, _rollout)
    app.add_exception_handler(WorldError, _world)
    app.add_exception_handler(DeviceError, _device)
    app.add_exception_handler(AuthorError, _author)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(500, _bug)


def _problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


def _locked_out(_request: Request, error: Exception) -> Response:
    assert isinstance(error, LockedOut)
    return Problem(429, "locked-out", error.text, headers={"Retry-After": str(error.retry_after_s)}).response()


def _world(_request: Request, error: Exception) -> Response:
    assert isinstance(error, WorldError)
    if isinstance(error, Busy):
        return Problem(429, "busy", error.text, headers={"Retry-After": str(error.retry_after_s)}).response()
    headers = {"Retry-After": "5"} if error.retryable else {}
    return Problem(503, "unavailable", error.text, headers=headers).response()


def _order(_request: Request, error: Exception) -> Response:
    assert isinstance(error, OrderError)
    return problem_of(error).response()


def problem_of(error: OrderError) -> Problem:
    """What the order desk refused; a conflict brings the order as it is now."""
    match error:
        case UnknownOrder():
            problem = Problem(404, "not-found", error.text)
        case Conflict():
            code = {"stale": "stale-version", "illegal": "illegal-command", "key_reused": "key-reused"}.get(
                error.code, error.code
            )
            problem = Problem(409, code, error.text, order=error.order)
        case NotPermitted():
            problem = Problem(403, "not-permitted", error.text, order=error.order)
        case BadCommand():
            wrong = [{"field": name, "reason": text} for name, text in error.problems.items()]
            problem = Problem(422, "bad-command", error.text, errors=wrong)
        case _:
            raise error
    return problem


REFUSALS = {"not-found": 404, "not-permitted": 403, "bad-note": 422, "not-a-city-file": 422, "bad-instant": 422}


def _rollout(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RolloutRefused)
    return Problem(REFUSALS.get(error.code, 409), error.code, error.text).response()


def _device(_request: Request, error: Exception) -> Response:
    assert isinstance(error, DeviceError)
    return Problem(400, error.code.replace("_", "-"), error.text).response()


def _author(_request: Request, error: Exception) -> Response:
    assert isinstance(error, AuthorError)
    return Problem(400, "invalid", error.text, errors=[msgspec.to_builtins(f) for f in error.findings]).response()


def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = [
        {"place": ".".join(str(part) for part in e["loc"]), "code": e["type"], "reason": Text(e["msg"], e["msg"])}
        for e in error.errors()
    ]
    return Problem(422, "invalid-request", Text("请求的参数有误", "A parameter is wrong"), errors=problems).response()


def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    texts = {
        404: Text("没有这个地址", "No such address"),
        405: Text("此地址不支持该方法", "This address does not take that method"),
    }
    phrase = http.HTTPStatus(error.status_code).phrase
    text = texts.get(error.status_code, Text(str(error.detail), str(error.detail)))
    code = phrase.lower().replace(" ", "-")
    return Problem(error.status_code, code, text, headers=dict(error.headers or {})).response()


def _bug(_request: Request, _error: Exception) -> Response:
    return Problem(500, "internal", Text("系统内部错误，已记录", "Internal error; it has been logged")).response()
