"""The shapes of a processor's saved state: whole, or in parts of which only the changed ones are written."""

from __future__ import annotations

from zlib import crc32

import msgspec
from msgspec import Struct

from haulwatch.domain.trucks import TruckState

SNAPSHOT_VERSION = 3
"""Changes with the shape of `TruckState`; bytes of another version are never read, the log is replayed instead."""
BUCKETS = 256
"""Parts of a snapshot: a fleet at rest costs nothing to save, a part is small enough for one record."""


class Snapshot(Struct, array_like=True):
    """A processor's whole state."""

    version: int
    clock_ms: int
    city_hash: str | None
    trucks: list[TruckState]
    counters: dict[str, int]


class Head(Struct, array_like=True):
    """What a snapshot in parts says besides its trucks."""

    version: int
    clock_ms: int
    city_hash: str | None
    counters: dict[str, int]


class Changes(Struct):
    """A snapshot in parts, without the parts that have not changed since the last one.

    `buckets` maps a bucket of trucks to all its trucks' states; `trucks` are the plates that had changed.
    """

    head: bytes
    buckets: dict[int, bytes]
    trucks: set[str]


_encoder = msgspec.msgpack.Encoder()
_snapshot_decoder = msgspec.msgpack.Decoder(Snapshot)
_head_decoder = msgspec.msgpack.Decoder(Head)
_bucket_decoder = msgspec.msgpack.Decoder(list[TruckState])
encode = _encoder.encode
decode_bucket = _bucket_decoder.decode


def decode_snapshot(data: bytes) -> Snapshot:
    """A whole snapshot. Raises ValueError for another version's bytes."""
    snapshot = _snapshot_decoder.decode(data)
    _check(snapshot.version)
    return snapshot


def decode_head(data: bytes) -> Head:
    """The head of a snapshot in parts. Raises ValueError for another version's."""
    head = _head_decoder.decode(data)
    _check(head.version)
    return head


def _check(version: int) -> None:
    if version != SNAPSHOT_VERSION:
        raise ValueError(f"snapshot version {version}, expected {SNAPSHOT_VERSION}")


def bucket_of(truck_id: str) -> int:
    """The part of a snapshot that holds a truck."""
    return crc32(truck_id.encode()) % BUCKETS
