"""The cluster's topics on the broker: made as `haulwatch.topics` says they are to be, and compared with it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from typing import Any, Literal

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import NoError, TopicAlreadyExistsError, for_code
from msgspec import Struct

from connectors.kafka_client import admin_client
from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text
from haulwatch.settings import ClusterSettings
from haulwatch.topics import TopicSpec

AT_LEAST = ("retention.ms", "max.message.bytes")
"""More of it than asked for is an operator's choice; of everything else exactly what the specification says."""
AT_MOST = ("segment.ms", "segment.bytes")
READY_MS = 30_000


class TopicFinding(Struct, frozen=True):
    """One way in which a topic is not as it should be. `setting` names the topic setting, if it is one.

    `mend` is what to do about it: a command or what stands in the way of one.
    """

    topic: str
    code: Literal["missing", "partitions", "replication", "setting"]
    text: Text
    mend: Text
    setting: str | None = None
    found: str | None = None
    expected: str | None = None


class TopicState(Struct, frozen=True):
    """A topic as the broker has it; `replication` is that of its least replicated partition."""

    partitions: int
    replication: int
    config: Mapping[str, str | None]


def wanted_config(spec: TopicSpec, replication: int) -> dict[str, str]:
    """The settings of a topic kept `replication` times.

    With three copies a write needs two of them: one broker may be away, and what was answered survives another.
    """
    # A broker's own default may be another policy; a log that is compacted would lose observations.
    config = {"cleanup.policy": "delete", **spec.config}
    return config | {"min.insync.replicas": "2" if replication >= 3 else "1"}


def create(settings: ClusterSettings, partitions: int, replication: int = 1) -> list[str]:
    """Makes the topics that are missing and returns their names; those that are there stay as they are.

    Raises WorldError, also when a partitioned topic is there with another number of partitions.
    """
    with admin_client(settings) as admin:
        specs = settings.topics.specs()
        there = _described(admin, [spec.name for spec in specs])
        for spec in specs:
            if spec.partitioned and spec.name in there and there[spec.name].partitions != partitions:
                raise _other_partitions(spec.name, there[spec.name].partitions, partitions)
        missing = {
            spec.name: {
                "num_partitions": partitions if spec.partitioned else 1,
                "replication_factor": replication,
                "configs": wanted_config(spec, replication),
            }
            for spec in specs
            if spec.name not in there
        }
        return _made(admin, missing) if missing else []


def _made(admin: KafkaAdminClient, missing: Mapping[str, Any]) -> list[str]:
    made = []
    for answer in admin.create_topics(missing, raise_errors=False)["topics"]:
        error = for_code(answer["error_code"])
        if error is NoError:
            made.append(answer["name"])
        elif error is not TopicAlreadyExistsError:  # made by somebody else meanwhile
            why = answer.get("error_message") or error.__name__
            raise WorldError(
                Text(f"无法创建主题 {answer['name']}：{why}", f"cannot create topic {answer['name']}: {why}")
            )
    admin.wait_for_topics(list(missing), timeout_ms=READY_MS)
    return made


def _other_partitions(name: str, found: int, asked: int) -> WorldError:
    return WorldError(
        Text(
            f"主题 {name} 已有 {found} 个分区，不是 {asked} 个。{_NO_REPARTITION.zh}",
            f"topic {name} is there with {found} partitions, not {asked}. {_NO_REPARTITION.en}",
        )
    )


_NO_REPARTITION = Text(
    "分区数不能更改：车辆按分区数分配，改了以后它的历史仍在旧分区。要用别的分区数，请换一个 --topic-prefix 新建",
    "Partitions are never changed: trucks are placed by their number, and a truck's history would stay behind in its"
    " old partition. For another number, create topics under another --topic-prefix",
)


def topic_states(settings: ClusterSettings) -> dict[str, TopicState]:
    """The topics that are there, by name. Raises WorldError."""
    names = [spec.name for spec in settings.topics.specs()]
    with admin_client(settings) as admin:
        there = _described(admin, names)
        if not there:
            return {}
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in there]
        configs = admin.describe_configs(resources, config_filter="all")["topic"]
    return {
        name: TopicState(
            state.partitions, state.replication, {key: entry["value"] for key, entry in configs[name].items()}
        )
        for name, state in there.items()
    }


def _described(admin: KafkaAdminClient, names: list[str]) -> dict[str, TopicState]:
    states = {}
    for topic in admin.describe_topics(names):
        if topic["error_code"] == 0:
            partitions = topic["partitions"]
            copies = min((len(partition["replica_nodes"]) for partition in partitions), default=0)
            states[topic["name"]] = TopicState(len(partitions), copies, {})
    return states


def partitions_of(settings: ClusterSettings, topic: str) -> int:
    """How many partitions a topic has. Raises WorldError, also when there is no such topic."""
    with admin_client(settings) as admin:
        state = _described(admin, [topic]).get(topic)
    if state is None:
        raise WorldError(
            Text(
                f"Kafka 中没有主题 {topic}：先运行 haulwatch topics create",
                f"Kafka has no topic {topic}: run haulwatch topics create first",
            )
        )
    return state.partitions


