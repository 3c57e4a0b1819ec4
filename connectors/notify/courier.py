"""One channel at work: what is due leaves when its turn has come, and the log knows what became of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Protocol

from connectors.notify.addresses import NotAllowed
from connectors.notify.outgoing import Send
from connectors.notify.pacing import (
    LATEST_AGAIN_MS,
    MARGIN_MS,
    WINDOW_MS,
    again_ms,
    next_slot_ms,
    rest_ms,
    together,
)
from connectors.notify.senders import Sender
from connectors.notify.texts import Wording
from haulwatch.domain.deliveries import (
    Answer,
    ChannelFigures,
    ChannelPast,
    Delivery,
    DeliveryState,
    NewDelivery,
)
from haulwatch.domain.errors import WorldError
from haulwatch.domain.orders import Change
from haulwatch.metrics import Counters

MOST_DUE = 500
"""How many deliveries are looked at at once, and go into one message at most."""
FEW_DUE = 20
"""The same for a channel that sends them one by one."""


class DeliveryLog(Protocol):
    """See `haulwatch.dispatch.deliveries.Deliveries`. Every method raises WorldError."""

    def claim(self, holder: str, lease_ms: int) -> int | None: ...

    def changes(self, after: int, limit: int) -> Sequence[Change]: ...

    def queue(self, holder: str, change_id: int, new: Sequence[NewDelivery], lease_ms: int) -> bool: ...

    def release(self, holder: str) -> None: ...

    def due(self, channel: str, limit: int) -> Sequence[Delivery]: ...

    def next_due_ms(self, channel: str) -> int | None: ...

    def past(self, channel: str, since_ms: int) -> ChannelPast: ...

    def begin(self, channel: str, delivery_ids: Sequence[int]) -> int: ...

    def finish(
        self, attempt_id: int, answer: Answer, *, again_ms: int, failures: int, paused_until_ms: int
    ) -> None: ...

    def settle(self, delivery_ids: Sequence[int], state: DeliveryState, reason: str) -> None: ...

    def give_up_older(self, wanted_before_ms: int, reason: str) -> int: ...

    def figures(self) -> Sequence[ChannelFigures]: ...


class Courier:
    """Carries the deliveries of one channel; to be used from one thread."""

    def __init__(
        self,
        sender: Sender,
        log: DeliveryLog,
        send: Send,
        wording: Callable[[], Wording],
        counters: Counters,
        *,
        give_up_after_ms: int,
        now_ms: Callable[[], int],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = sender.name
        self._sender = sender
        self._log = log
        self._send = send
        self._wording = wording
        self._counters = counters
        self._give_up_after_ms = give_up_after_ms
        self._now_ms = now_ms
        self._chance = chance
        self._unwritten: Callable[[], None] | None = None

    def step(self) -> int | None:
        """Sends one message if one may be sent; in how many milliseconds to look again, None when nothing waits.

        Raises WorldError while the log is away; what became of a message that was sent is then written next time.
        """
        if self._unwritten is not None:
            self._unwritten()
            self._unwritten = None
        now_ms = self._now_ms()
        past = self._log.past(self.name, now_ms - WINDOW_MS - MARGIN_MS)
        # A pause that lies further ahead than any pause was made by a clock that has been put back since.
        if now_ms < past.paused_until_ms <= now_ms + LATEST_AGAIN_MS:
            return past.paused_until_ms - now_ms
        most = FEW_DUE if self._sender.bundle is None else MOST_DUE
        due = self._still_wanted(self._log.due(self.name, most), now_ms)
        if not due:
            next_ms = self._log.next_due_ms(self.name)
            return None if next_ms is None else max(0, next_ms - now_ms)
        slot_ms = next_slot_ms(past.attempts_ms, self._sender.channel.rate, now_ms)
        if slot_ms > now_ms:
            return slot_ms - now_ms
        self._carry(due[:1] if self._sender.bundle is None else together(due, self._sender.bundle), past.failures)
        return 0

    def _still_wanted(self, due: Sequence[Delivery], now_ms: int) -> list[Delivery]:
        """What of it is to be sent; the rest is ended with its reason."""
        oldest_ms = now_ms - self._give_up_after_ms
        overtaken = [one.delivery_id for one in due if one.overtaken]
        if overtaken:
            self._log.settle(overtaken, "not_needed", "the order has moved on")
        expired = [one.delivery_id for one in due if not one.overtaken and one.wanted_ms < oldest_ms]
        if expired:
            self._log.settle(expired, "given_up", f"not delivered within {self._give_up_after_ms // 3_600_000} h")
            self._count("given_up", len(expired))
        return [one for one in due if not one.overtaken and one.wanted_ms >= oldest_ms]

    def _carry(self, chosen: Sequence[Delivery], failures_before: int) -> None:
        attempt_id = self._log.begin(self.name, [one.delivery_id for one in chosen])
        answer = self._try(chosen)
        now_ms = self._now_ms()
        failures = failures_before + 1 if answer.outcome in ("failed", "away") else 0
        rest = rest_ms(answer, failures, self._chance())
        again = now_ms + again_ms(max(one.attempts for one in chosen) + 1, self._chance())

        def write() -> None:
            self._log.finish(
                attempt_id, answer, again_ms=again, failures=failures, paused_until_ms=now_ms + rest if rest else 0
            )

        self._unwritten = write
        self._counters.add(
            "notify_messages_total", "Messages by channel and outcome", channel=self.name, outcome=answer.outcome
        )
        if answer.outcome in ("sent", "refused"):
            self._count("sent" if answer.outcome == "sent" else "given_up", len(chosen))
        write()
        self._unwritten = None

    def _try(self, chosen: Sequence[Delivery]) -> Answer:
        now_ms = self._now_ms()
        try:
            reply = self._send(self._sender.post(chosen, self._wording(), now_ms))
        except (NotAllowed, WorldError) as error:
            # Wrong settings too: whoever puts them right finds that nothing was lost meanwhile.
            return Answer(outcome="away", reason=error.text.en)
        except UnicodeEncodeError:
            return Answer(outcome="away", reason="a secret of the channel is not plain text")
        return self._sender.answer(reply, now_ms)

    def _count(self, state: DeliveryState, deliveries: int) -> None:
        self._counters.add(
            "notify_deliveries_total", "Deliveries that are done", deliveries, channel=self.name, state=state
        )
