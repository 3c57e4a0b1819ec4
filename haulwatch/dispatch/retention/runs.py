"""A look at what is out of its time, and the run that deletes it, class by class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine

from haulwatch.dispatch.database import reading
from haulwatch.dispatch.ledger import Recorder
from haulwatch.dispatch.retention.classes import CLASSES, PICTURES, Part, RetentionClass
from haulwatch.dispatch.retention.pictures import Pictures, PictureShelf
from haulwatch.dispatch.retention.report import ClassReport, RetentionReport
from haulwatch.dispatch.retention.rows import BATCH, Begin, Record, delete_rows, due_pages
from haulwatch.domain.instants import rfc3339

if TYPE_CHECKING:
    from haulwatch.dispatch.retention.keep import KeepDays

DAY_MS = 86_400_000


class Stopped(Exception):  # noqa: N818  # named after what happens
    """This run does not go on: it was told to stop, or another process has taken over."""


@dataclass(frozen=True)
class _Work:
    """In whose name it is deleted, and how a transaction begins."""

    actor_id: str
    begin: Begin


class Retention:
    """See the module; made by `OrderStore.retention`. Raises WorldError like the store."""

    def __init__(
        self,
        engine: Engine,
        clock_ms: Callable[[], int],
        keep_days: KeepDays,
        shelf: PictureShelf | None,
        batch: int = BATCH,
    ) -> None:
        self._engine = engine
        self._clock_ms = clock_ms
        self._keep_days = keep_days
        self._shelf = shelf
        self._batch = batch

    def look(self) -> RetentionReport:
        """What a run would delete now; nothing is changed."""
        pictures = Pictures(self._engine, self._shelf)
        found = [self._of_class(one, None) for one in CLASSES] + [self._of_pictures(pictures, None)]
        return self._report(found, pictures, deleted=False, complete=True)

    def run(self, actor_id: str, may_go_on: Callable[[Connection], bool] = lambda _connection: True) -> RetentionReport:
        """Deletes what is out of its time, in the name of `actor_id`.

        `may_go_on` is asked in each transaction, with the ledger locked; once it says no, nothing more is deleted.
        """
        pictures, done = Pictures(self._engine, self._shelf), list[ClassReport]()

        def begin(connection: Connection) -> Recorder:
            recorder = Recorder(connection, rfc3339(self._clock_ms()))
            if not may_go_on(connection):
                raise Stopped
            return recorder

        work = _Work(actor_id, begin)
        try:
            for one in CLASSES:
                done.append(self._of_class(one, work))
            done.append(self._of_pictures(pictures, work))
            pictures.remove_retired()
        except Stopped:
            return self._report(done, pictures, deleted=True, complete=False)
        return self._report(done, pictures, deleted=True, complete=True)

    def _report(
        self, found: list[ClassReport], pictures: Pictures, *, deleted: bool, complete: bool
    ) -> RetentionReport:
        return RetentionReport(
            at=rfc3339(self._clock_ms()),
            deleted=deleted,
            complete=complete,
            files_waiting=pictures.waiting(),
            classes=found,
        )

    def _of_class(self, one: RetentionClass, work: _Work | None) -> ClassReport:
        days = getattr(self._keep_days, one.name)
        cutoff = self._cutoff(days)
        due = 0 if cutoff is None else sum(self._of_part(one, part, cutoff, work) for part in one.parts)
        held = sum(self._rows(part) for part in one.parts) - (due if work is None else 0)
        return ClassReport(name=one.name, text=one.text, keep_days=days, cutoff=cutoff, due=due, held=held)

    def _of_part(self, one: RetentionClass, part: Part, cutoff: str, work: _Work | None) -> int:
        count = 0
        for keys in due_pages(self._engine, part, cutoff, self._batch):
            if work is None:
                count += len(keys)
            else:
                record = self._record(one.name, cutoff, work)
                count += delete_rows(work.begin, self._engine, part, keys, cutoff, record)
        return count

    def _of_pictures(self, pictures: Pictures, work: _Work | None) -> ClassReport:
        days = self._keep_days.pictures
        cutoff = self._cutoff(days)
        count = size_bytes = 0
        for files in () if cutoff is None else pictures.due(cutoff):
            size_bytes += sum(size for _sha256, size in files)
            if work is None or cutoff is None:
                count += len(files)
            else:
                count += pictures.retire(work.begin, files, self._record(PICTURES.name, cutoff, work))
        return ClassReport(
            name=PICTURES.name,
            text=PICTURES.text,
            keep_days=days,
            cutoff=cutoff,
            due=count,
            held=self._files() - count,
            size_bytes=size_bytes,
        )

    def _record(self, name: str, cutoff: str, work: _Work) -> Record:
        return Record(work.actor_id, {"class": name, "cutoff": cutoff, "keep_days": getattr(self._keep_days, name)})

    def _cutoff(self, days: int | None) -> str | None:
        return None if days is None else rfc3339(self._clock_ms() - days * DAY_MS)

    def _rows(self, part: Part) -> int:
        with reading(self._engine) as connection:
            return int(connection.execute(part.count()).scalar_one())

    def _files(self) -> int:
        return 0 if self._shelf is None else sum(1 for _ in self._shelf.older(self._clock_ms() + DAY_MS))
