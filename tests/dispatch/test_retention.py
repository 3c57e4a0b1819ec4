"""What is out of its time goes, with its audit entry or not at all; what something rests on stays.

Long because the same orders, in every state that matters, are what each of its questions is about.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from connectors.pictures import PictureFolder
from haulwatch.dispatch.retention.daily import DailyRetention, RetentionThread, due_since_ms
from haulwatch.dispatch.retention.keep import KeepDays
from haulwatch.dispatch.retention.report import RetentionReport
from haulwatch.dispatch.retention.rows import digest
from haulwatch.dispatch.retention.runs import Retention
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.breaches import Breach, Evidence
from haulwatch.domain.deliveries import Answer, NewDelivery
from haulwatch.domain.errors import Elsewhere, WorldError
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.orders import Actor
from haulwatch.domain.people import LoginRefused
from haulwatch.domain.photos import NewPhoto
from haulwatch.domain.text import Text
from tests.dispatch.conftest import MORNING_MS, run_sql

Make = Callable[..., Breach]
DAY_MS = 86_400_000
KILLED = Path(__file__).with_name("killed_retention.py")
TO_CLOSED = ("file", "dispatch", "accept", "arrive", "handle", "verify", "close")
DATA: dict[str, dict[str, str]] = {
    "dispatch": {"squad_id": "S-1"},
    "handle": {"outcome": "已制止"},
    "close": {"verdict": "confirmed"},
    "reject": {"reason_code": "device_fault"},
    "void": {"reason": "误立"},
    "hold": {"reason": "等材料"},
}
ASKED = ("reject", "void", "hold")
"""Commands that a second person approves."""


class Clock:
    """A wall clock that a test moves."""

    def __init__(self) -> None:
        self.now_ms = MORNING_MS

    def __call__(self) -> int:
        return self.now_ms

    def days(self, days: float) -> None:
        """So many days pass."""
        self.now_ms += round(days * DAY_MS)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(url: str, clock: Clock) -> Iterator[OrderStore]:
    store = open_store(url, clock_ms=clock)
    yield store
    store.close()


class People:
    """Two persons who take orders through their lives, with photos in them."""

    def __init__(self, store: OrderStore, breach: Make, one: Actor, two: Actor, folder: Path) -> None:
        self._store, self._breach, self._one, self._two = store, breach, one, two
        self.folder = PictureFolder(folder)
        self._made = 0

    def order(self, *commands: str) -> str:
        """A new order that these commands were given to, with a photo that was taken before the first of them."""
        self._made += 1
        truck = f"浙E{self._made:05d}"
        breach = self._breach(f"b{self._made}", truck_id=truck, minute=self._made * 120)
        (order_id,) = self._store.intake([breach]).opened
        self.photo(order_id, f"photo of {order_id}".encode())
        for command in commands:
            self.give(order_id, command)
        return order_id

    def give(self, order_id: str, command: str, **data: str) -> None:
        """Gives a command, and where it takes two persons, the other one's approval."""
        who = self._two if command in ("verify", "close") else self._one
        order = self._store.get(order_id).order
        asked = {**DATA.get(command, {}), **data}
        key = f"{order_id} {order.version} {command}"
        order = self._store.command(
            order_id, command, expected_version=order.version, actor=who, data=asked, idempotency_key=key
        )
        if command in ASKED:
            self._store.command(order_id, "approve", expected_version=order.version, actor=self._two)

    def photo(self, order_id: str, data: bytes) -> str:
        """A photo, its bytes on the shelf, as old as the clock is."""
        sha256 = self.folder.put(data).sha256
        assert sha256 is not None
        os.utime(self.folder.path(sha256), (MORNING_MS / 1000, MORNING_MS / 1000))
        new = NewPhoto(
            sha256=sha256,
            captured_sha256=None,
            taken_at=None,
            lon=None,
            lat=None,
            size_bytes=len(data),
            media_type="image/jpeg",
            width_px=1,
            height_px=1,
        )
        self._store.photos().add(order_id, new, actor=self._one, idempotency_key=f"{order_id}/{sha256}")
        return sha256

    def has(self, order_id: str) -> bool:
        """Whether the order's own photo is there, on record and on the shelf alike."""
        own = hashlib.sha256(f"photo of {order_id}".encode()).hexdigest()
        on_record = own in {photo.sha256 for photo in self._store.photos().of_order(order_id)}
        assert on_record == (self.folder.get(own) is not None)
        return on_record


@pytest.fixture
def people(timed: OrderStore, breach: Make, anyone: Actor, second: Actor, tmp_path: Path) -> People:
    return People(timed, breach, anyone, second, tmp_path / "pictures")


