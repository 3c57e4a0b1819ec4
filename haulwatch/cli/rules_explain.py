"""`haulwatch rules explain`: why a rule fired on recorded events, or why not."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from haulwatch.bootstrap.trials import trial_city
from haulwatch.city import City
from haulwatch.cli.arguments import instant_ms
from haulwatch.cli.explained import told
from haulwatch.cli.progress import Progress
from haulwatch.cli.recorded import add_recorded, expect_total, recorded_of
from haulwatch.domain.errors import WorldError, did_you_mean
from haulwatch.domain.text import Text
from rules.model import Rule
from rules.standing import Explanation
from streams.explaining import explain


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the action `explain`."""
    parser = actions.add_parser("explain", help="一条规则为什么触发、为什么没有触发 · why a rule fired, or why not")
    parser.add_argument("rule", metavar="RULE", help="规则编号 · the rule's id")
    add_recorded(parser)
    parser.add_argument("--truck", metavar="PLATE", help="哪辆车；不写则自动选 · which truck; chosen without it")
    parser.add_argument(
        "--at", metavar="INSTANT", help="看到何时为止（RFC 3339）· as of this instant; else the end of the data"
    )
    parser.add_argument("--json", action="store_true", help="输出 JSON · print JSON")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh", help="语言 · language (zh)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the explanation; 0 whether the rule fired or not."""
    city = trial_city(options.city, options.rules)
    rule = named_rule(city, options.rule)
    at_ms = instant_ms(options.at) if options.at else None
    with Progress("事件 / events") as progress:
        recorded = recorded_of(options)
        expect_total(progress, recorded)
        found = explain(
            city,
            rule.rule_id,
            recorded.logs(),
            truck_id=options.truck,
            at_ms=at_ms,
            on_progress=progress.advance,
        )
    if found is None:
        raise WorldError(_nothing(options.truck))
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(_as_json(city, rule, found)), indent=2).decode())
        return 0
    for line in told(rule, found, city.timezone, options.lang):
        print(line)
    return 0


def named_rule(city: City, rule_id: str) -> Rule:
    """The rule of the city's book with this id, drafts too. Raises WorldError with what was probably meant."""
    known = {rule.rule_id: rule for rule in city.book.rules}
    rule = known.get(rule_id)
    if rule is not None:
        return rule
    hint = did_you_mean(rule_id, known) or Text("现有：" + "、".join(known), "There are: " + ", ".join(known))
    raise WorldError(Text(f"没有规则 {rule_id}。{hint.zh}", f"there is no rule {rule_id}. {hint.en}"))


def _nothing(truck_id: str | None) -> Text:
    if truck_id is None:
        return Text("数据中没有任何车辆的事件", "the data has no event of any truck")
    return Text(f"数据中没有车辆 {truck_id} 的事件", f"the data has no event of truck {truck_id}")


def _as_json(city: City, rule: Rule, found: Explanation) -> dict[str, Any]:
    head = {
        "rule_id": rule.rule_id,
        "rule_hash": rule.rule_hash,
        "title": rule.title,
        "category": rule.category,
        "status": rule.status,
        "city_hash": city.city_hash,
    }
    explained: dict[str, Any] = msgspec.to_builtins(found)
    return head | explained
