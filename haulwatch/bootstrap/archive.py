"""A log into its archive: the embedded one beside the system that writes it, or a cluster's, partition by partition."""

from __future__ import annotations

import fcntl
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Protocol

import msgspec
from kafka import KafkaConsumer, TopicPartition
from msgspec import Struct

from connectors.archive import durable
from connectors.archive.layout import UNFINISHED
from connectors.archive.writing import Logged, PartitionArchive, other_log, reaching
from connectors.kafka_client import open_reader, records_until
from connectors.kafka_client import reaching as reaching_kafka
from connectors.kafka_topics import partitions_of
from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text
from haulwatch.settings import ClusterSettings
from haulwatch.wire import decode_logged, encode_event
from streams.local_log import LOG_FILE
from streams.local_log_reader import LocalLogReader
from streams.records import LogReader

POLL_S = 2.0
"""How often a log that is followed is looked at."""
AGAIN_S = 5.0
IDLE_S = 600.0
"""A log in which nothing at all happens, no tick either, is written down as far as it goes."""
TOLD_EVERY = 1_000

Record = tuple[int, bytes, list[Logged]]
"""A record's offset, its bytes, and the events that readers of the log find in it."""


class ArchiveStats(Struct, kw_only=True):
    """What a run has written, and what it has not: unreadable records by code, events of other partitions.

    `missed` are records that the log had dropped before they were archived.
    """

    events: int = 0
    files: int = 0
    missed: int = 0
    misplaced: int = 0
    dead_letters: Counter[str] = msgspec.field(default_factory=Counter)
    days_removed: list[str] = []
    seconds: float = 0.0

    @property
    def events_per_s(self) -> float:
        """Events written per second of wall time."""
        return self.events / self.seconds if self.seconds else 0.0


class Source(Protocol):
    """A log to be archived. Methods raise WorldError."""

    name: str
    partitions: int

    def bounds(self, number: int) -> tuple[int, int]:
        """The offset with which a partition begins, and the one behind its end."""
        ...

    def records(self, number: int, start: int, end: int, stats: ArchiveStats) -> Iterator[Record]:
        """The records of a partition from `start` on before `end`, in order."""
        ...

    def close(self) -> None:
        """Lets go; it may be read again all the same."""
        ...


class LocalSource:
    """The log of `haulwatch run --data DIR`, read-only."""

    name = "local"
    partitions = 1

    def __init__(self, data: Path) -> None:
        self._log = LocalLogReader(data / LOG_FILE)

    def bounds(self, number: int) -> tuple[int, int]:
        """See `Source`."""
        assert number == 0, "an embedded log has one partition"
        return 1, self._log.end()

    def records(self, number: int, start: int, end: int, stats: ArchiveStats) -> Iterator[Record]:
        """See `Source`."""
        assert number == 0, "an embedded log has one partition"
        assert stats.misplaced == 0, "and everything is at home in it"
        for offset, raw in self._log.events(start, end):
            yield offset, raw, [(decode_logged(raw), raw)]

    def close(self) -> None:
        """See `Source`."""


class KafkaSource:
    """The observations log of a cluster: what a worker finds in it, and only what is committed."""

    def __init__(self, settings: ClusterSettings) -> None:
        self._settings = settings
        self._topic = settings.topics.observations
        self._consumer: KafkaConsumer | None = None
        self.partitions = partitions_of(settings, self._topic)
        self.name = f"kafka:{self._topic}"
        self._readers = [LogReader(self._topic, number, self.partitions) for number in range(self.partitions)]

    def _opened(self) -> KafkaConsumer:
        if self._consumer is None:
            self._consumer = open_reader(
                self._settings,
                isolation_level="read_committed",
                max_poll_records=5_000,
                # What the broker has dropped is noticed beforehand and counted, not skipped in silence.
                auto_offset_reset="earliest",
            )
        return self._consumer

    def bounds(self, number: int) -> tuple[int, int]:
        """See `Source`."""
        place = TopicPartition(self._topic, number)
        consumer = self._opened()
        with reaching_kafka(self._settings):
            return consumer.beginning_offsets([place])[place], consumer.end_offsets([place])[place]

    def records(self, number: int, start: int, end: int, stats: ArchiveStats) -> Iterator[Record]:
        """See `Source`."""
        place = TopicPartition(self._topic, number)
        consumer = self._opened()
        with reaching_kafka(self._settings):
            consumer.assign([place])
            consumer.seek(place, start)
            for record in records_until(consumer, {place: end}):
                found = self._readers[number].read(record.value, record.timestamp, record.offset)
                stats.dead_letters.update(letter.code for letter in found.dead)
                stats.misplaced += len(found.misplaced)
                yield record.offset, record.value or b"", [(event, encode_event(event)) for event in found.events]

    def close(self) -> None:
        """See `Source`."""
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            consumer.close(autocommit=False)


