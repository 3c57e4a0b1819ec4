"""The dispatcher's page under load, in a real Chromium without a GPU: 10,000 moving trucks, 2,000 open orders.

Measured in the page: from an update of all trucks to the frame that shows it, from a key in the list to the frame that
shows that, while the trucks go on moving, and 500 orders rejected with one reason (request to answer). Needs Chromium
and Playwright.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from haulwatch.console.access import COOKIE
from haulwatch.console.app import ConsoleSettings, create_app
from haulwatch.console.testing import LAT, LON, SteeredFeed, SteeredIntake, overweight, served, small_city, truck
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.store import OrderStore, open_store

FLAGS = ["--no-sandbox", "--disable-gpu"]
PASSWORD = "only-in-this-bench-7"
UPDATE = """() => new Promise(async (done) => {
  const { state } = await import('/static/js/state.js');
  const took = [];
  const from = state.trucks.apply.bind(state.trucks);
  state.trucks.apply = (data) => {
    const began = performance.now();
    from(data);
    requestAnimationFrame(() => setTimeout(() => {
      took.push(performance.now() - began);
      if (took.length === 10) done(took);
    }));
  };
})"""
"""Of ten updates: milliseconds from the arrival of the message until the frame after it has been drawn."""
WATCH = """() => {
  window.shown = [];
  const kinds = new Set(['keydown', 'click']);
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) if (kinds.has(one.name)) window.shown.push(one.duration);
  }).observe({ type: 'event', durationThreshold: 16 });
}"""
"""Event Timing: from the input, waiting included, to the next painted frame; from 16 ms on, in steps of 8."""
SCROLL = """(top) => new Promise((done) => {
  const began = performance.now();
  document.querySelector('hw-list .scroll').scrollTop = top;
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(performance.now() - began))));
})"""
REJECT = """async (count) => {
  const { state } = await import('/static/js/state.js');
  await state.pickAll();
  const outcome = await state.bulk('reject', { reason_code: 'device_fault' }, state.pickedOrders.slice(0, count));
  return [outcome.done?.length ?? 0, outcome.tookMs ?? 0];
}"""


@contextmanager
def moving(feed: SteeredFeed, trucks: int) -> Iterator[None]:
    """All trucks move once a second for as long as the block runs."""
    stop = threading.Event()

    def move() -> None:
        turn = 0
        while not stop.wait(1.0):
            turn += 1
            feed.put(*fleet(trucks, turn))

    feed.put(*fleet(trucks, 0))
    thread = threading.Thread(target=move, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def fleet(trucks: int, turn: int) -> list[Any]:
    """The trucks in their places of this second."""
    now = time.time_ns() // 1_000_000
    return [
        truck(
            f"浙E{n:05d}",
            now,
            LON + ((n * 7919 + turn * 11) % 60_000 - 30_000) / 1e6,
            LAT + ((n * 104_729 + turn * 7) % 40_000 - 20_000) / 1e6,
            load=("full", "empty", "half", None)[n % 4],
            heading_deg=float(n % 360),
        )
        for n in range(trucks)
    ]


def furnished(folder: Path, orders: int) -> OrderStore:
    """A store with so many open orders."""
    store = open_store(sqlite_url(folder))
    now = time.time_ns() // 1_000_000
    found = [overweight(f"b{n}", now - n * 1000, f"浙E{n:05d}") for n in range(orders)]
    for first in range(0, orders, 200):
        store.intake(found[first : first + 200])
    return store


def figures(name: str, limit_ms: int, took: Iterable[float]) -> None:
    """One line: median and worst."""
    values = sorted(took)
    print(f"{name}: median {statistics.median(values):.0f} ms, worst {values[-1]:.0f} ms (limit {limit_ms} ms)")


def pressed(page: Page, key: str, *, every_ms: int, times: int = 20) -> list[float]:
    """Real keys, one after the other: milliseconds from each to the frame that shows what it did."""
    page.evaluate("() => { window.shown = []; }")
    for _ in range(times):
        page.keyboard.press(key)
        page.wait_for_timeout(every_ms)
    page.wait_for_timeout(500)  # an entry is told after its frame
    shown: list[float] = page.evaluate("() => window.shown")
    return shown + [16.0] * (times - len(shown))  # quicker ones are not told


def measure(page: Page, rejections: int) -> None:
    """Everything in turn, on a page that has all orders in its list."""
    page.wait_for_selector("hw-list li.row")
    page.evaluate("import('/static/js/state.js').then(({ state }) => state.pickAll()).then(() => undefined)")
    page.evaluate(
        """async () => {
          const { state } = await import('/static/js/state.js');
          while (state.nextCursor) await state.loadMore();
          state.unpick();
        }"""
    )
    print(
        "orders in the list:", page.evaluate("import('/static/js/state.js').then(({ state }) => state.listed.length)")
    )
    figures("map update", 250, page.evaluate(UPDATE))
    page.evaluate(WATCH)
    figures("list: next order (j)", 100, pressed(page, "j", every_ms=700))
    figures("list: j held down", 100, pressed(page, "j", every_ms=33, times=60))
    figures("list: pick (s)", 100, pressed(page, "s", every_ms=300))
    figures("list: scroll", 100, [page.evaluate(SCROLL, n * 9000) for n in range(10)])
    done, took_ms = page.evaluate(REJECT, rejections)
    print(f"bulk: {done} orders rejected with one reason in {took_ms:.0f} ms (limit 1000 ms)")


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trucks", type=int, default=10_000)
    parser.add_argument("--orders", type=int, default=2_000)
    parser.add_argument("--reject", type=int, default=500)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store, feed = furnished(Path(folder), asked.orders), SteeredFeed()
        people = store.people()
        people.add("bench", roles=("dispatcher", "duty_officer"), password=PASSWORD)
        token = people.log_in("bench", PASSWORD, address="127.0.0.1").token
        app = create_app(store, people, feed, SteeredIntake(), small_city(), settings=ConsoleSettings())
        with moving(feed, asked.trucks), served(app) as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            context.add_cookies([{"name": COOKIE, "value": token, "url": url, "sameSite": "Strict"}])
            page = context.new_page()
            page.goto(url)
            measure(page, asked.reject)
            browser.close()
        store.close()


if __name__ == "__main__":
    main()