def retention(store: OrderStore, people: People | None = None, **days: object) -> Retention:
    return store.retention(KeepDays.model_validate(days), None if people is None else people.folder)


def due(report: RetentionReport) -> dict[str, int]:
    return {one.name: one.due for one in report.classes if one.due}


def deletions(url: str) -> list[dict[str, object]]:
    rows = run_sql(url, "SELECT detail FROM audit WHERE action = 'retention_deleted' ORDER BY seq")
    return [json.loads(str(row[0])) for row in rows]


def settle(people: People) -> dict[str, str]:
    """An order in every state that matters, by a name for it."""
    orders = {
        "rejected": people.order("reject"),
        "void": people.order("file", "void"),
        "closed": people.order(*TO_CLOSED),
        "open": people.order("file"),
        "held": people.order("file", "hold"),
        "transferred": people.order("file"),
        "into closed": people.order("file"),
        "into open": people.order("file"),
        "into rejected": people.order("file"),
        "into transferred": people.order("file"),
    }
    for name, into in (("closed", people.order("file")), ("rejected", people.order())):
        people.give(orders[f"into {name}"], "merge", into=into)
        for command in TO_CLOSED[1:] if name == "closed" else ("reject",):
            people.give(into, command)
    people.give(orders["into open"], "merge", into=orders["open"])
    people.give(orders["into transferred"], "merge", into=orders["transferred"])
    return orders


def transfer(url: str, people: People, order_id: str) -> None:
    pack = "a" * 64
    run_sql(
        url,
        "INSERT INTO packs (order_id, sha256, manifest_sha256, size, version, audit_seq, exported_at, exported_by)"
        " VALUES (:order_id, :pack, :pack, 1, 1, 1, :at, 'second')",
        order_id=order_id,
        pack=pack,
        at=rfc3339(MORNING_MS),
    )
    people.give(order_id, "transfer", to="交警", reason="越权", evidence_sha256=pack)


def test_photos_go_with_the_end_of_their_order_and_of_no_other(
    url: str, timed: OrderStore, people: People, clock: Clock
) -> None:
    orders = settle(people)
    transfer(url, people, orders["transferred"])
    clock.days(179)
    assert due(retention(timed, people).look()) == {"command_keys": 14 + 6 + 2}
    clock.days(2)
    report = retention(timed, people).run("cli:somebody")
    assert report.complete
    gone = {name for name, order_id in orders.items() if not people.has(order_id)}
    assert gone == {"rejected", "void", "into rejected"}
    clock.days(1096 - 180)
    retention(timed, people).run("cli:somebody")
    gone = {name for name, order_id in orders.items() if not people.has(order_id)}
    assert gone == {"rejected", "void", "into rejected", "closed", "into closed"}
    assert timed.verify().problem is None
    clock.days(36_500)
    retention(timed, people).run("cli:somebody")
    assert {name for name, order_id in orders.items() if people.has(order_id)} == {
        "open",
        "held",
        "transferred",
        "into open",
        "into transferred",
    }


def test_the_audit_says_what_went(url: str, timed: OrderStore, people: People, clock: Clock) -> None:
    one, other = sorted([people.order("reject"), people.order("reject")])
    ids = [photo.photo_id for order_id in (one, other) for photo in timed.photos().of_order(order_id)]
    clock.days(181)
    cutoff = rfc3339(clock.now_ms - 180 * DAY_MS)
    retention(timed, people, command_keys="never", changes="never").run("cli:wang")
    assert deletions(url) == [
        {
            "class": "photos_rejected",
            "table": "photos",
            "rows": 2,
            "cutoff": cutoff,
            "keep_days": 180,
            "ids_sha256": digest([(photo_id,) for photo_id in ids]),
        }
    ]
    assert run_sql(url, "SELECT DISTINCT actor FROM audit WHERE action = 'retention_deleted'") == [("cli:wang",)]
    assert retention(timed, people, command_keys="never", changes="never").run("cli:wang").due == 0
    assert len(deletions(url)) == 1, "a run that finds nothing says nothing"
    assert timed.verify().problem is None


def test_a_look_changes_nothing_and_tells_what_a_run_then_deletes(
    url: str, timed: OrderStore, people: People, clock: Clock
) -> None:
    settle(people)
    clock.days(2_000)
    before = run_sql(url, "SELECT audit_seq, audit_hash, change_id FROM ledger")
    seen = retention(timed, people).look()
    assert not seen.deleted
    assert run_sql(url, "SELECT audit_seq, audit_hash, change_id FROM ledger") == before
    assert due(seen) == due(retention(timed, people).run("system"))
    assert set(due(seen)) == {"command_keys", "changes", "photos_rejected", "photos_closed"}


