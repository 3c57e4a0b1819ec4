"""What people read: one order with all that a squad needs, or many orders in one message. Pure.

Values from devices and people are put into Markdown with its own characters replaced, so that a plate cannot become a
link and a reason cannot mention everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

from msgspec import Struct

from connectors.notify.settings import TEXT_FIELDS, Languages
from connectors.notify.steps import STEPS
from geofences.datum import convert, in_china
from haulwatch.domain.breaches import Severity
from haulwatch.domain.deliveries import Delivery
from haulwatch.domain.orders import Order, Urgency
from haulwatch.domain.registry import Squad
from haulwatch.domain.text import Lang, Text

SEVERITIES: dict[Severity, Text] = {
    "critical": Text("重大", "critical"),
    "major": Text("较大", "major"),
    "minor": Text("一般", "minor"),
    "info": Text("提示", "info"),
}
URGENCIES: dict[Urgency, Text] = {
    "urgent": Text("紧急", "urgent"),
    "normal": Text("普通", "normal"),
    "low": Text("不急", "not urgent"),
}
_LABELS = {
    "truck": Text("车辆", "Truck"),
    "severity": Text("程度", "Severity"),
    "time": Text("发现", "Detected"),
    "place": Text("地点", "Place"),
    "squad": Text("中队", "Squad"),
    "order_id": Text("工单", "Order"),
}
_NAVIGATE = Text("导航", "navigate")
_TEST = Text("测试", "Test")
_LATE = Text("（迟到）", " (late)")
_LIST = Text("打开工单列表", "Open the list of orders")
LISTED = 8
"""How many orders of a bundle are told with plate and time; the others by their numbers."""
LONGEST_VALUE = 300

_HARMLESS = str.maketrans("[]<>*`#@|\\~", "［］＜＞＊｀＃＠｜＼～")


class Wording(Struct, frozen=True):
    """What a text needs besides the order: where the console is, which clock people read, what squads are called."""

    timezone: ZoneInfo
    squads: Mapping[str, Squad]
    public_url: str | None = None


class Style(Struct, frozen=True):
    """How a channel wants its text: `markdown` or plain, lines joined by `newline`, at most `limit` bytes of UTF-8."""

    markdown: bool
    newline: str
    limit: int
    lang: Languages = "zh"
    mask: bool = False
    template: str | None = None


class Message(Struct, frozen=True):
    """A text and the one line that a phone shows of it before it is opened."""

    title: str
    text: str


def compose(deliveries: Sequence[Delivery], style: Style, wording: Wording) -> Message:
    """The message for these deliveries (at least one), the most important first."""
    langs: tuple[Lang, ...] = ("zh", "en") if style.lang == "both" else (style.lang,)
    latest = _latest(deliveries)
    share = style.limit // len(langs) - 2
    if len(latest) == 1:
        parts = [_single(latest[0], style, wording, lang, share) for lang in langs]
    else:
        parts = [_bundle(latest, style, wording, lang, share) for lang in langs]
    titles = [_title(latest, lang, style) for lang in langs]
    return Message(_cut(" / ".join(titles), 120), style.newline.join(parts))


def fields_of(delivery: Delivery, lang: Lang, wording: Wording, *, mask: bool, count: int = 1) -> dict[str, str]:
    """What a template may name (`TEXT_FIELDS`), as plain text; unknown values are empty."""
    order = delivery.change.order
    squad = wording.squads.get(order.squad_id or "")
    values = {
        "step": step_text(delivery).lang(lang),
        "title": order.title.lang(lang) + (_LATE.lang(lang) if order.late else ""),
        "summary": order.summary.lang(lang),
        "truck": order.truck_id,
        "severity": f"{SEVERITIES[order.severity].lang(lang)} · {URGENCIES[order.urgency].lang(lang)}",
        "time": local_time(order.detected_at, wording.timezone),
        "place": "" if order.lon is None or order.lat is None else f"{order.lon:.5f}, {order.lat:.5f}",
        "navigation": navigation_url(order) or "",
        "order_id": order.order_id,
        "squad": (squad.name if squad is not None else None) or order.squad_id or "",
        "link": order_url(order.order_id, wording.public_url) or "",
        "count": str(count),
    }
    if mask:
        values = {name: masked(value, order.truck_id) for name, value in values.items()}
    return {name: _cut(" ".join(values[name].split()), LONGEST_VALUE) for name in TEXT_FIELDS}


def step_text(delivery: Delivery) -> Text:
    """What happened, what it has become since, and for a reminder how long nothing has happened."""
    name, _, after = delivery.step.partition("+")
    known = next((text for step, text in STEPS.items() if step == name), _TEST)
    if after:
        minutes = after.removesuffix("m")
        return Text(f"{known.zh} {minutes} 分钟无进展", f"{known.en}, nothing since for {minutes} min")
    now = next((text for step, text in STEPS.items() if step == delivery.stage_now), None)
    if now is None or delivery.stage_now == delivery.change.order.stage:
        return known
    return Text(f"{known.zh}（现{now.zh}）", f"{known.en} (now: {now.en.lower()})")


def local_time(at: str, timezone: ZoneInfo) -> str:
    """An RFC 3339 instant as people there read it: `2026-05-01 08:30`."""
    return datetime.fromisoformat(at).astimezone(timezone).strftime("%Y-%m-%d %H:%M")


def navigation_url(order: Order) -> str | None:
    """A link that opens the phone's map app on the way there, in GCJ-02; None where its datum does not hold.

    Parameters: Amap's URI API, `navigation` (to=lon,lat,name; coordinate=gaode is GCJ-02).
    """
    if order.lon is None or order.lat is None or not in_china(order.lon, order.lat):
        return None
    lon, lat = convert(order.lon, order.lat, "wgs84", "gcj02")
    place = quote(f"{lon:.6f},{lat:.6f},{order.order_id}", safe=",")
    return f"https://uri.amap.com/navigation?to={place}&mode=car&coordinate=gaode&src=haulwatch&callnative=1"


def order_url(order_id: str, public_url: str | None) -> str | None:
    """The order's page on the console."""
    return None if public_url is None else f"{public_url.rstrip('/')}/orders/{quote(order_id, safe='')}"


