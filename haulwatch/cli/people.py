"""`haulwatch people …`: who may use the system, and what each may do."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from typing import Any

import msgspec

from haulwatch.cli.orders import table
from haulwatch.dispatch.database import check_exists, sqlite_url
from haulwatch.dispatch.people import ONE_TIME_DAYS, People
from haulwatch.dispatch.store import open_store
from haulwatch.domain.orders import ROLES
from haulwatch.domain.people import ROLE_NAMES, Person, Service
from haulwatch.domain.text import Lang, Text

HEADINGS = (
    Text("账户", "account"),
    Text("姓名", "name"),
    Text("角色", "roles"),
    Text("辖区", "jurisdiction"),
    Text("中队", "squad"),
    Text("状态", "state"),
    Text("最近使用", "last used"),
)


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the verb `people` with its actions."""
    parser = subparsers.add_parser("people", help="账户、角色、令牌 · accounts, roles, tokens")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _common(actions.add_parser("list", help="列出账户与服务令牌 · list accounts and services' tokens"), run_list)
    new = actions.add_parser("add", help="新建账户，显示一次性密码 · make an account and tell its one-time password")
    _person(new)
    new.add_argument("--name", default="", metavar="TEXT", help="姓名 · how people call this one")
    _rights(new, required=True)
    _common(new, run_add)
    roles = actions.add_parser("roles", help="更改角色、辖区、中队 · other roles, jurisdiction or squad")
    _person(roles)
    _rights(roles, required=False)
    _common(roles, run_roles)
    disable = actions.add_parser("disable", help="停用（或重新启用）账户 · keep somebody out, or let in again")
    _person(disable)
    disable.add_argument("--undo", action="store_true", help="重新启用 · let in again")
    _common(disable, run_disable)
    reset = actions.add_parser("reset", help="重置为一次性密码并解除锁定 · a new one-time password; unlocks")
    _person(reset)
    _common(reset, run_reset)
    token = actions.add_parser("token", help="新建、更换或吊销服务令牌 · make, renew or revoke a service's token")
    token.add_argument("person", metavar="NAME", help="服务名 · name of the service")
    _rights(token, required=False)
    token.add_argument("--days", type=_days, metavar="N", help="有效天数（默认不过期） · good for so many days")
    token.add_argument("--revoke", action="store_true", help="吊销 · revoke it")
    _common(token, run_token)