def test_a_photo_that_another_order_or_a_finding_shows_stays_on_the_shelf(
    timed: OrderStore, people: People, breach: Make, clock: Clock
) -> None:
    rejected, opened = people.order(), people.order("file")
    shared = people.photo(opened, b"photo of " + rejected.encode())
    shown = people.photo(rejected, b"from a camera")
    people.give(rejected, "reject")
    record = Evidence("e9", "sighting", "seen", rfc3339(MORNING_MS), {"images": [{"uri": f"picture:{shown}"}]})
    timed.intake([breach("b9", truck_id="浙E9", evidence=[record])])
    clock.days(400)
    assert due(retention(timed, people, command_keys="never", changes="never").run("system")) == {"photos_rejected": 2}
    assert timed.photos().of_order(rejected) == []
    assert people.folder.get(shared) is not None
    assert people.folder.get(shown) is not None


def test_pictures_that_nothing_shows_go_by_their_age(url: str, timed: OrderStore, people: People, clock: Clock) -> None:
    order_id = people.order("file")
    old, fresh = (people.folder.put(data).sha256 for data in (b"old one", b"fresh one"))
    assert old is not None
    assert fresh is not None
    os.utime(people.folder.path(old), (MORNING_MS / 1000, MORNING_MS / 1000))
    clock.days(91)
    os.utime(people.folder.path(fresh), (clock.now_ms / 1000, clock.now_ms / 1000))
    seen = {one.name: one for one in retention(timed, people).look().classes}["pictures"]
    assert (seen.due, seen.held, seen.size_bytes) == (1, 2, 7)
    report = retention(timed, people).run("system")
    assert (people.folder.get(old), report.files_waiting) == (None, 0)
    assert people.folder.get(fresh) == b"fresh one"
    assert people.has(order_id)
    (entry,) = deletions(url)
    assert (entry["class"], entry["files"], entry["size_bytes"]) == ("pictures", 1, 7)
    assert entry["ids_sha256"] == digest([(old,)])


def test_a_picture_that_comes_again_meanwhile_stays(tmp_path: Path) -> None:
    folder = PictureFolder(tmp_path)
    sha256 = folder.put(b"again").sha256
    assert sha256 is not None
    os.utime(folder.path(sha256), (1_000, 1_000))
    assert list(folder.older(1_000_001)) == [(sha256, 5)]
    assert list(folder.older(1_000_000)) == []
    folder.put(b"again")
    assert list(folder.older(1_000_001)) == [], "put there again: as new"
    assert not folder.remove(sha256, 1_000_001)
    assert folder.get(sha256) == b"again"
    folder.path(sha256).replace(folder.path(sha256).with_suffix(".going"))  # killed after it was taken aside
    assert not folder.remove(sha256, 1_000_001)
    assert folder.get(sha256) == b"again"
    assert folder.remove(sha256, 2**42)
    assert folder.get(sha256) is None
    assert folder.remove(sha256, 2**42), "gone is gone"


def test_files_wait_for_a_process_that_has_the_folder(timed: OrderStore, people: People, clock: Clock) -> None:
    order_id = people.order("reject")
    (photo,) = timed.photos().of_order(order_id)
    clock.days(200)
    assert retention(timed, None).run("system").files_waiting == 1
    assert people.folder.get(photo.sha256) is not None
    assert retention(timed, people).run("system").files_waiting == 0
    assert people.folder.get(photo.sha256) is None


def test_what_people_left_behind_at_the_door(timed: OrderStore, clock: Clock, url: str) -> None:
    desk = timed.people()
    made = desk.first_administrator()
    assert made is not None
    with pytest.raises(LoginRefused):
        desk.log_in("nobody", "wrong password", address="10.0.0.9")
    desk.log_in(*made, address="10.0.0.1")
    clock.days(1.4)
    assert due(retention(timed).run("system")) == {}
    clock.days(0.2)
    assert due(retention(timed).run("system")) == {"sessions": 1}
    assert run_sql(url, "SELECT count(*) FROM sessions") == [(0,)]
    assert due(retention(timed, login_failures=1).run("system")) == {"login_failures": 3}
    assert run_sql(url, "SELECT count(*) FROM people") == [(1,)], "people are nobody's to delete but an administrator's"


