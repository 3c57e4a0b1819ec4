"""Pictures that came with observations, as they were received."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from connectors.pictures import PictureFolder
from haulwatch.console.app import create_app
from haulwatch.console.testing import SteeredFeed, overweight, small_city
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.store import open_store
from tests.logins import client_of

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(64))
PAGE = b"<html><script>alert(1)</script></html>" + bytes(40)


@pytest.fixture
def folder(tmp_path: Path) -> PictureFolder:
    return PictureFolder(tmp_path / "pictures")


@pytest.fixture
def client(tmp_path: Path, folder: PictureFolder) -> Iterator[TestClient]:
    store = open_store(sqlite_url(tmp_path))
    app = create_app(store, store.people(), SteeredFeed(), None, small_city(), pictures=folder)
    app.state.order_id = store.intake([overweight("b1", 1_777_593_600_000)]).opened[0]
    yield client_of(app, store)
    store.close()


def test_a_picture_is_shown_byte_by_byte(client: TestClient, folder: PictureFolder) -> None:
    digest = str(folder.put(JPEG).sha256)
    answer = client.get(f"/api/v1/pictures/{digest}")
    assert (answer.status_code, answer.content) == (200, JPEG)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"].endswith("immutable")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get(f"/api/v1/orders/{client.app.state.order_id}").json()["pictures"] is True  # type: ignore[attr-defined]


def test_what_is_no_picture_is_never_run(client: TestClient, folder: PictureFolder) -> None:
    answer = client.get(f"/api/v1/pictures/{folder.put(PAGE).sha256}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"


@pytest.mark.parametrize(
    ("name", "status"),
    [("0" * 64, 404), ("0" * 63, 422), ("..%2F..%2Fetc%2Fpasswd", 404), ("A" * 64, 422), ("0" * 64 + "%0a", 422)],
)
def test_names_that_are_none(client: TestClient, name: str, status: int) -> None:
    assert client.get(f"/api/v1/pictures/{name}").status_code == status


def test_a_changed_picture_is_not_evidence(client: TestClient, folder: PictureFolder) -> None:
    digest = str(folder.put(JPEG).sha256)
    folder.path(digest).write_bytes(JPEG[:-1] + b"!")
    answer = client.get(f"/api/v1/pictures/{digest}")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "changed" in answer.json()["detail"]
