"""What a path finds in decoded JSON, and what is no path."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.json_paths import MAX_FOUND, Several, at_path, is_path, records_at, values_at

DOCUMENT: dict[str, Any] = {
    "a": {"b": [{"c": 1}, {"c": 2}], "c.d": {"e": 5}, "f.g": 6},
    "x/y": 3,
    "/z": 7,
    "*": {"z": 4},
    "n": None,
}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("a.b.0.c", [1]),
        ("/a/b/1/c", [2]),
        ("a.b.*.c", [1, 2]),
        ("/a/b/*/c", [1, 2]),
        ("a.f.g", [6]),
        ("/a/f.g", [6]),
        ("/a/c.d/e", [5]),
        ("x/y", [3]),
        ("/x~1y", [3]),
        ("/~1z", [7]),
        ("*.z", [4]),
        ("n", [None]),
        ("a.b.2.c", []),
        ("a.b.-1.c", []),
        ("a.b.c", []),
        ("a.x.b", []),
        ("x/y.z", []),
        ("", []),
        ("a.b.99999999999999999999.c", []),
    ],
)
def test_what_a_path_finds(path: str, values: list[Any]) -> None:
    assert values_at(DOCUMENT, path) == values
    found = at_path(DOCUMENT, path)
    assert isinstance(found, Several) == ("*" in path)
    assert found == (values if "*" in path else values[0] if values else None)


def test_many_are_not_all() -> None:
    assert values_at([0] * 1000, "*") == [0] * MAX_FOUND


@pytest.mark.parametrize(
    ("value", "path", "records"),
    [
        ([1, {}], None, [1, {}]),
        ({"a": 1}, None, [{"a": 1}]),
        (7, None, None),
        (None, None, None),
        ({"a": []}, "a", []),
        ({"a": {"b": 1}}, "a", [{"b": 1}]),
        ({"a": 7}, "a", None),
        ({}, "a", None),
        ([{"a": [1]}, {"a": [2, 3]}, {"a": {"b": 4}}], "*.a", [1, 2, 3, {"b": 4}]),
    ],
)
def test_records(value: Any, path: str | None, records: list[Any] | None) -> None:
    assert records_at(value, path) == records


@pytest.mark.parametrize(
    ("text", "sound"), [("a", True), ("/a/b.c", True), ("a.*.b", True)]
    + [(text, False) for text in ("", "/", "a..b", "/a//b", ".a", "a.", ".".join("a" * 17))],
)  # fmt: skip
def test_what_can_be_a_path(text: str, sound: bool) -> None:
    assert is_path(text) == sound


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("a.*/0", max_size=3), inner, max_size=3),
)


@given(JSON, st.text("a.*/0~1", max_size=12))
def test_any_path_finds_something_or_nothing(value: Any, path: str) -> None:
    assert len(values_at(value, path)) <= MAX_FOUND
