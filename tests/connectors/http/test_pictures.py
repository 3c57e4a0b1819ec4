"""Which pictures are kept, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.http.pictures import PICTURE_CODES, PictureLimits, is_picture, keep
from connectors.pictures import PictureFolder
from haulwatch.domain.errors import WorldError

JPEG = b"\xff\xd8\xff" + bytes(100)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
BMP = b"BM" + bytes(100)
LIMITS = PictureLimits(count=3, bytes_each=2_000)


@pytest.mark.parametrize("data", [JPEG, PNG, BMP])
def test_pictures_by_how_they_begin(data: bytes) -> None:
    assert is_picture(data)
    assert not is_picture(data[:20])
    assert not is_picture(b" " + data)


def test_the_same_picture_is_kept_once(tmp_path: Path) -> None:
    images, left = keep([JPEG, PNG, JPEG], PictureFolder(tmp_path), LIMITS)
    assert len({image.sha256 for image in images}) == len(images) == 2
    assert left.total() == 0


def test_each_that_is_not_kept_has_its_reason(tmp_path: Path) -> None:
    large = JPEG + bytes(2_000)
    images, left = keep([JPEG, b"<html>" * 20, large, PNG, BMP, JPEG + b"1"], PictureFolder(tmp_path), LIMITS)
    assert len(images) == 3
    assert left == {"not_a_picture": 1, "picture_too_large": 1, "too_many_pictures": 1}
    assert keep([JPEG, PNG], None, LIMITS) == ([], {"pictures_not_kept": 2})
    assert {*left, "pictures_not_kept"} == set(PICTURE_CODES)


def test_a_folder_that_cannot_be_written_is_the_worlds_fault(tmp_path: Path) -> None:
    (tmp_path / "pictures").write_bytes(b"no folder")
    with pytest.raises(WorldError):
        keep([JPEG], PictureFolder(tmp_path / "pictures"), LIMITS)
