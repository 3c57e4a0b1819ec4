"""Random lives of several orders, led on every database at once and held against `life`.

By hand, for as many sequences as one has patience for:

    python -m tests.dispatch.lives --sequences 2000 --seed 7 [--postgresql]

A sequence is a list of numbers (`Turn`): what they mean depends on the orders that there are by then, so any numbers
make a story, and a story that fails is told again by the numbers that are printed. Long because it has a turn for every
command.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Engine, create_engine, insert, inspect, select, text

from haulwatch.console.reach import Reached
from haulwatch.dispatch import tables
from haulwatch.dispatch.database import ORDERS_FILE, sqlite_url
from haulwatch.dispatch.duty import NoPlan
from haulwatch.dispatch.engines import parse_url
from haulwatch.dispatch.packs_tables import packs
from haulwatch.dispatch.routing import Route
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.breaches import Breach
from haulwatch.domain.instants import to_ms
from haulwatch.domain.orders import (
    COMMANDS,
    Actor,
    Command,
    Conflict,
    Order,
    OrderDetail,
    OrderError,
    Step,
    Task,
)
from tests.dispatch.conftest import MORNING_MS, a_breach
from tests.dispatch.life import (
    ASKED_OF_A_SECOND_PERSON,
    NEEDS,
    OVER,
    TABLE,
    Life,
    live_on,
    outcome,
    sees,
)
from tests.postgresql.server import Databases, Postgres

MINUTE_MS = 60_000
LONGEST, KINDS = 60, 24
STEPS_MIN = (1, 2, 4, 9, 40, 300, 5000, -2)
"""How far the wall clock moves, also back: clocks of machines are put right."""
MARKS = {"reminder", "overdue", "overdue_red"}


def _actor(name: str, *roles: str, squad: str | None = None, area: tuple[str, ...] = ()) -> Actor:
    return Actor(name, frozenset(roles), area, squad)  # type: ignore[arg-type]


ACTORS = (
    _actor("派遣员", "dispatcher"),
    _actor("值班长", "duty_officer"),
    _actor("副值班长", "dispatcher", "duty_officer"),
    _actor("东区值班长", "duty_officer", area=("D-1",)),
    _actor("西区派遣员", "dispatcher", area=("D-2",)),
    _actor("核查员", "verifier"),
    _actor("一中队甲", "squad", squad="S-1"),
    _actor("一中队乙", "squad", "verifier", squad="S-1"),
    _actor("二中队", "squad", squad="S-2"),
    _actor("什么都是", "dispatcher", "duty_officer", "verifier", "squad", squad="S-1"),
    _actor("审计员", "auditor"),
)


class Turn(NamedTuple):
    """What happens next."""

    kind: int
    which: int
    who: int
    what: int
    twist: int


class Districts(NoPlan):
    """Two districts; what a sensor finds concerns two departments, of which one has a squad of its own."""

    def route(self, breach: Breach, at_ms: int) -> Route:  # noqa: ARG002  # whatever the hour
        """See `DutyPlan`."""
        tasks = (Task(department="交警", squad_id="S-2"), Task(department="环保"))
        return Route(
            jurisdictions=tuple(breach.zone_ids),
            squad_id="S-1",
            tasks=tasks if breach.rule_id == "sensor" else (),
        )


class Place:
    """A store in one database, emptied for each sequence."""

    def __init__(self, url: str, clock_ms: Callable[[], int]) -> None:
        self.store = open_store(url, plan=Districts(), clock_ms=clock_ms)
        self.engine: Engine = create_engine(parse_url(url))

    def close(self) -> None:
        """Gives up the connections."""
        self.store.close()
        self.engine.dispose()

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that is stored."""
        with self.engine.begin() as connection:
            return {
                table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
                for table in tables.metadata.sorted_tables
            }

    def clocks_of(self, order_id: str) -> list[dict[str, Any]]:
        """Rows of the order's service clocks."""
        table = tables.clocks
        query = select(table).where(table.c.order_id == order_id).order_by(table.c.round)
        with self.engine.begin() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    def export(self, order_id: str, sha256: str) -> None:
        """What remains of a pack that was exported."""
        row = {"order_id": order_id, "sha256": sha256, "manifest_sha256": sha256, "size": 1, "version": 1}
        with self.engine.begin() as connection:
            connection.execute(
                insert(packs), {**row, "audit_seq": 1, "exported_at": "2026-05-01", "exported_by": "local"}
            )


