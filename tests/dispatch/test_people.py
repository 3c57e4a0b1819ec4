"""Accounts, sessions and tokens as they are kept: in both databases, through time, and under attack."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import argon2
import pytest

from haulwatch.dispatch import lockout, passwords
from haulwatch.dispatch.people import People
from haulwatch.dispatch.sessions import SessionTerms
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.people import BadPerson, Claimed, LockedOut, LoginRefused
from tests.dispatch.conftest import run_sql

PASSWORD = "only-in-tests-7"
HOME = "192.0.2.7"


@dataclass
class Clock:
    """The wall clock, moved by the test."""

    ms: int = 1_777_593_600_000

    def __call__(self) -> int:
        return self.ms

    def goes_on(self, seconds: float) -> None:
        """So many seconds later."""
        self.ms += round(seconds * 1000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[OrderStore]:
    opened = open_store(url, clock_ms=clock)
    yield opened
    opened.close()


@pytest.fixture
def people(store: OrderStore) -> People:
    return store.people(SessionTerms(idle_s=3600, absolute_s=7200, wall_s=86_400))


@pytest.fixture
def zhang(people: People) -> str:
    people.add("zhang", name="张三", roles=["dispatcher"], jurisdiction=["D-1"], password=PASSWORD)
    return "zhang"


def test_passwords_are_kept_as_argon2id_and_sessions_as_digests(people: People, zhang: str, url: str) -> None:
    token = people.log_in(zhang, PASSWORD, address=HOME).token
    [(kept,)] = run_sql(url, "SELECT password FROM people")
    parameters = argon2.extract_parameters(str(kept))
    assert (parameters.type, parameters.time_cost, parameters.memory_cost) == (argon2.Type.ID, 3, 65_536)
    assert (parameters.parallelism, parameters.salt_len, parameters.hash_len) == (4, 16, 32)
    service = people.token("cam-07", roles=["device"])
    everything = str(
        [run_sql(url, f"SELECT * FROM {table}") for table in ("people", "sessions", "service_tokens", "audit")]
    )
    for secret in (PASSWORD, token, service):
        assert secret not in everything


def test_a_session_ends_unused_and_in_any_case(people: People, zhang: str, clock: Clock) -> None:
    unused = people.log_in(zhang, PASSWORD, address=HOME).token
    used = people.log_in(zhang, PASSWORD, address=HOME).token
    for _ in range(3):
        clock.goes_on(1800)
        assert people.session(used) is not None
    assert people.session(unused) is None
    clock.goes_on(1799)
    assert people.session(used) is not None
    clock.goes_on(2)
    assert people.session(used) is None


def test_looking_whether_a_session_goes_on_does_not_prolong_it(people: People, zhang: str, clock: Clock) -> None:
    token = people.log_in(zhang, PASSWORD, address=HOME).token
    clock.goes_on(3000)
    assert people.session(token, touch=False) is not None
    clock.goes_on(700)
    assert people.session(token) is None


def test_the_waiting_time_grows_and_ends(people: People, zhang: str, clock: Clock) -> None:
    for _ in range(lockout.FREE["account"]):
        with pytest.raises(LoginRefused):
            people.log_in(zhang, "wrong", address=HOME)
    waits = []
    for _ in range(12):
        with pytest.raises(LoginRefused):
            people.log_in(zhang, "wrong", address=HOME)
        with pytest.raises(LockedOut) as locked:
            people.log_in(zhang, PASSWORD, address="198.51.100.1")
        waits.append(locked.value.retry_after_s)
        clock.goes_on(locked.value.retry_after_s)
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]
    assert people.log_in(zhang, PASSWORD, address=HOME).visitor.name == "张三"
    with pytest.raises(LoginRefused):
        people.log_in(zhang, "wrong", address=HOME)
    assert people.log_in(zhang, PASSWORD, address=HOME), "forgotten with the login that succeeded"


def test_an_address_has_to_wait_whatever_the_names(people: People, zhang: str, clock: Clock) -> None:
    for number in range(lockout.FREE["address"] + 1):
        with pytest.raises(LoginRefused):
            people.log_in(f"name{number}", "wrong", address="2001:db8::1")
    with pytest.raises(LockedOut):
        people.log_in(zhang, PASSWORD, address="2001:db8::2")  # a house has a whole network of them
    assert people.log_in(zhang, PASSWORD, address=HOME)
    clock.goes_on(2)
    assert people.log_in(zhang, PASSWORD, address="2001:db8::2")


def test_a_hundred_at_once_are_not_a_hundred_free_ones(
    people: People, zhang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    monkeypatch.setattr("haulwatch.dispatch.sessions.matches", lambda _kept, password: bool(tried.append(password)))

    def guess(number: int) -> None:
        with contextlib.suppress(LoginRefused, LockedOut):
            people.log_in(zhang, f"guess-{number}", address=f"198.51.100.{number}")

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tried) == lockout.FREE["account"] + 1


def test_one_time_passwords_end_after_a_week(people: People, clock: Clock) -> None:
    password = people.add("li", roles=["verifier"])
    clock.goes_on(7 * 86_400 - 1)
    assert people.log_in("li", password, address=HOME).visitor.must_change
    clock.goes_on(2)
    with pytest.raises(LoginRefused):
        people.log_in("li", password, address=HOME)


def test_the_first_administrator_is_made_once(people: People, store: OrderStore) -> None:
    made = people.first_administrator()
    assert made is not None
    assert people.log_in(*made, address=HOME).visitor.must_change
    assert people.first_administrator() is None
    people.disable("admin")
    again = people.first_administrator()
    assert again is not None
    assert again[0] == "admin2"
    assert store.verify().problem is None


def test_everything_about_people_is_audited_and_no_secret_with_it(
    people: People, store: OrderStore, zhang: str, url: str
) -> None:
    token = people.log_in(zhang, PASSWORD, address=HOME).token
    changed = people.change_password(token, PASSWORD, "another-good-one", address=HOME).token
    people.log_out(changed)
    people.change(zhang, roles=["verifier"], by="cli:root")
    people.reset(zhang)
    people.disable(zhang)
    people.token("cam-07", roles=["device"])
    people.revoke("cam-07")
    actions = [row[0] for row in run_sql(url, "SELECT action FROM audit ORDER BY seq")]
    assert actions == [
        *("person_added", "logged_in", "password_changed", "logged_in", "logged_out", "person_changed"),
        *("password_reset", "person_disabled", "token_made", "token_revoked"),
    ]
    assert store.verify().problem is None


@pytest.mark.parametrize(
    ("name", "roles", "squad"),
    [
        ("", ["dispatcher"], None),
        ("a b", ["dispatcher"], None),
        ("service:x", ["dispatcher"], None),
        ("x" * 65, ["dispatcher"], None),
        ("ok", [], None),
        ("ok", ["king"], None),
        ("ok", ["device"], None),
        ("ok", ["squad"], None),
        ("\0", ["dispatcher"], None),
    ],
)
def test_accounts_that_cannot_be(people: People, name: str, roles: list[str], squad: str | None) -> None:
    with pytest.raises(BadPerson):
        people.add(name, roles=roles, squad_id=squad)
    assert people.list() == []


def test_a_name_is_one_however_it_is_written(people: People, zhang: str) -> None:
    assert people.log_in(" ＺＨＡＮＧ ", PASSWORD, address=HOME).visitor.actor.actor_id == zhang
    with pytest.raises(BadPerson):
        people.add("Zhang", roles=["auditor"])


def test_who_is_vouched_for_has_the_rights_that_are_claimed(people: People, zhang: str) -> None:
    claimed = Claimed(issuer="https://id.example", subject="7", name="zhang", roles=("auditor",))
    first = people.log_in_as(claimed, address=HOME).visitor
    assert first.actor.actor_id == "zhang-2", "never the account of somebody else"
    people.log_in_as(Claimed(issuer="https://id.example", subject="7", name="new", roles=("wall",)), address=HOME)
    assert [(one.person_id, one.roles) for one in people.list()] == [
        (zhang, ("dispatcher",)),
        ("zhang-2", ("wall",)),
    ]
    with pytest.raises(LoginRefused):
        people.log_in("zhang-2", "", address=HOME)
    people.disable("zhang-2")
    with pytest.raises(LoginRefused):
        people.log_in_as(claimed, address=HOME)


def test_one_time_passwords_can_be_read_out() -> None:
    made = {passwords.one_time_password() for _ in range(100)}
    assert len(made) == 100
    assert all(len(one) == 19 and not set(one) & set("01ilo") for one in made)


def test_tokens_end(people: People, clock: Clock) -> None:
    token = people.token("cam-07", roles=["device"], days=2)
    assert (actor := people.service(token)) is not None
    assert actor.actor_id == "service:cam-07"
    renewed = people.token("cam-07", roles=["device"], days=2)
    assert people.service(token) is None, "a new one takes the old one's place"
    clock.goes_on(2 * 86_400)
    assert people.service(renewed) is None
