"""The JT/T 808 server as processes put it together: who is on the list, which secret, where pictures go."""

from __future__ import annotations

import dataclasses
import logging
import os
import resource
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from connectors.group_commit import SubmitEvents
from connectors.jt808.limits import Limits
from connectors.jt808.profiles import Profile, load_profiles
from connectors.jt808.server import Jt808Server
from connectors.jt808.terminals import Fleet
from connectors.pictures import PictureFolder
from haulwatch.domain.errors import WorldError
from haulwatch.domain.registry import Registry, Truck
from haulwatch.domain.text import Text

SECRET = "HAULWATCH_JT808_SECRET"
SHORTEST_SECRET = 16
KEY_FILE = "jt808.key"
PICTURES_FOLDER = "pictures"
SPARE_FILES = 500

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Jt808Options:
    """What an operator says: where to listen, a folder with profiles of his own, a folder for pictures."""

    host: str
    port: int
    profiles: Path | None = None
    pictures: Path | None = None


def embedded_terminals(
    options: Jt808Options, registry: Callable[[], Registry], data: Path, submit_events: SubmitEvents
) -> Jt808Server:
    """The server of the embedded system; its secret is made once and kept in `data`. Raises WorldError, AuthorError."""
    fleet = FleetInForce(registry, load_profiles(options.profiles))
    limits = within_reach(Limits())
    return Jt808Server(
        options.host,
        options.port,
        fleet=fleet,
        secret=_kept_secret(data / KEY_FILE),
        submit_events=submit_events,
        limits=limits,
        pictures=PictureFolder(options.pictures or data / PICTURES_FOLDER),
    )


def gateway_terminals(
    options: Jt808Options,
    fleet: Callable[[], Fleet],
    submit_events: SubmitEvents,
    environment: Mapping[str, str] | None = None,
) -> Jt808Server:
    """The server of a gateway; every gateway has the same secret. Raises WorldError."""
    limits = within_reach(Limits())
    return Jt808Server(
        options.host,
        options.port,
        fleet=fleet,
        secret=_given_secret(os.environ if environment is None else environment),
        submit_events=submit_events,
        limits=limits,
        pictures=None if options.pictures is None else PictureFolder(options.pictures),
    )


class FleetInForce:
    """The terminals of the trucks that are registered now; asked for with every message, made anew with every city."""

    def __init__(self, registry: Callable[[], Registry], profiles: Mapping[str, Profile]) -> None:
        self._registry, self._profiles = registry, profiles
        self._made: tuple[Registry, Fleet] | None = None

    def __call__(self) -> Fleet:
        """The terminals now."""
        registry = self._registry()
        made = self._made
        if made is None or made[0] is not registry:
            made = self._made = registry, _fleet(registry.trucks.values(), self._profiles)
        return made[1]


def _fleet(trucks: Iterable[Truck], profiles: Mapping[str, Profile]) -> Fleet:
    fleet = Fleet(trucks, profiles)
    if fleet.unknown_models:
        models = ", ".join(sorted(fleet.unknown_models))
        log.warning(
            "device models without a profile are read as standard terminals", extra={"fields": {"models": models}}
        )
    return fleet


def within_reach(limits: Limits) -> Limits:
    """Raises this process's own limit of open files, as far as it may, so that so many terminals fit; else so many as
    do. What this process needs besides (its log, its pages) is left over even when strangers take all they can get."""
    files = allow_sockets(limits.connections)
    connections = min(limits.connections, max(files - SPARE_FILES, files // 2))
    if connections < limits.connections // 2:  # less than that takes room from terminals that come again, and no more
        log.warning(
            "fewer connections of terminals than there may be, by the limit of open files",
            extra={"fields": {"connections": connections, "open_files": files}},
        )
    return dataclasses.replace(limits, connections=connections, strangers=min(limits.strangers, connections // 2))


def allow_sockets(number: int) -> int:
    """Raises the limit of open files so that so many fit besides others, if it may; returns what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number + SPARE_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    enough = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
    return enough


def _kept_secret(path: Path) -> bytes:
    try:
        if not path.exists():
            unfinished = path.with_suffix(".new")
            unfinished.touch(mode=0o600)
            unfinished.write_text(secrets.token_hex(32))
            unfinished.replace(path)
        return path.read_bytes().strip()
    except OSError as error:
        raise WorldError(Text(f"无法读写 {path}：{error}", f"cannot keep {path}: {error}")) from error


def _given_secret(environment: Mapping[str, str]) -> bytes:
    secret = environment.get(SECRET, "")
    file = environment.get(f"{SECRET}_FILE")
    if not secret and file:
        try:
            secret = Path(file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise WorldError(
                Text(
                    f"读不到 {SECRET}_FILE 指的文件 {file}：{error}",
                    f"cannot read {file}, named by {SECRET}_FILE: {error}",
                )
            ) from error
    if len(secret) < SHORTEST_SECRET:
        raise WorldError(
            Text(
                f"终端接入需要环境变量 {SECRET}（至少 {SHORTEST_SECRET} 个字符，所有网关相同）",
                f"terminals need {SECRET} in the environment: at least {SHORTEST_SECRET} characters, "
                "the same for every gateway",
            )
        )
    return secret.encode()
