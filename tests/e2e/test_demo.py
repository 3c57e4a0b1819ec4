"""`haulwatch demo` as a newcomer meets it: what it prints lets one in, and a whole order can be played from it."""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.e2e.demo import Demo, running_demo
from tests.e2e.floor import PATIENCE_MS, SIZES, chromium

FIRST_ORDER_S = 120.0
"""Twenty seconds are promised for a machine that does nothing else."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(tmp_path_factory.mktemp("demo")) as found:
        yield found


def ours(url: str) -> dict[str, str]:
    """What a browser says of a form on a page of ours."""
    return {"Origin": url}


def logged_in(url: str, account: str, password: str) -> httpx.Client:
    """A client with the session of this account."""
    client = httpx.Client(base_url=url)
    answer = client.post("/login", data={"name": account, "password": password, "next": "/"}, headers=ours(url))
    assert answer.is_redirect, answer.text
    return client


def test_every_login_that_it_prints_lets_its_role_in_and_the_dispatcher_has_an_order(
    demo: Demo,
) -> None:
    """One login a role, and the squads'; a wrong password is none."""
    url = demo.url
    clients = {account: logged_in(url, account, password) for account, password in demo.passwords.items()}
    roles = {
        account: client.get("/api/v1/me").raise_for_status().json()["roles"] for account, client in clients.items()
    }
    people = {"dispatcher", "duty_officer", "verifier", "operator", "rule_approver", "auditor", "administrator", "wall"}
    assert {role for found in roles.values() for role in found} == people | {"squad"}
    squads = [found for account, found in roles.items() if account.startswith("q-")]
    assert len(squads) >= 2
    assert all(found == ["squad"] for found in squads)
    until = time.monotonic() + FIRST_ORDER_S
    while not (orders := clients["dispatcher"].get("/api/v1/orders").raise_for_status().json()["orders"]):
        assert time.monotonic() < until, "no order appeared"
        time.sleep(0.2)
    assert orders[0]["clock"]["step"] == "file"
    stranger = httpx.Client(base_url=url)
    refused = stranger.post("/login", data={"name": "dispatcher", "password": "not-the-password"}, headers=ours(url))
    assert not refused.is_redirect
    assert stranger.get("/api/v1/me").status_code == 401


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


class Window:
    """Windows of one browser: who logs in at another host name is another person."""

    def __init__(self, browser: Browser, size: str, theme: str = "dark") -> None:
        width, height = SIZES[size]
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, has_touch=size == "phone", color_scheme="dark"
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.add_init_script(
            f"localStorage.setItem('haulwatch.lang', 'zh'); localStorage.setItem('haulwatch.theme', '{theme}')"
        )

    def logs_in(self, url: str, account: str, password: str) -> Page:
        """A page that is asked for without a session, after the login to which that leads."""
        page = self.context.new_page()
        page.goto(url)
        page.locator("input[name=name], a[href^='/login']").first.wait_for()
        if (
            asks := page.locator("a[href^='/login']")
        ).count():  # the squads' page itself needs nobody: it works offline
            asks.click()
        page.locator("input[name=name]").fill(account)
        page.locator("input[name=password]").fill(password)
        page.locator("button[type=submit]").click()
        return page


def picture(page: Page, name: str) -> None:
    """The README's pictures, where they are wanted."""
    folder = os.environ.get("HAULWATCH_SCREENSHOTS")
    if folder:
        page.evaluate("new Promise((done) => setTimeout(done, 2500))")  # the map glides, and draws what came meanwhile
        expect(page.locator(".toast").filter(has_text=re.compile("."))).to_have_count(0)
        page.screenshot(path=Path(folder) / f"{name}.png")


def answers_own_tasks(phone: Page) -> None:
    """Every department for which this squad speaks says what it found."""
    expect(phone.locator("[data-command=answer], .actions .dim").first).to_be_visible()
    while (asked := phone.locator("[data-command=answer]")).count():
        left = asked.count()
        asked.first.click()
        phone.locator("textarea[name=said]").fill("已到场配合，无其他情况。")
        phone.locator("form.command button[type=submit]").click()
        expect(phone.locator("[data-command=answer]")).to_have_count(left - 1)
    expect(phone.locator("[data-outbox]")).to_have_count(0)


@pytest.mark.browser
def test_an_order_is_played_from_two_windows_to_its_end(demo: Demo, browser: Browser) -> None:
    desk = Window(browser, "desktop")
    page = desk.logs_in(demo.url + "/", "dispatcher", demo.passwords["dispatcher"])
    page.locator("li.row a.order").first.click(timeout=FIRST_ORDER_S * 1000)
    number = page.locator("hw-detail .number")
    expect(number).to_be_visible()
    picture(page, "console")
    order_id = number.inner_text()
    page.locator("[data-command=file]").click()
    page.locator("[data-command=dispatch]").click()
    dialog = page.locator("dialog.command")
    dialog.locator(".squads input").first.check()
    squad_id = dialog.locator(".squads input:checked").get_attribute("value")
    assert squad_id is not None
    dialog.locator("button[type=submit]").click()

    phone = desk.logs_in(demo.squad_url, squad_id.lower(), demo.squad_password)  # beside the dispatcher's
    phone.set_viewport_size({"width": SIZES["phone"][0], "height": SIZES["phone"][1]})
    phone.locator(f'[data-order="{order_id}"]').click()
    phone.locator("[data-command=accept]").click()
    phone.locator("[data-command=arrive]").click()
    photo = io.BytesIO()
    Image.new("RGB", (640, 480), (90, 70, 50)).save(photo, "JPEG")
    phone.locator(".photos input[type=file]").set_input_files(
        [{"name": "IMG.jpg", "mimeType": "image/jpeg", "buffer": photo.getvalue()}]  # type: ignore[list-item]
    )
    expect(phone.locator(".photos img")).to_have_count(1)
    picture(phone, "squad")
    answers_own_tasks(phone)
    phone.locator("[data-command=handle]").click()
    phone.get_by_label("处置情况").fill("已责令卸载，驾驶员签字。")
    phone.get_by_role("button", name="提交").click()
    expect(phone.locator("[data-outbox]")).to_have_count(0)
    expect(page.locator("hw-detail .history")).to_contain_text("已责令卸载")
    order = page.request.get(f"{demo.url}/api/v1/orders/{order_id}").json()["detail"]["order"]
    for other in {task["squad_id"] for task in order["tasks"] if task["state"] == "open"}:
        phone = Window(browser, "phone").logs_in(demo.squad_url, other.lower(), demo.squad_password)
        phone.locator(f'[data-order="{order_id}"]').click()
        answers_own_tasks(phone)

    verifier = Window(browser, "desktop").logs_in(
        f"{demo.url}/orders/{order_id}", "verifier", demo.passwords["verifier"]
    )
    verifier.locator("[data-command=verify]").click()
    verifier.locator("[data-command=close]").click()
    verifier.locator("select[name=verdict]").select_option("confirmed")
    verifier.locator("dialog.command button[type=submit]").click()
    expect(verifier.locator("hw-detail .detail-head .chip.stage")).to_have_text("结案")
    wall = Window(browser, "wall").logs_in(f"{demo.url}/wall", "wall", demo.passwords["wall"])
    expect(wall.locator(".totals b").first).not_to_have_text("0")
    picture(wall, "wall")
