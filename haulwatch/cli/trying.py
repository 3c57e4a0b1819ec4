"""Options of the commands that try rules on recorded data: which data, whose verdicts, how many cores."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path

from connectors.files.csv_map import read_csv_map
from haulwatch.bootstrap.recordings import RecordedFiles, RecordedLog, Recording
from haulwatch.cli.progress import Progress
from haulwatch.cli.recorded import add_recorded, window_of
from haulwatch.dispatch.database import ORDERS_FILE, check_exists, sqlite_url
from haulwatch.dispatch.store import open_store
from haulwatch.domain.errors import WorldError
from haulwatch.domain.outcomes import OutcomeReader
from haulwatch.domain.text import Text
from streams.local_log import LOG_FILE


def add_trying(parser: argparse.ArgumentParser, *, rules: bool = True) -> None:
    """Adds `add_recorded`'s options, `--data`, `--database`, `--processes`, `--json` and `--lang`."""
    add_recorded(parser, rules=rules, required=False)
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="`haulwatch run` 的数据文件夹：工单结论取自其中，不写 --events 时事件也取自其中"
        " · data folder of `haulwatch run`: its orders' verdicts and, without --events, its log",
    )
    parser.add_argument(
        "--database", metavar="URL", help="工单数据库：取结论 · database of the orders with the verdicts"
    )
    parser.add_argument(
        "--processes", type=_count, metavar="N", help="进程数；不写则按核数 · processes; as many as cores without it"
    )
    parser.add_argument("--json", action="store_true", help="输出 JSON · print JSON")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh", help="语言 · language (zh)")


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 256:
        raise argparse.ArgumentTypeError("1 – 256")
    return int(text)


def recording_of(options: argparse.Namespace) -> Recording:
    """The events that the options name. Raises WorldError where they name none."""
    window = window_of(options)
    if options.events:
        csv = None if options.csv_map is None else read_csv_map(options.csv_map)
        return RecordedFiles(options.events, window, csv)
    if options.data is not None:
        return RecordedLog(options.data / LOG_FILE, window)
    raise WorldError(Text("用 --events 或 --data 指定数据", "say with --events or --data which data"))


@contextlib.contextmanager
def outcomes_named(options: argparse.Namespace) -> Iterator[OutcomeReader | None]:
    """The orders whose verdicts the options ask for; None where they name none. Raises WorldError."""
    url = options.database
    if url is None and options.data is not None and (options.data / ORDERS_FILE).is_file():
        url = sqlite_url(options.data)
    if url is None:
        yield None
        return
    check_exists(url)
    store = open_store(url)
    try:
        yield store.rule_outcomes()
    finally:
        store.close()


def expect_total(progress: Progress, recording: Recording) -> None:
    """Tells the progress line how many events there are, where that is known and anybody looks."""
    if progress.shown:
        progress.expect(recording.total())