def _person(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("person", metavar="ACCOUNT", help="登录名 · the name to log in with")


def _rights(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "--role", action="append", required=required, choices=ROLES, metavar="ROLE", help=f"角色 · {', '.join(ROLES)}"
    )
    parser.add_argument(
        "--jurisdiction", action="append", metavar="ZONE", help="辖区编号，可重复，默认全市 · zone id; the whole city"
    )
    parser.add_argument("--squad", metavar="ID", help="所属中队 · of a squad member")


def _common(parser: argparse.ArgumentParser, run: Any) -> None:
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--data", type=Path, metavar="DIR", help="数据文件夹 · data folder of `haulwatch run`")
    where.add_argument("--database", metavar="URL", help="数据库地址 · database URL")
    parser.add_argument("--json", action="store_true", help="输出 JSON · print JSON")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh", help="语言 · language (zh)")
    parser.set_defaults(run=lambda options: _with_people(options, run))


def _with_people(options: argparse.Namespace, run: Any) -> int:
    if options.database is not None:
        check_exists(options.database)
    else:
        options.data.mkdir(parents=True, exist_ok=True)  # accounts may be made before the first start
    store = open_store(options.database or sqlite_url(options.data))
    try:
        return int(run(store.people(), options))
    finally:
        store.close()


def run_list(people: People, options: argparse.Namespace) -> int:
    """Prints everybody, and every service."""
    persons, services = people.list(), people.services()
    if options.json:
        _print_json({"people": persons, "services": services})
        return 0
    lang: Lang = options.lang
    rows = [[heading.lang(lang) for heading in HEADINGS]]
    rows += [_person_row(person, lang) for person in persons]
    rows += [_service_row(service, lang) for service in services]
    for line in table(rows):
        print(line)
    return 0


def run_add(people: People, options: argparse.Namespace) -> int:
    """Makes an account."""
    password = people.add(
        options.person,
        name=options.name,
        roles=options.role,
        jurisdiction=options.jurisdiction or (),
        squad_id=options.squad,
        by=_who(),
    )
    _tell_password(options, password)
    return 0


def run_roles(people: People, options: argparse.Namespace) -> int:
    """Changes what somebody may; `--jurisdiction ""` is the whole city again, `--squad ""` no squad."""
    given = options.jurisdiction
    person = people.change(
        options.person,
        roles=options.role,
        jurisdiction=None if given is None else [zone for zone in given if zone],
        squad_id=options.squad,
        by=_who(),
    )
    if options.json:
        _print_json(person)
    else:
        print("  ".join(cell for cell in _person_row(person, options.lang) if cell))
    return 0


def run_disable(people: People, options: argparse.Namespace) -> int:
    """Keeps somebody out, or lets somebody in again."""
    people.disable(options.person, disabled=not options.undo, by=_who())
    return 0


def run_reset(people: People, options: argparse.Namespace) -> int:
    """A new one-time password."""
    _tell_password(options, people.reset(options.person, by=_who()))
    return 0


def run_token(people: People, options: argparse.Namespace) -> int:
    """Makes a token and prints it, or revokes one."""
    if options.revoke:
        people.revoke(options.person, by=_who())
        return 0
    token = people.token(
        options.person,
        roles=options.role or ["device"],
        jurisdiction=options.jurisdiction or (),
        squad_id=options.squad,
        days=options.days,
        by=_who(),
    )
    if options.json:
        _print_json({"service": options.person, "token": token})
        return 0
    told = Text("令牌只显示这一次，请妥善保管", "shown this once; keep it well")
    print(token)
    print(told.lang(options.lang), file=sys.stderr)
    return 0


def _tell_password(options: argparse.Namespace, password: str) -> None:
    if options.json:
        _print_json({"account": options.person, "one_time_password": password})
        return
    told = Text(
        f"一次性密码，{ONE_TIME_DAYS} 天内有效，首次登录须修改；只显示这一次",
        f"one-time password, good for {ONE_TIME_DAYS} days, to be changed at the first login; shown this once",
    )
    print(password)
    print(told.lang(options.lang), file=sys.stderr)


def _person_row(person: Person, lang: Lang) -> list[str]:
    state = Text("停用", "disabled") if person.disabled else Text("", "")
    if person.password_due is not None and not person.disabled:
        state = Text("一次性密码", "one-time password")
    return [person.person_id, person.name, *_shown_rights(person, lang), state.lang(lang), person.last_login_at or ""]


def _service_row(service: Service, lang: Lang) -> list[str]:
    state = Text("已吊销", "revoked") if service.revoked_at else Text("令牌", "token")
    if service.expires_at and not service.revoked_at:
        state = Text(f"有效至 {service.expires_at[:10]}", f"until {service.expires_at[:10]}")
    return [service.name, "", *_shown_rights(service, lang), state.lang(lang), service.last_used_at or ""]


def _shown_rights(one: Person | Service, lang: Lang) -> list[str]:
    roles = ("、" if lang == "zh" else ", ").join(ROLE_NAMES[role].lang(lang) for role in one.roles)
    return [roles, " ".join(one.jurisdiction) or "—", one.squad_id or ""]


def _print_json(value: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _who() -> str:
    """Who runs the command, for the audit: whoever can read the database's secrets may do all this."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli"


def _days(text: str) -> int:
    days = int(text)
    if not 0 < days <= 3660:
        raise argparse.ArgumentTypeError("1–3660")
    return days