def test_notices_of_what_is_over_go_and_the_channels_last_word_stays(
    url: str, timed: OrderStore, people: People, clock: Clock
) -> None:
    log = timed.deliveries()
    log.claim("one", 10_000)
    over, opened = people.order(), people.order()
    at_ms = clock()
    changes = {change.order.order_id: change.change_id for change in timed.changes_since(0)}
    new = [
        NewDelivery(channel="duty", change_id=changes[name], order_id=name, step=step, due_ms=at_ms)
        for name in (over, opened)
        for step in ("opened", "reminder")
    ]
    assert log.queue("one", max(changes.values()), new, 10_000)
    for delivery in log.due("duty", 3):
        attempt = log.begin("duty", [delivery.delivery_id])
        log.finish(attempt, Answer(outcome="sent"), again_ms=0, failures=0, paused_until_ms=0)
    people.give(over, "reject")
    clock.days(200)
    keep = {"command_keys": "never", "photos_rejected": "never", "changes": "never"}
    assert due(retention(timed, **keep).run("system")) == {"notices": 2 + 2}
    assert [entry.order_id for entry in timed.deliveries().log()] == [opened, opened]
    assert run_sql(url, "SELECT count(*) FROM delivery_attempts") == [(1,)], "of the open order, and the newest"
    assert len(log.due("duty", 9)) == 1, "what waits is still to be sent"


def test_changes_stay_until_every_reader_has_read_them(timed: OrderStore, people: People, clock: Clock) -> None:
    order_id = people.order("reject")
    newest = timed.get(order_id).order.change_id
    reader = timed.outbox_reader("slow")
    reader.claim("one", 10_000)
    clock.days(181)
    keep = {"command_keys": "never", "photos_rejected": "never"}
    assert due(retention(timed, **keep).run("system")) == {}
    assert reader.advance("one", newest - 1, 10**12)
    assert due(retention(timed, **keep).run("system")) == {"changes": newest - 1}
    assert [change.change_id for change in timed.changes_since(0)] == [newest]
    assert timed.order_before(order_id, newest + 1) == timed.get(order_id).order


def test_findings_of_shadow_rules(timed: OrderStore, breach: Make, clock: Clock, url: str) -> None:
    timed.intake([breach("s1", status="shadow"), breach("b1", truck_id="浙E2")])
    clock.days(181)
    assert due(retention(timed).run("system")) == {"shadow_findings": 1}
    assert timed.intake([breach("s1", status="shadow")]).opened == ()
    assert run_sql(url, "SELECT count(*) FROM inbox") == [(2,)], "an episode is known for ever"
    assert timed.verify().problem is None


def test_never_means_never(timed: OrderStore, people: People, clock: Clock, url: str) -> None:
    settle(people)
    clock.days(30_000)
    kept = dict.fromkeys(KeepDays.model_fields, "never")
    report = retention(timed, people, **kept).run("system")
    assert (report.due, {one.cutoff for one in report.classes}) == (0, {None})
    assert deletions(url) == []


def test_small_batches_delete_the_same(timed: OrderStore, people: People, clock: Clock, url: str) -> None:
    orders = settle(people)
    clock.days(2_000)
    seen = due(retention(timed, people).look())
    run = timed.retention(KeepDays(), people.folder, 3).run("system")
    assert due(run) == seen
    assert max(int(str(entry.get("rows", 0))) for entry in deletions(url)) == 3
    assert {name for name, order_id in orders.items() if people.has(order_id)} >= {"open", "held", "into open"}
    assert timed.verify().problem is None


def rows_on_record(url: str) -> dict[str, int]:
    """By table, how many rows the audit says were deleted."""
    counts: dict[str, int] = {}
    for entry in deletions(url):
        if "table" in entry:
            table = str(entry["table"])
            counts[table] = counts.get(table, 0) + int(str(entry["rows"]))
    return counts


def rows_there(url: str, tables: Sequence[str]) -> dict[str, int]:
    return {table: int(str(run_sql(url, f"SELECT count(*) FROM {table}")[0][0])) for table in tables}


