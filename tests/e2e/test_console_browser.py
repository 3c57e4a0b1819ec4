"""A dispatcher at work in a real browser: an order appears, says why, is filed or rejected, in both languages."""

from __future__ import annotations

import base64
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from connectors.pictures import PictureFolder
from haulwatch.console.app import ConsoleSettings, create_app
from haulwatch.console.live import LiveSettings
from haulwatch.console.testing import SteeredFeed, SteeredIntake, SteeredLine, overweight, served, small_city, truck
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.deliveries import NewDelivery
from haulwatch.domain.errors import WorldError
from haulwatch.domain.orders import ROLES, Actor, Order
from haulwatch.domain.text import Text
from tests.logins import cookie_of

pytestmark = pytest.mark.browser
PATIENCE_MS = 30_000
"""How long a page may take on a machine with other work; what never comes is found out all the same."""
expect.set_options(timeout=PATIENCE_MS)

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
QUICK = LiveSettings(orders_poll_s=0.05, trucks_poll_s=0.2, heartbeat_s=1)
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PLATE, SHOWN_PLATE = "浙E12345", "浙E·12345"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = os.environ.get("HAULWATCH_CHROMIUM") or shutil.which("chromium")
    if path is None:
        reason = "no Chromium: neither on PATH nor in HAULWATCH_CHROMIUM"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@dataclass
