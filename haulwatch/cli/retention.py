"""`haulwatch retention show|run`: what is kept how long, and deleting what is out of its time."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from connectors.pictures import PictureFolder
from haulwatch.bootstrap.jt808 import PICTURES_FOLDER
from haulwatch.bootstrap.retention import read_retention
from haulwatch.cli.order_packs import this_user
from haulwatch.cli.order_store import add_store, opened_store
from haulwatch.cli.orders import table
from haulwatch.dispatch.retention.report import ClassReport, RetentionReport
from haulwatch.domain.text import Lang, Text

HEADINGS = (
    Text("类别", "class"),
    Text("保存天数", "days"),
    Text("早于", "before"),
    Text("到期", "due"),
    Text("保留", "kept"),
    Text("说明", "what"),
)
KEPT = Text(
    "不自动删除：审计链、线索收件箱、工单及其线索、证据包登记、事件日志与死信（docs/retention.md）",
    "never deleted by itself: the audit, the inbox, orders with their findings, records of packs, the event log and "
    "dead letters (docs/retention.md)",
)


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the verb `retention` with its actions."""
    parser = subparsers.add_parser("retention", help="保存期限 · how long records are kept")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("show", help="各类期限，现在会删多少 · terms, and what is due now")
    _add_options(show)
    add_store(show, run_show)
    run = actions.add_parser("run", help="立即删除到期的 · delete what is due, now")
    run.add_argument("--dry-run", action="store_true", help="只看不删 · only look")
    run.add_argument("--actor", metavar="NAME", help="谁在删除 · who deletes (this machine's user)")
    _add_options(run)
    add_store(run, run_run)


def add_retention_option(parser: argparse.ArgumentParser) -> None:
    """How long records are kept."""
    given = os.environ.get("HAULWATCH_RETENTION")
    parser.add_argument(
        "--retention",
        type=Path,
        metavar="FILE",
        default=Path(given) if given else None,
        help="保存期限 retention.yaml · how long records are kept (HAULWATCH_RETENTION; else the shipped terms)",
    )


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_retention_option(parser)
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="图片文件夹 · pictures (default: in --data)")


def run_show(options: argparse.Namespace) -> int:
    """Prints the terms and what is due."""
    return _carry_out(options, delete=False)


def run_run(options: argparse.Namespace) -> int:
    """Deletes what is due and prints how much that was."""
    return _carry_out(options, delete=not options.dry_run)


def _carry_out(options: argparse.Namespace, *, delete: bool) -> int:
    file = read_retention(options.retention)
    folder = options.pictures or (None if options.data is None else options.data / PICTURES_FOLDER)
    store = opened_store(options)
    try:
        retention = store.retention(file.keep_days, None if folder is None else PictureFolder(folder))
        report = retention.run(options.actor or f"cli:{this_user()}") if delete else retention.look()
    finally:
        store.close()
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        print("\n".join(_told(report, file.hour, options.lang)))
    return 0


def _told(report: RetentionReport, hour: int, lang: Lang) -> Iterator[str]:
    yield from table([[heading.lang(lang) for heading in HEADINGS], *(_row(one, lang) for one in report.classes)])
    yield KEPT.lang(lang)
    if report.files_waiting:
        count = report.files_waiting
        yield Text(f"待删图片 {count} 张", f"{count} pictures are still to be removed").lang(lang)
    if report.deleted:
        yield Text(f"已删除 {report.due}", f"{report.due} deleted").lang(lang)
    else:
        yield Text(
            f"到期 {report.due}；每晚 {hour}:00 后自动删除", f"{report.due} due; deleted every night from {hour}:00 on"
        ).lang(lang)


def _row(one: ClassReport, lang: Lang) -> list[str]:
    days = Text("一直", "always").lang(lang) if one.keep_days is None else str(one.keep_days)
    due = f"{one.due:,}" if not one.size_bytes else f"{one.due:,} ({one.size_bytes / 1_000_000:,.1f} MB)"
    return [one.name, days, (one.cutoff or "-")[:10], due, f"{one.held:,}", one.text.lang(lang)]
