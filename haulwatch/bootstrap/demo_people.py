"""One login per role for a demonstration, and one for each squad: made where they are missing, told to whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from haulwatch.dispatch.passwords import one_time_password
from haulwatch.dispatch.store import OrderStore
from haulwatch.domain.orders import Role
from haulwatch.domain.people import ROLE_NAMES
from haulwatch.domain.registry import Squad
from haulwatch.domain.text import Text

LOGINS: Sequence[tuple[str, Role]] = (
    ("dispatcher", "dispatcher"),
    ("duty", "duty_officer"),
    ("verifier", "verifier"),
    ("operator", "operator"),
    ("approver", "rule_approver"),
    ("auditor", "auditor"),
    ("admin", "administrator"),
    ("wall", "wall"),
)


@dataclass(frozen=True)
class DemoLogin:
    """A login that can be told: this is a demonstration."""

    account: str
    password: str
    role: Role
    title: Text


def demo_people(store: OrderStore, squads: Sequence[Squad]) -> list[DemoLogin]:
    """Accounts for every role and one for each squad, with new passwords; those of an earlier run are renewed.

    The squads have one password, so that whoever plays them need not look each up.
    """
    found = [_login(store, account, role, None, ROLE_NAMES[role], one_time_password()) for account, role in LOGINS]
    password = one_time_password()
    for squad in squads:
        name = squad.name or squad.squad_id
        found.append(_login(store, squad.squad_id, "squad", squad.squad_id, Text(name, name), password))
    return found


def _login(store: OrderStore, account: str, role: Role, squad_id: str | None, title: Text, password: str) -> DemoLogin:
    account = account.casefold()
    store.people().put(account, name=title.zh, roles=[role], squad_id=squad_id, password=password)
    return DemoLogin(account, password, role, title)
