"""`haulwatch orders list|show|audit verify`: what is in the order store, and is its audit whole."""

from __future__ import annotations

import argparse
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import msgspec

from haulwatch.dispatch.audit import Checkpoint
from haulwatch.dispatch.database import check_exists, sqlite_url
from haulwatch.dispatch.lifecycle import STAGE_NAMES, VERDICT_NAMES
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.breaches import Category, Severity
from haulwatch.domain.orders import STAGES, Order, OrderDetail, OrderFilter, UnknownOrder
from haulwatch.domain.text import Lang, Text

HEADINGS = (
    Text("工单", "order"),
    Text("阶段", "stage"),
    Text("程度", "severity"),
    Text("类别", "category"),
    Text("车辆", "truck"),
    Text("发现时间", "detected"),
    Text("次数", "count"),
    Text("事由", "title"),
)


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the verb `orders` with its actions."""
    parser = subparsers.add_parser("orders", help="工单 · work orders")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_list(actions)
    show = actions.add_parser("show", help="一张工单的全部内容 · everything about one order")
    show.add_argument("order_id", metavar="ID", help="工单号 · order id, e.g. HW-20260501-0007")
    _add_common(show, run_show)
    audit = actions.add_parser("audit", help="审计 · the audit")
    audit_actions = audit.add_subparsers(dest="audit_action", required=True, metavar="ACTION")
    verify = audit_actions.add_parser(
        "verify", help="找出第一条被改动、删除、插入或截去的记录 · name the first broken entry"
    )
    verify.add_argument(
        "--checkpoint",
        type=_checkpoint,
        metavar="SEQ:HASH",
        help="另行保存的链首 · a head of the chain that was kept elsewhere",
    )
    _add_common(verify, run_verify)


def _add_list(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = actions.add_parser("list", help="列出工单，新的在前 · list orders, newest first")
    parser.add_argument("--stage", action="append", choices=STAGES, default=[], help="阶段，可重复 · repeatable")
    parser.add_argument("--category", action="append", choices=get_args(Category), default=[], help="类别 · repeatable")
    parser.add_argument("--severity", action="append", choices=get_args(Severity), default=[], help="程度 · repeatable")
    parser.add_argument("--truck", metavar="PLATE", help="车牌 · number plate")
    parser.add_argument(
        "--late",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="只看（或不看）迟到的 · late ones only, or none",
    )
    parser.add_argument("--since", metavar="INSTANT", help="发现时间不早于，RFC 3339 · detected at or after")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="一页多少 · page size, at most 500 (50)")
    parser.add_argument("--cursor", help="上一页给出的 next_cursor · from the previous page")
    _add_common(parser, run_list)


def _add_common(parser: argparse.ArgumentParser, run: Any) -> None:
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--data", type=Path, metavar="DIR", help="数据文件夹 · data folder of `haulwatch run`")
    where.add_argument("--database", metavar="URL", help="数据库地址 · database URL")
    parser.add_argument("--json", action="store_true", help="输出 JSON · print JSON")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh", help="语言 · language (zh)")
    parser.set_defaults(run=run)


def run_list(options: argparse.Namespace) -> int:
    """Prints a page of orders; none is no error."""
    where = OrderFilter(
        stages=tuple(options.stage),
        categories=tuple(options.category),
        severities=tuple(options.severity),
        truck_id=options.truck,
        late=options.late,
        since=options.since,
    )
    store = _open(options)
    try:
        page = store.list(where, cursor=options.cursor, limit=options.limit)
    finally:
        store.close()
    if options.json:
        print(_json(page))
        return 0
    lang: Lang = options.lang
    for line in table([[heading.lang(lang) for heading in HEADINGS], *(_row(order, lang) for order in page.orders)]):
        print(line)
    if page.next_cursor is not None:
        print(f"--cursor {page.next_cursor}", file=sys.stderr)
    return 0


def run_show(options: argparse.Namespace) -> int:
    """Prints one order; 1 when there is none of this id."""
    store = _open(options)
    try:
        detail = store.get(options.order_id)
    except UnknownOrder as error:
        print(f"haulwatch: {error.text.lang(options.lang)}", file=sys.stderr)
        return 1
    finally:
        store.close()
    if options.json:
        print(_json(detail))
    else:
        print("\n".join(_told(detail, options.lang)))
    return 0


def run_verify(options: argparse.Namespace) -> int:
    """Prints whether the audit is whole; 1 and the first broken entry when it is not."""
    store = _open(options)
    try:
        report = store.verify(options.checkpoint)
    finally:
        store.close()
    lang: Lang = options.lang
    if options.json:
        print(_json(report))
    elif report.problem is None:
        whole = Text(f"审计完整：{report.entries} 条", f"the audit is whole: {report.entries} entries")
        head = Text("链首", "head")
        print(whole.lang(lang))
        print(f"{head.lang(lang)} {report.head.seq}:{report.head.hash}")
    else:
        order = f" ({report.problem.order_id})" if report.problem.order_id else ""
        print(f"[{report.problem.kind}] {report.problem.text.lang(lang)}{order}")
    return 0 if report.problem is None else 1


def _open(options: argparse.Namespace) -> OrderStore:
    url = options.database or sqlite_url(options.data)
    check_exists(url)
    return open_store(url)


def _checkpoint(text: str) -> Checkpoint:
    if not re.fullmatch(r"[1-9][0-9]{0,17}:[0-9a-f]{64}", text):
        raise argparse.ArgumentTypeError("SEQ:HASH")
    seq, _, hashed = text.partition(":")
    return Checkpoint(int(seq), hashed)


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _row(order: Order, lang: Lang) -> list[str]:
    stage = STAGE_NAMES[order.stage].lang(lang)
    late = {"zh": "（迟到）", "en": " (late)"}[lang] if order.late else ""
    title = order.title.lang(lang) + late
    columns = [order.order_id, stage, order.severity, order.category, order.truck_id, order.detected_at]
    return [*columns, str(order.occurrences), title]


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The rows as lines with aligned columns; a full-width character is two cells in a terminal."""
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = (text + " " * (width - cells(text)) for text, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()


def cells(text: str) -> int:
    """How many cells of a terminal `text` takes."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _told(detail: OrderDetail, lang: Lang) -> Iterator[str]:
    order = detail.order
    yield f"{order.order_id}  {order.title.lang(lang)}  [{STAGE_NAMES[order.stage].lang(lang)}]"
    yield order.summary.lang(lang)
    verdict = VERDICT_NAMES[order.verdict].lang(lang) if order.verdict is not None else "-"
    facts = [
        (Text("车辆", "truck"), order.truck_id),
        (Text("程度", "severity"), f"{order.severity} / {order.urgency}"),
        (Text("规则", "rule"), f"{order.rule_id} {order.rule_hash[:12]}"),
        (Text("起始", "started"), order.started_at),
        (Text("发现", "detected"), order.detected_at),
        (Text("终止", "ended"), order.ended_at or "-"),
        (Text("位置", "place"), "-" if order.lon is None else f"{order.lon:.6f} {order.lat:.6f}"),
        (Text("区域", "zones"), ", ".join(order.zone_ids) or "-"),
        (Text("次数", "count"), str(order.occurrences)),
        (Text("中队", "squad"), order.squad_id or "-"),
        (Text("结论", "verdict"), verdict + (f" ({order.reason_code})" if order.reason_code else "")),
        (Text("版本", "version"), str(order.version)),
    ]
    yield from ("  " + line for line in table([[name.lang(lang), value] for name, value in facts]))
    for condition in detail.breach.conditions:
        unit = f" {condition.unit}" if condition.unit else ""
        yield f"  * {condition.text}: {condition.observed} {condition.operator} {condition.threshold}{unit}"
    yield Text("记录", "history").lang(lang)
    entries = [[entry.at, entry.actor, entry.action, _said(entry.detail)] for entry in detail.audit]
    yield from ("  " + line for line in table(entries))
    if detail.commands:
        following = ", ".join(f"{row.command} ({row.label.lang(lang)})" for row in detail.commands)
        yield f"{Text('可执行', 'may follow').lang(lang)}: {following}"


def _said(detail: dict[str, Any]) -> str:
    """What a person wants to read of an audit entry's detail."""
    if "data" in detail:
        return " ".join(f"{name}={value}" for name, value in detail["data"].items())
    return f"{detail['rule_id']} ×{detail['occurrences']}"
