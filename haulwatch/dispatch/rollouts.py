"""How cities come into force: proposed, approved by a second person, put in force, rolled back; every step audited.

The desk decides what should be in force; a `RolloutThread` (haulwatch.bootstrap) sees to it that it is. May be used
from any number of threads and processes, as the order store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from haulwatch.city import City, build_city, compare_cities, pack_city, unpack_city
from haulwatch.dispatch.database import reading, writing
from haulwatch.dispatch.ledger import SYSTEM, Recorder
from haulwatch.dispatch.records import canonical, storable
from haulwatch.dispatch.rollouts_tables import cities, rollouts
from haulwatch.domain.access import TUNERS
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.orders import Actor, Role
from haulwatch.domain.people import ROLE_NAMES
from haulwatch.domain.rollouts import CityChanges, Rollout, RolloutKind, RolloutRefused, RolloutState, UnknownRollout
from haulwatch.domain.text import Text

MAX_NOTE = 1000
PROPOSERS: tuple[Role, ...] = ("operator",)
APPROVERS: tuple[Role, ...] = ("rule_approver",)


class Rollouts:
    """See the module; made by `OrderStore.rollouts`."""

    def __init__(self, engine: Engine, clock_ms: Callable[[], int], timezone: Callable[[], ZoneInfo]) -> None:
        self._engine = engine
        self._clock_ms = clock_ms
        self._timezone = timezone
        self._built: tuple[str, City] | None = None

    # -- reading ----------------------------------------------------------------------------------------------------

    def list(self, limit: int = 100) -> Sequence[Rollout]:
        """The newest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(rollouts).order_by(rollouts.c.rollout_id.desc()).limit(limit)).all()
        return [_rollout(row) for row in rows]

    def get(self, rollout_id: int) -> Rollout:
        """The one with this number. Raises `UnknownRollout`."""
        with reading(self._engine) as connection:
            return _get(connection, rollout_id)

    def in_force(self) -> Rollout | None:
        """The one that is in force; None before the first."""
        return self._in_state("in_force")

    def approved(self) -> Rollout | None:
        """The one that is to come into force now."""
        return self._in_state("approved")

    def files(self, city_hash: str) -> dict[str, bytes] | None:
        """The files of a city that was proposed or in force here; None for one that is not known."""
        packed = self.packed(city_hash)
        return None if packed is None else unpack_city(packed)

    def packed(self, city_hash: str) -> bytes | None:
        """The same, packed."""
        if not storable(city_hash):
            return None
        with reading(self._engine) as connection:
            found = connection.execute(select(cities.c.packed).where(cities.c.city_hash == city_hash)).scalar()
        return None if found is None else bytes(found)

    def _in_state(self, state: RolloutState) -> Rollout | None:
        with reading(self._engine) as connection:
            return _in_state(connection, state)

    # -- people -----------------------------------------------------------------------------------------------------

    def propose(self, files: Mapping[str, bytes], note: str, *, actor: Actor) -> Rollout:
        """Proposes the city of these files in place of the one in force.

        Raises `AuthorError` with every finding where they are wrong, `RolloutRefused`.
        """
        _permit(actor, PROPOSERS)
        note = _noted(note)
        city = build_city(files, today=self._today())
        base = self.in_force()
        if base is not None and base.city_hash == city.city_hash:
            raise RolloutRefused("unchanged", Text("与现行城市相同，没有改动", "nothing differs from what is in force"))
        changes = CityChanges() if base is None else compare_cities(self._city(base.city_hash), city)
        packed = pack_city(files)
        with writing(self._engine) as connection:
            recorder = self._recorder(connection)
            _still(connection, None if base is None else base.city_hash)
            same = (rollouts.c.city_hash == city.city_hash) & rollouts.c.state.in_(("proposed", "approved"))
            other = connection.execute(select(rollouts.c.rollout_id).where(same)).scalar()
            if other is not None:
                words = Text(f"同样的城市已在第 {other} 号申请中", f"deployment {other} proposes the very same")
                raise RolloutRefused("already-proposed", words)
            rollout = self._new(recorder, "proposal", "proposed", city.city_hash, base, note, changes, actor, packed)
            recorder.close()
        return rollout

    def decide(self, rollout_id: int, *, approve: bool, note: str, actor: Actor) -> Rollout:
        """Approves a proposal, which then comes into force within seconds, or rejects it. Raises `RolloutRefused`.

        Nobody decides about what it proposed itself.
        """
        _permit(actor, APPROVERS)
        note = _noted(note, needed=not approve)
        with writing(self._engine) as connection:
            recorder = self._recorder(connection)
            rollout = _proposed(connection, rollout_id)
            if rollout.proposed_by == actor.actor_id:
                words = Text("申请人不能审核自己的申请", "nobody decides about their own proposal")
                raise RolloutRefused("own-proposal", words)
            if approve:
                _still(connection, rollout.base_hash)
                _idle(connection)
            state: RolloutState = "approved" if approve else "rejected"
            after = _set(
                connection, rollout, state=state, decided_by=actor.actor_id, decided_at=recorder.at, decision_note=note
            )
            _audit(recorder, actor.actor_id, "city_approved" if approve else "city_rejected", after, note)
            recorder.close()
        return after

    def withdraw(self, rollout_id: int, *, actor: Actor) -> Rollout:
        """Takes back one's own proposal. Raises `RolloutRefused`."""
        with writing(self._engine) as connection:
            recorder = self._recorder(connection)
            rollout = _proposed(connection, rollout_id)
            if rollout.proposed_by != actor.actor_id:
                words = Text("只有申请人可以撤回", "only who proposed it may withdraw it")
                raise RolloutRefused("not-yours", words)
            after = _set(connection, rollout, state="withdrawn")
            _audit(recorder, actor.actor_id, "city_withdrawn", after, "")
            recorder.close()
        return after

    def roll_back(self, note: str, *, actor: Actor, to: int | None = None) -> Rollout:
        """Goes back to the city that was in force before, or to that of deployment `to`. Needs nobody else: it had its
        second word. Raises `RolloutRefused`."""
        _permit(actor, TUNERS)
        note = _noted(note)
        with reading(self._engine) as connection:
            base, target = _in_state(connection, "in_force"), _before(connection, to)
        if base is None or target.city_hash == base.city_hash:
            raise RolloutRefused("unchanged", Text("该版本正在启用", "that one is in force"))
        changes = compare_cities(self._city(base.city_hash), self._city(target.city_hash))
        with writing(self._engine) as connection:
            recorder = self._recorder(connection)
            _still(connection, None if base is None else base.city_hash)
            _idle(connection)
            rollout = self._new(recorder, "rollback", "approved", target.city_hash, base, note, changes, actor)
            recorder.close()
        return rollout

    # -- what carries them out ---------------------------------------------------------------------------------------

    def entered(self, rollout_id: int) -> Rollout:
        """It is in force now, and the one before no more. Saying so again changes nothing."""
        with writing(self._engine) as connection:
            recorder = self._recorder(connection)
            rollout = _get(connection, rollout_id)
            if rollout.state != "approved":
                return rollout
            _replace(connection)
            rollout = _set(connection, rollout, state="in_force", in_force_at=recorder.at, trouble=None)
            _audit(recorder, SYSTEM, "city_in_force", rollout, "")
            recorder.close()
        return rollout

    def failed(self, rollout_id: int, trouble: Text, *, for_good: bool) -> None:
        """It did not come into force: not yet, or never will."""
        with writing(self._engine) as connection:
            recorder = self._recorder(connection)
            rollout = _get(connection, rollout_id)
            if rollout.state != "approved" or (rollout.trouble == trouble and not for_good):
                return
            state: RolloutState = "withdrawn" if for_good else "approved"
            after = _set(connection, rollout, state=state, trouble=canonical(trouble))
            if for_good:
                _audit(recorder, SYSTEM, "city_withdrawn", after, trouble.en)
            recorder.close()

    def found(self, city_hash: str, packed: bytes, *, folder: bool = False) -> Rollout:
        """A city is in force that did not come by this desk: it is written down, once.

        `folder`: it is that of an embedded system's folder, and stays what the folder says until that is changed.
        """
        coming = self.approved()
        if coming is not None and coming.city_hash == city_hash:
            return self.entered(coming.rollout_id)
        base = self.in_force()
        if base is not None and base.city_hash == city_hash and not (folder and base.folder_hash != city_hash):
            return base
        changes = CityChanges()  # of the first one everything is new
        if base is not None:
            changes = compare_cities(self._city(base.city_hash), build_city(unpack_city(packed)))
        words = "城市文件夹已更改 the city folder was changed" if folder else "由命令行部署 deployed by command"
        with writing(self._engine) as connection:
            recorder = self._recorder(connection)
            now = _in_state(connection, "in_force")
            if now is not None and (now.rollout_id, now.city_hash) != (
                base and base.rollout_id,
                base and base.city_hash,
            ):
                return now  # another console was faster
            _replace(connection)
            rollout = self._new(
                recorder, "found", "in_force", city_hash, base, words, changes, Actor(SYSTEM, frozenset()), packed,
                folder_hash=city_hash if folder else None,
            )  # fmt: skip
            recorder.close()
        return rollout

    # -- rows ---------------------------------------------------------------------------------------------------------

    def _new(
        self,
        recorder: Recorder,
        kind: RolloutKind,
        state: RolloutState,
        city_hash: str,
        base: Rollout | None,
        note: str,
        changes: CityChanges,
        actor: Actor,
        packed: bytes | None = None,
        *,
        folder_hash: str | None = None,
    ) -> Rollout:
        connection = recorder.connection
        if (
            packed is not None
            and not connection.execute(select(cities.c.city_hash).filter_by(city_hash=city_hash)).first()
        ):
            connection.execute(insert(cities).values(city_hash=city_hash, packed=packed))
        last = connection.execute(select(func.max(rollouts.c.rollout_id))).scalar() or 0
        rollout = Rollout(
            rollout_id=last + 1,
            city_hash=city_hash,
            base_hash=None if base is None else base.city_hash,
            kind=kind,
            state=state,
            note=note,
            changes=changes,
            proposed_by=actor.actor_id,
            proposed_at=recorder.at,
            in_force_at=recorder.at if state == "in_force" else None,
            folder_hash=folder_hash or (None if base is None else base.folder_hash),
        )
        row = msgspec.structs.asdict(rollout) | {"changes": canonical(changes)}
        connection.execute(insert(rollouts).values(row))
        action = {"proposal": "city_proposed", "rollback": "city_rolled_back", "found": "city_found"}[kind]
        _audit(recorder, actor.actor_id, action, rollout, note)
        return rollout

    def _city(self, city_hash: str) -> City:
        if self._built is None or self._built[0] != city_hash:
            files = self.files(city_hash)
            if files is None:
                raise RolloutRefused("no-city", Text(f"没有城市 {city_hash}", f"there is no city {city_hash}"))
            self._built = (city_hash, build_city(files))
        return self._built[1]

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock_ms() / 1000, UTC).astimezone(self._timezone()).date()

    def _recorder(self, connection: Connection) -> Recorder:
        return Recorder(connection, rfc3339(self._clock_ms()))


