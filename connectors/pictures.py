"""Pictures as evidence: each stored once under the SHA-256 of its bytes as received; durable when `put` returns."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from haulwatch.domain.errors import WorldError
from haulwatch.domain.events import Image
from haulwatch.domain.text import Text

URI = "picture:"
"""A picture's uri is this and its SHA-256: where it lies is known to who keeps it, and may change."""


class PictureStore(Protocol):
    """Where pictures go. Called from threads."""

    def put(self, data: bytes) -> Image:
        """Keeps a picture; the same bytes are the same picture. Raises WorldError."""
        ...


class PictureFolder:
    """A `PictureStore` in a folder: `ab/abcd….jpg`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes) -> Image:
        """See `PictureStore`."""
        digest = hashlib.sha256(data).hexdigest()
        path = self.path(digest)
        try:
            if not _touched(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, data)
        except OSError as error:
            raise WorldError(
                Text(f"图片写不进 {self._folder}：{error}", f"cannot keep pictures in {self._folder}: {error}"),
                retryable=True,
            ) from error
        return Image(uri=URI + digest, sha256=digest)

    def get(self, sha256: str) -> bytes | None:
        """The bytes with this digest (64 hexadecimal digits), None where they are not here.

        Raises WorldError where they cannot be read, or are not those that were kept.
        """
        try:
            data = self.path(sha256).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise WorldError(
                Text(f"图片读不出：{error}", f"the picture cannot be read: {error}"), retryable=True
            ) from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise WorldError(Text("图片已损坏或被改动", "the picture was damaged or changed"))
        return data

    def older(self, before_ms: int) -> Iterator[tuple[str, int]]:
        """Digests and sizes in bytes of pictures that were last put here before then. Raises WorldError."""
        try:
            for path in sorted(self._folder.glob("??/*.jpg")):
                found = _stat(path)
                if found is not None and found.st_mtime_ns < before_ms * 1_000_000:
                    yield path.stem, found.st_size
        except OSError as error:
            text = Text(f"读不了图片文件夹 {self._folder}：{error}", f"cannot read pictures in {self._folder}: {error}")
            raise WorldError(text, retryable=True) from error

    def remove(self, sha256: str, before_ms: int) -> bool:
        """Removes a picture unless it was put here again at or after that instant; whether it is gone.

        It is taken aside first: whoever puts the same picture here meanwhile finds none and writes it anew, or has
        touched it before, and then it is laid back. Raises WorldError.
        """
        path = self.path(sha256)
        aside = path.with_suffix(".going")
        try:
            if path.exists():
                path.replace(aside)
            found = _stat(aside)
            if found is None:
                return True
            if found.st_mtime_ns >= before_ms * 1_000_000:
                aside.replace(path)
                return False
            aside.unlink()
        except OSError as error:
            text = Text(f"图片删不掉：{error}", f"the picture cannot be removed: {error}")
            raise WorldError(text, retryable=True) from error
        return True

    def path(self, sha256: str) -> Path:
        """Where the picture with this digest lies, if it is here."""
        return self._folder / sha256[:2] / f"{sha256}.jpg"


def _touched(path: Path) -> bool:
    """Whether the file is there; it is then as new, so that nobody deletes it for its age."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    except PermissionError:  # another user's: it is there, and read-only is enough
        return True
    return True


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def write_whole(path: Path, data: bytes) -> None:
    """All of it under its name, or nothing; durable when it returns. Raises OSError."""
    unfinished = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    with unfinished.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
