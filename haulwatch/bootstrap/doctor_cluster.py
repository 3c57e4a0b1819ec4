"""What the doctor asks a cluster: Kafka, its topics, who is behind, what is saved, which city decides, the database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import msgspec
from kafka.consumer.fetcher import ConsumerRecord
from msgspec import Struct

from connectors.kafka_cities import read_register
from connectors.kafka_lag import GroupLag, broker_state, group_lag, newest_records, waiting_since_ms
from connectors.kafka_topics import check as check_topics
from connectors.kafka_topics import topic_states
from haulwatch.bootstrap import doctor_machine as machine
from haulwatch.bootstrap.doctor import Check, Question, ask, ill, unknown, well
from haulwatch.dispatch.inspection import inspect_store
from haulwatch.domain.errors import WorldError
from haulwatch.domain.instants import rfc3339, to_ms
from haulwatch.domain.text import Text
from haulwatch.settings import ClusterSettings
from haulwatch.wire import decode_events
from streams.kafka_snapshots import HEAD_KEY, Mark
from streams.snapshots import Head, decode_head

CONNECT_MS = 5_000
WHOLE_S = 40.0
BEHIND_MS = 60_000
"""Workers acknowledge what they have saved, every ten seconds; a minute is no pause any more."""
STALE_MS = 120_000
CLOCK_MS = 5_000
SHOWN = 3


def examine(settings: ClusterSettings, data: Path | None) -> list[Check]:
    """Everything at once: Kafka and what follows from it, the database, this machine and the room in `data`."""
    questions: list[tuple[str, Question]] = [
        ("kafka", partial(_kafka, settings)),
        ("database", partial(_database, settings)),
        ("names", machine.names),
        ("python", machine.python_version),
        ("packages", machine.packages),
    ]
    if data is not None:
        questions.append(("disk", partial(machine.disk, data)))
    return ask(questions, WHOLE_S)


def _kafka(settings: ClusterSettings) -> list[Check]:
    if not settings.kafka:
        return _not_asked(
            ("kafka", "topics", *_FOLLOWING), Text("没有指定 Kafka（--kafka）", "no Kafka given (--kafka)")
        )
    try:
        broker = broker_state(settings, CONNECT_MS)
    except WorldError as error:
        mend = Text("检查地址、网络和 Kafka 进程", "check the address, the network, and whether Kafka runs")
        away = Check(name="kafka", state="ill", text=error.text, mend=mend, reached=False)
        return [away, *_not_asked(("topics", *_FOLLOWING), Text("Kafka 连不上，未检查", "not checked without Kafka"))]
    text = Text(
        f"{settings.kafka}：{broker.brokers} 个节点，版本 {broker.version} 或更新",
        f"{settings.kafka}: {broker.brokers} brokers, version {broker.version} or later",
    )
    found = [Check(name="kafka", state="well", text=text, reached=True)]
    [topics] = ask([("topics", lambda: _topics(settings))])
    if settings.topics.observations not in topic_states(settings):
        return [*found, topics, *_not_asked(_FOLLOWING, Text("没有观测日志，未检查", "not checked without the log"))]
    return [*found, topics, *ask([(name, partial(question, settings)) for name, question in _FOLLOWING.items()])]


def _not_asked(names: Iterable[str], why: Text) -> list[Check]:
    return [unknown(name, why) for name in names]


def _topics(settings: ClusterSettings) -> Check:
    findings = check_topics(settings)
    if not findings:
        return well("topics", Text("主题与设置都对", "topics and their settings are right"))
    zh, en = ("; ".join(f"{one.topic} {one.text.lang(lang)}" for one in findings[:SHOWN]) for lang in ("zh", "en"))
    text = Text(f"{len(findings)} 处不符：{zh}", f"{len(findings)} deviations: {en}")
    return ill(
        "topics",
        text,
        Text("haulwatch topics check，再 topics create --fix", "haulwatch topics check, then topics create --fix"),
    )


def _workers(settings: ClusterSettings) -> Check:
    topics = settings.topics
    mend = Text(
        "查看 worker 的日志和 /metrics；不够快就多开几个", "look at the workers' logs and /metrics; start more of them"
    )
    lag = group_lag(settings, f"{topics.prefix}-worker", [topics.observations, *topics.inlets])
    return _lag("workers", Text("worker", "workers"), lag, mend)


def _intake(settings: ClusterSettings) -> Check:
    mend = Text("查看 console 的日志和数据库", "look at the console's log and at the database")
    lag = group_lag(settings, f"{settings.topics.prefix}-intake", [settings.topics.breaches])
    return _lag("intake", Text("console", "consoles"), lag, mend)


def _lag(name: str, who: Text, lag: GroupLag, mend: Text) -> Check:
    age_ms = 0 if lag.oldest_ms is None else max(0, _now_ms() - lag.oldest_ms)
    text = Text(
        f"{lag.members} 个 {who.zh}，落后 {lag.records} 条记录、{age_ms / 1000:.0f} 秒",
        f"{lag.members} {who.en}, {lag.records} records and {age_ms / 1000:.0f} s behind",
    )
    if lag.members and age_ms <= BEHIND_MS:
        return well(name, text)
    if not lag.members:
        mend = Text(f"启动 haulwatch {name_of(name)}", f"start haulwatch {name_of(name)}")
    return ill(name, text, mend)


def name_of(name: str) -> str:
    """The command whose processes a check is about."""
    return {"workers": "worker", "intake": "console"}[name]


class Saved(Struct, frozen=True):
    """A partition's newest snapshot: when it was written, the first record that is not in it, its head."""

    at_ms: int
    next_offset: int
    head: Head


