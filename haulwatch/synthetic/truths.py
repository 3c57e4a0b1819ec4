"""What is known about a fictional truck's conduct: violations (truth) and lawful look-alikes (innocents)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from haulwatch.domain.breaches import Category
from haulwatch.domain.errors import DeviceError, WorldError
from haulwatch.domain.text import Text


class Truth(Struct, frozen=True, rename={"from_at": "from", "to_at": "to"}):
    """What a truck did that it may not do (contract: docs/contracts.md, truth); instants are RFC 3339.

    `observable` is false where no device could have seen it; `note` begins with the kind of conduct.
    """

    truth_id: str
    truck_id: str
    category: Category
    from_at: str
    to_at: str
    observable: bool
    note: str


class Innocent(Struct, frozen=True, rename={"from_at": "from", "to_at": "to"}):
    """Something lawful that looks like a violation, kept so that a false finding can be explained."""

    truck_id: str
    kind: str
    from_at: str
    to_at: str
    note: str


def read_truths(path: str | Path) -> list[Truth]:
    """The truths in an NDJSON file. Raises `DeviceError` naming the line, `WorldError` when it cannot be opened."""
    return list(_read(path, Truth))


def read_innocents(path: str | Path) -> list[Innocent]:
    """The look-alikes in an NDJSON file; errors as in `read_truths`."""
    return list(_read(path, Innocent))


def _read(path: str | Path, kind: Any) -> Iterator[Any]:
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except OSError as error:
        raise WorldError(Text(f"读不了文件 {path}：{error}", f"cannot read {path}: {error}")) from error
    decoder = msgspec.json.Decoder(kind)
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield decoder.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                text = Text(f"{path} 第 {number} 行：{error}", f"{path} line {number}: {error}")
                raise DeviceError("bad_truth", text) from error


def encode_rows(rows: Iterable[Truth | Innocent]) -> bytes:
    """NDJSON of truths or look-alikes."""
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
