"""Options that say which recorded events a command is to look at, and in which city."""

from __future__ import annotations

import argparse
from pathlib import Path

from connectors.files.csv_map import read_csv_map
from connectors.recorded import Recorded
from connectors.window import Window
from haulwatch.cli.arguments import instant_ms
from haulwatch.cli.progress import Progress
from haulwatch.domain.instants import FOREVER_MS, NEVER_MS


def add_recorded(parser: argparse.ArgumentParser, *, rules: bool = True, required: bool = True) -> None:
    """Adds `--events` (`required` or not), `--from`, `--to`, `--csv-map`, `--city` and, with `rules`, `--rules`."""
    parser.add_argument(
        "--events",
        nargs="+",
        required=required,
        metavar="F",
        help="NDJSON, .gz, .zst, .parquet, .csv; - = stdin; 文件夹为存档 · a folder is an archive",
    )
    parser.add_argument("--from", dest="since", metavar="INSTANT", help="从何时收到的起 · received from then on")
    parser.add_argument("--to", dest="before", metavar="INSTANT", help="到何时为止（不含）· received before that")
    parser.add_argument("--csv-map", type=Path, metavar="FILE", help="CSV 各列的含义 · what columns of CSV files mean")
    parser.add_argument(
        "--city",
        type=Path,
        metavar="DIR",
        help="城市文件夹；不写则没有围栏和登记信息 · city folder; without it zones and registry are unknown",
    )
    if rules:
        parser.add_argument(
            "--rules", type=Path, metavar="DIR", help="改用这些规则 · these rules instead of the city's own"
        )


def recorded_of(options: argparse.Namespace) -> Recorded:
    """The events that the options name. Raises WorldError."""
    return Recorded(
        options.events, window_of(options), None if options.csv_map is None else read_csv_map(options.csv_map)
    )


def window_of(options: argparse.Namespace) -> Window:
    """The time between `--from` and `--to`. Raises WorldError."""
    return Window(
        instant_ms(options.since) if options.since else NEVER_MS,
        instant_ms(options.before) if options.before else FOREVER_MS,
    )


def expect_total(progress: Progress, recorded: Recorded, times: int = 1) -> None:
    """Tells the progress line how many events there are, where that is known and anybody looks."""
    if progress.shown:
        total = recorded.total()
        progress.expect(None if total is None else total * times)
