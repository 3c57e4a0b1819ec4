"""Which order store a command means: the options that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from haulwatch.dispatch.database import check_exists, sqlite_url
from haulwatch.dispatch.store import OrderStore, open_store


def add_store(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    """Adds `--data` or `--database`, `--json` and `--lang` to a command that `run` carries out."""
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--data", type=Path, metavar="DIR", help="数据文件夹 · data folder of `haulwatch run`")
    where.add_argument("--database", metavar="URL", help="数据库地址 · database URL")
    parser.add_argument("--json", action="store_true", help="输出 JSON · print JSON")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh", help="语言 · language (zh)")
    parser.set_defaults(run=run)


def opened_store(options: argparse.Namespace) -> OrderStore:
    """The store that the options name. Raises WorldError where there is none."""
    url = options.database or sqlite_url(options.data)
    check_exists(url)
    return open_store(url)
