"""Evidence: what an order rests on, as it was, and the packs in which it leaves the house."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from haulwatch.domain.text import Text


class CityHistory(Protocol):
    """Every city that was ever in force here, by its content hash. Raises WorldError while its place is away."""

    def files(self, city_hash: str) -> Mapping[str, bytes] | None:
        """The files of that city (`haulwatch.city.unpack_city`); None where nobody has kept it."""
        ...


class PictureSource(Protocol):
    """Pictures that came with observations, by the SHA-256 of their bytes as received."""

    def get(self, sha256: str) -> bytes | None:
        """The bytes; None where they are not here. Raises WorldError where they are not those that were kept."""
        ...


class PackedPhoto(Struct, frozen=True, kw_only=True):
    """A photo of a squad: its digest on the phone and as it arrived, when and where it was taken, and by whom."""

    photo_id: str
    sha256: str
    captured_sha256: str | None = None
    taken_at: str | None = None
    received_at: str | None = None
    lon: float | None = None
    lat: float | None = None
    by: str | None = None


class PhotoSource(Protocol):
    """Photos that squads took for an order."""

    def of_order(self, order_id: str) -> Sequence[PackedPhoto]:
        """All of them, in the order in which they arrived."""
        ...

    def original(self, photo: PackedPhoto) -> bytes | None:
        """The bytes as received; None where they are not here."""
        ...


class LawEdition(Struct, frozen=True, kw_only=True):
    """One text of law that was in force: its pack, title, edition, whether somebody has read it; its file's digest."""

    pack: str
    title: Text
    edition: str
    verified: str
    sha256: str


class SceneRule(Struct, frozen=True, kw_only=True):
    """A rule as it stood in its book: its source text, the file, that file's SHA-256, and the rule's own hash.

    `adjustments` are the local files that changed it.
    """

    rule_id: str
    rule_hash: str
    title: Text
    book: str
    book_sha256: str
    line: int
    text: str
    adjustments: list[str] = []


class Scene(Struct, frozen=True, kw_only=True):
    """Zones near an order and the rule that found it, as they were.

    `exact` when they are those of the city `city_hash`, which was in force then. Where nobody has kept that one they
    are those of `shown_city_hash`, which is another, or nothing at all (null).
    """

    order_id: str
    city_hash: str
    exact: bool
    shown_city_hash: str | None
    timezone: str | None
    zones: dict[str, Any]
    rule: SceneRule | None
    law: list[LawEdition]


class PackReceipt(Struct, frozen=True, kw_only=True):
    """An exported pack: the digests of the file and of its manifest, its size, and what it is a pack of."""

    order_id: str
    version: int
    sha256: str
    manifest_sha256: str
    size: int
    audit_seq: int
    exported_at: str
    exported_by: str
