"""What a drawing comes to, whatever format it had, and how one is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from geofences.datum import Datum
from haulwatch.domain.errors import AuthorError, Finding
from haulwatch.domain.text import Text

MAX_FEATURES = 5000


@dataclass(frozen=True, slots=True)
class Drawn:
    """A feature: attributes as the file has them, and a GeoJSON geometry as the file has it, good or not."""

    properties: dict[str, Any]
    geometry: Any


@dataclass(frozen=True, slots=True)
class Drawing:
    """The features of a file. `datum` is what the file says of itself; None where it says nothing."""

    features: list[Drawn]
    datum: Datum | None


def refused(file: str, code: str, zh: str, en: str, hint: Text | None = None) -> AuthorError:
    """What a file is refused with."""
    return AuthorError([Finding(file, 0, 0, code, Text(zh, en), hint=hint)])


def bounded(file: str, features: list[Drawn]) -> list[Drawn]:
    """The features. Raises AuthorError (Z045) where there are none, or too many to be looked through."""
    if not features:
        raise refused(file, "Z045", "文件里没有可用的图形", "there is nothing drawn in the file")
    if len(features) > MAX_FEATURES:
        raise refused(
            file, "Z045", f"超过 {MAX_FEATURES} 个图形，请分开导入", f"more than {MAX_FEATURES} features; split it"
        )
    return features