def _saved(settings: ClusterSettings) -> dict[int, Saved]:
    found = {}
    for number, record in newest_records(settings, settings.topics.snapshots, HEAD_KEY).items():
        mark = msgspec.msgpack.decode(record.value, type=Mark)
        found[number] = Saved(record.timestamp, mark.next_offset, decode_head(mark.head))
    return found


def _snapshots(settings: ClusterSettings) -> Check:
    saved = _saved(settings)
    nexts = {number: snapshot.next_offset for number, snapshot in saved.items()}
    waiting = waiting_since_ms(settings, settings.topics.observations, nexts)
    stale = sorted(number for number, since_ms in waiting.items() if _now_ms() - since_ms > STALE_MS)
    newest = rfc3339(max(snapshot.at_ms for snapshot in saved.values())) if saved else "-"
    text = Text(
        f"{len(saved)} 个分区有快照，最新 {newest}", f"{len(saved)} partitions have snapshots, the newest of {newest}"
    )
    if not stale:
        return well("snapshots", text)
    numbers = ", ".join(map(str, stale))
    return ill(
        "snapshots",
        Text(f"{text.zh}；分区 {numbers} 的没有跟上日志", f"{text.en}; those of {numbers} are behind the log"),
        Text(
            "看这些分区的 worker 是否在运行、能否写入快照主题",
            "see whether the workers of these partitions run and can write snapshots",
        ),
    )


def _city(settings: ClusterSettings) -> Check:
    register = read_register(settings)
    if register.active is None and register.finished:
        text = Text("还没有启用任何城市", "no city is in force yet")
        return ill("city", text, Text("haulwatch city deploy DIR", "haulwatch city deploy DIR"))
    if not register.finished:
        text = Text(f"城市 {register.deploying} 的部署没有完成", f"the deployment of {register.deploying} did not end")
        return ill("city", text, Text("再次运行 haulwatch city deploy", "run haulwatch city deploy again"))
    saved = {number: snapshot.head.city_hash for number, snapshot in _saved(settings).items()}
    others = {number: city_hash for number, city_hash in saved.items() if city_hash != register.active}
    if others:
        told = ", ".join(f"{n}: {(found or '-')[:12]}" for n, found in sorted(others.items()))
        text = Text(
            f"启用的是 {register.active}，这些分区的快照不是：{told}",
            f"{register.active} is in force, but not in the snapshots of: {told}",
        )
        mend = Text("刚部署过就等一个快照；否则再次部署", "wait for a snapshot after a deployment, else deploy again")
        return ill("city", text, mend)
    return well("city", Text(f"启用 {register.active}", f"{register.active} is in force"))


def _clock(settings: ClusterSettings) -> Check:
    """Only what the log shows: its newest record cannot be of our future, nor be received after it was written."""
    newest = newest_records(settings, settings.topics.observations)
    if not newest:
        return unknown("clock", Text("日志是空的，无从比较", "the log is empty: nothing to compare with"))
    taken_ms = max(record.timestamp for record in newest.values())
    behind_ms = taken_ms - _now_ms()
    if behind_ms > CLOCK_MS:
        text = Text(f"本机时钟比 Kafka 慢 {behind_ms} 毫秒", f"this machine's clock is {behind_ms} ms behind Kafka's")
        return ill("clock", text, _SET_CLOCKS)
    ahead_ms = max(_received_ahead_ms(record) for record in newest.values())
    if ahead_ms > CLOCK_MS:
        text = Text(f"写入者的时钟比 Kafka 快 {ahead_ms} 毫秒", f"a writer's clock is {ahead_ms} ms ahead of Kafka's")
        return ill("clock", text, _SET_CLOCKS)
    text = Text(
        f"最新记录 {rfc3339(taken_ms)} 不在本机的将来；本机是否偏快看不出来",
        f"the newest record, of {rfc3339(taken_ms)}, is not in our future; whether we are ahead does not show",
    )
    return well("clock", text)


def _received_ahead_ms(record: ConsumerRecord) -> int:
    """By how much a record's newest `received_at` is later than the broker's own time of it."""
    good, _bad = decode_events(record.value or b"")
    return max((to_ms(event.received_at or event.at) for event in good), default=0) - int(record.timestamp)


def _database(settings: ClusterSettings) -> Check:
    if not settings.database:
        return unknown("database", Text("没有指定数据库（--database）", "no database given (--database)"))
    try:
        store = inspect_store(settings.database)
    except WorldError as error:
        mend = Text("检查地址、网络和数据库进程", "check the URL, the network, and whether the database runs")
        return Check(name="database", state="ill", text=error.text, mend=mend, reached=False)
    if store.revision != store.newest:
        text = Text(
            f"库结构为 {store.revision}，应为 {store.newest}", f"schema {store.revision}, should be {store.newest}"
        )
        mend = Text("启动新版 console 时会自动升级", "starting a console of this version upgrades it")
    elif not store.last_sound:
        text = Text("审计的最后一条与链首不符", "the audit's last entry is not as its head says")
        mend = Text("haulwatch orders audit verify", "haulwatch orders audit verify")
    else:
        last = store.last_at or "-"
        text = Text(
            f"{store.database}，结构 {store.revision}；审计 {store.audit_entries} 条，最后 {last}",
            f"{store.database}, schema {store.revision}; {store.audit_entries} audit entries, the last of {last}",
        )
        return Check(name="database", state="well", text=text, reached=True)
    return Check(name="database", state="ill", text=text, mend=mend, reached=True)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


_SET_CLOCKS = Text("用 NTP 校时", "set the clocks by NTP")
_FOLLOWING: dict[str, Callable[[ClusterSettings], Check]] = {
    "workers": _workers,
    "intake": _intake,
    "snapshots": _snapshots,
    "city": _city,
    "clock": _clock,
}
"""What is asked once Kafka answers and the log is there, all at once."""
