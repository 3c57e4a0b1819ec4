"""What is posted to each kind of channel, and what its answer means. No I/O but reading the secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from connectors.notify.outgoing import Post, Reply
from connectors.notify.settings import Channel, ChannelType, NotifyFile
from connectors.notify.signing import dingtalk_sign, webhook_key, webhook_signature
from connectors.notify.steps import step_of
from connectors.notify.texts import Message, Style, Wording, compose, masked, navigation_url, order_url
from connectors.secret_values import SecretPlace
from haulwatch.domain.deliveries import Answer, Delivery

EVENT_TYPE = "haulwatch.order."
LIMITS: dict[ChannelType, int] = {"dingtalk": 16_000, "wecom": 4_000, "sms": 1_500, "webhook": 16_000}
"""Bytes of a text; WeCom's own limit is 4,096, DingTalk's 20,000 (vendors' guides)."""
OVER_LIMIT_MS = 60_000
"""How long a robot that was asked too often is left alone at least."""
_TOO_OFTEN: dict[ChannelType, tuple[int, ...]] = {"dingtalk": (130101, 130102), "wecom": (45009, 45033)}
_BUSY = -1
_AWAY_STATUSES = (429, 502, 503, 504)
_AGAIN_STATUSES = (408, 425)
_JSON = "application/json; charset=utf-8"
_FORM = "application/x-www-form-urlencoded; charset=utf-8"


class Sender:
    """One channel: builds requests, understands answers. Raises WorldError where a secret is not to be had."""

    def __init__(self, name: str, file: NotifyFile) -> None:
        self.name = name
        self.channel: Channel = file.channels[name]
        self.bundle = self.channel.bundle if self.channel.type != "webhook" else None
        self._public_url = file.public_url
        self._call_out = _called_out(self.channel)
        self._style = Style(
            markdown=self.channel.type in ("dingtalk", "wecom"),
            newline={"dingtalk": "\n\n", "sms": " "}.get(self.channel.type, "\n"),
            limit=LIMITS[self.channel.type] - len(self._call_out.encode()) - 2,
            lang=file.language(self.channel),
            mask=file.masks(self.channel),
            template=self.channel.template,
        )

    def url(self) -> str:
        """Where it posts to, as the file or the secret says at this moment, with the token but unsigned."""
        channel = self.channel
        url = channel.url.value() if isinstance(channel.url, SecretPlace) else channel.url
        named = {"dingtalk": "access_token", "wecom": "key"}.get(channel.type)
        return _with_query(url, {named: channel.token.value()}) if named and channel.token is not None else url

    def check(self) -> None:
        """Raises WorldError where one of its secrets is missing or none."""
        self.url()
        for secret in (self.channel.token, self.channel.secret):
            if secret is not None:
                secret.value()
        if self.channel.type == "webhook" and self.channel.secret is not None:
            webhook_key(self.channel.secret.value())

    def post(self, deliveries: Sequence[Delivery], wording: Wording, now_ms: int) -> Post:
        """The request for these deliveries, signed for this moment."""
        if self.channel.type == "webhook":
            return self._webhook(deliveries[0], now_ms)
        message = compose(deliveries, self._style, wording)
        if self.channel.type == "sms":
            return self._sms(deliveries, message.text)
        return self._robot(message, any(one.change.order.urgency == "urgent" for one in deliveries), now_ms)

    def _robot(self, message: Message, urgent: bool, now_ms: int) -> Post:
        text = message.text
        if urgent and self._call_out:
            text += self._style.newline + self._call_out
        url, mention = self.url(), self.channel.mention
        if self.channel.type == "wecom":
            return self._made(url, {"Content-Type": _JSON}, _encoded(_markdown({"content": text})))
        body = _markdown({"title": message.title, "text": text})
        if urgent and mention:
            people = [person for person in mention if person != "all"]
            body["at"] = {"atMobiles": people, "isAtAll": "all" in mention}
        if self.channel.secret is not None:
            signed = dingtalk_sign(self.channel.secret.value(), now_ms)
            url = _with_query(url, {"timestamp": str(now_ms), "sign": signed})
        return self._made(url, {"Content-Type": _JSON}, _encoded(body))

    def _webhook(self, delivery: Delivery, now_ms: int) -> Post:
        assert self.channel.secret is not None, "the file would not have been taken"
        payload = self.payload(delivery)
        timestamp_s = now_ms // 1000
        signature = webhook_signature(
            webhook_key(self.channel.secret.value()), delivery.message_id, timestamp_s, payload
        )
        signing = {
            "webhook-id": delivery.message_id,
            "webhook-timestamp": str(timestamp_s),
            "webhook-signature": signature,
        }
        return self._made(self.url(), {"Content-Type": _JSON, **self._bearer(), **signing}, payload)

    def payload(self, delivery: Delivery) -> bytes:
        """What a webhook is sent of a change; the same bytes in every attempt."""
        change = delivery.change
        order = msgspec.to_builtins(change.order)
        data = {
            "change_id": change.change_id,
            "kind": change.kind,
            "step": delivery.step,
            "order": _masked(order, change.order.truck_id) if self._style.mask else order,
            "order_url": order_url(change.order.order_id, self._public_url),
            "navigation_url": navigation_url(change.order),
        }
        kind = EVENT_TYPE + (step_of(change) or change.kind)
        return _encoded({"type": kind, "timestamp": change.at, "data": data})

    def _sms(self, deliveries: Sequence[Delivery], text: str) -> Post:
        channel = self.channel
        values = {
            "text": text,
            "phones": ",".join(channel.phones),
            "order_id": deliveries[0].change.order.order_id,
            "message_id": deliveries[0].message_id,
        }
        lists: Mapping[str, Any] = {"{phone_list}": list(channel.phones)}
        joined = {**values, "phone_list": values["phones"]}
        if channel.form:
            form = {name: template.format(**joined) for name, template in channel.fields.items()}
            return self._made(self.url(), {"Content-Type": _FORM, **self._bearer()}, urlencode(form).encode())
        body = {name: lists.get(template) or template.format(**joined) for name, template in channel.fields.items()}
        return self._made(self.url(), {"Content-Type": _JSON, **self._bearer()}, _encoded(body))

    def _bearer(self) -> dict[str, str]:
        token = self.channel.token
        return {} if token is None else {"Authorization": f"Bearer {token.value()}"}

    def _made(self, url: str, headers: dict[str, str], body: bytes) -> Post:
        return Post(url=url, headers=headers, body=body, plain=self.channel.http)

    def answer(self, reply: Reply, now_ms: int) -> Answer:
        """What a reply means."""
        refused = by_status(reply, now_ms)
        if refused is not None:
            return refused
        if self.channel.type in ("dingtalk", "wecom"):
            return _of_robot(self.channel.type, reply)
        success = self.channel.success
        if success is None:
            return Answer(outcome="sent", status=reply.status)
        said = _json_of(reply.body)
        if said is None or success.field not in said:
            reason = f"the answer has no {success.field}: {_quoted(reply.body)}"
            return Answer(outcome="failed", status=reply.status, reason=reason)
        if _plain(said[success.field]) in success.values:
            return Answer(outcome="sent", status=reply.status)
        return Answer(outcome="refused", status=reply.status, reason=_quoted(reply.body))


def _markdown(content: dict[str, str]) -> dict[str, Any]:
    return {"msgtype": "markdown", "markdown": content}


def _called_out(channel: Channel) -> str:
    """What mentions people: DingTalk wants its `atMobiles` in the text too, WeCom reads `<@userid>` there."""
    if channel.type == "wecom":
        return " ".join(f"<@{person}>" for person in channel.mention)
    return " ".join(f"@{person}" for person in channel.mention if person != "all")


def by_status(reply: Reply, now_ms: int) -> Answer | None:
    """What the status alone says; None for success, whose body may say more."""
    status = reply.status
    if 200 <= status < 300:
        return None
    reason = f"HTTP {status} {_quoted(reply.body)}".rstrip()
    if status in _AWAY_STATUSES:
        return Answer(outcome="away", status=status, reason=reason, wait_ms=retry_after_ms(reply, now_ms))
    if status in _AGAIN_STATUSES or status >= 500:
        return Answer(outcome="failed", status=status, reason=reason, wait_ms=retry_after_ms(reply, now_ms))
    if 300 <= status < 400:
        reason = f"HTTP {status}: redirects are not followed"
    return Answer(outcome="refused", status=status, reason=reason)


def retry_after_ms(reply: Reply, now_ms: int) -> int | None:
    """What `Retry-After` asks for (seconds or a date, RFC 9110 10.2.3), None where it says nothing readable."""
    value = reply.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return int(value[:9]) * 1000
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, IndexError, TypeError, OverflowError):  # the parser's, for dates that are none
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(0, round((at - datetime.fromtimestamp(now_ms / 1000, UTC)).total_seconds() * 1000))


def _of_robot(kind: ChannelType, reply: Reply) -> Answer:
    said = _json_of(reply.body)
    code = None if said is None else said.get("errcode")
    if said is None or type(code) is not int:
        return Answer(outcome="failed", status=reply.status, reason=f"no errcode in the answer: {_quoted(reply.body)}")
    if code == 0:
        return Answer(outcome="sent", status=reply.status)
    reason = f"errcode {code}: {said.get('errmsg', '')}"
    if code in _TOO_OFTEN[kind]:
        return Answer(outcome="away", status=reply.status, reason=reason, wait_ms=OVER_LIMIT_MS)
    return Answer(outcome="failed" if code == _BUSY else "refused", status=reply.status, reason=reason)


def _with_query(url: str, values: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(values)}"


def _masked(value: Any, plate: str) -> Any:
    """The same JSON with the plate masked in every text."""
    if isinstance(value, str):
        return masked(value, plate)
    if isinstance(value, list):
        return [_masked(item, plate) for item in value]
    if isinstance(value, dict):
        return {name: _masked(item, plate) for name, item in value.items()}
    return value


def _encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _json_of(body: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(body: bytes) -> str:
    return body[:200].decode(errors="replace")
