"""The few steps by which anything in an archive comes to be: each is durable when it returns. All raise OSError."""

from __future__ import annotations

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Brings a file, or the names in a folder, to the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def make_folder(path: Path) -> None:
    """Makes a folder and those above it, their names included."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)


def rename(unfinished: Path, path: Path) -> None:
    """Gives a file that is complete its name, in place of what had it before."""
    unfinished.replace(path)
    sync(path.parent)


def write(path: Path, data: bytes, unfinished: Path) -> None:
    """All of it under its name, or what was there before; `unfinished` is the name it has meanwhile."""
    unfinished.write_bytes(data)
    sync(unfinished)
    rename(unfinished, path)


def remove(path: Path) -> None:
    """Removes a file."""
    path.unlink(missing_ok=True)
    sync(path.parent)
