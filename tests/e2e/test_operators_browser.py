"""An operator's journey: a noisy rule, its values, a higher threshold, what that changes, shadow, promotion, back.

On a whole embedded system, in a real browser, with a second person who approves.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from haulwatch.bootstrap.embedded import Embedded
from haulwatch.domain.events import Event
from haulwatch.domain.orders import ROLES, Actor
from haulwatch.testing import START, position
from tests.connectors.kafka_console.records import until
from tests.e2e.floor import PATIENCE_MS, SIZES, chromium
from tests.e2e.test_console_pages import look_at
from tests.logins import cookie_of
from tests.rollouts.conftest import FILES
from tests.rollouts.test_in_force import system

pytestmark = pytest.mark.browser
FAST, HARDLY = 6, 14
"""Trucks that were really fast, and those that were hardly: their orders were false alarms."""
FIRST, SECOND = (Actor(name, frozenset(ROLES), squad_id="Q-1") for name in ("first", "second"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@contextmanager
def serving(browser: Browser, data: Path, files: dict[str, bytes] = FILES) -> Iterator[tuple[Embedded, str]]:
    with system(data, files) as running:
        thread = threading.Thread(target=running.server.run, daemon=True)
        thread.start()
        try:
            until(lambda: running.server.started)
            yield running, f"http://127.0.0.1:{running.server.config.port}"
        finally:
            for context in browser.contexts:
                context.close()
            running.server.should_exit = running.server.force_exit = True  # streams may be open
            thread.join(20)


def judged(running: Embedded) -> None:
    """Findings of this hour, with what people said to them."""
    ago_s = time.time() - START.timestamp() - 3000
    speeds = {f"浙E1{n:04d}": 82.0 + n % 6 for n in range(HARDLY)} | {f"浙E2{n:04d}": 101.0 + n for n in range(FAST)}
    events: list[Event] = [
        position(ago_s + n * 10, truck_id=truck_id, speed_kmh=speed_kmh, lon=120.1 + n / 500)
        for n, (truck_id, speed_kmh) in enumerate(speeds.items())
    ]
    running.host.submit_events([*events, position(ago_s + 900, truck_id="浙E99999", speed_kmh=10)])
    until(lambda: sum(running.store.counts().values()) == FAST + HARDLY)
    handled = ("handle", {"outcome": "已查"})
    steps = (("file", {}), ("dispatch", {"squad_id": "Q-1"}), ("accept", {}), ("arrive", {}), handled)
    for order in running.store.list(limit=100).orders:
        slow = order.truck_id.startswith("浙E1")
        for command, data in steps:
            order = running.store.command(
                order.order_id, command, expected_version=order.version, actor=FIRST, data=data
            )
        verdict = {"verdict": "false_alarm", "reason_code": "device_fault"} if slow else {"verdict": "confirmed"}
        for command, given in (("verify", {}), ("close", verdict)):
            order = running.store.command(
                order.order_id, command, expected_version=order.version, actor=SECOND, data=given
            )


def sits_down(browser: Browser, running: Embedded, url: str, name: str, role: str, lang: str, size: str) -> Page:
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, locale="zh-CN")
    context.set_default_timeout(PATIENCE_MS)
    context.add_cookies([cookie_of(running.store, url, role, name=name, squad_id=None)])
    context.add_init_script(f"localStorage.setItem('haulwatch.lang', '{lang}')")
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"{name}: {error}"))
    page.on("request", lambda asked: asked.url.startswith((url, "data:", "blob:")) or pytest.fail(asked.url))
    page.goto(f"{url}/rules")
    expect(page.locator(".rule")).to_be_visible()
    return page


@pytest.mark.parametrize(("lang", "size"), [("zh", "desktop"), ("en", "phone")])
def test_a_noisy_rule_is_tuned_tried_and_rolled_back(browser: Browser, tmp_path: Path, lang: str, size: str) -> None:
    with serving(browser, tmp_path / "data") as (running, url):
        judged(running)
        page = sits_down(browser, running, url, "周规", "operator", lang, size)
        approver = sits_down(browser, running, url, "吴审", "rule_approver", lang, size)

        # She sees which rule is noisy, and where its values lie.
        expect(page.locator(".rule-list a", has_text="fast").locator(".mark.noisy")).to_be_visible()
        expect(page.locator(".score")).to_contain_text("30 %")
        page.locator("[data-baseline]").click()
        expect(page.locator('.histogram[data-param="limit"] rect.false_alarm').first).to_be_visible()
        look_at(page, f"rules-{lang}-{size}")

        # What is out of range is said at its field, and cannot be proposed.
        limit = page.locator('[data-param="limit"] input.n')
        limit.fill("500")
        limit.press("Tab")
        expect(page.locator('.param[data-param="limit"] .wrong')).to_be_visible()
        expect(page.locator("[data-propose]")).to_be_disabled()
        limit.fill("95")
        limit.press("Tab")
        expect(page.locator(".histogram line.new")).to_be_attached()

        # What the draft would have changed: the false ones go, none of the confirmed.
        page.locator("[data-to-trial]").click()
        page.locator("[data-try]").click()
        expect(page.locator("[data-lost]")).to_have_attribute("data-lost", "0")
        expect(page.locator('[data-diff] tr[data-rule="fast"] .disappearing')).to_have_text(str(HARDLY))
        expect(page.locator(".trial-map canvas").first).to_be_visible()
        look_at(page, f"trial-{lang}-{size}")

        # In shadow first: by the word of two.
        page.goto(f"{url}/rules#rules/fast")
        page.locator(".statuses button").nth(1).click()
        propose(page, "误报多，先试运行")
        expect(page.locator("[data-withdraw]")).to_be_visible()
        expect(page.locator("[data-approve]")).to_have_count(0)
        approve(approver, url, 2)
        look_at(approver, f"rollouts-{lang}-{size}")
        until(lambda: in_force(running) == ("shadow", 95.0))

        # Then promoted, and rolled back with one click and a reason.
        page.goto(f"{url}/rules#rules/fast")
        expect(page.locator(".rule .statuses [aria-pressed=true]")).to_have_text(re.compile("试运行|shadow"))
        expect(page.locator("[data-shadow] tbody tr")).to_have_count(1)
        page.locator(".versions > summary").click()
        expect(page.locator("[data-version]")).to_contain_text(["误报多，先试运行", ""])
        look_at(page, f"rule-versions-{lang}-{size}")

        # From an order she comes to the rule and the zones that decided.
        order = running.store.list(limit=1).orders[0]
        page.goto(f"{url}/orders/{order.order_id}")
        expect(page.locator(".fineprint a")).to_have_text(["fast", "D1"])
        page.locator(".fineprint a").nth(1).click()
        expect(page.locator(".zone[data-zone=D1]")).to_be_visible()
        page.goto(f"{url}/rules#rules/fast")
        page.locator(".statuses button").nth(2).click()
        propose(page, "试运行良好")
        approve(approver, url, 3)
        until(lambda: in_force(running) == ("active", 95.0))
        page.on("dialog", lambda dialog: dialog.accept("又漏了一辆"))
        page.goto(f"{url}/rules#rollouts")
        page.locator('[data-rollout="1"] [data-back]').click()
        expect(page.locator('.rollout.in_force[data-rollout="4"]')).to_be_visible()
        until(lambda: in_force(running) == ("active", 80.0))
        assert running.store.verify().problem is None


def in_force(running: Embedded) -> tuple[str, float]:
    """What decides now: the switch is on record a moment before."""
    rule = running.host.city.book.rules[0]
    return rule.status, rule.params["limit"].value


def propose(page: Page, note: str) -> None:
    expect(page.locator(".draft-bar .good")).to_be_visible()
    page.locator(".draft-bar input[name=note]").fill(note)
    page.locator("[data-propose]").click()
    expect(page.locator(".rollout.proposed")).to_be_visible()


def approve(page: Page, url: str, number: int) -> None:
    page.goto(f"{url}/rules#rollouts")
    page.locator(f'[data-rollout="{number}"] [data-approve]').click()
    expect(page.locator(f'.rollout.in_force[data-rollout="{number}"]')).to_be_visible()


def test_a_book_is_edited_with_its_errors_in_place(browser: Browser, tmp_path: Path) -> None:
    with serving(browser, tmp_path / "data") as (running, url):
        page = sits_down(browser, running, url, "周规", "operator", "zh", "desktop")
        page.locator(".facts a").click()
        editor = page.locator(".editor textarea")
        expect(editor).to_have_attribute("aria-label", "rules/test.yaml")
        before = editor.input_value()
        editor.fill(before.replace("speed_kmh >", "speed_kmph >"))
        expect(page.locator(".file .findings li.error")).to_contain_text("speed_kmh")
        expect(page.locator(".gutter .error")).to_have_text(re.compile(r"11"))
        look_at(page, "rules-files-zh-desktop")
        page.reload()
        expect(page.locator(".gutter .error")).to_be_visible()  # a draft outlives its page
        editor.fill(before)
        expect(page.locator(".draft-bar details")).to_have_count(0)