def masked(text: str, plate: str) -> str:
    """The text with the middle of the plate hidden wherever it stands: `浙E***45`."""
    hidden = f"{plate[:2]}***{plate[-2:]}" if len(plate) > 4 else f"{plate[:1]}***"
    return text.replace(plate, hidden)


def _latest(deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Of each order the newest change, in the order in which the orders first stand."""
    newest: dict[str, Delivery] = {}
    for delivery in deliveries:
        before = newest.get(delivery.change.order.order_id)
        if before is None or before.change.change_id <= delivery.change.change_id:
            newest[delivery.change.order.order_id] = delivery
    return list(newest.values())


def _title(latest: Sequence[Delivery], lang: Lang, style: Style) -> str:
    if len(latest) > 1:
        return Text(f"{len(latest)} 张工单", f"{len(latest)} orders").lang(lang)
    order = latest[0].change.order
    title = f"{step_text(latest[0]).lang(lang)} {order.title.lang(lang)}"
    return masked(title, order.truck_id) if style.mask else title


def _single(delivery: Delivery, style: Style, wording: Wording, lang: Lang, limit: int) -> str:
    values = fields_of(delivery, lang, wording, mask=style.mask)
    if style.template is not None:
        return _fit(style.template.format(**_harmless(values, style)), limit)
    if not style.markdown:
        names = ("truck", "time", "place", "order_id", "link")
        told = " ".join(values[name] for name in names if values[name])
        return _fit(f"【{values['step']}】{values['title']} {told}", limit)
    return _fit(style.newline.join(_lines(_harmless(values, style), lang)), limit)


def _lines(values: Mapping[str, str], lang: Lang) -> Iterator[str]:
    yield f"### 【{values['step']}】{values['title']}"
    colon = "：" if lang == "zh" else ": "
    for name in ("truck", "severity", "time", "place", "squad"):
        if values[name]:
            told = f"**{values[name]}**" if name == "truck" else values[name]
            if name == "place" and values["navigation"]:
                told += f" [{_NAVIGATE.lang(lang)}]({values['navigation']})"
            yield f"> {_LABELS[name].lang(lang)}{colon}{told}"
    order_id = f"[{values['order_id']}]({values['link']})" if values["link"] else values["order_id"]
    yield f"> {_LABELS['order_id'].lang(lang)}{colon}{order_id}"
    if values["summary"]:
        yield values["summary"]


def _bundle(latest: Sequence[Delivery], style: Style, wording: Wording, lang: Lang, limit: int) -> str:
    """The first orders one a line, the others by number, as many as fit; what does not fit is counted."""
    head = Text(f"{len(latest)} 张工单", f"{len(latest)} orders").lang(lang)
    lines = [f"### {head}" if style.markdown else f"【{head}】"]
    foot = ""
    if wording.public_url is not None:
        url = f"{wording.public_url.rstrip('/')}/"
        foot = f"[{_LIST.lang(lang)}]({url})" if style.markdown else url
    room = limit - _size(lines[0]) - _size(style.newline + foot) - 80
    told = 0
    for delivery in latest[:LISTED]:
        line = _line(delivery, style, wording, lang)
        if _size(style.newline + line) > room:
            break
        lines.append(line)
        room -= _size(style.newline + line)
        told += 1
    if told < len(latest):
        numbers = list(_fitting((one.change.order.order_id for one in latest[told:]), room))
        lines.append(_others(len(latest) - told, numbers, lang))
    return style.newline.join([*lines, foot] if foot else lines)


def _others(count: int, numbers: Sequence[str], lang: Lang) -> str:
    colon = {"zh": "：", "en": ": "}[lang] if numbers else ""
    unnamed = "…" if numbers and len(numbers) < count else ""
    named = "、".join(numbers) if lang == "zh" else ", ".join(numbers)
    return Text(f"另有 {count} 张工单", f"And {count} more orders").lang(lang) + colon + named + unnamed


def _line(delivery: Delivery, style: Style, wording: Wording, lang: Lang) -> str:
    values = _harmless(fields_of(delivery, lang, wording, mask=style.mask), style)
    linked = style.markdown and values["link"]
    order_id = f"[{values['order_id']}]({values['link']})" if linked else values["order_id"]
    told = f"【{values['step']}】{values['title']} {values['truck']} {values['time'][-5:]} {order_id}"
    return f"> {told}" if style.markdown else told


def _harmless(values: Mapping[str, str], style: Style) -> dict[str, str]:
    if not style.markdown:
        return dict(values)
    urls = ("navigation", "link")
    return {name: value if name in urls else value.translate(_HARMLESS) for name, value in values.items()}


def _fitting(texts: Iterable[str], room: int) -> Iterator[str]:
    for text in texts:
        room -= _size(text) + 3
        if room < 0:
            return
        yield text


def _size(text: str) -> int:
    return len(text.encode())


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _fit(text: str, limit: int) -> str:
    """The text within `limit` bytes of UTF-8."""
    if _size(text) <= limit:
        return text
    return text.encode()[: limit - 3].decode(errors="ignore") + "…"
