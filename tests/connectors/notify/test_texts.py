"""What people read."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from connectors.notify.texts import LISTED, Style, Wording, compose, masked, navigation_url
from geofences.datum import convert
from haulwatch.domain.text import Text
from tests.connectors.notify.conftest import a_delivery, an_order

WECOM = Style(markdown=True, newline="\n", limit=4_000)
SMS = Style(markdown=False, newline=" ", limit=500)


def test_one_order_has_what_a_squad_needs(wording: Wording) -> None:
    message = compose([a_delivery(7, squad_id="S1", step="dispatched")], WECOM, wording)
    assert message.title == "已派遣 未密闭运输"
    for part in (
        "未密闭运输",
        "浙E12345",
        "较大 · 紧急",
        "2026-05-01 08:30",
        "120.15360, 30.28750",
        "一中队",
        "相机看到敞开",
    ):
        assert part in message.text
    assert "[HW-20260501-0007](https://console.example.org/orders/HW-20260501-0007)" in message.text
    assert message.text.count("\n> ") == 6


def test_the_way_there_is_in_the_datum_of_the_map() -> None:
    url = navigation_url(an_order(7)) or ""
    place = re.search(r"to=([\d.]+),([\d.]+),HW-20260501-0007&", url)
    assert place is not None
    lon, lat = convert(float(place[1]), float(place[2]), "gcj02", "wgs84")
    assert abs(lon - 120.1536) < 2e-6
    assert abs(lat - 30.2875) < 2e-6
    assert "coordinate=gaode" in url
    assert navigation_url(an_order(7, lon=None)) is None
    assert navigation_url(an_order(7, lon=2.35, lat=48.85)) is None, "there the map has no such datum"


def test_what_it_has_become_since_and_reminders(wording: Wording) -> None:
    late = compose([a_delivery(1, late=True, stage_now="closed")], WECOM, wording)
    assert late.text.startswith("### 【新工单（现已结案）】未密闭运输（迟到）")
    reminder = compose([a_delivery(1, step="opened+15m")], WECOM, wording)
    assert reminder.text.startswith("### 【新工单 15 分钟无进展】未密闭运输")


def test_both_languages(wording: Wording) -> None:
    style = Style(markdown=True, newline="\n\n", limit=4_000, lang="both")
    message = compose([a_delivery(1)], style, wording)
    assert message.title == "新工单 未密闭运输 / New order Uncovered load"
    assert "> 车辆：**浙E12345**" in message.text
    assert "> Truck: **浙E12345**" in message.text


def test_nothing_of_a_device_is_markdown(wording: Wording) -> None:
    bad = "[点我](https://evil.org)<@all>`*#"
    text = compose([a_delivery(1, truck_id=bad, summary=Text(bad, bad))], WECOM, wording).text
    assert "](https://evil" not in text
    assert "<@all>" not in text
    assert text.count("](") == 2


def test_masked_plates_are_nowhere(wording: Wording) -> None:
    style = Style(markdown=True, newline="\n", limit=4_000, mask=True)
    summary = Text("浙E12345 未盖", "浙E12345 open")
    for message in (
        compose([a_delivery(1, title=summary, summary=summary)], style, wording),
        compose([a_delivery(n, title=summary) for n in range(1, 30)], style, wording),
    ):
        assert "12345" not in message.text + message.title
        assert "浙E＊＊＊45" in message.text
    assert masked("粤B12345D", "粤B12345D") == "粤B***5D"
    assert masked("浙E1", "浙E1") == "浙***"


def test_a_short_message_for_phones(wording: Wording) -> None:
    text = compose([a_delivery(1)], SMS, wording).text
    assert text == (
        "【新工单】未密闭运输 浙E12345 2026-05-01 08:30 120.15360, 30.28750 HW-20260501-0001 "
        "https://console.example.org/orders/HW-20260501-0001"
    )
    own = Style(markdown=False, newline=" ", limit=500, template="{truck}/{order_id}/{count}")
    assert compose([a_delivery(1)], own, wording).text == "浙E12345/HW-20260501-0001/1"


def test_many_orders_in_one_message_and_every_one_of_them_is_named(wording: Wording) -> None:
    message = compose([a_delivery(number) for number in range(1, 46)], WECOM, wording)
    assert message.title == "45 张工单"
    assert message.text.count("\n> ") == LISTED
    assert f"另有 {45 - LISTED} 张工单：" in message.text
    assert set(re.findall(r"HW-20260501-\d{4}", message.text)) == {f"HW-20260501-{n:04d}" for n in range(1, 46)}
    assert message.text.endswith("[打开工单列表](https://console.example.org/)")


def test_of_one_orders_changes_the_last_is_told(wording: Wording) -> None:
    changes = [a_delivery(1), a_delivery(1, step="filed", stage="filed", change_id=9)]
    assert compose(changes, WECOM, wording).text.startswith("### 【已立案】")


@given(st.integers(1, 500), st.integers(200, 5_000), st.sampled_from(["zh", "en", "both"]), st.booleans())
def test_a_message_fits_and_counts_everybody(count: int, limit: int, lang: str, markdown: bool) -> None:
    style = Style(markdown=markdown, newline="\n\n", limit=limit, lang=lang)  # type: ignore[arg-type]
    wording = Wording(ZoneInfo("Asia/Shanghai"), {}, "https://console.example.org")
    text = compose([a_delivery(number) for number in range(1, count + 1)], style, wording).text
    assert len(text.encode()) <= limit
    if count > 1:
        assert f"{count} " in text
        named = set(re.findall(r"HW-20260501-\d+", text))
        counted = re.search(r"另有 (\d+) 张|And (\d+) more", text)
        assert len(named) == count or (counted is not None and int(counted[1] or counted[2]) >= count - LISTED)
