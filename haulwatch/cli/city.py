"""`haulwatch city check|show|deploy`: is a city folder right, what is in it, and putting it in force in a cluster."""

from __future__ import annotations

import argparse
from collections import Counter
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from haulwatch.city import build_city, check_city, city_files, pack_city
from haulwatch.cli import city_rollouts
from haulwatch.cli.cluster import add_kafka_options, settings_of
from haulwatch.domain.text import Lang, Text

if TYPE_CHECKING:
    from haulwatch.city import City


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the verb `city` with its actions."""
    parser = subparsers.add_parser("city", help="城市文件夹 · city folders")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", help="检查全部文件，一次列出所有错误 · find every error of every file")
    check.set_defaults(run=run_check)
    show = actions.add_parser("show", help="显示内容、数量和哈希 · contents, counts and hash")
    show.set_defaults(run=run_show)
    deploy = actions.add_parser(
        "deploy", help="申请启用（--by），或在集群中直接启用 · propose it (--by), or put it in force in a cluster"
    )
    deploy.set_defaults(run=run_deploy)
    add_kafka_options(deploy)
    city_rollouts.add_place(deploy, needed=False)
    city_rollouts.add_person(deploy, needed=False)
    city_rollouts.add(actions)
    for action in (check, show, deploy):
        action.add_argument("folder", type=Path, metavar="DIR", help="城市文件夹 · city folder")
        action.add_argument("--json", action="store_true", help="输出 JSON · print JSON")
        action.add_argument("--lang", choices=("zh", "en"), default="zh", help="语言 · language (zh)")


def run_check(options: argparse.Namespace) -> int:
    """Prints every finding; 1 when one of them is an error."""
    lang: Lang = options.lang
    files = city_files(options.folder)
    findings = check_city(files, today=date.today())
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = len(findings) - errors
    if options.json:
        result = {"files": len(files), "errors": errors, "warnings": warnings, "findings": findings}
        print(_json(result))
        return 1 if errors else 0
    for finding in findings:
        print(finding.render(lang), end="\n\n")
    if lang == "zh":
        print(f"{len(files)} 个文件，{errors} 处错误，{warnings} 处警告")
    else:
        print(f"{len(files)} files, {errors} errors, {warnings} warnings")
    return 1 if errors else 0


def run_show(options: argparse.Namespace) -> int:
    """Prints what the city is made of."""
    city = build_city(city_files(options.folder))
    described = describe(city)
    if options.json:
        print(_json(described))
        return 0
    print(f"{city.name.lang(options.lang)} ({city.city_id})  {city.city_hash}")
    print(f"  {city.timezone.key} · {city.datum} · {', '.join(pack.id for pack in city.law.packs) or '-'}")
    for name, count in described["counts"].items():
        print(f"  {count:>7,}  {name}")
    for name in ("zones", "rules"):
        print(f"  {name}: " + ", ".join(f"{kind} {count}" for kind, count in described[name].items()))
    return 0


def run_deploy(options: argparse.Namespace) -> int:
    """Checks the folder and proposes the city to a second person; or, on a cluster's machine and without a name, stores
    it and activates it in every partition at once. What is in force already stays."""
    # Not above: who checks a folder need not wait for the libraries of a cluster.
    from connectors.kafka_cities import publish_city
    from haulwatch.bootstrap import load_city

    lang: Lang = options.lang
    city, files = load_city(options.folder)
    if options.by is not None:
        return city_rollouts.run_propose(files, options)
    settings = settings_of(options)
    done = publish_city(settings, city.city_hash, pack_city(files))
    if options.json:
        print(_json({"city_id": city.city_id, "city_hash": city.city_hash, **msgspec.to_builtins(done)}))
        return 0
    print(f"{city.name.lang(lang)} ({city.city_id})  {city.city_hash}")
    if done.changed:
        print(Text(f"已在 {done.partitions} 个分区启用", f"in force in {done.partitions} partitions").lang(lang))
    else:
        print(Text("本来就在启用，未作更改", "was in force already; nothing changed").lang(lang))
    return 0


def describe(city: City) -> dict[str, Any]:
    """The city in plain values: settings, hash, how many of everything, zones by kind, rules by status."""
    registry = city.registry
    return {
        "city_id": city.city_id,
        "name": city.name,
        "city_hash": city.city_hash,
        "timezone": city.timezone.key,
        "datum": city.datum,
        "law": [pack.id for pack in city.law.packs],
        "rules_engine": city.rules_engine,
        "lateness_ms": city.lateness_ms,
        "gap_ms": city.gap_ms,
        "accuracy_m": city.accuracy_m,
        "counts": {
            "trucks": len(registry.trucks),
            "stations": len(registry.stations),
            "cameras": len(registry.cameras),
            "permits": len(registry.permits),
            "squads": len(registry.squads),
            "zones": len(city.zones),
            "rules": len(city.book.rules),
        },
        "zones": dict(sorted(Counter(zone.kind for zone in city.zones).items())),
        "rules": dict(sorted(Counter(rule.status for rule in city.book.rules).items())),
    }


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
