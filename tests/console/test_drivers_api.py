"""Speaking to drivers over HTTP: answered when the terminal has answered, refused with a reason when it cannot."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest
from fastapi.testclient import TestClient

from haulwatch.console.gateway_app import create_gateway
from haulwatch.console.testing import SteeredIntake
from haulwatch.domain.errors import WorldError
from haulwatch.domain.live import TerminalAnswer
from haulwatch.domain.text import Text
from haulwatch.testing import position


class Line:
    """Gives the answer, or fails with the error, that it was told."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.answer: TerminalAnswer | Exception = TerminalAnswer(result="done")

    def send_text(self, truck_id: str, words: str, *, urgent: bool = False) -> Future[TerminalAnswer]:
        self.asked.append((truck_id, words, urgent))
        return self._future()

    def ask_location(self, truck_id: str) -> Future[TerminalAnswer]:
        self.asked.append((truck_id,))
        return self._future()

    def _future(self) -> Future[TerminalAnswer]:
        future: Future[TerminalAnswer] = Future()
        if isinstance(self.answer, Exception):
            future.set_exception(self.answer)
        else:
            future.set_result(self.answer)
        return future


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def client(line: Line) -> TestClient:
    app = create_gateway(SteeredIntake(), allowed_hosts={"localhost"}, drivers=line)
    return TestClient(app, base_url="http://localhost")


def test_a_text(client: TestClient, line: Line) -> None:
    body = {"text": "请盖好篷布", "actor": "李四", "urgent": True}
    answer = client.post("/api/v1/trucks/浙E12345/text", json=body)
    assert (answer.status_code, answer.json()) == (200, {"result": "done", "position": None})
    assert line.asked == [("浙E12345", "请盖好篷布", True)]


def test_where_a_truck_is(client: TestClient, line: Line) -> None:
    line.answer = TerminalAnswer(result="done", position=position(0, lon=120.2))
    answer = client.post("/api/v1/trucks/浙E12345/locate", json={"actor": "李四"})
    assert answer.json()["position"]["lon"] == 120.2


@pytest.mark.parametrize(
    ("body", "error", "status", "code"),
    [
        ({"text": "x", "actor": "李四"}, WorldError(Text("终端不在线", "away"), retryable=True), 503, "unavailable"),
        ({"text": "", "actor": "李四"}, ValueError("0 bytes"), 422, "invalid-text"),
        ({"text": "x", "actor": " "}, None, 422, "actor-required"),
        ({"text": 5, "actor": "李四"}, None, 422, "invalid-request"),
        ({"actor": "李四"}, None, 422, "invalid-request"),
    ],
)
def test_what_cannot_be_sent(
    client: TestClient, line: Line, body: dict[str, object], error: Exception | None, status: int, code: str
) -> None:
    line.answer = error or line.answer
    answer = client.post("/api/v1/trucks/浙E12345/text", json=body)
    assert answer.status_code == status
    assert answer.json()["type"].endswith(code)


def test_where_no_terminals_connect_there_is_no_such_address() -> None:
    client = TestClient(create_gateway(SteeredIntake(), allowed_hosts={"localhost"}), base_url="http://localhost")
    assert client.post("/api/v1/trucks/浙E12345/text", json={}).status_code == 404
