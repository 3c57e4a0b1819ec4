"""The city and its trucks over HTTP."""

from __future__ import annotations

from typing import Any

from haulwatch.console.testing import truck

MS = 1_777_593_600_000


def test_the_city_is_what_a_map_needs(console: Any) -> None:
    city = console.client.get("/api/v1/city").json()
    assert city["name"] == {"zh": "河口", "en": "Hekou"}
    assert [zone["properties"]["zone_id"] for zone in city["zones"]["features"]] == ["D-1", "S-001", "X-01"]
    assert [one["station_id"] for one in city["stations"]] == ["W-1"]
    assert [one["squad_id"] for one in city["squads"]] == ["Q-1", "Q-2"]
    assert list(console.client.get("/api/v1/city/basemap").json()) == ["water", "roads"]


def test_a_browser_that_has_the_city_is_not_sent_it_again(console: Any) -> None:
    for path in ("/api/v1/city", "/api/v1/city/basemap"):
        tag = console.client.get(path).headers["etag"]
        again = console.client.get(path, headers={"If-None-Match": f'"other", W/{tag}'})
        assert (again.status_code, again.content) == (304, b"")


def test_trucks_come_in_pages_by_plate(console: Any) -> None:
    console.feed.put(*(truck(f"浙A{n:05d}", MS) for n in (3, 1, 5, 2, 4)))
    seen, cursor = [], None
    while cursor != "end":
        query = "?limit=2" + (f"&cursor={cursor}" if cursor else "")
        page = console.client.get(f"/api/v1/trucks{query}").json()
        seen += [one["truck_id"] for one in page["trucks"]]
        cursor = page["next_cursor"] or "end"
    assert seen == [f"浙A{n:05d}" for n in range(1, 6)]


def test_a_truck_without_speed_says_null(console: Any) -> None:
    console.feed.put(truck("浙A00001", MS, speed_kmh=None, load="full"))
    (one,) = console.client.get("/api/v1/trucks").json()["trucks"]
    assert one["speed_kmh"] is None
    assert (one["load"], one["cover"], one["silent"]) == ("full", None, False)