def check(settings: ClusterSettings) -> list[TopicFinding]:
    """Every deviation from the specification, topic by topic. Raises WorldError."""
    return deviations(settings, topic_states(settings))


def deviations(settings: ClusterSettings, states: Mapping[str, TopicState]) -> list[TopicFinding]:
    """What is wrong with these topics: all partitioned ones must have as many partitions as the observations log."""
    log = states.get(settings.topics.observations)
    findings: list[TopicFinding] = []
    for spec in settings.topics.specs():
        state = states.get(spec.name)
        if state is None:
            findings.append(_missing(spec.name))
            continue
        expected = 1 if not spec.partitioned else log.partitions if log is not None else state.partitions
        if state.partitions != expected:
            findings.append(_partitions(spec.name, state.partitions, expected))
        if log is not None and state.replication < log.replication:
            findings.append(_replication(spec.name, state.replication, log.replication))
        findings += _settings(settings, spec, state)
    return findings


def _missing(name: str) -> TopicFinding:
    return TopicFinding(
        name,
        "missing",
        Text("没有这个主题", "this topic is missing"),
        Text("haulwatch topics create", "haulwatch topics create"),
    )


def _partitions(name: str, found: int, expected: int) -> TopicFinding:
    text = Text(f"有 {found} 个分区，应有 {expected} 个", f"has {found} partitions, should have {expected}")
    return TopicFinding(name, "partitions", text, _NO_REPARTITION, found=str(found), expected=str(expected))


def _replication(name: str, found: int, expected: int) -> TopicFinding:
    text = Text(
        f"有 {found} 个副本，少于观测日志的 {expected} 个", f"has {found} copies, fewer than the log's {expected}"
    )
    mend = Text("用 kafka-reassign-partitions.sh 增加副本", "add copies with kafka-reassign-partitions.sh")
    return TopicFinding(name, "replication", text, mend, found=str(found), expected=str(expected))


def _settings(settings: ClusterSettings, spec: TopicSpec, state: TopicState) -> list[TopicFinding]:
    return [
        _setting(settings, spec.name, setting, state.config.get(setting), expected)
        for setting, expected in wanted_config(spec, state.replication).items()
        if not fulfils(setting, state.config.get(setting), expected)
    ]


def _setting(settings: ClusterSettings, topic: str, setting: str, found: str | None, expected: str) -> TopicFinding:
    bound = "≥ " if setting in AT_LEAST else "≤ " if setting in AT_MOST else ""
    wanted = shlex.quote(f"{setting}={expected}")
    command = (
        f"kafka-configs.sh --bootstrap-server {settings.kafka} --alter --entity-type topics --entity-name {topic}"
        f" --add-config {wanted}"
    )
    return TopicFinding(
        topic,
        "setting",
        Text(f"{setting} 为 {found}，应为 {bound}{expected}", f"{setting} is {found}, should be {bound}{expected}"),
        Text(f"haulwatch topics create --fix，或 {command}", f"haulwatch topics create --fix, or {command}"),
        setting=setting,
        found=found,
        expected=expected,
    )


def fulfils(setting: str, found: str | None, expected: str) -> bool:
    """Whether a setting's value is what is asked for, or more of what there cannot be too much of."""
    if found == expected:
        return True
    if found is None:
        return False
    if setting in AT_LEAST:
        return int(found) >= int(expected) or (setting == "retention.ms" and int(found) == -1)
    return setting in AT_MOST and int(found) <= int(expected)


def fix(settings: ClusterSettings, findings: list[TopicFinding]) -> list[TopicFinding]:
    """Sets the settings that deviate as they should be; returns those findings that it mended. Raises WorldError.

    Partitions and copies are not touched: the one cannot be mended in place, the other moves data between brokers.
    """
    changes: dict[str, dict[str, str]] = {}
    mended = [finding for finding in findings if finding.setting is not None and finding.expected is not None]
    for finding in mended:
        changes.setdefault(finding.topic, {})[str(finding.setting)] = str(finding.expected)
    if not changes:
        return []
    with admin_client(settings) as admin:
        resources = [ConfigResource(ConfigResourceType.TOPIC, name, config) for name, config in changes.items()]
        for name, result in admin.alter_configs(resources, incremental=True)["topic"].items():
            if result != "OK":
                raise WorldError(
                    Text(
                        f"无法更改主题 {name} 的设置：{result}", f"cannot alter the settings of topic {name}: {result}"
                    )
                )
    _until_seen(settings, changes)
    return mended


def _until_seen(settings: ClusterSettings, changes: Mapping[str, Mapping[str, str]]) -> None:
    """The controller has taken the changes; the brokers that are asked next learn of them a moment later."""
    deadline = time.monotonic() + READY_MS / 1000
    while time.monotonic() < deadline:
        states = topic_states(settings)
        if all(states[name].config[key] == value for name, config in changes.items() for key, value in config.items()):
            return
        time.sleep(0.1)
