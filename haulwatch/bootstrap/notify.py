"""Notices as every process puts them together: the file, the delivery log, who is called what."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from connectors.notify.addresses import NotAllowed
from connectors.notify.notifier import Notifier
from connectors.notify.senders import Sender
from connectors.notify.settings import NotifyFile
from haulwatch.bootstrap.cities import load_city
from haulwatch.city.documents import read_file
from haulwatch.dispatch.store import OrderStore
from haulwatch.domain.errors import AuthorError, Finding
from haulwatch.domain.registry import Squad
from haulwatch.domain.text import Text


def read_notify(path: Path) -> NotifyFile:
    """The file checked, with its secrets where it says they are.

    Raises AuthorError with every finding; WorldError where the file or a secret cannot be read.
    """
    found = read_file(path, NotifyFile)
    wrong = [finding for name in found.channels if (finding := _secret_url(path, name, found)) is not None]
    if wrong:
        raise AuthorError(wrong)
    return found


def _secret_url(path: Path, name: str, file: NotifyFile) -> Finding | None:
    """What is wrong with a URL that is kept elsewhere: it has no line in this file, so the channel is named."""
    sender = Sender(name, file)
    sender.check()
    try:
        file.allowed.url(sender.url(), plain=sender.channel.http)
    except NotAllowed as error:
        return Finding(path.as_posix(), 0, 0, error.code, error.text, place=f"channels.{name}.url")
    return None


def misfits_of(file: NotifyFile, folder: Path) -> list[Text]:
    """What in the file does not fit the city of the folder. Raises AuthorError, WorldError like `load_city`."""
    city, _files = load_city(folder)
    zones, squads = {zone.zone_id for zone in city.zones}, city.registry.squads
    found = [
        Text(
            f"squads.csv：{squad.squad_id} 的通道 {squad.channel} 不在通知配置里",
            f"squads.csv: {squad.squad_id} names the channel {squad.channel}, which is not in the file",
        )
        for squad in squads.values()
        if squad.channel and squad.channel not in file.channels
    ]
    for number, route in enumerate(file.routes, 1):
        found += [
            Text(f"路由 {number}：没有区域 {zone}", f"route {number}: there is no zone {zone}")
            for zone in route.zones
            if zone not in zones
        ]
        found += [
            Text(f"路由 {number}：没有中队 {squad}", f"route {number}: there is no squad {squad}")
            for squad in route.squads
            if squad not in squads
        ]
    return found


def new_notifier(
    file: NotifyFile,
    store: OrderStore,
    squads: Callable[[], Sequence[Squad]],
    timezone: Callable[[], ZoneInfo],
    data: Path | None = None,
) -> Notifier:
    """What sends the notices of the store's changes. Raises WorldError where a secret is not to be had.

    `data` is the folder that the process has for itself, if it has one.
    """
    return Notifier(
        file,
        store.deliveries(),
        squads=lambda: {squad.squad_id: squad for squad in squads()},
        timezone=timezone,
        holder=None if data is None else _holder_of(data),
    )


def _holder_of(data: Path) -> str:
    """One process at a time has the folder (see `Claim`): under its name it goes on at once after a crash."""
    place = f"{socket.gethostname()}:{data.resolve()}"
    return f"run-{hashlib.sha256(place.encode()).hexdigest()[:32]}"
