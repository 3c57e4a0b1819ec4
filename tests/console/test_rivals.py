"""Many at once over HTTP: of eight clients on one order one wins, whichever of two consoles it asked."""

from __future__ import annotations

import contextlib
import threading

import httpx

from haulwatch.console.app import create_app
from haulwatch.console.testing import SteeredFeed, overweight, served, small_city
from haulwatch.dispatch.store import open_store
from tests.logins import bearer

MORNING_MS = 1_777_593_600_000
CLIENTS = 8


def test_of_eight_clients_at_two_consoles_exactly_one_wins(database_url: str) -> None:
    with contextlib.ExitStack() as parts:
        stores = [open_store(database_url) for _ in range(2)]
        for store in stores:
            parts.callback(store.close)
        apps = [create_app(store, store.people(), SteeredFeed(), None, small_city()) for store in stores]
        addresses = [parts.enter_context(served(app)) for app in apps]
        order_id = stores[0].intake([overweight("b1", MORNING_MS)]).opened[0]
        headers = [bearer(stores[0], name=f"rival-{number}") for number in range(CLIENTS)]
        answers = at_once([f"{addresses[n % 2]}/api/v1/orders/{order_id}/commands" for n in range(CLIENTS)], headers)
        detail = stores[1].get(order_id)
        report = stores[0].verify()
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * (CLIENTS - 1)
    won = next(number for number, answer in enumerate(answers) if answer.status_code == 200)
    for lost in (answer.json() for answer in answers if answer.status_code == 409):
        assert lost["code"] == "stale-version"
        assert (lost["order"]["order_id"], lost["order"]["stage"], lost["order"]["version"]) == (order_id, "filed", 2)
    assert [(entry.actor, entry.action) for entry in detail.audit[1:]] == [(f"service:rival-{won}", "file")]
    assert (detail.order.stage, detail.order.version, report.problem) == ("filed", 2, None)


def at_once(addresses: list[str], headers: list[dict[str, str]]) -> list[httpx.Response]:
    """`file`, asked for by all of them at the same time."""
    start = threading.Barrier(len(addresses))
    answers: dict[int, httpx.Response] = {}

    def ask(number: int) -> None:
        more = {"If-Match": '"1"', "Idempotency-Key": f"k{number}"}
        with httpx.Client(headers={**headers[number], **more}, timeout=60) as client:
            start.wait()
            answers[number] = client.post(addresses[number], json={"command": "file", "data": {}})

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(addresses))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[number] for number in range(len(addresses))]
