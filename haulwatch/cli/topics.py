"""`haulwatch topics create|check`: the cluster's topics on the broker."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import msgspec

from connectors.kafka_topics import TopicFinding, check, create, deviations, fix, topic_states
from haulwatch.cli.cluster import add_answer_options, add_kafka_options, settings_of
from haulwatch.domain.text import Lang, Text
from haulwatch.settings import ClusterSettings
from haulwatch.topics import DEFAULT_PARTITIONS


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the verb `topics` with its two actions."""
    parser = subparsers.add_parser("topics", help="Kafka 主题 · topics of a cluster")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    making = actions.add_parser("create", help="新建缺少的主题 · make the topics that are missing")
    making.add_argument(
        "--partitions",
        type=_count,
        metavar="N",
        help=f"分区数，建后不能改 · for good ({DEFAULT_PARTITIONS}, or those of the log that is there)",
    )
    making.add_argument("--replication", type=_count, default=1, metavar="N", help="副本数 · copies of each record (1)")
    making.add_argument("--fix", action="store_true", help="改正已有主题的设置 · also mend settings of those there")
    making.set_defaults(run=run_create)
    checking = actions.add_parser("check", help="与应有的设置比对 · compare with what they should be")
    checking.set_defaults(run=run_check)
    for action in (making, checking):
        add_kafka_options(action)
        add_answer_options(action)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError("1 … 10000")
    return int(text)


def run_create(options: argparse.Namespace) -> int:
    """Says what it made; 1 when a topic that is there is not as it should be."""
    lang: Lang = options.lang
    settings = settings_of(options)
    partitions = options.partitions or _partitions_there(settings) or DEFAULT_PARTITIONS
    if sys.stderr.isatty():
        print(Text("正在创建主题…", "making topics…").lang(lang), file=sys.stderr)
    made = create(settings, partitions, options.replication)
    findings = check(settings)
    mended = fix(settings, findings) if options.fix else []
    findings = check(settings) if mended else findings
    if options.json:
        print(_json({"created": made, "mended": mended, "findings": findings}))
        return 1 if findings else 0
    for name in made:
        print(f"+ {name}")
    for finding in mended:
        print(f"~ {finding.topic} {finding.setting}={finding.expected}")
    there = len(settings.topics.specs()) - len(made)
    print(Text(f"新建 {len(made)} 个主题，已有 {there} 个", f"{len(made)} topics made, {there} were there").lang(lang))
    _tell(findings, lang)
    return 1 if findings else 0


def _partitions_there(settings: ClusterSettings) -> int | None:
    log = topic_states(settings).get(settings.topics.observations)
    return None if log is None else log.partitions


def run_check(options: argparse.Namespace) -> int:
    """Prints every deviation; 1 when there is one."""
    lang: Lang = options.lang
    settings = settings_of(options)
    states = topic_states(settings)
    findings = deviations(settings, states)
    if options.json:
        log = states.get(settings.topics.observations)
        partitions = None if log is None else log.partitions
        print(_json({"topics": len(states), "partitions": partitions, "findings": findings}))
        return 1 if findings else 0
    _tell(findings, lang)
    print(
        Text(f"{len(states)} 个主题，{len(findings)} 处不符", f"{len(states)} topics, {len(findings)} deviations").lang(
            lang
        )
    )
    return 1 if findings else 0


def _tell(findings: Sequence[TopicFinding], lang: Lang) -> None:
    for finding in findings:
        print(f"✗ {finding.topic}  {finding.text.lang(lang)}")
        print(f"    → {finding.mend.lang(lang)}")


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
