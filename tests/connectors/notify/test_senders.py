"""What each kind of channel is sent, and what its answers mean."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.notify.outgoing import Post, Reply
from connectors.notify.senders import Sender, by_status, retry_after_ms
from connectors.notify.signing import dingtalk_sign
from connectors.notify.texts import Wording
from haulwatch.domain.errors import WorldError
from tests.connectors.notify.conftest import NOW_MS, SECRET, a_delivery, file_of
from tests.connectors.notify.receiver import Request, verify

FILE = """
allow_hosts: [robot.example.org]
public_url: https://console.example.org
channels:
  ding: {type: dingtalk, url: https://robot.example.org/send, token: "env:TOKEN", secret: "env:SEC"}
  wecom: {type: wecom, url: "env:WECOM"}
  platform: {type: webhook, url: https://robot.example.org/hook, secret: "env:HOOK", token: "env:TOKEN"}
  hidden: {type: webhook, url: https://robot.example.org/hook, secret: "env:HOOK", mask_plates: true}
  sms:
    type: sms
    url: https://robot.example.org/sms
    phones: [13800138000, 13900139000]
    template: "{truck} {order_id}"
    fields: {to: "{phone_list}", all: "{phones}", content: "【渣土】{text}", id: "{message_id}"}
    success: {field: code, values: [0, ok]}
  form:
    type: sms
    url: https://robot.example.org/sms?v=1
    phones: [13800138000]
    form: true
    template: "{truck}"
    fields: {mobile: "{phones}", content: "{text}"}
"""


@pytest.fixture
def make(secret: Callable[[str, str], str]) -> Callable[[str], Sender]:
    for name, value in {
        "TOKEN": "t&k",
        "SEC": "SECx",
        "HOOK": SECRET,
        "WECOM": "https://robot.example.org/w?key=1",
    }.items():
        secret(name, value)
    file = file_of(FILE)
    return lambda name: Sender(name, file)


def sent(post: Post) -> Request:
    return Request(post.url, {name.lower(): value for name, value in post.headers.items()}, post.body)


def test_dingtalk(make: Callable[[str], Sender], wording: Wording) -> None:
    post = make("ding").post([a_delivery(1)], wording, NOW_MS)
    query = {name: values[0] for name, values in parse_qs(urlsplit(post.url).query).items()}
    assert query == {"access_token": "t&k", "timestamp": str(NOW_MS), "sign": dingtalk_sign("SECx", NOW_MS)}
    body = sent(post).json
    assert body["msgtype"] == "markdown"
    assert body["markdown"]["title"] == "新工单 未密闭运输"
    assert body["markdown"]["text"].startswith("### 【新工单】未密闭运输\n\n> ")


def test_wecom(make: Callable[[str], Sender], wording: Wording) -> None:
    post = make("wecom").post([a_delivery(number) for number in range(1, 400)], wording, NOW_MS)
    assert post.url == "https://robot.example.org/w?key=1"
    content = sent(post).json["markdown"]["content"]
    assert content.startswith("### 399 张工单\n")
    assert len(content.encode()) <= 4096


def test_people_are_mentioned_only_where_it_is_urgent(wording: Wording) -> None:
    file = file_of(
        "allow_hosts: [r.example.org]\nchannels:\n"
        "  ding: {type: dingtalk, url: 'https://r.example.org/', mention: [13800138000, all]}\n"
        "  wecom: {type: wecom, url: 'https://r.example.org/', mention: [ZhangSan, lisi]}\n"
    )
    ding, wecom = Sender("ding", file), Sender("wecom", file)
    urgent = [a_delivery(number) for number in range(1, 500)]
    body = sent(ding.post(urgent, wording, NOW_MS)).json
    assert body["at"] == {"atMobiles": ["13800138000"], "isAtAll": True}
    assert body["markdown"]["text"].endswith("\n\n@13800138000")
    content = sent(wecom.post(urgent, wording, NOW_MS)).json["markdown"]["content"]
    assert content.endswith("\n<@ZhangSan> <@lisi>")
    assert len(content.encode()) <= 4096
    calm = [a_delivery(1, urgency="normal")]
    assert "at" not in sent(ding.post(calm, wording, NOW_MS)).json
    assert "<@" not in sent(wecom.post(calm, wording, NOW_MS)).json["markdown"]["content"]


def test_a_webhook_is_signed_and_the_same_in_every_attempt(make: Callable[[str], Sender], wording: Wording) -> None:
    sender, delivery = make("platform"), a_delivery(3)
    first, again = (sent(sender.post([delivery], wording, at_ms)) for at_ms in (NOW_MS, NOW_MS + 60_000))
    for request in (first, again):
        verify(SECRET, request)
    assert first.headers["webhook-timestamp"] == "1777593600"
    assert first.headers["authorization"] == "Bearer t&k"
    assert (first.body, first.headers["webhook-id"]) == (again.body, again.headers["webhook-id"])
    told = first.json
    assert (told["type"], told["timestamp"]) == ("haulwatch.order.opened", delivery.change.at)
    assert told["data"]["order"]["order_id"] == "HW-20260501-0003"
    assert told["data"]["change_id"] == 3


def test_a_masked_webhook_has_the_plate_nowhere(make: Callable[[str], Sender], wording: Wording) -> None:
    delivery = a_delivery(3, dedup_key="浙E12345|uncovered")
    post = make("hidden").post([delivery], wording, NOW_MS)
    assert "12345" not in post.body.decode()
    assert sent(post).json["data"]["order"]["dedup_key"] == "浙E***45|uncovered"


def test_sms(make: Callable[[str], Sender], wording: Wording) -> None:
    assert sent(make("sms").post([a_delivery(3)], wording, NOW_MS)).json == {
        "to": ["13800138000", "13900139000"],
        "all": "13800138000,13900139000",
        "content": "【渣土】浙E12345 HW-20260501-0003",
        "id": "msg_3",
    }
    form = make("form").post([a_delivery(3)], wording, NOW_MS)
    assert parse_qs(form.body.decode()) == {"mobile": ["13800138000"], "content": ["浙E12345"]}
    assert form.headers["Content-Type"].startswith("application/x-www-form-urlencoded")


@pytest.mark.parametrize(
    ("channel", "status", "body", "outcome"),
    [
        ("platform", 200, b"", "sent"),
        ("platform", 204, b"", "sent"),
        ("platform", 302, b"", "refused"),
        ("platform", 400, b"bad", "refused"),
        ("platform", 401, b"", "refused"),
        ("platform", 410, b"", "refused"),
        ("platform", 408, b"", "failed"),
        ("platform", 500, b"", "failed"),
        ("platform", 429, b"", "away"),
        ("platform", 502, b"", "away"),
        ("platform", 503, b"", "away"),
        ("ding", 200, b'{"errcode":0,"errmsg":"ok"}', "sent"),
        ("ding", 200, b'{"errcode":310000,"errmsg":"sign not match"}', "refused"),
        ("ding", 200, b'{"errcode":130101,"errmsg":"send too fast"}', "away"),
        ("ding", 200, b'{"errcode":-1,"errmsg":"busy"}', "failed"),
        ("ding", 200, b"<html>login</html>", "failed"),
        ("ding", 200, b'{"errcode":false}', "failed"),
        ("ding", 200, b"[0]", "failed"),
        ("ding", 500, b"", "failed"),
        ("wecom", 200, b'{"errcode":0}', "sent"),
        ("wecom", 200, b'{"errcode":45009}', "away"),
        ("wecom", 200, b'{"errcode":93000,"errmsg":"invalid webhook url"}', "refused"),
        ("sms", 200, b'{"code":0}', "sent"),
        ("sms", 200, b'{"code":"ok"}', "sent"),
        ("sms", 200, b'{"code":"no money"}', "refused"),
        ("sms", 200, b"welcome", "failed"),
        ("form", 200, b"welcome", "sent"),
    ],
)
def test_answers(make: Callable[[str], Sender], channel: str, status: int, body: bytes, outcome: str) -> None:
    answer = make(channel).answer(Reply(status, {}, body), NOW_MS)
    assert (answer.outcome, answer.status) == (outcome, status)
    assert (answer.reason == "") == (outcome == "sent")


def test_a_robot_asked_too_often_is_left_alone_for_a_minute(make: Callable[[str], Sender]) -> None:
    assert make("wecom").answer(Reply(200, {}, b'{"errcode":45009}'), NOW_MS).wait_ms == 60_000


@pytest.mark.parametrize(
    ("value", "wait_ms"),
    [
        ("120", 120_000),
        ("0", 0),
        ("Fri, 01 May 2026 00:01:00 GMT", 60_000),
        ("Thu, 30 Apr 2026 00:01:00 GMT", 0),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("9" * 50, 999_999_999_000),
    ],
)
def test_retry_after(value: str, wait_ms: int | None) -> None:
    assert retry_after_ms(Reply(429, {"retry-after": value}, b""), NOW_MS) == wait_ms


@given(st.integers(100, 599), st.binary(max_size=300), st.text(max_size=30))
def test_any_answer_is_understood(status: int, body: bytes, retry_after: str) -> None:
    answer = by_status(Reply(status, {"retry-after": retry_after}, body), NOW_MS)
    assert (answer is None) == (200 <= status < 300)


@given(
    st.binary(max_size=100)
    | st.builds(
        lambda value: json.dumps(value).encode(),
        st.dictionaries(st.just("errcode"), st.integers() | st.text() | st.none()),
    )
)
def test_any_answer_of_a_robot_is_understood(body: bytes) -> None:
    file = file_of('allow_hosts: [r.example.org]\nchannels: {r: {type: wecom, url: "https://r.example.org/"}}\n')
    answer = Sender("r", file).answer(Reply(200, {}, body), NOW_MS)
    assert answer.outcome in ("sent", "refused", "failed", "away")


def test_missing_secrets_are_told_at_the_start(make: Callable[[str], Sender], monkeypatch: pytest.MonkeyPatch) -> None:
    make("ding").check()
    monkeypatch.delenv("TOKEN")
    with pytest.raises(WorldError, match="TOKEN"):
        make("ding").check()