class SqlitePlace(Place):
    """In a file that is a copy of an empty one."""

    def __init__(self, empty: Path, clock_ms: Callable[[], int]) -> None:
        folder = Path(tempfile.mkdtemp(dir=empty.parent))
        shutil.copy(empty, folder / ORDERS_FILE)
        self._folder = folder
        super().__init__(sqlite_url(folder), clock_ms)

    def close(self) -> None:
        """And removes it."""
        super().close()
        shutil.rmtree(self._folder)


class PostgresPlace(Place):
    """In a database that is emptied; its guards are off for as long as that takes."""

    def __init__(self, url: str, clock_ms: Callable[[], int]) -> None:
        super().__init__(url, clock_ms)
        names = [name for name in inspect(self.engine).get_table_names() if name not in ("alembic_version",)]
        emptied = ", ".join(name for name in names if name != "transitions")
        with self.engine.begin() as connection:
            for switch in ("DISABLE", "ENABLE"):
                if switch == "ENABLE":
                    connection.execute(text(f"TRUNCATE {emptied}"))
                    connection.execute(text("INSERT INTO ledger VALUES (1, 0, '', 0)"))
                for name in names:
                    connection.execute(text(f"ALTER TABLE {name} {switch} TRIGGER USER"))


Open = Callable[[Callable[[], int]], Place]


def empty_sqlite(folder: Path) -> Path:
    """An empty store in a file."""
    open_store(sqlite_url(folder)).close()
    with create_engine(sqlite_url(folder)).begin() as connection:
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    return folder / ORDERS_FILE


class Asked(NamedTuple):
    """One request as it was sent."""

    actor: Actor
    command: str
    step: Step
    data: dict[str, str]
    key: str | None


