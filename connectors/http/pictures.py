"""Pictures that come with a message: which are kept, how many, how large. Nothing is decoded."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from connectors.field_map import Lookup
from connectors.pictures import PictureStore
from haulwatch.domain.events import Image

PICTURE_CODES = ("not_a_picture", "picture_too_large", "too_many_pictures", "pictures_not_kept")
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM")
_LEAST = 32
"""Bytes; the smallest picture of the three kinds is larger."""


class PictureLimits(BaseModel):
    """What one message may bring."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: int = Field(default=12, ge=0, le=64)
    bytes_each: int = Field(default=8 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024)


def is_picture(data: bytes) -> bool:
    """Whether it begins as JPEG, PNG or BMP do, and is not just a beginning."""
    return len(data) >= _LEAST and data.startswith(_MAGIC)


def pictures_at(lookup: Lookup, places: Iterable[str]) -> tuple[list[bytes], int]:
    """What stands in a record as Base64 or as `data:` addresses, and how many were neither. Null is no picture."""
    found: list[bytes] = []
    broken = 0
    for place in places:
        value = lookup(place)
        for one in value if isinstance(value, list) else (value,):
            if one is None or one == "":
                continue
            try:
                text = one if isinstance(one, str) else "?"
                text = text.partition(",")[2] if text.startswith("data:") else text
                found.append(base64.b64decode("".join(text.split()), validate=True))
            except (binascii.Error, ValueError):
                broken += 1
    return found, broken


def keep(
    pictures: Iterable[bytes], store: PictureStore | None, limits: PictureLimits
) -> tuple[list[Image], Counter[str]]:
    """Those that were kept, the same bytes once, and by `PICTURE_CODES` those that were not. Blocks; raises WorldError.

    What cannot be kept never costs the event that it came with.
    """
    images: dict[str | None, Image] = {}
    left: Counter[str] = Counter()
    for data in pictures:
        if not is_picture(data):
            left["not_a_picture"] += 1
        elif len(data) > limits.bytes_each:
            left["picture_too_large"] += 1
        elif len(images) >= limits.count:
            left["too_many_pictures"] += 1
        elif store is None:
            left["pictures_not_kept"] += 1
        else:
            image = store.put(data)
            images[image.sha256] = image
    return list(images.values()), left
