"""`haulwatch archive`: the event log as Parquet files by day and hour, for years and for other programs."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from haulwatch.cli.cluster import add_answer_options, add_kafka_options, settings_of
from haulwatch.cli.progress import Progress
from haulwatch.domain.text import Lang, Text

if TYPE_CHECKING:
    from haulwatch.bootstrap.archive import ArchiveStats, Source


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Names the command's options."""
    parser = subparsers.add_parser(
        "archive", help="把事件日志归档为 Parquet / the event log as Parquet files by day and hour"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="单机系统的数据目录 / data folder of haulwatch run")
    add_kafka_options(parser)
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="归档目录 / where the archive goes")
    parser.add_argument("--follow", action="store_true", help="持续归档 / go on, an hour at a time, until stopped")
    parser.add_argument(
        "--keep", type=_days, metavar="DAYS", help="只保留这么多天 / delete whole days older than this (default: none)"
    )
    add_answer_options(parser)
    parser.set_defaults(run=run, refuse=parser.error)


def _days(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 36_500:
        raise argparse.ArgumentTypeError("1 …")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Archives; 1 when the log had dropped records before they were archived."""
    if options.follow:  # until it listens to signals; nothing has begun by then
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    from haulwatch.bootstrap.archive import Archiver  # its libraries are not needed for --help

    lang: Lang = options.lang
    if options.data is not None and (options.kafka is not None or options.topic_prefix is not None):
        options.refuse("--data: --kafka, --topic-prefix")
    source = _source(options)
    with Progress(Text("记录", "records").lang(lang)) as progress:
        archiver = Archiver(
            source,
            options.out,
            keep_days=options.keep,
            on_progress=progress.advance,
            tell=lambda text: progress.say(text.lang(lang)),
        )
        if options.follow:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: archiver.stop())
            stats = archiver.follow()
        else:
            progress.expect(archiver.total())
            stats = archiver.run()
    print(_told(stats, lang, as_json=options.json))
    return 1 if stats.missed else 0


def _source(options: argparse.Namespace) -> Source:
    from haulwatch.bootstrap.archive import KafkaSource, LocalSource

    return LocalSource(options.data) if options.data is not None else KafkaSource(settings_of(options))


def _told(stats: ArchiveStats, lang: Lang, *, as_json: bool) -> str:
    if as_json:
        whole = {**msgspec.to_builtins(stats), "events_per_s": round(stats.events_per_s)}
        return msgspec.json.encode(whole).decode()
    dead = sum(stats.dead_letters.values())
    text = Text(
        f"写入 {stats.events:,} 条，{stats.files:,} 个文件 · {stats.seconds:.1f} s · {stats.events_per_s:,.0f} /s",
        f"{stats.events:,} events in {stats.files:,} files · {stats.seconds:.1f} s · {stats.events_per_s:,.0f} /s",
    )
    lines = [text.lang(lang)]
    if dead or stats.misplaced:
        beside = Text(
            f"未归档：坏记录 {dead:,}，错放分区的 {stats.misplaced:,}",
            f"left out: {dead:,} dead letters, {stats.misplaced:,} in another truck's partition",
        )
        lines.append(beside.lang(lang))
    return "\n".join(lines)
