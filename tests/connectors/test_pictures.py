"""Pictures are stored once, whole, under their digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from connectors.pictures import PictureFolder
from haulwatch.domain.errors import WorldError


def test_the_same_bytes_are_one_file(tmp_path: Path) -> None:
    folder = PictureFolder(tmp_path / "pictures")
    data = b"\xff\xd8\xff jpeg"
    digest = hashlib.sha256(data).hexdigest()
    first, second = folder.put(data), folder.put(data)
    assert first == second
    assert (first.uri, first.sha256) == (f"picture:{digest}", digest)
    assert [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()] == [data]


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorldError, match="pictures") as raised:
        PictureFolder(tmp_path / "file").put(b"x")
    assert raised.value.retryable