class Archiver:
    """Writes one log into one folder; one process at a time."""

    def __init__(
        self,
        source: Source,
        out: Path,
        *,
        keep_days: int | None = None,
        on_progress: Callable[[int], None] = lambda _records: None,
        tell: Callable[[Text], None] = lambda _text: None,
    ) -> None:
        self._source = source
        self._out = out
        self._keep_days = keep_days
        self._on_progress = on_progress
        self._tell = tell
        self._following = False
        self._stop = threading.Event()
        self.stats = ArchiveStats()
        with reaching(out):
            durable.make_folder(out.resolve())
            self._lock = _locked(out)
        self._partitions = [
            PartitionArchive(out, source.name, number, source.partitions, self._wrote)
            for number in range(source.partitions)
        ]
        self._changed_at = [time.monotonic()] * source.partitions
        self._seen: dict[int, int] = {}

    def _wrote(self, path: Path, rows: int) -> None:
        self.stats.files += 1
        self.stats.events += rows
        if self._following:
            self._tell(Text(f"写好 {path}：{rows:,} 条", f"wrote {path}: {rows:,} events"))

    def total(self) -> int:
        """How many records there are to be read now."""
        bounds = [self._source.bounds(number) for number in range(self._source.partitions)]
        return sum(
            max(end - max(begin, archive.read_from), 0)
            for (begin, end), archive in zip(bounds, self._partitions, strict=True)
        )

    def run(self) -> ArchiveStats:
        """Archives the log as far as it goes now. Raises WorldError; what is written by then counts."""
        started = time.perf_counter()
        try:
            for number, archive in enumerate(self._partitions):
                self._read_on(number)
                archive.flush()
            self._remove_old_days()
        finally:
            self._end(started)
        return self.stats

    def follow(self) -> ArchiveStats:
        """Archives the log and goes on with what comes, hour by hour, until `stop`.

        What belongs to an hour that is not over yet is left to the next run. A log that is away is waited for. Raises
        WorldError for what waiting does not mend.
        """
        started = time.perf_counter()
        trouble: str | None = None
        self._following = True
        try:
            while not self._stop.is_set():
                try:
                    self._look()
                    trouble = None
                except WorldError as error:
                    if not error.retryable:
                        raise
                    if str(error) != trouble:
                        self._tell(error.text)
                    trouble = str(error)
                    self._source.close()
                self._stop.wait(POLL_S if trouble is None else AGAIN_S)
        finally:
            self._end(started)
        return self.stats

    def stop(self) -> None:
        """Ends `follow` soon; may be called from anywhere."""
        self._stop.set()

    def _end(self, started: float) -> None:
        for archive in self._partitions:
            archive.discard()
        self._source.close()
        self._lock.close()
        self.stats.seconds = time.perf_counter() - started

    # -- reading ----------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        for number, archive in enumerate(self._partitions):
            self._read_on(number)
            if archive.waiting and time.monotonic() - self._changed_at[number] > IDLE_S:
                archive.flush()
        self._remove_old_days()

    def _read_on(self, number: int) -> None:
        archive = self._partitions[number]
        begin, end = self._source.bounds(number)
        start = self._seen.get(number)
        if start is None:
            mark = archive.place.mark
            if mark is not None and end <= mark.offset:
                raise other_log(self._out, mark.offset)
            start = archive.read_from
        self._note_missed(begin, max(start, archive.place.next_offset))
        told = 0
        for offset, value, events in self._source.records(number, max(start, begin), end, self.stats):
            archive.take(offset, value, events)
            self._seen[number] = offset + 1
            told += 1
            if told == TOLD_EVERY:
                self._on_progress(told)
                told = 0
                if self._stop.is_set():
                    return
        if end > start:
            self._seen[number] = end
            self._changed_at[number] = time.monotonic()
        self._on_progress(told)

    def _note_missed(self, begin: int, wanted: int) -> None:
        """Where an archive has a gap, that is said: the log had forgotten records before anybody archived them."""
        if 0 < wanted < begin:
            self.stats.missed += begin - wanted
            self._tell(
                Text(
                    f"日志已删除尚未归档的 {begin - wanted:,} 条记录（位置 {wanted} 到 {begin - 1}）",
                    f"the log has dropped {begin - wanted:,} records (offsets {wanted} to {begin - 1}) before they were"
                    " archived",
                )
            )

    # -- retention --------------------------------------------------------------------------------------------------

    def _remove_old_days(self) -> None:
        if self._keep_days is None:
            return
        first_kept = (datetime.now(UTC) - timedelta(days=self._keep_days)).date().isoformat()
        with reaching(self._out):
            for folder in sorted(self._out.glob("day=????-??-??")):
                day = folder.name.removeprefix("day=")
                if day < first_kept:
                    self._remove(folder)
                    self.stats.days_removed.append(day)
                    self._tell(
                        Text(
                            f"删除 {folder}：早于保留的 {self._keep_days} 天",
                            f"removed {folder}: older than the {self._keep_days} days that are kept",
                        )
                    )

    def _remove(self, folder: Path) -> None:
        """All of a day at once: whoever reads meanwhile finds it whole or not at all."""
        doomed = self._out / UNFINISHED / f"removed-{folder.name}"
        shutil.rmtree(doomed, ignore_errors=True)
        folder.rename(doomed)
        shutil.rmtree(doomed)


def _locked(out: Path) -> IO[bytes]:
    """The right to write an archive; it ends with the process, however that ends. Raises WorldError."""
    file = (out / "_lock").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise WorldError(
            Text(f"另一个进程正在写归档 {out}", f"another process is writing archive {out}"), retryable=False
        ) from error
    return file
