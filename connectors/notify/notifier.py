"""Notices at work: one console at a time reads changes and writes down what is to be sent; a thread a channel sends.

Delivered at least once. What follows from a change is written in the same transaction as the place in the outbox; an
attempt is written before it is made. A channel that is slow or away holds up nobody else.
"""

from __future__ import annotations

import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from connectors.notify.courier import Courier, DeliveryLog
from connectors.notify.outgoing import Outgoing, Send
from connectors.notify.senders import Sender
from connectors.notify.settings import NotifyFile
from connectors.notify.steps import deliveries_of, unknown_channel_of
from connectors.notify.texts import Wording
from haulwatch.domain.deliveries import ChannelFigures, NewDelivery
from haulwatch.domain.errors import WorldError
from haulwatch.domain.instants import to_ms
from haulwatch.domain.orders import Change
from haulwatch.domain.registry import Squad
from haulwatch.domain.text import Text
from haulwatch.metrics import Counters, Sample

BATCH_CHANGES = 200
LEASE_MS = 15_000
LEASE_MARGIN_S = 2.0
RENEW_S = 4.0
LOOK_S = 0.5
RETRY_S = 1.0
TIDY_S = 5.0
POLL_S = 5.0
"""How soon a courier notices what another process has put into the log."""
STOP_S = 6.0
HOUR_MS = 3_600_000

log = logging.getLogger(__name__)


