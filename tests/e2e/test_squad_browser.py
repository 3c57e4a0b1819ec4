"""A squad member with a phone: a task done without a network, back online, everything there exactly once."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from connectors.pictures import PictureFolder
from haulwatch.console.app import ConsoleSettings, create_app
from haulwatch.console.live import LiveSettings
from haulwatch.console.testing import LAT, LON, SteeredFeed, overweight, served, small_city, truck
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.orders import Actor, Order
from tests.logins import cookie_of

pytestmark = pytest.mark.browser
PATIENCE_MS = 30_000
"""How long a page may take on a machine with other work; what never comes is found out all the same."""
expect.set_options(timeout=PATIENCE_MS)

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUICK = LiveSettings(orders_poll_s=0.05, trucks_poll_s=0.2, heartbeat_s=1)
DESK = Actor("李四", frozenset({"dispatcher", "duty_officer"}))
PLATE, SHOWN_PLATE = "浙E12345", "浙E·12345"
ALL_SENT = re.compile("^$")


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
class Phone:
    """A phone of a member of the squad Q-1, and what stands behind it."""

    page: Page
    context: BrowserContext
    store: OrderStore
    feed: SteeredFeed
    url: str
    made: int = 0
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def task(self, squad_id: str = "Q-1", **changes: Any) -> Order:
        """An order that has just been dispatched to a squad."""
        self.made += 1
        breach = overweight(f"b{self.made}", time.time_ns() // 1_000_000, changes.pop("truck_id", PLATE), **changes)
        order = self.store.get(self.store.intake([breach]).opened[0]).order
        order = self.store.command(order.order_id, "file", expected_version=order.version, actor=DESK)
        return self.dispatch(order, squad_id)

    def dispatch(self, order: Order, squad_id: str) -> Order:
        """The desk gives the order, as it is, to a squad."""
        version, given = self.now(order).version, {"squad_id": squad_id}
        return self.store.command(order.order_id, "dispatch", expected_version=version, actor=DESK, data=given)

    def now(self, order: Order) -> Order:
        """The order as the store has it."""
        return self.store.get(order.order_id).order

    def done(self, order: Order) -> list[str]:
        """What is on record about the order, in order."""
        return [entry.action for entry in self.store.get(order.order_id).audit]

    def open(self, path: str = "/squad") -> None:
        """Opens the page and waits until it is online and kept on the phone."""
        self.page.goto(self.url + path)
        expect(self.page.locator(".connection")).to_have_class("connection live")
        self.page.evaluate("navigator.serviceWorker.ready.then(() => true)")

    def online(self, yes: bool) -> None:
        """With or without a network."""
        self.context.set_offline(not yes)

    def do(self, command: str) -> None:
        """Taps one of the big buttons."""
        self.page.locator(f'[data-command="{command}"]').tap()

    def photo(self, *colours: tuple[int, int, int]) -> list[bytes]:
        """Takes photos of these colours."""
        files = [jpeg(colour) for colour in colours]
        names = [{"name": "../../IMG.jpg", "mimeType": "image/jpeg", "buffer": data} for data in files]
        self.page.locator(".photos input[type=file]").set_input_files(names)  # type: ignore[arg-type]
        return files


def jpeg(colour: tuple[int, int, int]) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (320, 240), colour).save(out, "JPEG")
    return out.getvalue()


@pytest.fixture
def phone(browser: Browser, tmp_path: Path) -> Iterator[Phone]:
    store = open_store(sqlite_url(tmp_path))
    feed = SteeredFeed()
    feed.put(truck(PLATE, time.time_ns() // 1_000_000 - 90_000, LON, LAT))
    app = create_app(
        store,
        store.people(),
        feed,
        None,
        small_city(),
        settings=ConsoleSettings(live=QUICK),
        pictures=PictureFolder(tmp_path / "pictures"),
        photos=store.photos(),
    )
    with served(app) as url:
        context = browser.new_context(
            viewport={"width": 390, "height": 844},
            has_touch=True,
            is_mobile=True,
            device_scale_factor=2,
            locale="zh-CN",
        )
        context.set_default_timeout(PATIENCE_MS)
        context.add_cookies([cookie_of(store, url, "squad", name="王五", squad_id="Q-1")])
        page = context.new_page()
        found = Phone(page, context, store, feed, url)
        context.on("request", lambda request: found.requests.append(request.url))
        page.on("pageerror", lambda error: found.errors.append(str(error)))
        yield found
        context.close()
    store.close()
    assert [address for address in found.requests if not address.startswith((url, "blob:"))] == []
    assert found.errors == []


def test_a_whole_task_without_a_network_arrives_exactly_once(phone: Phone) -> None:
    order = phone.task()
    phone.open()
    phone.page.locator(f'[data-order="{order.order_id}"]').tap()
    expect(phone.page.locator("hw-task h2")).to_contain_text(SHOWN_PLATE)
    phone.online(False)
    phone.do("accept")
    phone.do("arrive")
    taken = phone.photo((200, 30, 30), (30, 200, 30))
    expect(phone.page.locator("[data-outbox]")).to_contain_text("4 条待发送")
    phone.do("handle")
    phone.page.get_by_label("处置情况").fill("已引导至治超站复称，责令卸载 9 吨。")
    phone.page.get_by_role("button", name="提交").tap()
    expect(phone.page.locator("[data-outbox]")).to_contain_text("5 条待发送")
    expect(phone.page.locator(".chip.stage")).to_contain_text("已处置 · 待发送")
    assert phone.now(order).stage == "dispatched"

    phone.page.reload()  # the shell comes from the phone, and so does what waits
    expect(phone.page.locator("[data-outbox]")).to_contain_text("5 条待发送")
    expect(phone.page.locator(".chip.stage")).to_contain_text("已处置 · 待发送")

    lost = lose_one_answer(phone.context, "**/api/v1/orders/*/photos")
    phone.online(True)
    expect(phone.page.locator("[data-outbox]")).to_have_count(0)
    assert lost == ["answered, and lost"]
    now = phone.now(order)
    assert (now.stage, now.version, now.handled_by or "王五") == ("handled", order.version + 3, "王五")
    actions = phone.done(order)
    assert [action for action in actions if action in ("accept", "arrive", "handle")] == ["accept", "arrive", "handle"]
    photos = phone.store.photos().of_order(order.order_id)
    assert [photo.sha256 for photo in photos] == [hashlib.sha256(data).hexdigest() for data in taken]
    assert [photo.captured_sha256 for photo in photos] == [photo.sha256 for photo in photos]
    assert actions.count("photo_added") == 2
    expect(phone.page.locator(".photos img")).to_have_count(2)


def lose_one_answer(context: BrowserContext, pattern: str) -> list[str]:
    """The next request arrives and is carried out, but its answer never comes back."""
    lost: list[str] = []

    def lose(route: Route) -> None:
        if lost or route.request.method != "POST":
            route.continue_()
            return
        route.fetch()
        lost.append("answered, and lost")
        route.abort("connectionreset")

    context.route(pattern, lose)
    return lost


def test_a_command_whose_answer_was_lost_is_carried_out_once(phone: Phone) -> None:
    order = phone.task()
    phone.open(f"/squad/orders/{order.order_id}")
    lost = lose_one_answer(phone.context, "**/api/v1/orders/*/commands")
    phone.do("accept")
    expect(phone.page.locator(".chip.stage")).to_have_text("已接单")
    expect(phone.page.locator("[data-outbox]")).to_have_count(0)
    assert lost == ["answered, and lost"]
    assert phone.done(order).count("accept") == 1


def test_given_to_another_squad_meanwhile_nothing_is_lost_silently(phone: Phone) -> None:
    order = phone.task()
    phone.open(f"/squad/orders/{order.order_id}")
    phone.online(False)
    phone.do("accept")
    phone.photo((1, 2, 3))
    expect(phone.page.locator("[data-outbox]")).to_contain_text("2 条待发送")
    theirs = Actor("赵六", frozenset({"squad"}), squad_id="Q-1")
    version = phone.now(order).version
    phone.store.command(
        order.order_id, "return", expected_version=version, actor=theirs, data={"reason": "车辆已出辖区"}
    )
    phone.dispatch(order, "Q-2")

    phone.online(True)
    expect(phone.page.locator("[data-outbox]")).to_contain_text("2 条需要处理")
    phone.page.locator("[data-outbox]").tap()
    items = phone.page.locator("hw-outbox .item.stopped")
    expect(items).to_have_count(2)
    expect(items.first).to_contain_text("现在由机动中队承办")
    phone.page.reload()
    expect(phone.page.locator("hw-outbox .item.stopped")).to_have_count(2)
    assert phone.now(order).squad_id == "Q-2"
    assert "accept" not in phone.done(order)

    phone.page.once("dialog", lambda dialog: dialog.accept())
    phone.page.locator('[data-kind="command"] [data-discard]').tap()
    expect(phone.page.locator("hw-outbox .item.stopped")).to_have_count(1)
    with phone.page.expect_download() as saved:
        phone.page.get_by_role("button", name="存到手机").tap()
    assert saved.value.path().read_bytes() == jpeg((1, 2, 3))


def test_a_new_task_wakes_the_phone_and_both_languages_work(phone: Phone) -> None:
    phone.open()
    expect(phone.page.locator(".empty")).to_be_visible()
    order = phone.task()
    expect(phone.page.locator(f'[data-order="{order.order_id}"]')).to_be_visible()
    expect(phone.page.locator(".toast")).to_contain_text("1 个新任务")
    phone.page.get_by_role("button", name="切换到英文").tap()
    phone.page.locator(f'[data-order="{order.order_id}"]').tap()
    expect(phone.page.get_by_role("button", name="Accept")).to_be_visible()
    expect(phone.page.locator(".age")).to_contain_text("ago")
    link = phone.page.locator("[data-nav]")
    assert re.match(r"https://uri\.amap\.com/navigation\?to=120\.10\d+,30\.85\d+,", str(link.get_attribute("href")))
    phone.page.locator("[data-map]").tap()
    expect(phone.page.locator(".small-map canvas").first).to_be_visible()


def test_everything_that_is_tapped_is_large_enough(phone: Phone) -> None:
    order = phone.task()
    phone.open()
    assert small_targets(phone.page) == []
    phone.page.locator(f'[data-order="{order.order_id}"]').tap()
    expect(phone.page.locator('[data-command="accept"]')).to_be_visible()
    assert small_targets(phone.page) == []
    assert phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def small_targets(page: Page) -> list[str]:
    """Buttons and links that are smaller than 48 px in height."""
    script = """() => [...document.querySelectorAll('button, a, .button, summary')]
        .filter((one) => one.offsetParent && one.getBoundingClientRect().height < 48)
        .map((one) => one.outerHTML.slice(0, 120))"""
    return list(page.evaluate(script))


def test_the_phones_own_digest_is_the_right_one(phone: Phone) -> None:
    """Over plain http to another host browsers offer no SHA-256; ours is as good."""
    phone.open()
    script = """async () => {
        const { plainSha256, sha256 } = await import("/static/squad/sha256.js");
        const wrong = [];
        for (const size of [0, 1, 3, 55, 56, 57, 63, 64, 65, 119, 120, 1000, 100001]) {
            const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 7 + size) & 255).buffer;
            if (plainSha256(bytes) !== (await sha256(bytes))) wrong.push(size);
        }
        return wrong;
    }"""
    assert phone.page.evaluate(script) == []


def test_logged_out_nothing_is_lost(phone: Phone) -> None:
    order = phone.task()
    phone.open(f"/squad/orders/{order.order_id}")
    phone.context.clear_cookies()
    phone.do("accept")
    expect(phone.page.locator('a[href="/login?next=%2Fsquad%2Forders%2F' + order.order_id + '"]')).to_be_visible()
    expect(phone.page.locator("[data-outbox]")).to_contain_text("1 条待发送")
    phone.context.add_cookies([cookie_of(phone.store, phone.url, "squad", name="王五", squad_id="Q-1")])
    phone.page.reload()
    expect(phone.page.locator(".chip.stage")).to_have_text("已接单")
    assert phone.now(order).stage == "accepted"
