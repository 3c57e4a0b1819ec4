"""Writes the ZIP of a pack: stored, in the order given, no clock: the same files give the same bytes."""

from __future__ import annotations

import hashlib
import zlib
from typing import IO

from haulwatch.dispatch.evidence.verify import Digest, central_record, end_record, local_header
from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text

LARGEST = (1 << 32) - 1
"""Bytes of a ZIP without the 64-bit extensions, which not every program reads."""


class PackWriter:
    """Adds files one after the other; `close` writes the table of contents. The digests are those of what was written.

    Raises WorldError for a pack of more than 4 GiB.
    """

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._contents = b""
        self._count = 0
        self._whole = hashlib.sha256()
        self.size = 0

    def add(self, name: str, data: bytes) -> Digest:
        """Adds a file under a name of ASCII letters, digits, `-`, `_`, `.` and `/`."""
        if self.size + len(data) + len(self._contents) > LARGEST - 4096:
            raise WorldError(Text("证据包超过 4 GiB", "the evidence pack is larger than 4 GiB"))
        crc, at = zlib.crc32(data), self.size
        self._write(local_header(name, crc, len(data)))
        self._write(data)
        self._contents += central_record(name, crc, len(data), at)
        self._count += 1
        return Digest(hashlib.sha256(data).hexdigest(), len(data))

    def close(self) -> str:
        """Ends the file; returns the SHA-256 of all of it."""
        at = self.size
        self._write(self._contents)
        self._write(end_record(self._count, self.size - at, at))
        return self._whole.hexdigest()

    def _write(self, data: bytes) -> None:
        self._out.write(data)
        self._whole.update(data)
        self.size += len(data)
