"""A running system as a client sees it: events go in over HTTP, orders come out."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.e2e.children import Child

ANSWER_S = 30.0


class Api:
    """Its addresses: `events_url` takes events, `url` is the console's. `child` is the process that has the orders."""

    url: str
    events_url: str
    child: Child

    @property
    def who(self) -> dict[str, str]:
        """The header of somebody who may do everything."""
        return self.child.who

    def get(self, path: str) -> Any:
        """The JSON answer of a GET."""
        return answer_of(self.url + path, self.who)

    def post(self, body: bytes, content_type: str = "application/x-ndjson") -> tuple[int, Any]:
        """Status and JSON answer of posting events."""
        request = urllib.request.Request(
            f"{self.events_url}/api/v1/events", body, {"Content-Type": content_type}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def orders(self) -> list[dict[str, Any]]:
        """All orders, page by page."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.get(f"/api/v1/orders?limit=200{cursor}")
            found += page["orders"]
            if not page.get("next_cursor"):
                return found
            cursor = f"&cursor={page['next_cursor']}"


def answer_of(url: str, who: Mapping[str, str] | None = None) -> Any:
    """The JSON answer of a GET, as `who` asks. Raises URLError (HTTPError for a status of 400 or more)."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=dict(who or {})), timeout=ANSWER_S) as answer:
        return json.load(answer)


def figures_of(url: str) -> dict[str, float]:
    """What /metrics says, by name and labels as they are written there."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=ANSWER_S) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}