class Desk:
    """The console in a browser, and what stands behind it."""

    page: Page
    context: BrowserContext
    store: OrderStore
    feed: SteeredFeed
    url: str
    line: SteeredLine
    pictures: PictureFolder
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    made: int = 0

    def watch(self, page: Page) -> None:
        """Notes every request and every complaint of the browser."""
        page.on(
            "console", lambda message: self.complain(message.text) if message.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def complain(self, text: str) -> None:
        """Notes a complaint; that a console knows no login, or no photos, is none."""
        if "404 (Not Found)" not in text:
            self.complaints.append(text)

    def happens(self, **changes: Any) -> Order:
        """An overweight truck is found just now."""
        self.made += 1
        breach = overweight(f"b{self.made}", time.time_ns() // 1_000_000, changes.pop("truck_id", PLATE), **changes)
        return self.store.get(self.store.intake([breach]).opened[0]).order

    def stage(self, order: Order) -> str:
        """The stage of an order in the store."""
        return self.store.get(order.order_id).order.stage

    def open(self, path: str = "/") -> None:
        """Opens the console and waits until it is live."""
        self.page.goto(self.url + path)
        self.is_live(self.page)

    def is_live(self, page: Page) -> None:
        """Waits until the page follows the stream and shows the list as it was: what happens from now on is news."""
        expect(page.locator(".connection")).to_contain_text("实时")
        expect(page.locator("hw-list .standing [role=status]")).to_contain_text("共")


@pytest.fixture
def desk(browser: Browser, tmp_path: Path) -> Iterator[Desk]:
    store = open_store(sqlite_url(tmp_path))
    feed = SteeredFeed()
    feed.put(
        truck(PLATE, time.time_ns() // 1_000_000, load="full", heading_deg=90.0), truck("浙E00001", 0, silent=True)
    )
    line = SteeredLine()
    pictures = PictureFolder(tmp_path / "pictures")
    settings = ConsoleSettings(live=QUICK)
    app = create_app(
        store,
        store.people(),
        feed,
        SteeredIntake(),
        small_city(),
        settings=settings,
        drivers=line,
        pictures=pictures,
    )
    with served(app) as url:
        context = browser.new_context(viewport={"width": 1600, "height": 900}, locale="zh-CN")
        context.set_default_timeout(PATIENCE_MS)
        context.add_cookies([cookie_of(store, url)])
        page = context.new_page()
        found = Desk(page, context, store, feed, url, line, pictures)
        context.on("request", lambda request: note(found, request))
        found.watch(page)
        yield found
        context.close()
    store.close()
    assert [address for address in found.requests if not address.startswith(url)] == []
    assert found.complaints == []


def note(desk: Desk, request: Request) -> None:
    desk.requests.append(request.url)


def test_an_order_appears_live_behind_a_pill_and_explains_itself(desk: Desk) -> None:
    page = desk.page
    desk.open()
    expect(page.locator("hw-list")).to_contain_text("没有待处理的工单")
    order = desk.happens()
    page.get_by_role("button", name="1 条新工单").click()
    page.get_by_role("link", name="超限超载").click()
    expect(page).to_have_url(f"{desk.url}/orders/{order.order_id}")
    detail = page.locator("hw-detail")
    for text in (SHOWN_PLATE, "待研判", "较大", "云溪区", "四轴车称重 40,000 kg"):
        expect(detail).to_contain_text(text)
    row = detail.locator(".conditions tbody tr").first
    expect(row.locator("td").nth(0)).to_have_text("总质量")
    expect(row.locator("td").nth(1)).to_have_text("40,000 kg")
    expect(row.locator("td").nth(2)).to_have_text("> 31,000 kg")
    expect(detail.locator(".record")).to_contain_text("称重")
    expect(detail.locator(".law")).to_contain_text("建议罚款 840 元")
    expect(detail.locator(".law")).to_contain_text("2020-05-15 版")
    expect(detail.locator(".law")).to_contain_text("由执法人员决定")
    expect(detail.locator(".runbook")).to_contain_text("复称")
    expect(detail.locator("svg.speed")).to_be_visible()
    expect(detail.locator(".history li")).to_have_count(1)


def test_an_order_is_filed_and_for_another_a_rejection_is_asked_with_a_reason(desk: Desk) -> None:
    page = desk.page
    first, second = desk.happens(), desk.happens(truck_id="浙E99999")
    desk.open(f"/orders/{first.order_id}")
    page.get_by_role("button", name="立案", exact=True).click()
    expect(page.locator("hw-detail .chip.stage")).to_have_text("已立案")
    expect(page.locator("hw-detail .history")).to_contain_text("张三 立案")
    assert desk.stage(first) == "filed"

    page.locator(f'a[href="/orders/{second.order_id}"]').click()
    page.get_by_role("button", name="不予立案").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="不予立案").click()  # without a reason the browser holds the form back
    expect(dialog).to_be_visible()
    assert desk.stage(second) == "new"
    dialog.get_by_label("原因").select_option(label="其他")
    dialog.get_by_label("说明").fill("车牌看不清")
    dialog.get_by_role("button", name="不予立案").click()
    expect(page.locator("hw-detail .request")).to_contain_text("车牌看不清")
    expect(page.locator("hw-detail .history")).to_contain_text("车牌看不清")
    assert desk.stage(second) == "new"  # until another person approves


def test_the_driver_is_called_and_the_answer_is_shown_and_kept(desk: Desk) -> None:
    page = desk.page
    order = desk.happens()
    desk.open(f"/orders/{order.order_id}")
    page.get_by_role("button", name="呼叫驾驶员").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="发送").click()
    expect(dialog).to_contain_text("请写下要说的话")
    dialog.get_by_role("button", name="请立即盖好篷布").click()
    dialog.get_by_label("紧急").check()
    dialog.get_by_role("button", name="发送").click()
    expect(dialog).to_contain_text("终端已显示并播报")
    assert desk.line.asked == [(PLATE, "请立即盖好篷布", True)]
    desk.line.answer = WorldError(Text("终端不在线", "the terminal is not connected"), retryable=True)
    dialog.get_by_role("button", name="现在在哪").click()
    expect(dialog).to_contain_text("终端不在线")
    dialog.get_by_role("button", name="关闭").click()
    for text in ("张三 呼叫驾驶员", "请立即盖好篷布", "终端应答", "终端未应答"):
        expect(page.locator("hw-detail .history")).to_contain_text(text)
    assert [text for text in desk.complaints if "503" not in text] == []
    desk.complaints.clear()  # the browser's own note of the refusal


def test_photos_that_are_kept_are_shown_and_others_named(desk: Desk) -> None:
    page = desk.page
    kept = desk.pictures.put(PNG)
    breach = overweight("b-photo", time.time_ns() // 1_000_000, PLATE)
    images = [{"uri": kept.uri, "sha256": kept.sha256}, {"uri": "https://vendor.example/1.jpg"}]
    record = msgspec.structs.replace(breach.evidence[0], payload={**breach.evidence[0].payload, "images": images})
    order_id = desk.store.intake([msgspec.structs.replace(breach, evidence=[record])]).opened[0]
    desk.open(f"/orders/{order_id}")
    photo = page.locator("hw-detail figure.image img")
    expect(photo).to_have_count(1)
    photo.scroll_into_view_if_needed()
    expect(photo).to_have_js_property("naturalWidth", 1)
    expect(page.locator("hw-detail .record")).to_contain_text("https://vendor.example/1.jpg")


def test_who_was_told_is_shown(desk: Desk) -> None:
    order = desk.happens()
    new = NewDelivery(change_id=order.change_id, order_id=order.order_id, step="opened+10m", channel="值班群", due_ms=0)
    deliveries = desk.store.deliveries()
    deliveries.claim("one", 60_000)
    assert deliveries.queue("one", order.change_id, [new], 60_000)
    desk.open(f"/orders/{order.order_id}")
    expect(desk.page.locator("hw-detail")).to_contain_text("值班群 新工单 +10m · 待发送")


def test_keys_alone_are_enough(desk: Desk) -> None:
    page = desk.page
    older, newer = desk.happens(), desk.happens(truck_id="浙E99999")
    desk.open()
    page.keyboard.press("j")
    expect(page.locator("#detail-title")).to_be_visible()
    page.keyboard.press("j")
    expect(page.locator("hw-detail .number")).to_have_text(older.order_id)
    page.keyboard.press("k")
    expect(page.locator("hw-detail .number")).to_have_text(newer.order_id)
    page.keyboard.press("a")
    expect(page.locator("hw-detail .chip.stage")).to_have_text("已立案")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("下一张工单")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page).to_have_url(f"{desk.url}/")


def test_what_another_dispatcher_did_is_seen_and_a_stale_command_says_so(desk: Desk) -> None:
    page = desk.page
    order = desk.happens()
    desk.open(f"/orders/{order.order_id}")
    page.route("**/api/v1/orders/*", lambda route: route.abort())  # this screen falls behind
    other = Actor("李四", frozenset(ROLES))
    desk.store.command(order.order_id, "file", expected_version=1, actor=other)
    expect(page.locator("hw-list .chip.stage")).to_have_text("已立案")
    page.get_by_role("button", name="立案", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="已是第 2 版")).to_be_visible()
    page.unroute("**/api/v1/orders/*")
    desk.store.command(order.order_id, "dispatch", expected_version=2, actor=other, data={"squad_id": "Q-1"})
    expect(page.locator("hw-detail .chip.stage")).to_have_text("已派遣")
    expect(page.locator("hw-detail .facts")).to_contain_text("云溪中队")
    desk.complaints[:] = [text for text in desk.complaints if "ERR_FAILED" not in text and "409" not in text]


