"""Random lives of several orders: commands of every kind by eleven people, findings, repeats, time.

After each turn what was answered, every order, its history, its clocks and its changes are as the table of `life` says,
and equal in both databases; at the end everything that is stored is.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haulwatch.dispatch.lifecycle import TRANSITIONS
from tests.dispatch.life import TABLE
from tests.dispatch.lives import KINDS, LONGEST, Open, PostgresPlace, SqlitePlace, Story, Turn, empty_sqlite

NUMBER = st.integers(0, 999)
TURNS = st.lists(
    st.builds(Turn, st.integers(0, KINDS - 1), NUMBER, NUMBER, NUMBER, NUMBER), min_size=15, max_size=LONGEST
)


def lead(opened: list[Open], examples: int) -> None:
    """Lives of this many examples."""

    @settings(max_examples=examples, deadline=None)
    @given(TURNS)
    def story(turns: list[Turn]) -> None:
        told = Story(opened)
        try:
            told.tell(turns)
        finally:
            told.close()

    story()


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Open:
    empty = empty_sqlite(tmp_path)
    return lambda clock_ms: SqlitePlace(empty, clock_ms)


@pytest.fixture
def on_both(on_sqlite: Open, postgres_database: str) -> list[Open]:
    return [on_sqlite, lambda clock_ms: PostgresPlace(postgres_database, clock_ms)]


def test_both_tables_of_the_life_cycle_say_the_same() -> None:
    by_hand = {
        (stage, command, None if row.target == "HELD" else row.target or stage, row.asks, row.roles)
        for stage, rows in TABLE.items()
        for command, row in rows.items()
    }
    assert by_hand == {
        (row.source, row.command, None if row.command == "resume" else row.target, row.approval, frozenset(row.roles))
        for row in TRANSITIONS
    }


def test_any_sequence_on_sqlite(on_sqlite: Open) -> None:
    lead([on_sqlite], 40)


@pytest.mark.postgresql
def test_any_sequence_is_the_same_on_sqlite_and_postgresql(on_both: list[Open]) -> None:
    lead(on_both, 15)


@pytest.mark.slow
@pytest.mark.postgresql
@pytest.mark.timeout(1800)
def test_many_sequences_are_the_same_on_sqlite_and_postgresql(on_both: list[Open]) -> None:
    lead(on_both, 25)
