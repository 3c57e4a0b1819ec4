"""Retention as every process puts it together: the file, the folder of pictures, the nightly run."""

from __future__ import annotations

from pathlib import Path

from connectors.pictures import PictureFolder
from haulwatch.city.documents import read_file
from haulwatch.dispatch.retention.daily import RetentionThread
from haulwatch.dispatch.retention.keep import RetentionFile
from haulwatch.dispatch.store import OrderStore


def read_retention(path: Path | None) -> RetentionFile:
    """The file checked, the shipped terms without one. Raises AuthorError with every finding, WorldError."""
    return RetentionFile() if path is None else read_file(path, RetentionFile)


def new_retention(file: RetentionFile, store: OrderStore, pictures: PictureFolder | None) -> RetentionThread:
    """What deletes every night what is out of its time."""
    return RetentionThread(store.daily_retention(store.retention(file.keep_days, pictures), file.hour))