def test_a_run_that_is_killed_deletes_nothing_without_its_entry(
    url: str, timed: OrderStore, people: People, clock: Clock
) -> None:
    orders = [people.order("reject") for _ in range(12)]
    clock.days(200)
    tables = ("photos", "command_keys", "outbox")
    before = rows_there(url, tables)
    planned = due(retention(timed, people).look())
    for transactions in (1, 4, 9):
        command = [sys.executable, str(KILLED), url, str(clock.now_ms), "2", str(people.folder.path("x").parent.parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            for _ in range(transactions):
                assert process.stdout.readline() == "deleting\n"
            process.kill()
        there, told = rows_there(url, tables), rows_on_record(url)
        assert {table: before[table] - there[table] for table in tables} == {
            table: told.get(table, 0) for table in tables
        }
        assert timed.verify().problem is None
    report = retention(timed, people).run("system")
    assert report.files_waiting == 0
    told = rows_on_record(url)
    assert told["photos"] == planned["photos_rejected"] == 12
    assert told["command_keys"] == planned["command_keys"]
    assert told["outbox"] == planned["changes"]
    assert not any(people.has(order_id) for order_id in orders)
    assert timed.verify().problem is None


def nightly(store: OrderStore, people: People, holder: str) -> DailyRetention:
    return store.daily_retention(retention(store, people), 3, holder)


def test_every_night_once_whoever_comes_first(timed: OrderStore, people: People, clock: Clock) -> None:
    people.order("reject")
    one, two = nightly(timed, people, "one"), nightly(timed, people, "two")
    clock.days(365)
    assert one.run_if_due() is None, "there is a day in which to look at what would go"
    assert two.run_if_due() is None
    clock.days(18.9 / 24)  # ten to three
    assert one.run_if_due() is None
    clock.days(0.2 / 24)
    report = two.run_if_due()
    assert report is not None
    assert report.due > 0
    assert one.run_if_due() is None
    clock.days(3)
    assert one.run_if_due() is not None, "nights in which nothing ran are made up for, once"
    assert one.run_if_due() is None
    assert two.run_if_due() is None


def test_who_died_over_it_is_followed_when_its_lease_is_over(
    url: str, timed: OrderStore, people: People, clock: Clock
) -> None:
    nightly(timed, people, "one").run_if_due()
    clock.days(1)
    held = rfc3339(clock.now_ms + 60_000)
    run_sql(url, "UPDATE retention_run SET holder = 'one', held_until = :held", held=held)
    assert nightly(timed, people, "two").run_if_due() is None
    clock.days(2 / 1440)
    assert nightly(timed, people, "two").run_if_due() is not None


def test_who_lost_its_lease_or_was_stopped_deletes_no_more(
    url: str, timed: OrderStore, people: People, clock: Clock
) -> None:
    people.order("reject")
    clock.days(365)
    one = nightly(timed, people, "one")
    one.run_if_due()
    clock.days(1)
    one.finish()
    report = one.run_if_due()
    assert report is not None
    assert (report.complete, deletions(url)) == (False, [])
    asked: list[object] = []

    def taken_over(connection: object) -> bool:
        asked.append(connection)
        return len(asked) < 2

    report = retention(timed, people).run("system", taken_over)
    assert (report.complete, len(deletions(url))) == (False, 1)
    again = nightly(timed, people, "two").run_if_due()
    assert again is not None, "it is still due"
    assert again.complete


def test_the_city_says_when_it_is_night() -> None:
    noon = 1_777_608_000_000  # 2026-05-01T04:00Z
    shanghai = ZoneInfo("Asia/Shanghai")
    assert rfc3339(due_since_ms(noon, 3, shanghai)) == "2026-04-30T19:00:00.000Z"
    assert rfc3339(due_since_ms(noon, 13, shanghai)) == "2026-04-30T05:00:00.000Z"


def test_the_thread_counts_what_went_and_says_when_it_cannot(timed: OrderStore, people: People, clock: Clock) -> None:
    people.order("reject")
    clock.days(365)
    nightly(timed, people, "one").run_if_due()
    clock.days(1)
    away = WorldError(Text("数据库不在", "the database is away"))

    class Moody:
        """The daily run, refused at first."""

        def __init__(self) -> None:
            self.asked = 0
            self.thread: RetentionThread | None = None
            self.over = threading.Event()

        def run_if_due(self) -> RetentionReport | None:
            """See `DailyRetention`."""
            assert self.thread is not None
            self.asked += 1
            if self.asked == 1:
                raise away
            if self.asked == 2:
                with pytest.raises(Elsewhere):
                    self.thread.check()
                return nightly(timed, people, "one").run_if_due()
            self.thread.check()
            self.over.set()
            return None

        def finish(self) -> None:
            """See `DailyRetention`."""

    moody = Moody()
    moody.thread = RetentionThread(moody, look_s=0.001)  # type: ignore[arg-type]
    moody.thread.start()
    assert moody.over.wait(20)
    moody.thread.stop()
    figures = {(sample.name, *(value for _, value in sample.labels)): sample.value for sample in moody.thread.samples()}
    assert figures["retention_deleted_total", "photos_rejected"] == 1
    assert figures["retention_deleted_total", "photos_closed"] == 0
    assert figures["retention_runs_total",] == 1
    assert figures["retention_failures_total",] == 1
