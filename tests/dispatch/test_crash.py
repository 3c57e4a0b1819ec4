"""The writer is killed again and again in the middle of its work; fed anew, the store is as after one clean run."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.breaches import Breach
from tests.dispatch.conftest import run_sql

WRITER = Path(__file__).with_name("killed_writer.py")
KILLS = 6
DISPATCHER = """
import sys
from haulwatch.dispatch.store import open_store
from haulwatch.domain.orders import ROLES, Actor
store = open_store(sys.argv[1])
for number in range(1, 201):
    order_id = f"HW-20260501-{number:04d}"
    store.command(
        order_id, "file", expected_version=1, actor=Actor("wang", frozenset(ROLES)), idempotency_key=f"k-{number}"
    )
    print(order_id, flush=True)
"""


def story(breach: Callable[..., Breach], episodes: int) -> list[Breach]:
    """Episodes of forty trucks that open, go on and end, interleaved as in a log."""
    chance = random.Random(7)
    records = []
    for number in range(episodes):
        fields = {
            "truck_id": f"浙E{chance.randrange(40):05d}",
            "rule_id": chance.choice(["camera", "sensor"]),
            "late": chance.random() < 0.1,
            "status": "shadow" if chance.random() < 0.1 else "active",
        }
        for count, phase in enumerate(("opened", "updated", "ended"), start=1):
            minute = number + chance.random() * count
            records.append((minute, breach(f"b{number:05d}", phase, count, minute=number, **fields)))
    return [record for _, record in sorted(records, key=lambda pair: pair[0])]


def feed(url: str, file: Path, *, kill_after: int | None) -> None:
    """Runs the writer; kills it right after it has said that `kill_after` batches are in, while it writes the next."""
    command = [sys.executable, str(WRITER), url, str(file), "7"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        if kill_after is None:
            writer.communicate()
            assert writer.returncode == 0
            return
        for _ in range(kill_after):
            assert writer.stdout.readline().startswith("fed")
        writer.kill()
        writer.communicate()
        assert writer.returncode == -9


def picture(store: OrderStore) -> list[object]:
    kept: list[object] = []
    for order in reversed(store.list(limit=500).orders):
        detail = store.get(order.order_id)
        fields = {
            name: getattr(order, name)
            for name in order.__struct_fields__
            if name not in ("opened_at", "stage_at", "clock")
        }
        findings = [(o.breach_id, o.phase, o.count) for o in detail.occurrences]
        told = [{**entry.detail, "action": entry.action, "state_sha256": ""} for entry in detail.audit]  # has instants
        kept.append((fields, findings, told))
    return kept


def test_a_writer_that_is_killed_many_times(
    url: str, another_url: Callable[[], str], tmp_path: Path, breach: Callable[..., Breach]
) -> None:
    file = tmp_path / "breaches.ndjson"
    records = story(breach, 300)
    file.write_bytes(b"\n".join(msgspec.json.encode(record) for record in records))
    for kill in range(KILLS if url.startswith("sqlite") else KILLS // 2):
        feed(url, file, kill_after=5 + 15 * kill)
        store = open_store(url)
        assert store.verify().problem is None
        assert store.list().orders != []
        store.close()
    feed(url, file, kill_after=None)
    once, often = open_store(another_url()), open_store(url)
    once.intake(records)
    expected, found = picture(once), picture(often)
    once.close()
    often.close()
    assert found == expected
    if url.startswith("sqlite"):
        assert run_sql(url, "PRAGMA integrity_check") == [("ok",)]
    assert run_sql(url, "SELECT count(*) FROM inbox") == [(300,)]


def test_a_dispatcher_that_is_killed_many_times(url: str, store: OrderStore, breach: Callable[..., Breach]) -> None:
    """Whatever was answered is done; sending everything again with the same keys does the rest, once."""
    store.intake([breach(f"b{number}", truck_id=f"浙E{number:05d}") for number in range(200)])
    for kill in range(4):
        answered = []
        with subprocess.Popen([sys.executable, "-c", DISPATCHER, url], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            answered += [process.stdout.readline().strip() for _ in range(10 + 40 * kill)]
            process.kill()
            answered += process.communicate()[0].split()
        for order_id in answered:
            if len(order_id) == len("HW-20260501-0001"):
                assert store.get(order_id).order.stage == "filed"
    subprocess.run([sys.executable, "-c", DISPATCHER, url], check=True, stdout=subprocess.DEVNULL)
    assert store.counts()["filed"] == 200
    for order in store.list(limit=500).orders:
        assert [entry.action for entry in store.get(order.order_id).audit] == ["opened", "file"]
    assert store.verify().problem is None
