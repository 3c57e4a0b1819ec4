"""`haulwatch run`: the embedded system on real input."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import get_args

from connectors.notify.settings import NotifyFile
from haulwatch.bootstrap import embedded, load_city
from haulwatch.bootstrap.devices import EventsToken
from haulwatch.bootstrap.feeds import ConnectorsFile, read_connectors
from haulwatch.bootstrap.identity import identity_provider
from haulwatch.bootstrap.jt808 import Jt808Options
from haulwatch.bootstrap.notify import read_notify
from haulwatch.bootstrap.retention import read_retention
from haulwatch.cli.retention import add_retention_option
from haulwatch.dispatch.store import OrderStore
from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Lang, Text


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Names the command's options."""
    parser = subparsers.add_parser("run", help="单机运行 / run the embedded system")
    parser.add_argument("--city", required=True, type=Path, metavar="DIR", help="城市目录 / city folder")
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="数据目录 / data folder")
    parser.add_argument("--http", default="127.0.0.1:8080", metavar="HOST:PORT", help="网页与接口 / console and API")
    add_allow_host(parser)
    add_events_token(parser)
    add_jt808_options(parser, "默认在 --data 中 · default: in --data")
    add_connectors_option(parser)
    add_notify_option(parser)
    add_checkpoints_option(parser)
    add_retention_option(parser)
    add_oidc_option(parser)
    parser.add_argument("--database", metavar="URL", help="工单库 / order database (default: SQLite in --data)")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs the command until it is told to stop (SIGINT or SIGTERM)."""
    host, port = address(options.http)
    city, files = load_city(options.city)
    for warning in city.warnings:
        print(warning.render(options.lang), file=sys.stderr)
    system = embedded(
        city,
        files,
        options.data,
        host,
        port,
        database=options.database,
        allowed_hosts=options.allow_host,
        jt808=jt808_options(options),
        connectors=connectors_of(options),
        pictures=options.pictures,
        notify=notify_of(options),
        checkpoints=options.checkpoints,
        retention=read_retention(options.retention),
        events_token=options.events_token,
        identity=identity_provider(options.oidc),
    )
    tell_first_administrator(system.store, options.lang)
    replayed = system.start()
    shown = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}/"
    ready = f"haulwatch · {city.name.lang(options.lang)} · {shown} · 重放 replayed {replayed:,}"
    try:
        system.serve(partial(print, ready, flush=True))
    finally:
        system.stop()
    return 0


def add_allow_host(parser: argparse.ArgumentParser) -> None:
    """Names, besides those of this machine, under which a web server answers."""
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="允许的访问域名 / name under which it is reached",
    )


def add_events_token(parser: argparse.ArgumentParser) -> None:
    """Whether events from this machine need a token."""
    parser.add_argument(
        "--events-token",
        choices=get_args(EventsToken),
        default=os.environ.get("HAULWATCH_EVENTS_TOKEN") or "local",
        help="本机上报是否免令牌 / whether events from this machine need a token (HAULWATCH_EVENTS_TOKEN; local)",
    )


def tell_first_administrator(store: OrderStore, lang: Lang) -> None:
    """Where nobody administrates yet, somebody does from now on; the one-time password is told once, here."""
    made = store.people().first_administrator()
    if made is None:
        return
    name, password = made
    text = Text(
        f"haulwatch: 已创建管理员账户 {name}，一次性密码 {password} （只显示这一次，首次登录须修改）",
        f"haulwatch: made the administrator {name} with the one-time password {password} (shown this once; to be "
        "changed at the first login)",
    )
    print(text.lang(lang), file=sys.stderr, flush=True)


def add_jt808_options(parser: argparse.ArgumentParser, pictures: str) -> None:
    """Where JT/T 808 terminals connect; `pictures` says where theirs go by default."""
    parser.add_argument("--jt808", metavar="HOST:PORT", help="JT/T 808 终端接入 / listen for JT/T 808 terminals")
    parser.add_argument(
        "--jt808-profiles", type=Path, metavar="DIR", help="自备的终端配置 / folder with device profiles of your own"
    )
    parser.add_argument("--pictures", type=Path, metavar="DIR", help=f"图片目录 / folder for pictures ({pictures})")


def add_connectors_option(parser: argparse.ArgumentParser) -> None:
    """Which other devices are heard."""
    parser.add_argument(
        "--connectors", type=Path, metavar="FILE", help="设备接入配置 / connectors.yaml: cameras, indicators, platforms"
    )


def connectors_of(options: argparse.Namespace) -> ConnectorsFile | None:
    """The file of `--connectors`. Raises AuthorError, WorldError."""
    return None if options.connectors is None else read_connectors(options.connectors)


def add_notify_option(parser: argparse.ArgumentParser) -> None:
    """Who is told of orders."""
    parser.add_argument(
        "--notify", type=Path, metavar="FILE", help="通知配置 / notify.yaml: chat groups, phones, other platforms"
    )


def add_checkpoints_option(parser: argparse.ArgumentParser) -> None:
    """Where the audit's head is kept besides its database."""
    given = os.environ.get("HAULWATCH_CHECKPOINTS")
    parser.add_argument(
        "--checkpoints",
        type=Path,
        metavar="FILE",
        default=Path(given) if given else None,
        help="审计校验点文件，宜在另一块盘或另一台机器 · the audit's heads, best elsewhere (HAULWATCH_CHECKPOINTS)",
    )


def add_oidc_option(parser: argparse.ArgumentParser) -> None:
    """Who vouches for people besides their passwords."""
    given = os.environ.get("HAULWATCH_OIDC")
    parser.add_argument(
        "--oidc",
        type=Path,
        metavar="FILE",
        default=Path(given) if given else None,
        help="统一身份认证（OpenID Connect）配置 · single sign-on (HAULWATCH_OIDC)",
    )


def notify_of(options: argparse.Namespace) -> NotifyFile | None:
    """The file of `--notify`. Raises AuthorError, WorldError."""
    return None if options.notify is None else read_notify(options.notify)


def jt808_options(options: argparse.Namespace) -> Jt808Options | None:
    """What `--jt808` and its like say; None where terminals do not connect here. Raises WorldError."""
    if options.jt808 is None:
        return None
    host, port = address(options.jt808)
    return Jt808Options(host, port, options.jt808_profiles, options.pictures)


def address(text: str) -> tuple[str, int]:
    """`HOST:PORT` as host and port. Raises WorldError."""
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise WorldError(Text(f"地址应为 HOST:PORT，而不是 {text}", f"expected HOST:PORT, not {text}"))
    return host.strip("[]"), int(port)
