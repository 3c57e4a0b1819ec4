"""Many at once: on one order exactly one wins, nothing is lost, and readers of changes miss none."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from haulwatch.dispatch.store import OrderStore
from haulwatch.domain.breaches import Breach
from haulwatch.domain.orders import Actor, Conflict, Order

Make = Callable[..., Breach]
ID = "HW-20260501-0001"
WRITER = Path(__file__).with_name("killed_writer.py")
RIVAL = """
import sys
from haulwatch.dispatch.store import open_store
from haulwatch.domain.orders import ROLES, Actor, Conflict
store = open_store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
try:
    store.command(sys.argv[2], "file", expected_version=1, actor=Actor(sys.argv[3], frozenset(ROLES)))
    print("won")
except Conflict as conflict:
    print(conflict.code, conflict.order.stage, conflict.order.version)
"""


def together(*work: Callable[[], None]) -> None:
    """Runs everything at the same time, each in a thread; what one of them raises is raised here."""
    start, failures = threading.Barrier(len(work)), []

    def run(one: Callable[[], None]) -> None:
        start.wait()
        try:
            one()
        except Exception as error:  # noqa: BLE001 - it is raised again below
            failures.append(error)

    threads = [threading.Thread(target=run, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_of_eight_threads_on_one_order_exactly_one_wins(store: OrderStore, breach: Make, anyone: Actor) -> None:
    store.intake([breach()])
    won: list[str] = []
    lost: list[Conflict] = []

    def rival(name: str) -> Callable[[], None]:
        def act() -> None:
            try:
                store.command(ID, "file", expected_version=1, actor=Actor(name, anyone.roles))
                won.append(name)
            except Conflict as conflict:
                lost.append(conflict)

        return act

    together(*(rival(f"p{n}") for n in range(8)))
    assert len(won) == 1
    assert [(conflict.code, conflict.order.stage) for conflict in lost] == [("stale", "filed")] * 7
    detail = store.get(ID)
    assert [entry.actor for entry in detail.audit] == ["system", *won]
    assert store.verify().problem is None


def test_of_four_processes_on_one_order_exactly_one_wins(store: OrderStore, url: str, breach: Make) -> None:
    store.intake([breach()])
    rivals = [
        subprocess.Popen(
            [sys.executable, "-c", RIVAL, url, ID, f"p{n}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for n in range(4)
    ]
    for rival in rivals:
        assert rival.stdout is not None
        assert rival.stdout.readline() == "ready\n"
    for rival in rivals:
        assert rival.stdin is not None
        rival.stdin.write("go\n")
        rival.stdin.flush()
    said = sorted(rival.communicate()[0].strip() for rival in rivals)
    assert said == ["stale filed 2"] * 3 + ["won"]
    assert len(store.get(ID).audit) == 2
    assert store.verify().problem is None


def test_one_request_sent_by_eight_threads_is_one_command(store: OrderStore, breach: Make, anyone: Actor) -> None:
    store.intake([breach()])
    answers: list[Order] = []

    def send() -> None:
        answers.append(store.command(ID, "file", expected_version=1, actor=anyone, idempotency_key="k"))

    together(*[send] * 8)
    assert len(answers) == 8
    assert {answer.version for answer in answers} == {2}
    assert [entry.action for entry in store.get(ID).audit] == ["opened", "file"]


def test_findings_commands_and_readers_at_the_same_time(store: OrderStore, breach: Make, anyone: Actor) -> None:
    """Each dispatcher files every order; a reader follows the changes as the live stream does."""
    orders, filed, late, seen = 40, [], [], []
    finished = threading.Event()

    def feed() -> None:
        for number in range(orders):
            store.intake([breach(f"b{number}", truck_id=f"浙E{number:05d}")])
        for number in range(orders):
            store.intake([breach(f"b{number}", "updated", 2, truck_id=f"浙E{number:05d}")])

    def dispatcher() -> None:
        for number in range(1, orders + 1):
            order_id = f"HW-20260501-{number:04d}"
            while not store.list(limit=500).orders or order_id > store.list(limit=1).orders[0].order_id:
                finished.wait(0.001)
            try:
                store.command(order_id, "file", expected_version=1, actor=anyone)
                filed.append(order_id)
            except Conflict as conflict:
                late.append(conflict.order.stage)
        if len(filed) == orders:
            finished.set()

    def reader() -> None:
        last = 0
        while not (finished.is_set() and last == 3 * orders):
            for change in store.changes_since(last, limit=7):
                assert change.change_id == last + 1
                last = change.change_id
                seen.append((change.kind, change.order.order_id))
            finished.wait(0.001)

    together(feed, dispatcher, dispatcher, reader)
    ids = [f"HW-20260501-{number:04d}" for number in range(1, orders + 1)]
    assert sorted(filed) == ids
    assert late == ["filed"] * orders
    assert sorted(seen) == sorted((kind, order_id) for kind in ("opened", "file", "finding") for order_id in ids)
    assert store.verify().problem is None


def test_two_processes_that_feed_the_same_findings(store: OrderStore, url: str, breach: Make, tmp_path: Path) -> None:
    file = tmp_path / "breaches.ndjson"
    records = [breach(f"b{n}", truck_id=f"浙E{n:05d}") for n in range(60)]
    file.write_bytes(b"\n".join(msgspec.json.encode(record) for record in records))
    command = [sys.executable, str(WRITER), url, str(file), "1"]
    writers = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert store.counts()["new"] == 60
    assert store.verify().entries == 60
