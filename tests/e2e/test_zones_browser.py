"""A zone's journey on the rules page: asked about, drawn, corrected, proposed, approved, in force, and taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from geofences.datum import convert
from haulwatch.testing import city_files_of, square
from tests.connectors.kafka_console.records import until
from tests.e2e.floor import chromium
from tests.e2e.test_console_pages import look_at
from tests.e2e.test_operators_browser import approve, propose, serving, sits_down
from tests.rollouts.conftest import RULES

pytestmark = pytest.mark.browser
FILES = city_files_of(
    RULES,
    zones=[
        square("D1", "district", 120.1, 30.86, 0.03),
        square("S1", "construction_site", 120.09, 30.86),
        square("P1", "parking", 120.11, 30.86, hours=["01:00-01:01"]),
    ],
)


BOW = [[120.08, 30.84], [120.085, 30.845], [120.085, 30.84], [120.08, 30.845], [120.08, 30.84]]
DRAWING = json.dumps(
    {
        "type": "FeatureCollection",
        "features": [
            square("S1", "construction_site", 120.09, 30.86),
            square("T-1", "transfer_site", 120.1, 30.85),
            {**square("T-2", "parking", 0, 0), "geometry": {"type": "Polygon", "coordinates": [BOW]}},
        ],
    }
).encode()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def click_map(page: Page, *places: tuple[float, float], double: bool = False) -> None:
    """Clicks the map at these places (longitude, latitude), the last one twice to end what is drawn."""
    canvas = page.locator("hw-zones-map .canvas")
    for number, (lon, lat) in enumerate(places, 1):
        x, y = page.evaluate("([lon, lat]) => document.querySelector('hw-zones-map').pixelOf(lon, lat)", [lon, lat])
        at = {"x": x, "y": y}
        if double and number == len(places):
            canvas.dblclick(position=at)
        else:
            canvas.click(position=at)


def drag(page: Page, *places: tuple[float, float]) -> None:
    """Takes the mouse from one place on the map to another."""
    box = page.locator("hw-zones-map .canvas").bounding_box()
    assert box is not None
    for number, (lon, lat) in enumerate(places):
        x, y = page.evaluate("([lon, lat]) => document.querySelector('hw-zones-map').pixelOf(lon, lat)", [lon, lat])
        page.mouse.move(box["x"] + x, box["y"] + y, steps=4)
        if not number:
            page.mouse.down()
    page.mouse.up()


def test_a_zone_is_drawn_approved_and_taken_back(browser: Browser, tmp_path: Path) -> None:
    with serving(browser, tmp_path / "data", FILES) as (running, url):
        page = sits_down(browser, running, url, "周规", "operator", "zh", "desktop")
        page.goto(f"{url}/rules#zones")
        expect(page.locator("hw-zones-map canvas").first).to_be_visible()

        # Which zones are here: by a click, and by the coordinates of another map.
        click_map(page, (120.11, 30.86))
        held = page.locator("[data-here-answer] .held li")
        expect(held).to_have_count(2)
        expect(held.first).to_contain_text("P1")
        expect(held.first).to_have_class("off")
        expect(page.locator(".zone[data-zone=P1]")).to_be_visible()
        lon, lat = convert(120.11, 30.86, "wgs84", "gcj02")
        page.locator(".here input[name=place]").fill(f"{lon:.9f}, {lat:.9f}")
        page.locator(".here select").select_option("gcj02")
        page.locator("[data-here]").click()
        expect(page.locator("[data-here-answer] .degrees code").nth(0)).to_have_text("120.110000, 30.860000")

        # Drawn over a neighbour, which is said and shown; moved to its corner; wrong days; then put right.
        page.locator("[data-pen=Polygon]").click()
        click_map(page, (120.091, 30.861), (120.098, 30.861), (120.098, 30.866), (120.091, 30.866), double=True)
        zone = page.locator(".zone[data-zone=N-1]")
        expect(zone.locator("[data-doubt=Z030]")).to_contain_text("S1")
        zone.locator("[data-move]").click()
        drag(page, (120.091, 30.861), (120.0919, 30.8619))  # near the neighbour's corner, to which it snaps
        zone.locator("[data-move]").click()
        expect(zone.locator("[data-doubt]")).to_have_count(0)
        zone.locator("input[name=valid_from]").fill("2026-12-01")
        zone.locator("input[name=valid_to]").fill("2026-11-01")
        expect(zone.locator(".findings .error")).to_contain_text("Z016")
        expect(page.locator("[data-propose]")).to_be_disabled()
        look_at(page, "zones-zh-desktop")
        zone.locator("input[name=valid_from]").fill("")
        zone.locator("input[name=valid_to]").fill("")
        zone.locator("select[name=kind]").select_option("forbidden")
        zone.locator("input[name=name_zh]").fill("学校")
        zone.locator("input[name=zone_id]").fill("F-7")
        zone.locator("input[name=zone_id]").press("Tab")
        expect(page.locator(".zone[data-zone=F-7] .findings")).to_have_count(0)
        expect(page.locator(".draft-bar .count, .draft-bar b").first).to_contain_text("1")

        # A drawing of another office: looked at, then taken without what is wrong in it.
        page.locator("[data-open-import]").click()
        drawing = {"name": "s.geojson", "mimeType": "application/json", "buffer": DRAWING}
        page.locator(".import input[type=file]").set_input_files([drawing])  # type: ignore[list-item]
        expect(page.locator("[data-change=rejected]")).to_contain_text("自相交")
        expect(page.locator("[data-change=same] summary")).to_contain_text("1")
        look_at(page, "zones-import-zh-desktop")
        page.locator("[data-accept]").click()
        expect(page.locator(".zone[data-zone=T-1]")).to_be_visible()

        # By the word of two it decides, and one click takes it back.
        propose(page, "新增禁区")
        approver = sits_down(browser, running, url, "吴审", "rule_approver", "zh", "desktop")
        approver.goto(f"{url}/rules#rollouts")
        approver.locator(".turns summary").first.click()
        expect(approver.locator(".turns hw-zones-map canvas").first).to_be_visible()
        look_at(approver, "rollouts-zones-zh-desktop")
        approve(approver, url, 2)
        until(lambda: running.host.city.index.at(120.095, 30.863, 0).forbidden == ("F-7",))
        assert running.host.city.index.zone("T-1") is not None
        page.on("dialog", lambda dialog: dialog.accept("画错了"))
        page.goto(f"{url}/rules#zones/F-7")
        page.locator(".versions summary").click()
        expect(page.locator("[data-version]")).to_contain_text(["新增禁区"])
        page.locator("[data-show-version]").click()
        look_at(page, "zones-versions-zh-desktop")
        page.goto(f"{url}/rules#rollouts")
        page.locator('[data-rollout="1"] [data-back]').click()
        expect(page.locator('.rollout.in_force[data-rollout="3"]')).to_be_visible()
        until(lambda: running.host.city.index.zone("F-7") is None)


def test_a_test_event_is_put_to_the_rules(browser: Browser, tmp_path: Path) -> None:
    with serving(browser, tmp_path / "data", FILES) as (running, url):
        page = sits_down(browser, running, url, "周规", "operator", "zh", "desktop")
        limit = page.locator('[data-param="limit"] input.n')
        limit.fill("95")
        limit.press("Tab")
        page.locator("[data-to-trial]").click()
        for name, value in (("truck_id", "浙E12345"), ("lon", "120.1"), ("lat", "30.86"), ("speed_kmh", "88")):
            page.locator(f".probe input[name={name}]").fill(value)
        page.locator("[data-probe]").click()
        row = page.locator('[data-probed] tr[data-rule="fast"]')
        expect(row.locator("td .mark")).to_have_text(["触发", "不满足"])
        row.locator("summary").nth(1).click()
        expect(row.locator(".reasons .fail code")).to_have_text("speed_kmh > $limit")
        look_at(page, "probe-zh-desktop")
        assert sum(running.store.counts().values()) == 0


def test_zones_on_a_phone(browser: Browser, tmp_path: Path) -> None:
    with serving(browser, tmp_path / "data", FILES) as (running, url):
        page = sits_down(browser, running, url, "沈计", "auditor", "en", "phone")
        page.goto(f"{url}/rules#zones/S1")
        expect(page.locator(".zone[data-zone=S1] input").first).to_be_disabled()
        expect(page.locator("[data-pen]")).to_have_count(0)
        look_at(page, "zones-en-phone")
