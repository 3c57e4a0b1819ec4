"""`haulwatch orders …`: what is in the order store, is its audit whole, what leaves it, where an order would go."""

from __future__ import annotations

import argparse
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, get_args

import msgspec

from haulwatch.cli import order_audit, order_packs, order_routes
from haulwatch.cli.order_store import add_store, opened_store
from haulwatch.dispatch.lifecycle import STAGE_NAMES, VERDICT_NAMES
from haulwatch.dispatch.store import MAX_PAGE, OrderStore
from haulwatch.domain.breaches import Category, Severity
from haulwatch.domain.order_sheet import csv_lines, masked
from haulwatch.domain.orders import STAGES, Actor, Order, OrderDetail, OrderFilter, UnknownOrder
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
    add_store(show, run_show)
    order_packs.add(actions)
    order_routes.add(actions)
    order_audit.add(actions)


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
    parser.add_argument("--csv", action="store_true", help="输出 CSV，不分页 · print CSV, all pages")
    parser.add_argument("--masked", action="store_true", help="CSV 中隐去车牌 · hide the plates in the CSV")
    add_store(parser, run_list)


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
    store = opened_store(options)
    try:
        if options.csv:
            actor = Actor(f"cli:{order_packs.this_user()}", frozenset({"administrator"}))
            store.note_export(where, actor=actor, form="csv", plates=not options.masked)
            orders = _every(store, where)
            shown = (masked(order) for order in orders) if options.masked else orders
            sys.stdout.writelines(csv_lines(shown, options.lang))
            return 0
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


def _every(store: OrderStore, where: OrderFilter) -> Iterator[Order]:
    cursor: str | None = None
    while True:
        page = store.list(where, cursor=cursor, limit=MAX_PAGE)
        yield from page.orders
        cursor = page.next_cursor
        if cursor is None:
            return


def run_show(options: argparse.Namespace) -> int:
    """Prints one order; 1 when there is none of this id."""
    store = opened_store(options)
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
    if "breach_id" in detail:
        return f"{detail['rule_id']} ×{detail['occurrences']}"
    told = detail.get("data", detail)
    return " ".join(f"{name}={value}" for name, value in told.items())
