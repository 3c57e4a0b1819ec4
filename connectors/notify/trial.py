"""A message to try a channel with: looks like any other and says that it is a test."""

from __future__ import annotations

import time
from zoneinfo import ZoneInfo

from connectors.notify.addresses import NotAllowed
from connectors.notify.outgoing import Outgoing
from connectors.notify.senders import Sender
from connectors.notify.settings import NotifyFile
from connectors.notify.texts import Wording
from haulwatch.domain.deliveries import Answer, Delivery
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.orders import Change, Order
from haulwatch.domain.text import Text

TRIAL = "test"
"""The step, and the end of a webhook's event type."""


def send_trial(file: NotifyFile, channel: str, now_ms: int | None = None) -> Answer:
    """Sends one test message to the channel. Raises WorldError where a secret is not to be had."""
    at_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    sender = Sender(channel, file)
    sender.check()
    wording = Wording(ZoneInfo("Asia/Shanghai"), {}, file.public_url)
    outgoing = Outgoing(file.allowed, ca_file=file.ca_file, proxy=file.proxy)
    try:
        reply = outgoing(sender.post([trial(at_ms)], wording, at_ms))
    except NotAllowed as error:
        return Answer(outcome="refused", reason=error.text.en)
    except UnicodeEncodeError:
        return Answer(outcome="refused", reason="a secret of the channel is not plain text")
    return sender.answer(reply, at_ms)


def trial(at_ms: int) -> Delivery:
    """A delivery of an order that there is not."""
    at = rfc3339(at_ms)
    order = Order(
        order_id="HW-00000000-0000",
        version=1,
        change_id=0,
        stage="new",
        category="overweight",
        severity="info",
        urgency="low",
        title=Text("测试消息，请忽略", "A test, please ignore"),
        summary=Text("通道可用。", "The channel works."),
        truck_id="浙A00000",
        rule_id=TRIAL,
        rule_hash="",
        city_hash="",
        breach_id=TRIAL,
        dedup_key=TRIAL,
        late=False,
        occurrences=1,
        lon=120.1536,
        lat=30.2875,
        zone_ids=[],
        started_at=at,
        detected_at=at,
        last_detected_at=at,
        ended_at=at,
        opened_at=at,
        stage_at=at,
    )
    return Delivery(
        delivery_id=0,
        step=TRIAL,
        message_id=f"msg_test_{at_ms}",
        attempts=0,
        wanted_ms=at_ms,
        change=Change(change_id=0, kind=TRIAL, at=at, order=order),
        stage_now="new",
        overtaken=False,
    )
