"""The second engine: what it cannot be told, and that odd values, long lists and many sessions do it no harm."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from math import inf, nextafter
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from haulwatch.cli.main import main
from haulwatch.domain.events import Sighting
from haulwatch.domain.registry import Registry, Truck
from haulwatch.domain.trucks import TruckState
from rules.compiling import CompiledBook
from rules.engines import compile_book
from rules.judgements import MAX_COMPARISONS, InexpressibleError, judgement_of
from rules.model import OnMatch, RuleBook
from rules.nodes import Expression
from rules.scopes import NamedList
from tests.durable import NO_DURABLE
from tests.rules.language.test_agreement import AT, NAMES, FlatLaw, expression, rule

needs_it = pytest.mark.skipif(NO_DURABLE is not None, reason=str(NO_DURABLE))
TRUCK = Truck(truck_id="a")
ON_SIGHTING = NAMES.on("sighting")


def where(text: str) -> Expression:
    found = expression(text, ON_SIGHTING)
    assert found is not None
    return found


def on_sighting(text: str) -> CompiledBook:
    book = RuleBook((rule(OnMatch("sighting", where(text))),), "one")
    return compile_book(book, Registry(), FlatLaw(), ZoneInfo("Asia/Shanghai"), "hekou", "durable")


def seen(camera_id: str = "C1", confidence: float | None = None) -> Sighting:
    return Sighting(
        event_id="E",
        truck_id="a",
        at=datetime(2026, 9, 21, tzinfo=UTC),
        camera_id=camera_id,
        cover_confidence=confidence,
    )


def judged(book: CompiledBook, event: Sighting) -> bool | None:
    return book.test(0, "on", event, AT, TruckState("a"), TRUCK, ())


def test_what_the_shipped_books_ask_of_two_observed_values_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "check", "--engine", "durable", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)["findings"]
    assert {finding["code"] for finding in told} == {"E043"}
    rules = {finding["text"]["en"].split(":")[0] for finding in told}
    assert rules == {"rule manifest-reused", "rule uncovered-seen-twice"}
    for finding in told:
        source = Path(finding["file"]).read_text(encoding="utf-8").splitlines()[finding["line"] - 1]
        assert "where:" in source
    assert main(["rules", "check"]) == 0


@pytest.mark.parametrize(
    "text",
    [
        "speed_kmh > truck.speed_kmh",
        "limit_kg() < truck.gross_kg",
        '"Z1" in zones.forbidden',
        "trip.origin_zone in zones.district",
    ],
)
def test_two_observed_values_and_observed_lists_are_refused(text: str) -> None:
    with pytest.raises(InexpressibleError):
        judgement_of(where(text).tree)


def test_more_comparisons_than_it_can_bear_are_refused() -> None:
    for count in (MAX_COMPARISONS, MAX_COMPARISONS + 1):
        values = ", ".join(f'"C{n}"' for n in range(count))
        tree = where(f"camera_id in ({values})").tree
        if count <= MAX_COMPARISONS:
            assert len(judgement_of(tree).observed) == 1
            continue
        with pytest.raises(InexpressibleError):
            judgement_of(tree)


@needs_it
@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
@example('a"b\\c', 'a"b\\c')
@example("浙E\n\t\x00", "浙E\n\t\x00")
@example("41", "41.0")
def test_texts_are_compared_as_they_are(camera_id: str, other: str) -> None:
    names = NAMES.on("sighting")
    names.lists["odd"] = NamedList("odd", (other,))
    book = RuleBook((rule(OnMatch("sighting", expression("camera_id in odd", names))),), "one")
    durable = compile_book(book, Registry(), FlatLaw(), ZoneInfo("Asia/Shanghai"), "hekou", "durable")
    assert judged(durable, seen(camera_id)) is (camera_id == other)


@needs_it
@settings(max_examples=200, deadline=None)
@given(st.floats(0, 1), st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), st.integers(-1, 1))
@example(1e-7, "<", 0)
@example(5e-324, ">", 0)
def test_numbers_are_compared_to_the_last_bit(threshold: float, op: str, step: int) -> None:
    observed = nextafter(threshold, inf * step) if step else threshold
    written = f"{threshold:.1100f}".rstrip("0") + "0"  # rule files know no exponents
    tree = expression(f"cover_confidence {op} {written}", NAMES.on("sighting"))
    if tree is None:  # the checker sees that this can never hold
        return
    book = RuleBook((rule(OnMatch("sighting", tree)),), "one")
    durable = compile_book(book, Registry(), FlatLaw(), ZoneInfo("Asia/Shanghai"), "hekou", "durable")
    native = compile_book(book, Registry(), FlatLaw(), ZoneInfo("Asia/Shanghai"), "hekou")
    assert judged(durable, seen(confidence=observed)) is judged(native, seen(confidence=observed))


@needs_it
def test_no_session_is_left_behind() -> None:
    """At the 1,025th live session of a ruleset durable-rules is out of memory."""
    book = on_sighting("cover_confidence > 0.5")
    answers = [judged(book, seen(confidence=n % 2)) for n in range(5_000)]
    assert answers == [n % 2 == 1 for n in range(5_000)]
    assert judged(book, seen()) is None
