"""Orders, deliveries of them, and files that name a receiver."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from connectors.notify.settings import NotifyFile
from connectors.notify.texts import Wording
from connectors.notify.trial import trial
from haulwatch.city.documents import read_document
from haulwatch.domain.deliveries import Delivery
from haulwatch.domain.orders import Order
from haulwatch.domain.registry import Squad
from haulwatch.domain.text import Text

NOW_MS = 1_777_593_600_000  # 2026-05-01T00:00:00Z
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
SQUADS = {"S1": Squad(squad_id="S1", name="一中队", channel="squad-one")}


def an_order(number: int = 1, **changes: Any) -> Order:
    """A major, urgent order of an uncovered truck."""
    order = trial(NOW_MS + 30 * 60_000).change.order
    fields: dict[str, Any] = {
        "order_id": f"HW-20260501-{number:04d}",
        "change_id": number,
        "severity": "major",
        "urgency": "urgent",
        "category": "uncovered",
        "title": Text("未密闭运输", "Uncovered load"),
        "summary": Text("相机看到敞开", "the camera saw it open"),
        "truck_id": "浙E12345",
        "zone_ids": ["D-01", "T-03"],
        **changes,
    }
    return msgspec.structs.replace(order, **fields)


def a_delivery(number: int = 1, step: str = "opened", kind: str = "opened", **changes: Any) -> Delivery:
    """The delivery `number` of the change `number`."""
    stage_now = changes.pop("stage_now", None)
    order = an_order(number, **changes)
    delivery = trial(NOW_MS)
    change = msgspec.structs.replace(delivery.change, change_id=order.change_id, kind=kind, order=order)
    return msgspec.structs.replace(
        delivery,
        delivery_id=number,
        step=step,
        message_id=f"msg_{number}",
        change=change,
        stage_now=stage_now or order.stage,
    )


def file_of(text: str) -> NotifyFile:
    """The file, which must be right."""
    found, findings = read_document("notify.yaml", text.encode(), NotifyFile)
    assert found is not None, [finding.render("en") for finding in findings]
    return found


@pytest.fixture
def wording() -> Wording:
    return Wording(ZoneInfo("Asia/Shanghai"), SQUADS, "https://console.example.org/")


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """Puts a secret where a file may name it, and returns its name."""

    def put(name: str, value: str) -> str:
        monkeypatch.setenv(name, value)
        return f"env:{name}"

    return put
