"""A working day in real browsers: dispatcher, duty officer and verifier, in both languages, at desks and on phones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from haulwatch.domain.orders import Order
from tests.e2e.floor import SQUAD, Floor, chromium, floor, texts

pytestmark = pytest.mark.browser
EVERYWHERE = pytest.mark.parametrize(("lang", "size"), [("zh", "desktop"), ("en", "phone")])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def place(browser: Browser, tmp_path: Path) -> Iterator[Floor]:
    with floor(browser, tmp_path) as found:
        yield found


def open_order(page: Page, order: Order) -> None:
    """From the list, as a person does it."""
    if page.locator("nav.tabs").is_visible():
        page.locator("nav.tabs button").first.click()
    page.locator(f'a.order[href="/orders/{order.order_id}"]').click()
    expect(page.locator("hw-detail .number")).to_have_text(order.order_id)


def stage_is(page: Page, lang: str, stage: str) -> None:
    expect(page.locator("hw-detail .detail-head .chip.stage")).to_have_text(texts(lang)[f"stage.{stage}"])


@EVERYWHERE
def test_a_dispatcher_files_assigns_and_rejects_many_with_one_reason(place: Floor, lang: str, size: str) -> None:
    first, *others = [place.happens() for _ in range(4)]
    page = place.sits_down("张三", "dispatcher", lang=lang, size=size)
    open_order(page, first)
    page.locator("[data-command=file]").click()
    stage_is(page, lang, "filed")
    page.locator("[data-command=dispatch]").click()
    dialog = page.locator("dialog.command")
    dialog.get_by_text("云溪中队").click()
    dialog.locator("button[type=submit]").click()
    stage_is(page, lang, "dispatched")
    expect(page.locator("hw-detail .history")).to_contain_text("张三")
    assert place.now(first).squad_id == "Q-1"

    if size == "phone":
        page.locator("nav.tabs button").first.click()
    for order in others:
        page.locator(f'li.row:has(a[href="/orders/{order.order_id}"]) input').check()
    expect(page.locator(".bulk")).to_contain_text("3")
    page.locator("[data-bulk=reject]").click()
    dialog.locator("select[name=reason_code]").select_option("device_fault")
    dialog.locator("button[type=submit]").click()
    expect(dialog.locator(".outcome .good")).to_contain_text("3")
    dialog.get_by_role("button").click()
    for order in others:
        assert_rejection_asked(place, order)


def assert_rejection_asked(place: Floor, order: Order) -> None:
    """Asked for: a second person has to approve."""
    now = place.now(order)
    assert now.pending is not None
    given = (now.pending.command, now.pending.by, now.pending.data["reason_code"])
    assert given == ("reject", "张三", "device_fault")


@EVERYWHERE
def test_a_duty_officer_approves_one_request_and_declines_another(place: Floor, lang: str, size: str) -> None:
    wrong, right = place.happens(), place.happens()
    for order in (wrong, right):
        place.goes(order, "reject", reason_code="wrong_plate")
    page = place.sits_down("赵六", "duty_officer", lang=lang, size=size, path="/?pending=1")
    expect(page.locator("li.row")).to_have_count(2)
    open_order(page, right)
    expect(page.locator(".request")).to_contain_text("王五")
    page.locator(".request [data-command=approve]").click()
    stage_is(page, lang, "rejected")
    open_order(page, wrong)
    page.locator(".request [data-command=decline]").click()
    page.locator("dialog.command textarea[name=reason]").fill("车牌清楚")
    page.locator("dialog.command button[type=submit]").click()
    expect(page.locator(".request")).to_have_count(0)
    stage_is(page, lang, "new")
    expect(page.locator("hw-detail .history")).to_contain_text("车牌清楚")


@EVERYWHERE
def test_a_verifier_verifies_and_closes_with_a_verdict(place: Floor, lang: str, size: str) -> None:
    order = place.happens()
    place.goes(order, "file", "dispatch", squad_id="Q-1")
    place.goes(order, "accept", "arrive", "handle", outcome="已现场卸载")
    page = place.sits_down("孙七", "verifier", lang=lang, size=size, path="/?view=verify")
    open_order(page, order)
    page.locator("[data-command=verify]").click()
    stage_is(page, lang, "verifying")
    page.locator("[data-command=close]").click()
    dialog = page.locator("dialog.command")
    dialog.locator("button[type=submit]").click()  # without a verdict the browser holds the form back
    expect(dialog).to_be_visible()
    dialog.locator("select[name=verdict]").select_option("confirmed")
    dialog.locator("button[type=submit]").click()
    stage_is(page, lang, "closed")
    expect(page.locator("hw-detail .facts")).to_contain_text(texts(lang)["verdict.confirmed"])
    assert place.now(order).verdict == "confirmed"


def test_a_range_is_picked_and_what_another_did_first_is_said_by_order(place: Floor) -> None:
    orders = [place.happens() for _ in range(5)]
    page = place.sits_down("张三", "dispatcher")
    boxes = page.locator("li.row input")
    expect(boxes).to_have_count(5)
    boxes.first.click()
    boxes.last.click(modifiers=["Shift"])
    expect(page.locator(".bulk")).to_contain_text("已选 5 张")
    page.locator("[data-bulk=file]").click()
    place.store.command(orders[2].order_id, "file", expected_version=1, actor=SQUAD)
    page.locator("dialog.command button[type=submit]").click()
    failures = page.locator(".failures li")
    expect(failures).to_have_count(1)
    expect(failures).to_contain_text(orders[2].order_id)
    expect(failures).to_contain_text("第 2 版")
    assert [place.now(order).stage for order in orders] == ["filed"] * 5


def test_a_filter_is_in_the_address_and_kept_under_a_name(place: Floor) -> None:
    place.happens(severity="critical")
    place.happens(severity="minor")
    page = place.sits_down("张三", "dispatcher", path="/?severity=critical")
    expect(page.locator("li.row")).to_have_count(1)
    page.locator(".saved summary").click()
    page.locator(".saved input").fill("只看重大")
    page.locator(".saved form button").click()
    expect(page.locator(".saved li")).to_contain_text("只看重大")
    page.keyboard.press("Escape")
    page.locator(".filters > .bar:last-child button.quiet").click()
    expect(page.locator("li.row")).to_have_count(2)
    assert "severity" not in page.url
    page.locator(".saved summary").click()
    page.locator(".saved li a").click()
    expect(page.locator("li.row")).to_have_count(1)
    page.keyboard.press("j")
    expect(page.locator("hw-detail .number")).to_be_visible()
    page.go_back()
    expect(page.locator("hw-detail .number")).to_have_count(0)
    assert page.url.endswith("/?severity=critical")


PLAYED = """async () => {
    const { sound } = await import("/static/js/sound.js");
    while (!sound.played) await new Promise((again) => setTimeout(again, 50));
    return sound.played;
}"""


def test_a_grave_order_sounds_until_it_is_acknowledged(place: Floor) -> None:
    page = place.sits_down("张三", "dispatcher")
    expect(page.locator(".connection")).to_contain_text("实时")
    page.get_by_role("button", name="点击开启声音").click()
    expect(page.get_by_role("button", name="点击开启声音")).to_have_count(0)
    place.happens(severity="critical")
    expect(page.locator(".ring")).to_have_text("1 张未确认")
    assert page.evaluate(PLAYED)["severity"] == "critical"
    page.keyboard.press("q")
    expect(page.locator(".ring")).to_have_count(0)


def test_the_track_is_played_again_from_the_trigger(place: Floor) -> None:
    order = place.happens()
    page = place.sits_down("张三", "dispatcher", path=f"/orders/{order.order_id}")
    scrub = page.locator(".controls input")
    expect(scrub).to_have_js_property("value", scrub.get_attribute("max"))  # it rests where the rule fired
    page.locator(".controls select").select_option("20")
    page.keyboard.press("p")
    expect(page.locator(".replay .warn, .replay p.dim")).to_be_visible()  # whose zones the map shows
    page.wait_for_function(
        "document.querySelector('.controls input').value > document.querySelector('.controls input').min"
    )
    page.keyboard.press("p")
    expect(page.locator(".replay .reading")).to_contain_text("km/h")