class Notifier:
    """Reads changes and sends notices for as long as this process holds the lease."""

    def __init__(
        self,
        file: NotifyFile,
        deliveries: DeliveryLog,
        *,
        squads: Callable[[], Mapping[str, Squad]],
        timezone: Callable[[], ZoneInfo],
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        send: Send | None = None,
        holder: str | None = None,
    ) -> None:
        """`holder` is a name that no other running process has; whoever starts again under it need not wait.

        Raises WorldError where a secret or the certificates are not where the file says, NotAllowed likewise.
        """
        self._file = file
        self._log = deliveries
        self._squads = squads
        self._timezone = timezone
        self._now_ms = now_ms
        self.counters = Counters()
        outgoing = send or Outgoing(file.allowed, ca_file=file.ca_file, proxy=file.proxy)
        self._couriers = {name: self._courier(name, outgoing) for name in file.channels}
        self._holder = holder or f"{socket.gethostname()[:40]}-{secrets.token_hex(8)}"
        self._place: int | None = None
        self._held_until = 0.0
        self._claim_at = 0.0
        self._tidy_at = 0.0
        self._figures: Sequence[ChannelFigures] = ()
        self._trouble: Text | None = None
        self._stopping = threading.Event()
        self._news = threading.Event()
        self._calls = {name: threading.Event() for name in self._couriers}
        self._threads = [
            threading.Thread(target=self._guarded, args=(self._read,), name="notices", daemon=True),
            *(
                threading.Thread(target=self._guarded, args=(self._serve, courier), name=f"notices-{name}", daemon=True)
                for name, courier in self._couriers.items()
            ),
        ]
        self.failure: BaseException | None = None

    def _courier(self, name: str, send: Send) -> Courier:
        sender = Sender(name, self._file)
        sender.check()
        horizon_ms = self._file.give_up_after_h * HOUR_MS
        return Courier(
            sender, self._log, send, self._wording, self.counters, give_up_after_ms=horizon_ms, now_ms=self._now_ms
        )

    def _wording(self) -> Wording:
        return Wording(self._timezone(), self._squads(), self._file.public_url)

    # -- what others call ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begins where the last one was; the first one ever begins with what happens from now on."""
        for thread in self._threads:
            thread.start()

    def notify(self) -> None:
        """There are new changes."""
        self._news.set()

    def finish(self) -> None:
        """Begins nothing more. Does not wait."""
        self._stopping.set()
        self._news.set()
        for call in self._calls.values():
            call.set()

    def stop(self) -> None:
        """Ends the threads and gives the lease up, within seconds: what is on its way then is sent again."""
        self.finish()
        deadline = time.monotonic() + STOP_S
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))
        if self._place is not None:
            self._place = None
            try:
                self._log.release(self._holder)
            except WorldError as error:
                log.warning("the lease ends by itself", extra={"fields": {"error": str(error)}})

    def check(self) -> None:
        """Raises WorldError while notices cannot be written down or sent at all; a channel that is away is none."""
        if self.failure is not None:
            raise WorldError(Text(f"通知已停止：{self.failure}", f"notices have stopped: {self.failure}"))
        if self._trouble is not None:
            raise WorldError(self._trouble, retryable=True)

    def samples(self) -> list[Sample]:
        """Counts, and how the channels stand where this process is the one that sends."""
        now_ms, found = self._now_ms(), [Sample("notify_active", "Whether this process sends notices", int(self.holds))]
        for one in self._figures if self.holds else ():
            label = (("channel", one.channel),)
            age_s = 0.0 if one.oldest_ms is None else max(0, now_ms - one.oldest_ms) / 1000
            found += [
                Sample("notify_waiting", "Deliveries that are due and not done", one.waiting, label),
                Sample("notify_oldest_seconds", "How long the first of them has waited", age_s, label),
                Sample("notify_given_up", "Deliveries that were given up", one.given_up, label),
            ]
        return [*found, *self.counters.samples()]

    @property
    def holds(self) -> bool:
        """Whether this process is the one that sends."""
        return time.monotonic() < self._held_until

    # -- the threads --------------------------------------------------------------------------------------------------

    def _guarded(self, work: Callable[..., None], *arguments: object) -> None:
        try:
            work(*arguments)
        except BaseException as error:
            self.failure = error
            log.exception("notices have stopped")
            raise

    def _read(self) -> None:
        while not self._stopping.is_set():
            try:
                place = self._hold()
                if place is None:
                    self._stopping.wait(RETRY_S)
                    continue
                changes = self._log.changes(place, BATCH_CHANGES)
                if changes:
                    self._take(changes)
                self._tidy()
                self._trouble = None
            except WorldError as error:
                self._say(error)
                self._stopping.wait(RETRY_S)
                continue
            if not changes:
                self._news.wait(LOOK_S)
                self._news.clear()

    def _hold(self) -> int | None:
        """The place from which to go on, under a lease that was taken or prolonged when due; None: another's turn."""
        if self._place is None or time.monotonic() >= self._claim_at:
            began = time.monotonic()
            self._place = self._log.claim(self._holder, LEASE_MS)
            self._held(None if self._place is None else began)
        return self._place

    def _held(self, began: float | None) -> None:
        if began is None:
            self._held_until = 0.0
            self._trouble = None
            return
        before = self.holds
        self._held_until = began + LEASE_MS / 1000 - LEASE_MARGIN_S
        self._claim_at = began + RENEW_S
        if not before:
            log.info("sends notices", extra={"fields": {"after": self._place}})
            self._call(self._calls)

    def _take(self, changes: Sequence[Change]) -> None:
        squads, began = self._squads(), time.monotonic()
        new: list[NewDelivery] = []
        for change in changes:
            new += deliveries_of(change, to_ms(datetime.fromisoformat(change.at)), self._file, squads)
            unknown = unknown_channel_of(change, self._file, squads)
            if unknown is not None:
                self.counters.add(
                    "notify_unknown_channel_total", "Changes whose squad names a channel that is not there"
                )
        place = changes[-1].change_id
        if not self._log.queue(self._holder, place, new, LEASE_MS):
            self._place = None
            self._held_until = 0.0
            return
        self._place = place
        self._held(began)
        self._call({one.channel for one in new})

    def _call(self, names: Iterable[str]) -> None:
        for name in names:
            self._calls[name].set()

    def _tidy(self) -> None:
        if time.monotonic() < self._tidy_at:
            return
        self._tidy_at = time.monotonic() + TIDY_S
        horizon_ms = self._file.give_up_after_h * HOUR_MS
        # A courier ends what is too old for its channel; this is for channels that the file no longer has.
        self._log.give_up_older(self._now_ms() - 2 * horizon_ms, "too old, and its channel is not there")
        self._figures = self._log.figures()

    def _serve(self, courier: Courier) -> None:
        call = self._calls[courier.name]
        while not self._stopping.is_set():
            wait_s = POLL_S
            if self.holds:
                try:
                    wait_ms = courier.step()
                    wait_s = POLL_S if wait_ms is None else min(POLL_S, wait_ms / 1000)
                except WorldError as error:
                    self._say(error)
                    wait_s = RETRY_S
            if wait_s > 0:
                call.wait(wait_s)
                call.clear()

    def _say(self, error: WorldError) -> None:
        self._trouble = Text(f"通知受阻：{error.text.zh}", f"notices are held up: {error.text.en}")
        self.counters.add("notify_log_failures_total", "Times that the delivery log was away")
        log.warning("the delivery log is away", extra={"fields": {"error": str(error)}})