def test_the_language_is_switched_and_remembered(desk: Desk) -> None:
    page = desk.page
    order = desk.happens(late=True)
    desk.open(f"/orders/{order.order_id}")
    page.get_by_role("button", name="English").click()
    for text in ("Overweight", "Why it fired", "New", "Major", "Late", "gross mass", "decided by an officer"):
        expect(page.locator("hw-detail")).to_contain_text(text)
    page.reload()
    expect(page.locator(".topbar")).to_contain_text("Muck-truck work orders")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("button", name="中文").click()
    expect(page.locator("hw-detail")).to_contain_text("为什么触发")


def test_two_tabs_share_one_stream_and_both_stay_live(desk: Desk) -> None:
    desk.open()
    second = desk.context.new_page()
    desk.watch(second)
    second.goto(desk.url)
    desk.is_live(second)
    expect(second.locator(".connection")).to_contain_text("2 辆车")
    desk.happens()
    for page in (desk.page, second):
        expect(page.get_by_role("button", name="1 条新工单")).to_be_visible()
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while "haulwatch_console_live_streams 1\n" not in httpx.get(f"{desk.url}/metrics").text:
        assert time.monotonic() < deadline, "one stream, once the server has noticed what ended"
        time.sleep(0.1)  # looking at a real server; the deadline above bounds it


