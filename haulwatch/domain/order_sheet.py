"""Orders as a table for other programs: CSV that Excel opens in Chinese, and JSON; plates can be hidden."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator

import msgspec

from haulwatch.domain.access import masked_plate
from haulwatch.domain.orders import Order
from haulwatch.domain.text import Lang, Text

BOM = "\ufeff"
"""Without it Excel takes UTF-8 for the machine's own encoding."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""A cell that begins so is calculated by spreadsheets; written behind an apostrophe it is shown."""

Cell = str | int | float | None
COLUMNS: tuple[tuple[Text, Callable[[Order, Lang], Cell]], ...] = (
    (Text("工单", "order"), lambda order, _: order.order_id),
    (Text("阶段", "stage"), lambda order, _: order.stage),
    (Text("类别", "category"), lambda order, _: order.category),
    (Text("程度", "severity"), lambda order, _: order.severity),
    (Text("紧急", "urgency"), lambda order, _: order.urgency),
    (Text("车辆", "truck"), lambda order, _: order.truck_id),
    (Text("事由", "title"), lambda order, lang: order.title.lang(lang)),
    (Text("摘要", "summary"), lambda order, lang: order.summary.lang(lang)),
    (Text("发现时间", "detected at"), lambda order, _: order.detected_at),
    (Text("终止时间", "ended at"), lambda order, _: order.ended_at),
    (Text("立单时间", "opened at"), lambda order, _: order.opened_at),
    (Text("次数", "findings"), lambda order, _: order.occurrences),
    (Text("迟到", "late"), lambda order, _: int(order.late)),
    (Text("经度", "lon"), lambda order, _: order.lon),
    (Text("纬度", "lat"), lambda order, _: order.lat),
    (Text("区域", "zones"), lambda order, _: " ".join(order.zone_ids)),
    (Text("辖区", "jurisdictions"), lambda order, _: " ".join(order.jurisdictions)),
    (Text("中队", "squad"), lambda order, _: order.squad_id),
    (Text("结论", "verdict"), lambda order, _: order.verdict),
    (Text("原因", "reason"), lambda order, _: order.reason_code),
    (Text("时限步骤", "clock step"), lambda order, _: order.clock.step if order.clock else None),
    (Text("时限", "due at"), lambda order, _: order.clock.due_at if order.clock else None),
    (Text("督办", "supervision"), lambda order, _: order.supervision.level if order.supervision else None),
    (Text("规则", "rule"), lambda order, _: order.rule_id),
    (Text("版本", "version"), lambda order, _: order.version),
)


def csv_lines(orders: Iterable[Order], lang: Lang) -> Iterator[str]:
    """A heading and a line an order, each with its line end; begins with a byte order mark."""
    yield BOM + _line([heading.lang(lang) for heading, _ in COLUMNS])
    for order in orders:
        yield _line([shown(get(order, lang)) for _, get in COLUMNS])


def json_parts(orders: Iterable[Order]) -> Iterator[bytes]:
    """A JSON array of the orders, in parts."""
    between = b"[\n"
    for order in orders:
        yield between + msgspec.json.encode(order)
        between = b",\n"
    yield b"[]\n" if between == b"[\n" else b"\n]\n"


def masked(order: Order) -> Order:
    """The order with its truck's plate hidden wherever it stands."""
    plate, hidden = order.truck_id, masked_plate(order.truck_id)

    def without(text: Text) -> Text:
        return Text(text.zh.replace(plate, hidden), text.en.replace(plate, hidden))

    return msgspec.structs.replace(
        order,
        truck_id=hidden,
        title=without(order.title),
        summary=without(order.summary),
        dedup_key=order.dedup_key.replace(plate, hidden),
    )


def shown(value: Cell) -> Cell:
    """A cell that no spreadsheet takes for a formula; numbers stay numbers."""
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA):
        return f"'{value}"
    return value


def _line(cells: Iterable[Cell]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(["" if cell is None else cell for cell in cells])
    return out.getvalue()
