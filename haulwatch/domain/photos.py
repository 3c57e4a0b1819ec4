"""Photos that squads take for an order: kept as they were received, on record with who took them, when and where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from haulwatch.domain.orders import Actor


class NewPhoto(Struct, frozen=True, kw_only=True):
    """A photo whose bytes are durable under `sha256`, before it is on record.

    `captured_sha256` is what the phone computed when the photo was taken, null where it said nothing; `taken_at`,
    `lon` and `lat` are the phone's word, too. Instants are RFC 3339 UTC, coordinates WGS-84 degrees.
    """

    sha256: str
    captured_sha256: str | None
    taken_at: str | None
    lon: float | None
    lat: float | None
    size_bytes: int
    media_type: str
    width_px: int
    height_px: int


class Photo(NewPhoto, frozen=True, kw_only=True):
    """A photo on record: for which order, when it arrived, from whom, and of which squad (null: a desk's)."""

    photo_id: str
    order_id: str
    received_at: str
    by: str
    squad_id: str | None


class PhotoDesk(Protocol):
    """Photos on record; `haulwatch.dispatch.photos.Photos` is the one that is put into service."""

    def add(self, order_id: str, photo: NewPhoto, *, actor: Actor, idempotency_key: str) -> Photo:
        """Puts the photo on record, or finds it there: the same bytes for the same order are the same photo.

        Raises `UnknownOrder`; `NotPermitted` for whoever has no part in the order; `Conflict` for an order that has
        ended, or a key that belongs to another photo. Nothing has changed then.
        """
        ...

    def check(self, order_id: str, *, actor: Actor) -> None:
        """Raises what `add` would raise for this order and actor, whatever the photo; an ended order is let through,
        for its photo may be on record already."""
        ...

    def of_order(self, order_id: str) -> Sequence[Photo]:
        """All photos of an order, in the order in which they arrived."""
        ...

    def get(self, photo_id: str) -> Photo | None:
        """A photo on record."""
        ...
