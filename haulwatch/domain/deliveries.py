"""Notices of order changes on their way to people and other platforms: the vocabulary of the delivery log.

A delivery is one change of an order for one channel. It is `queued`, then `sent`; after an attempt that may be repeated
it is `failed` until the next one; `given_up` says why in `reason`; `not_needed` is a reminder that was overtaken.
"""

from __future__ import annotations

from typing import Literal, get_args

from msgspec import Struct

from haulwatch.domain.orders import Change, Stage

DeliveryState = Literal["queued", "failed", "sent", "given_up", "not_needed"]
DELIVERY_STATES: tuple[DeliveryState, ...] = get_args(DeliveryState)
WAITING: tuple[DeliveryState, ...] = ("queued", "failed")
"""These are still to be sent."""

Outcome = Literal["sent", "refused", "failed", "away"]
"""What became of an attempt: taken; refused for good; failed, because of this message or not; nobody takes anything."""


class NewDelivery(Struct, frozen=True, kw_only=True):
    """A change that concerns a channel. `step` names it (and tells several for one channel apart).

    `due_ms` is when it is to be sent; with `if_unchanged` only if the order has not left its stage by then.
    """

    change_id: int
    order_id: str
    step: str
    channel: str
    due_ms: int
    if_unchanged: bool = False


class Delivery(Struct, frozen=True, kw_only=True):
    """A delivery that is due, with what it tells of; `message_id` is the same in every attempt.

    `wanted_ms` is when it should have been sent, whatever was tried since.
    `stage_now` is the order's stage at this moment; `overtaken` when the order was to be unchanged and is not.
    """

    delivery_id: int
    step: str
    message_id: str
    attempts: int
    wanted_ms: int
    change: Change
    stage_now: Stage
    overtaken: bool


class Answer(Struct, frozen=True, kw_only=True):
    """What an attempt came to. `status` is the HTTP status, if there was one; `reason` is empty when it was sent.

    `wait_ms` is how long whoever answered wants to be left alone.
    """

    outcome: Outcome
    status: int | None = None
    reason: str = ""
    wait_ms: int | None = None


class ChannelPast(Struct, frozen=True, kw_only=True):
    """What a channel did lately: attempts within the window asked for, oldest first; failures in a row; its pause."""

    attempts_ms: tuple[int, ...]
    failures: int
    paused_until_ms: int


class ChannelFigures(Struct, frozen=True, kw_only=True):
    """How a channel stands: deliveries that are due and wait, since when the first of them, how many were given up."""

    channel: str
    waiting: int
    oldest_ms: int | None
    given_up: int


class DeliveryEntry(Struct, frozen=True, kw_only=True):
    """One line of the delivery log; instants are RFC 3339, `done_at` is null while it is to be sent."""

    delivery_id: int
    order_id: str
    change_id: int
    step: str
    channel: str
    state: DeliveryState
    wanted_at: str
    due_at: str
    attempts: int
    status: int | None
    reason: str | None
    done_at: str | None
    together: int
    """How many deliveries its last attempt carried in one message."""