def test_trucks_move_and_can_be_asked(desk: Desk) -> None:
    page = desk.page
    desk.open()
    legend = page.locator(".legend")
    expect(legend.locator("p", has_text="满载")).to_contain_text("1")
    expect(legend.locator("p", has_text="失联")).to_contain_text("1")
    box = page.locator("hw-map .canvas").bounding_box()
    assert box is not None
    expect(page.locator(".ol-layer").first).to_be_attached()
    page.get_by_role("button", name="全市").click()
    page.wait_for_function("document.querySelectorAll('.ol-layer').length > 0")
    for _ in range(40):  # the map still glides to the city
        page.mouse.move(box["x"] + box["width"] / 2 + 105, box["y"] + box["height"] / 2)
        page.mouse.move(box["x"] + box["width"] / 2 + 106, box["y"] + box["height"] / 2)
        if page.locator(".tip").count():
            break
        page.wait_for_timeout(50)
    expect(page.locator(".tip")).to_contain_text(SHOWN_PLATE)
    expect(page.locator(".tip")).to_contain_text("36 km/h")
    desk.feed.put(truck(PLATE, time.time_ns() // 1_000_000, load="empty"))
    expect(legend.locator("p", has_text="空车")).to_contain_text("1")


def test_an_unknown_order_and_a_lost_server_are_said_plainly(desk: Desk) -> None:
    page = desk.page
    desk.page.goto(f"{desk.url}/orders/HW-0")
    expect(page.locator("hw-detail")).to_contain_text("没有工单 HW-0")
    page.route("**/api/v1/orders?*", lambda route: route.abort())
    page.get_by_role("button", name="全部", exact=True).click()
    expect(page.locator("hw-list")).to_contain_text("工单列表读取失败")
    page.unroute("**/api/v1/orders?*")
    page.get_by_role("button", name="重试").click()
    expect(page.locator("hw-list")).to_contain_text("这里没有工单")
    desk.complaints[:] = [text for text in desk.complaints if "404" not in text and "ERR_FAILED" not in text]


@pytest.mark.parametrize("width", [390, 820])
def test_a_narrow_screen_shows_one_thing_at_a_time_and_never_scrolls_sideways(desk: Desk, width: int) -> None:
    page = desk.page
    desk.happens()
    page.set_viewport_size({"width": width, "height": 844})
    desk.open()
    page.get_by_role("button", name="地图", exact=True).click()
    expect(page.locator(".ol-scale-line")).to_contain_text(
        re.compile("km|1000 m")
    )  # the whole city, though it was loaded hidden
    page.get_by_role("button", name=re.compile("^(列表|详情)")).first.click()
    page.get_by_role("link", name="超限超载").click()
    expect(page.get_by_role("button", name="立案", exact=True)).to_be_in_viewport()
    page.get_by_role("button", name="地图", exact=True).click()
    expect(page.locator("hw-map")).to_be_in_viewport()
    expect(page.locator("hw-detail")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_server_that_went_away_is_said_and_what_was_missed_arrives(browser: Browser, tmp_path: Path) -> None:
    store = open_store(sqlite_url(tmp_path))
    made = 0

    def app() -> FastAPI:
        settings = ConsoleSettings(live=QUICK)
        return create_app(store, store.people(), SteeredFeed(), SteeredIntake(), small_city(), settings=settings)

    def happens() -> None:
        nonlocal made
        made += 1
        store.intake([overweight(f"b{made}", time.time_ns() // 1_000_000, f"浙E{made:05d}")])

    with browser.new_context(viewport={"width": 1600, "height": 900}) as context:
        page = context.new_page()
        with served(app()) as url:
            context.add_cookies([cookie_of(store, url)])
            page.goto(url)
            expect(page.locator(".connection")).to_contain_text("实时")
            happens()
            expect(page.get_by_role("button", name="1 条新工单")).to_be_visible()
        expect(page.get_by_role("alert")).to_contain_text("已断开")
        happens()
        with served(app(), port=int(url.rsplit(":", 1)[1])):
            expect(page.get_by_role("button", name="2 条新工单")).to_be_visible(timeout=15_000)
            expect(page.get_by_role("alert")).to_have_count(0)
    store.close()
