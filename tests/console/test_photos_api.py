"""Photos of an order: kept byte by byte, attacked, sent twice, and cut off between file and record."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from connectors.pictures import PictureFolder
from haulwatch.console.app import ConsoleSettings, create_app
from haulwatch.console.testing import SteeredFeed, overweight, small_city
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.orders import Actor
from tests.logins import client_of

DESK = Actor("李四", frozenset({"dispatcher", "duty_officer"}))
MORNING_MS = 1_777_593_600_000
MAX_BYTES = 200_000


def jpeg(width_px: int = 64, height_px: int = 48, colour: tuple[int, int, int] = (200, 30, 30), **more: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width_px, height_px), colour).save(out, "JPEG", **more)
    return out.getvalue()


def png_that_claims(width_px: int, height_px: int) -> bytes:
    """A PNG of a few bytes that would be decoded to any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OrderStore]:
    opened = open_store(sqlite_url(tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> PictureFolder:
    return PictureFolder(tmp_path / "pictures")


@pytest.fixture
def client(store: OrderStore, folder: PictureFolder) -> TestClient:
    settings = ConsoleSettings(max_photo_bytes=MAX_BYTES)
    app = create_app(
        store,
        store.people(),
        SteeredFeed(),
        None,
        small_city(),
        settings=settings,
        pictures=folder,
        photos=store.photos(),
    )
    return client_of(app, store)


@pytest.fixture
def order_id(store: OrderStore) -> str:
    return store.intake([overweight("b1", MORNING_MS)]).opened[0]


def send(client: TestClient, order_id: str, data: bytes, key: str = "k1", **headers: str) -> Any:
    given = {"Idempotency-Key": key, "X-Photo-SHA256": sha256(data), "Content-Type": "image/jpeg", **headers}
    return client.post(f"/api/v1/orders/{order_id}/photos", content=data, headers=given)


def files_of(folder: PictureFolder) -> list[Path]:
    return [path for path in folder.path("0" * 64).parents[1].rglob("*") if path.is_file()]


def test_a_photo_is_kept_byte_by_byte_and_on_record(client: TestClient, store: OrderStore, order_id: str) -> None:
    data = jpeg()
    taken = {"X-Taken-At": "2026-05-01T08:30:00+08:00", "X-Photo-Lon": "120.1", "X-Photo-Lat": "30.86"}
    answer = send(client, order_id, data, **taken)
    assert answer.status_code == 201, answer.text
    photo = answer.json()
    assert (photo["sha256"], photo["captured_sha256"]) == (sha256(data), sha256(data))
    assert (photo["taken_at"], photo["lon"], photo["lat"]) == ("2026-05-01T00:30:00.000Z", 120.1, 30.86)
    assert (photo["media_type"], photo["width_px"], photo["height_px"]) == ("image/jpeg", 64, 48)
    original = client.get(f"/api/v1/photos/{photo['photo_id']}?copy=original")
    assert original.content == data
    assert original.headers["x-content-type-options"] == "nosniff"
    assert original.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert client.get(f"/api/v1/orders/{order_id}/photos").json()["photos"] == [photo]
    actions = [(entry.action, entry.detail.get("data", {}).get("sha256")) for entry in store.get(order_id).audit]
    assert ("photo_added", sha256(data)) in actions
    assert actions[-1] == ("photo_read", None)
    assert store.verify().problem is None


def test_copies_are_marked_and_small_and_the_original_stays(client: TestClient, order_id: str) -> None:
    photo_id = send(client, order_id, jpeg(1600, 1200)).json()["photo_id"]
    marked = Image.open(io.BytesIO(client.get(f"/api/v1/photos/{photo_id}").content))
    assert marked.width == 1600
    assert marked.height > 1200, "the words stand below the picture, not on it"
    assert marked.crop((0, 1210, 1600, marked.height)).convert("L").getextrema()[1] > 200, "nothing is written there"
    small = Image.open(io.BytesIO(client.get(f"/api/v1/photos/{photo_id}?copy=small").content))
    assert max(small.size) == 320


def test_a_photo_that_lies_on_its_side_is_shown_upright(client: TestClient, order_id: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo_id = send(client, order_id, jpeg(640, 480, exif=exif)).json()["photo_id"]
    small = Image.open(io.BytesIO(client.get(f"/api/v1/photos/{photo_id}?copy=small").content))
    assert small.height > small.width


def test_sent_again_it_is_one_photo(client: TestClient, store: OrderStore, order_id: str) -> None:
    first = send(client, order_id, jpeg())
    again = send(client, order_id, jpeg())
    other_key = send(client, order_id, jpeg(), key="k2")
    assert first.json() == again.json() == other_key.json()
    assert len(store.photos().of_order(order_id)) == 1
    other = send(client, order_id, jpeg(colour=(0, 0, 0)))
    assert (other.status_code, other.json()["code"]) == (409, "key-reused")


def test_a_photo_that_changed_on_the_way_is_refused(client: TestClient, folder: PictureFolder, order_id: str) -> None:
    answer = send(client, order_id, jpeg(), **{"X-Photo-SHA256": "0" * 64})
    assert (answer.status_code, answer.json()["code"]) == (422, "digest-mismatch")
    assert (answer.json()["claimed_sha256"], answer.json()["received_sha256"]) == ("0" * 64, sha256(jpeg()))
    assert files_of(folder) == []


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 415, "no-photo"),
        (b"<html><script>alert(1)</script></html>", 415, "no-photo"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "no-photo"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", 415, "heic"),
        (b"GIF89a" + bytes(40), 415, "no-photo"),
        (b"\xff\xd8\xff\xe0" + bytes(range(64)), 422, "damaged"),
        (jpeg(800, 600, quality=95)[:-3000], 422, "damaged"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 " + bytes(10), 422, "damaged"),
        (png_that_claims(60_000, 60_000), 422, "too-many-pixels"),
        (png_that_claims(7_100, 7_100), 422, "too-many-pixels"),
        (png_that_claims(500, 500), 422, "damaged"),
        (jpeg() + bytes(MAX_BYTES), 413, "too-large"),
    ],
)
def test_what_is_no_photo_is_refused_and_not_kept(
    client: TestClient, store: OrderStore, folder: PictureFolder, order_id: str, data: bytes, status: int, code: str
) -> None:
    answer = send(client, order_id, data)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json()["text"]["zh"]
    assert (files_of(folder), store.photos().of_order(order_id)) == ([], [])


def test_a_body_without_a_length_is_cut_off(client: TestClient, order_id: str) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            yield bytes(MAX_BYTES // 10)

    answer = client.post(f"/api/v1/orders/{order_id}/photos", content=pieces(), headers={"Idempotency-Key": "k"})
    assert answer.status_code == 413


@pytest.mark.parametrize("name", ["../../etc/passwd", "..%2f..%2fx", "%00", "a" * 500, "浙E12345"])
def test_names_lead_nowhere(client: TestClient, folder: PictureFolder, name: str) -> None:
    headers = {"Idempotency-Key": "k", "Content-Disposition": 'attachment; filename="../../x"'}
    answer = client.post(f"/api/v1/orders/{name}/photos", content=jpeg(), headers=headers)
    assert answer.status_code in (404, 405)
    assert client.get(f"/api/v1/photos/{name}").status_code in (404, 422)
    assert files_of(folder) == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Idempotency-Key": ""}, 400),
        ({"X-Photo-SHA256": "abc"}, 400),
        ({"X-Taken-At": "yesterday"}, 400),
        ({"X-Taken-At": "2026-05-01T08:30:00"}, 400),
        ({"X-Taken-At": "0001-01-01T00:00:00+14:00"}, 400),
        ({"X-Photo-Lon": "nan"}, 422),
        ({"X-Photo-Lon": "1e9"}, 422),
        ({"Idempotency-Key": "k" * 129}, 400),
    ],
)
def test_headers_that_are_wrong(client: TestClient, order_id: str, headers: dict[str, str], status: int) -> None:
    assert send(client, order_id, jpeg(), **headers).status_code == status


def test_cut_off_between_file_and_record_it_is_sent_again(
    client: TestClient, store: OrderStore, folder: PictureFolder, order_id: str
) -> None:
    folder.put(jpeg())  # this far it came
    assert store.photos().of_order(order_id) == []
    answer = send(client, order_id, jpeg())
    assert answer.status_code == 201
    assert len(files_of(folder)) == len(store.photos().of_order(order_id)) == 1


def test_an_order_that_has_ended_takes_no_more(client: TestClient, store: OrderStore, order_id: str) -> None:
    assert send(client, order_id, jpeg()).status_code == 201
    end(store, order_id)
    refused = send(client, order_id, jpeg(colour=(1, 2, 3)), key="k2")
    assert (refused.status_code, refused.json()["code"]) == (409, "illegal-command")
    assert refused.json()["order"]["order_id"] == order_id
    assert send(client, order_id, jpeg()).status_code == 201, "this one is on record; its answer was lost"


def end(store: OrderStore, order_id: str) -> None:
    """The order ends without any outcome, whatever the life cycle needs for that."""
    version = store.get(order_id).order.version
    order = store.command(order_id, "reject", expected_version=version, actor=DESK, data={"reason_code": "duplicate"})
    if order.stage != "rejected":
        second = Actor("王五", frozenset({"duty_officer"}))
        store.command(order_id, "approve", expected_version=order.version, actor=second)