def _permit(actor: Actor, roles: tuple[Role, ...]) -> None:
    if actor.roles.isdisjoint(roles):
        names = [ROLE_NAMES[role] for role in roles]
        zh, en = "、".join(name.zh for name in names), " or ".join(name.en for name in names)
        raise RolloutRefused("not-permitted", Text(f"需要角色：{zh}", f"needs the role {en}"))


def _noted(note: str, *, needed: bool = True) -> str:
    note = note.strip()
    if (needed and not note) or len(note) > MAX_NOTE or not storable(note):
        words = Text(f"请写明理由（不超过 {MAX_NOTE} 字）", f"say why, in at most {MAX_NOTE} characters")
        raise RolloutRefused("bad-note", words)
    return note


def _rollout(stored: Row[Any]) -> Rollout:
    row = stored._asdict()
    changes = msgspec.json.decode(row["changes"], type=CityChanges)
    trouble = None if row["trouble"] is None else msgspec.json.decode(row["trouble"], type=Text)
    return Rollout(**{**row, "changes": changes, "trouble": trouble})


def _get(connection: Connection, rollout_id: int) -> Rollout:
    row = None
    if 0 < rollout_id < 2**31:
        row = connection.execute(select(rollouts).where(rollouts.c.rollout_id == rollout_id)).one_or_none()
    if row is None:
        raise UnknownRollout(rollout_id)
    return _rollout(row)