class Story:
    """One sequence, on all places at once."""

    def __init__(self, opened: Sequence[Open]) -> None:
        self.now_ms = MORNING_MS + 8 * 60 * MINUTE_MS
        self.places = [place(lambda: self.now_ms) for place in opened]
        self.store: OrderStore = self.places[0].store
        self.lives: dict[str, Life] = {}
        self.seen: dict[str, int] = {}
        self.answers: dict[tuple[str, str | None, str], tuple[Asked, Order]] = {}
        self.sent: list[Asked] = []
        self.changes: list[tuple[str, str, int]] = []
        self.told: dict[str, str] = {}
        self.newest: dict[str, Order] = {}
        """The order in its last change."""
        self.versions: dict[str, list[int]] = {}
        """Versions in the changes that commands made, by order."""

    def close(self) -> None:
        """Ends it."""
        for place in self.places:
            place.close()

    def tell(self, turns: Sequence[Turn]) -> dict[str, int]:
        """Everything in turn, and the checks after each; how often a command had which outcome."""
        counted: dict[str, int] = {}
        kinds = (self.find, self.find, self.wait, self.note, self.repeat, self.bulk)
        for turn in [Turn(0, 0, 0, 0, 0), *turns]:
            kind = kinds[turn.kind] if turn.kind < len(kinds) else self.command
            touched = kind(turn)
            self.check(touched)
            for said in self.told.values():
                counted[said] = counted.get(said, 0) + 1
            self.told = {}
        self.check(self.lives)
        assert self._everywhere(lambda store: store.verify()).problem is None
        dumps = [place.dump() for place in self.places]
        assert all(dump == dumps[0] for dump in dumps)
        return counted

    def _everywhere(self, act: Callable[[OrderStore], Any]) -> Any:
        """The same in every place, with the same result, which is returned."""
        results = [act(place.store) for place in self.places]
        for result in map(_plain, results):
            assert result == _plain(results[0])
        return results[0]

    # What happens

    def find(self, turn: Turn) -> list[str]:
        number, count = turn.which % 9, 1 + turn.twist % 3
        phase = ("opened", "updated", "ended")[turn.what % 3]
        rule, late = ("camera", "sensor")[number // 2 % 2], turn.who % 7 == 6
        finding = a_breach(
            f"b{number}",
            phase,
            count,
            20 * (number // 3),
            truck_id=f"浙E{number % 3:05d}",
            rule_id=rule,
            zone_ids=[f"T-{number % 2}", f"D-{1 + number % 2}"],
            severity=("minor", "major", "critical")[turn.who % 3],
            status="shadow" if number == 8 else "active",
            late=late,
        )
        result = self._everywhere(lambda store: store.intake([finding]))
        for order_id in result.opened:
            assert order_id not in self.lives
            tasks = {"交警": ("S-2", "open"), "环保": (None, "open")} if rule == "sensor" else {}
            self.lives[order_id] = Life(order_id, tuple(finding.zone_ids), dict(tasks))
            self.changes.append(("opened", order_id, 1))
        for order_id in (*result.joined, *result.updated):
            self.changes.append(("finding", order_id, self.lives[order_id].version))
        assert result.unchanged + result.shadow + len(self.changes) == 1
        if finding.status == "active":
            self.seen[finding.breach_id] = max(count, self.seen.get(finding.breach_id, 0))
        return [order_id for _, order_id, _ in self.changes]

    def wait(self, turn: Turn) -> list[str]:
        self.now_ms += STEPS_MIN[turn.what % len(STEPS_MIN)] * MINUTE_MS
        if turn.twist % 3 == 0:
            return []
        kinds = self._everywhere(lambda store: store.sweeper().sweep(1000))
        assert set(kinds) <= MARKS
        marked = self.store.changes_since(self.store.last_change_id() - len(kinds))
        self.changes += [(change.kind, change.order.order_id, change.order.version) for change in marked]
        assert [change.kind for change in marked] == kinds
        return [change.order.order_id for change in marked]

    def note(self, turn: Turn) -> list[str]:
        life, actor = self._one_of(turn), ACTORS[turn.who % len(ACTORS)]
        if turn.twist % 2:
            sha256 = f"{turn.what % 4:064x}"
            if sha256 not in life.packs:
                life.packs.add(sha256)
                for place in self.places:
                    place.export(life.order_id, sha256)
            return []
        self._everywhere(lambda store: store.note(life.order_id, "evidence_read", actor=actor, detail={"of": "b0"}))
        life.history.append((actor.actor_id, "evidence_read"))
        return [life.order_id]

    def command(self, turn: Turn) -> list[str]:
        """Something that fits, or nearly: by somebody else, at another version, with other data; or just anything."""
        life, behind = self._one_of(turn), 0
        command: str = COMMANDS[turn.what % len(COMMANDS)]
        actor, data = ACTORS[turn.who % len(ACTORS)], self._data(life, command, turn)
        fitting = self._fitting(life, turn)
        if fitting and turn.kind > 6:
            who, command, data = fitting[(turn.who + 7 * turn.what) % len(fitting)]
            actor = actor if turn.kind == 7 else who
            behind = (1, -1)[turn.twist % 2] if turn.kind == 8 else 0
            if turn.kind == 9:
                data = {**data, "colour": "red"} if turn.what % 2 else dict(list(data.items())[1:])
        key = (None, None, "k1", "k2", "k3")[turn.twist % 5]
        return self._send(Asked(actor, command, Step(life.order_id, life.version - behind), data, key))

    def repeat(self, turn: Turn) -> list[str]:
        """A request once more, word for word."""
        return self._send(self.sent[turn.which % len(self.sent)]) if self.sent else []

    def bulk(self, turn: Turn) -> list[str]:
        """One command for all orders, at versions that are mostly right."""
        commands: tuple[Command, ...] = ("file", "reject", "approve", "withdraw", "void", "hold", "extend", "decline")
        actor, command = ACTORS[turn.who % len(ACTORS)], commands[turn.what % len(commands)]
        data = self._data(self._one_of(turn), command, turn)
        steps = [
            Step(life.order_id, life.version - (turn.twist % 4 == n)) for n, life in enumerate(self.lives.values())
        ]
        key = (None, "k1", "k4")[turn.twist % 3]
        asked = [Asked(actor, command, step, data, key) for step in [*steps, Step("HW-0", 1)]]
        return self._send(*asked)

    def _one_of(self, turn: Turn) -> Life:
        lives = list(self.lives.values())
        open_ones = [life for life in lives if life.stage not in OVER]
        some = open_ones if open_ones and turn.twist % 8 else lives
        return some[turn.which % len(some)]

    def _fitting(self, life: Life, turn: Turn) -> list[tuple[Actor, str, dict[str, str]]]:
        """What would be carried out now; ends are rare."""
        rare = {"void", "merge", "transfer", "reject", "withdraw", "decline"}
        commands = [name for name in TABLE.get(life.stage, {}) if turn.twist % 6 == 0 or name not in rare]
        asked = [(actor, name, self._data(life, name, turn)) for name in commands for actor in ACTORS]
        return [
            (actor, name, data)
            for actor, name, data in asked
            if outcome(self.lives, life.order_id, name, life.version, actor, data) == "ok"
        ]

    def _data(self, life: Life, command: str, turn: Turn) -> dict[str, str]:
        others = [one for one in self.lives if one != life.order_id] or [life.order_id]
        values = {
            "squad_id": ("S-1", "S-1", "S-2")[turn.twist % 3],
            "minutes": str(1 + turn.twist % 90),
            "into": others[turn.what % len(others)],
            "evidence_sha256": next(iter(sorted(life.packs)), "f" * 64),
            "department": ("交警", "环保")[turn.twist % 2],
            "rating": "good",
            "verdict": "confirmed",
            "reason_code": "wrong_plate",
        }
        return {name: values.get(name, f"理由 {turn.twist}") for name in sorted(NEEDS.get(command, ()))}

    def _send(self, *asked: Asked) -> list[str]:
        first = asked[0]
        self.sent.append(first)
        expected = [self._expected(one) for one in asked]  # moves the lives on as it goes

        def send(store: OrderStore) -> Sequence[Order | OrderError]:
            steps = [one.step for one in asked]
            reached = Reached(store, first.actor)
            return reached.bulk(first.command, steps, data=first.data, idempotency_key=first.key)

        touched = []
        for one, (said, repeated), result in zip(asked, expected, self._everywhere(send), strict=True):
            assert _said(result) == said, (one, said, result)
            self.told[f"{one.command} {one.step.order_id}"] = "repeated" if repeated is not None else said
            touched += self._answered(one, said, repeated, result)
        return touched

    def _expected(self, one: Asked) -> tuple[str, Order | None]:
        known = self.answers.get((one.actor.actor_id, one.key, one.step.order_id)) if one.key is not None else None
        life = self.lives.get(one.step.order_id)
        if known is not None and life is not None:
            if known[0] == one:
                return "ok", known[1]
            return ("key_reused" if sees(one.actor, life) else "unknown"), None
        said = outcome(self.lives, one.step.order_id, one.command, one.step.expected_version, one.actor, one.data)
        if said == "ok" and life is not None:
            live_on(life, one.command, one.actor, one.data)
            self.changes.append((one.command, one.step.order_id, life.version))
            if one.command == "merge":
                into = self.lives[one.data["into"]]
                into.history.append((one.actor.actor_id, "absorb"))
                self.changes.append(("finding", into.order_id, into.version))
        return said, None

    def _answered(self, one: Asked, said: str, repeated: Order | None, result: Order | OrderError) -> list[str]:
        life = self.lives.get(one.step.order_id)
        if life is None:
            return []
        if isinstance(result, Conflict):
            assert (result.order.stage, result.order.version) == (life.stage, life.version)
        if repeated is not None:
            assert result == repeated
        elif said == "ok":
            assert isinstance(result, Order)
            if one.key is not None:
                self.answers[one.actor.actor_id, one.key, one.step.order_id] = (one, result)
        return [life.order_id, *([one.data["into"]] if one.command == "merge" and said == "ok" else [])]

    # What must be so

    def check(self, touched: Sequence[str] | dict[str, Life]) -> None:
        """After every turn."""
        self._check_changes()
        assert self.store.verify().problem is None
        for order_id in dict.fromkeys(touched):
            self._check_order(self.lives[order_id])
        orders = self.store.list(limit=500).orders
        assert {order.order_id: (order.stage, order.version) for order in orders} == {
            life.order_id: (life.stage, life.version) for life in self.lives.values()
        }
        merged = {life.order_id for life in self.lives.values() if life.stage == "merged"}
        found = sum(order.occurrences for order in orders if order.order_id not in merged)
        assert found == sum(self.seen.values()), "every finding belongs to an order, once"

    def _check_changes(self) -> None:
        """What was expected is in the outbox, nothing else, numbered without a gap."""
        last = self.store.last_change_id() - len(self.changes)
        changes = self._everywhere(lambda store: store.changes_since(last, 10_000))
        assert [(change.kind, change.order.order_id, change.order.version) for change in changes] == self.changes
        assert [change.change_id for change in changes] == [change.order.change_id for change in changes]
        assert [change.change_id for change in changes] == list(range(last + 1, last + 1 + len(changes)))
        for change in changes:
            self.newest[change.order.order_id] = change.order
            if change.kind in COMMANDS:
                self.versions.setdefault(change.order.order_id, []).append(change.order.version)
        self.changes = []

    def _check_order(self, life: Life) -> None:
        detail: OrderDetail = self._everywhere(lambda store: store.get(life.order_id))
        order = detail.order
        pending = None if order.pending is None else (order.pending.command, order.pending.by, order.pending.data)
        asked = None if life.pending is None else (life.pending.command, life.pending.by, life.pending.data)
        assert pending == asked
        assert (order.squad_id, order.held_stage, order.handled_by) == (life.squad, life.held, life.handled_by)
        assert (order.reworks, order.extensions) == (life.reworks, life.extensions)
        assert {task.department: (task.squad_id, task.state) for task in order.tasks} == life.tasks
        assert [(entry.actor, entry.action) for entry in detail.audit if entry.actor != "system"] == life.history
        _check_two_people(detail)
        assert self.newest[life.order_id] == order
        assert self.versions.get(life.order_id, []) == list(range(2, life.version + 1))
        rows = [place.clocks_of(life.order_id) for place in self.places]
        assert all(of_place == rows[0] for of_place in rows)
        _check_clocks(order, rows[0])


def _plain(result: Any) -> Any:
    """Errors are equal when they say the same of the same order."""
    if isinstance(result, OrderError):
        return type(result), result.text, getattr(result, "code", None), getattr(result, "order", None)
    return [_plain(one) for one in result] if isinstance(result, list) else result


def _said(result: Order | OrderError) -> str:
    if isinstance(result, Order):
        return "ok"
    if isinstance(result, Conflict):
        return result.code
    return {"UnknownOrder": "unknown", "NotPermitted": "not_permitted", "BadCommand": "bad"}[type(result).__name__]


def _check_two_people(detail: OrderDetail) -> None:
    """From what is on record alone."""
    handled_by = None
    for entry in detail.audit:
        if entry.action == "approve":
            request = entry.detail["request"]
            assert request["by"] != entry.actor
            assert request["command"] in ASKED_OF_A_SECOND_PERSON
        if entry.action == "handle":
            handled_by = entry.actor
        if entry.action in ("verify", "close", "rework"):
            assert handled_by not in (None, entry.actor)


def _check_clocks(order: Order, rows: list[dict[str, Any]]) -> None:
    """No clock is negative, one runs while the order is open, and it is paused in an approved hold only."""
    assert [row["round"] for row in rows] == list(range(1, len(rows) + 1))
    for row in rows:
        assert row["limit_min"] > 0
        assert row["paused_min"] >= 0
        assert _ms(row["due_at"]) > _ms(row["started_at"])
        assert row["marked_pct"] in (0, 50, 80, 100, 200)
        assert (row["next_at"] is None) == bool(row["stopped_at"] or row["paused_at"] or row["marked_pct"] == 200)
        if not row["working"]:
            used = _ms(row["due_at"]) - _ms(row["started_at"])
            assert row["limit_min"] <= used / MINUTE_MS <= row["limit_min"] + row["paused_min"] + 1
    running = [row for row in rows if row["stopped_at"] is None]
    assert len(running) == (order.stage not in OVER)
    assert (order.clock is not None) == bool(running)
    if order.clock is not None:
        for name in ("step", "started_at", "due_at", "limit_min", "working", "marked_pct", "paused_at"):
            assert getattr(order.clock, name) == running[0][name]
        assert (order.clock.paused_at is not None) == (order.stage == "on_hold")
    assert order.supervision is None or (order.clock is not None and order.supervision.level in ("yellow", "red"))


def _ms(instant: str) -> int:
    return to_ms(datetime.fromisoformat(instant))


def some_turns(chance: random.Random) -> list[Turn]:
    """A sequence."""
    return [
        Turn(chance.randrange(KINDS), *(chance.randrange(1000) for _ in range(4)))
        for _ in range(chance.randint(5, LONGEST))
    ]


def main() -> None:
    """Tells sequences until one fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sequences", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgresql", action="store_true", help="also on a PostgreSQL server of its own")
    asked = parser.parse_args()
    counted: dict[str, int] = {}
    with ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory()))
        empty = empty_sqlite(folder)
        opened: list[Open] = [lambda clock_ms: SqlitePlace(empty, clock_ms)]
        if asked.postgresql:
            server = Postgres()
            ends.callback(server.remove)
            server.start()
            url = ends.enter_context(Databases(server.url().render_as_string(hide_password=False)).fresh())
            opened.append(lambda clock_ms: PostgresPlace(url, clock_ms))
        began = time.monotonic()
        for number in range(asked.sequences):
            turns = some_turns(random.Random(f"{asked.seed}/{number}"))
            story = Story(opened)
            try:
                for said, times in story.tell(turns).items():
                    counted[said] = counted.get(said, 0) + times
            except BaseException:
                print(f"sequence {number} of seed {asked.seed}: {[tuple(turn) for turn in turns]}")  # noqa: T201  # a program of its own
                raise
            finally:
                story.close()
        took_s = time.monotonic() - began
    said = dict(sorted(counted.items()))
    print(f"{asked.sequences} sequences in {took_s:.0f} s; commands by outcome: {said}")  # noqa: T201


if __name__ == "__main__":
    main()
