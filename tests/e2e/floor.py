"""The dispatchers' floor in real browsers: people of several roles, in both languages, at desks and on phones."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from haulwatch.console.app import ConsoleSettings, create_app
from haulwatch.console.live import LiveSettings
from haulwatch.console.pages import STATIC
from haulwatch.console.testing import SteeredFeed, SteeredIntake, overweight, served, small_city, truck
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.orders import ROLES, Actor, Order
from tests.logins import cookie_of

PATIENCE_MS = 30_000
"""How long a page may take on a machine with other work; what never comes is found out all the same."""
QUICK = LiveSettings(orders_poll_s=0.05, trucks_poll_s=0.2, heartbeat_s=1)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
SIZES = {"desktop": (1440, 900), "phone": (390, 844), "wall": (1920, 1080)}
SQUAD = Actor("王五", frozenset(ROLES), squad_id="Q-1")
"""Does in the store what squads do on their phones."""

expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser; the test is skipped where there is none, except in CI."""
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


def texts(lang: str) -> dict[str, str]:
    """What the page says in a language, by key."""
    found: dict[str, str] = json.loads((STATIC / "i18n" / f"{lang}.json").read_text("utf-8"))
    return found


@dataclass
class Floor:
    """One console, its store, and everybody who works at it."""

    browser: Browser
    store: OrderStore
    feed: SteeredFeed
    url: str = ""
    contexts: list[BrowserContext] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    made: int = 0

    def app(self) -> FastAPI:
        """A console over the store, as it is after every start."""
        settings = ConsoleSettings(live=QUICK)
        return create_app(self.store, self.store.people(), self.feed, SteeredIntake(), small_city(), settings=settings)

    def sits_down(
        self, name: str, *roles: str, lang: str = "zh", size: str = "desktop", theme: str = "dark", path: str = "/"
    ) -> Page:
        """A person of these roles opens a page."""
        width, height = SIZES[size]
        context = self.browser.new_context(viewport={"width": width, "height": height}, has_touch=size == "phone")
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(
            f"localStorage.setItem('haulwatch.lang', '{lang}'); localStorage.setItem('haulwatch.theme', '{theme}')"
        )
        context.add_cookies([cookie_of(self.store, self.url, *roles, name=name)])
        context.on("request", lambda request: self.requests.append(request.url))
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: self._complain(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(self.url + path)
        return page

    def everybody_leaves(self) -> None:
        """Closes every page: one that stays open goes on drawing."""
        while self.contexts:
            self.contexts.pop().close()

    def _complain(self, text: str) -> None:
        if "404 (Not Found)" not in text:  # a console without photos says so
            self.complaints.append(text)

    def happens(self, truck_id: str | None = None, **changes: Any) -> Order:
        """A truck is found overweight just now."""
        self.made += 1
        truck_id = truck_id or f"浙E{self.made:05d}"
        breach = overweight(f"b{self.made}", time.time_ns() // 1_000_000, truck_id, **changes)
        return self.now(self.store.intake([breach]).opened[0])

    def now(self, order: Order | str) -> Order:
        """The order as it is now."""
        return self.store.get(order if isinstance(order, str) else order.order_id).order

    def goes(self, order: Order, *commands: str, **data: str) -> Order:
        """Somebody else carries these commands out, one after the other; `data` goes with the last."""
        for number, command in enumerate(commands):
            given = data if number == len(commands) - 1 else {"squad_id": "Q-1"} if command == "dispatch" else {}
            version = self.now(order).version
            self.store.command(order.order_id, command, expected_version=version, actor=SQUAD, data=given)
        return self.now(order)


@contextmanager
def floor(browser: Browser, folder: Path) -> Iterator[Floor]:
    """An empty floor; at the end nobody's page has asked another origin or complained."""
    store = open_store(sqlite_url(folder))
    found = Floor(browser, store, SteeredFeed())
    found.feed.put(truck("浙E00001", time.time_ns() // 1_000_000, load="full", heading_deg=90.0))
    try:
        with served(found.app()) as found.url:
            yield found
            found.everybody_leaves()
    finally:
        store.close()
    assert [address for address in found.requests if not address.startswith((found.url, "blob:"))] == []
    assert found.complaints == []