def _in_state(connection: Connection, state: RolloutState) -> Rollout | None:
    row = connection.execute(select(rollouts).where(rollouts.c.state == state)).one_or_none()
    return None if row is None else _rollout(row)


def _proposed(connection: Connection, rollout_id: int) -> Rollout:
    rollout = _get(connection, rollout_id)
    if rollout.state != "proposed":
        words = Text(f"第 {rollout_id} 号申请已处理", f"deployment {rollout_id} has been decided")
        raise RolloutRefused("decided", words)
    return rollout


def _before(connection: Connection, to: int | None) -> Rollout:
    """What to go back to: deployment `to`, or what was in force last before what is now."""
    if to is not None:
        rollout = _get(connection, to)
        if rollout.in_force_at is None:
            words = Text(f"第 {to} 号从未启用过", f"deployment {to} was never in force")
            raise RolloutRefused("never-in-force", words)
        return rollout
    newest = select(rollouts).where(rollouts.c.state == "replaced")
    row = connection.execute(newest.order_by(rollouts.c.in_force_at.desc(), rollouts.c.rollout_id.desc())).first()
    if row is None:
        raise RolloutRefused("nothing-before", Text("没有更早的版本", "nothing was in force before"))
    return _rollout(row)


def _still(connection: Connection, base_hash: str | None) -> None:
    """Refuses what was compared with a city that is not in force any more."""
    now = _in_state(connection, "in_force")
    if base_hash != (None if now is None else now.city_hash):
        words = Text("其间已启用另一个城市，请重新比较并申请", "another city came into force; compare and propose anew")
        raise RolloutRefused("stale", words)


def _idle(connection: Connection) -> None:
    if _in_state(connection, "approved") is not None:
        raise RolloutRefused("busy", Text("另一个部署正在启用，请稍候", "another one is just coming into force"))


def _replace(connection: Connection) -> None:
    connection.execute(update(rollouts).where(rollouts.c.state == "in_force").values(state="replaced"))


def _set(connection: Connection, rollout: Rollout, **columns: Any) -> Rollout:
    connection.execute(update(rollouts).where(rollouts.c.rollout_id == rollout.rollout_id).values(columns))
    return _get(connection, rollout.rollout_id)


def _audit(recorder: Recorder, actor: str, action: str, rollout: Rollout, note: str) -> None:
    told = {"rollout": rollout.rollout_id, "city_hash": rollout.city_hash, "base_hash": rollout.base_hash}
    recorder.audit(actor, action, None, {**told, "state": rollout.state, "note": note})
