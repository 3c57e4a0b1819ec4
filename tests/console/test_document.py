"""The API against its own document: whatever is asked, by whomever, is answered as the document says, and never 500."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from haulwatch.city import pack_city
from haulwatch.console.gateway_app import create_gateway
from haulwatch.console.testing import SteeredIntake
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.orders import Role
from tests.console.whole import OneDistrict, dispatched_order, whole_console
from tests.logins import bearer
from tests.rollouts.conftest import CITY_HASH, FILES

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
BUSY = {("get", "/api/v1/live"), ("get", "/readyz")}
"""Answer 503 here, as they should: no more streams are taken, and a console without its stream is not ready."""
PATIENCE_S = 120
ASKERS: dict[str, tuple[Role, ...]] = {
    "desk": ("dispatcher", "duty_officer", "verifier"),
    "squad": ("squad",),
    "operator": ("operator", "rule_approver"),
    "administrator": ("administrator",),
    "auditor": ("auditor",),
    "wall": ("wall",),
    "device": ("device",),
    "nobody": (),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrderStore]:
    opened = open_store(sqlite_url(tmp_path_factory.mktemp("document")), plan=OneDistrict())
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def console(store: OrderStore, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    return whole_console(store, tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def known(store: OrderStore) -> dict[str, Any]:
    """Values of parameters that lead to something."""
    order_id = dispatched_order(store)
    store.rollouts().found(CITY_HASH, pack_city(FILES))
    return {
        "rollout_id": 1,
        "trial_id": 1,
        "order_id": order_id,
        "truck_id": "浙E12345",
        "If-Match": '"3"',
        "Idempotency-Key": "the-same",
    }


def document_of(app: FastAPI) -> Any:
    loaded = schemathesis.openapi.from_dict(app.openapi())
    loaded.app = app
    return loaded


def case_is_cheap(path: str) -> bool:
    """A pack takes a second to make."""
    return not path.endswith("/pack")


def attack(app: FastAPI, headers: dict[str, str], known: dict[str, Any], examples: int) -> int:
    """Asks every operation many things, half of them about what there is; returns how many."""
    asked = 0
    for found in document_of(app).get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=examples if case_is_cheap(operation.path) else 2,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(), real=st.booleans())
        def asks(case: Any, real: bool) -> None:
            nonlocal asked
            asked += 1
            if real:
                case.path_parameters = {
                    name: known.get(name, value) for name, value in (case.path_parameters or {}).items()
                }
                case.headers = {name: known.get(name, value) for name, value in (case.headers or {}).items()}
            response = case.call(base_url="http://localhost", headers=headers, timeout=PATIENCE_S)
            if (case.method.lower(), case.path) in BUSY and response.status_code == 503:
                return
            case.validate_response(response, checks=CHECKS)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the client that is used for an app in this process
            asks()
    return asked


@pytest.mark.parametrize("who", ASKERS)
def test_the_console_answers_as_its_document_says(
    console: FastAPI, store: OrderStore, known: dict[str, Any], who: str
) -> None:
    roles = ASKERS[who]
    headers = bearer(store, *roles, name=f"asks-{who}") if roles else {}
    assert attack(console, headers, known, examples=12 if who in ("desk", "squad", "operator") else 3) > 50


def test_a_gateway_answers_as_its_document_says(store: OrderStore) -> None:
    gateway = create_gateway(SteeredIntake(), store.people(), allowed_hosts=("localhost",))
    headers = bearer(store, "device", name="asks-gateway")
    assert attack(gateway, headers, {}, examples=30) > 30
