"""Evidence packs and scenes over HTTP: the bytes that were put on record, and nothing of what is not there."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from haulwatch.dispatch.evidence import verify
from tests.logins import bearer


def test_a_pack_is_downloaded_as_it_was_put_on_record(console: Any, tmp_path: Path) -> None:
    order = console.open_order()
    answer = console.client.get(f"/api/v1/orders/{order.order_id}/pack")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == f'attachment; filename="{order.order_id}-v1.zip"'
    assert answer.headers["cache-control"] == "no-store"
    digest = answer.headers["x-pack-sha256"]
    assert hashlib.sha256(answer.content).hexdigest() == digest
    assert int(answer.headers["content-length"]) == len(answer.content)
    path = tmp_path / "pack.zip"
    path.write_bytes(answer.content)
    assert verify.verify(path, digest).problems == []
    assert verify.verify(path, answer.headers["x-manifest-sha256"]).problems == []
    last = console.store.get(order.order_id).audit[-1]
    assert (last.action, last.detail["data"]["sha256"]) == ("exported", digest)
    assert console.store.pack_exported(order.order_id, digest)


def test_the_next_pack_tells_of_the_one_before(console: Any, tmp_path: Path) -> None:
    order = console.open_order()
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(console.client.get(f"/api/v1/orders/{order.order_id}/pack").content)
    with zipfile.ZipFile(tmp_path / "two") as pack:
        assert b'"exported"' in pack.read("audit.json")


def test_a_scene_of_a_city_that_nobody_kept_shows_nothing(console: Any) -> None:
    order = console.open_order()
    answer = console.client.get(f"/api/v1/orders/{order.order_id}/scene")
    scene = answer.json()
    assert (scene["exact"], scene["shown_city_hash"], scene["rule"]) == (False, None, None)
    assert scene["zones"] == {"type": "FeatureCollection", "features": []}
    assert console.store.get(order.order_id).audit[-1].action == "scene_read"


def test_an_order_that_is_not_there_has_neither(console: Any) -> None:
    for what in ("pack", "scene"):
        answer = console.client.get(f"/api/v1/orders/HW-20260501-0099/{what}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


@pytest.mark.parametrize(
    ("role", "pack", "scene"),
    [
        ("dispatcher", 200, 200),
        ("duty_officer", 200, 200),
        ("verifier", 200, 200),
        ("auditor", 200, 200),
        ("administrator", 200, 200),
        ("squad", 403, 404),
        ("operator", 403, 403),
        ("rule_approver", 403, 403),
        ("wall", 403, 403),
        ("device", 403, 403),
    ],
)
def test_who_may_have_them(console: Any, role: str, pack: int, scene: int) -> None:
    """A squad sees its own orders only, and this one is not."""
    order = console.open_order()
    headers = bearer(console.store, role, name=f"one-{role}")
    for what, wanted in (("pack", pack), ("scene", scene)):
        assert console.client.get(f"/api/v1/orders/{order.order_id}/{what}", headers=headers).status_code == wanted
    given = [entry.action for entry in console.store.get(order.order_id).audit]
    assert given == ["opened", *(["exported", "scene_read"] if pack == 200 else [])]


def test_beyond_ones_jurisdiction_there_is_no_order(console: Any) -> None:
    order = console.open_order()
    headers = bearer(console.store, "dispatcher", name="elsewhere", jurisdiction=["DX-9"])
    for what in ("pack", "scene"):
        assert console.client.get(f"/api/v1/orders/{order.order_id}/{what}", headers=headers).status_code == 404
    assert [entry.action for entry in console.store.get(order.order_id).audit] == ["opened"]
    assert console.client.get("/api/v1/orders/export.json", headers=headers).json() == []
