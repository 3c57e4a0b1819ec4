"""One broker's session: a message is acknowledged only when our log has what came of it, in the order of arrival.

A thread of its own drives the client (paho's loop_read, loop_write, loop_misc), so that everything about a connection
happens in one place: an acknowledgement is never sent over another connection than its message came by. Which messages
wait is bounded: a full house reads no more, and the broker keeps what comes meanwhile.
"""

from __future__ import annotations

import logging
import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from msgspec import Struct
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from connectors.gate import Gate, Tally
from connectors.mqtt.messages import MAX_PAYLOAD_BYTES, Reader, Taken
from connectors.mqtt.settings import Broker
from haulwatch.domain.errors import Elsewhere, WorldError
from haulwatch.domain.live import Busy
from haulwatch.domain.text import Text
from haulwatch.metrics import Counters, Sample

CONNECT_S = 5.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
"""Between two attempts to connect; doubled from one to the next."""
RETRY_S = 1.0
TURN_S = 0.5
BURST = 100
"""Packets that are read in one turn; what came of them is submitted together."""
FINISH_S = 5.0
STOP_S = FINISH_S + CONNECT_S + 2.0
MAX_WAITING_BYTES = 64 * 1024 * 1024
PACKET_SPARE = 66_000
"""A topic and the properties beside a payload."""

log = logging.getLogger(__name__)


class _Message(Struct):
    """One that waits: `mid` is its number on connection `connection`; `future` is None until it is submitted,
    and that of all that were submitted together."""

    topic: str
    payload: bytes
    mid: int
    qos: int
    connection: int
    taken: Taken | None = None
    future: Future[None] | None = None


class BrokerSession:
    """Reads one broker's topics; a broker that is away is looked for until it is there."""

    def __init__(self, broker: Broker, reader: Reader, gate: Gate, tally: Tally) -> None:
        """Raises WorldError where the password or a certificate is not at its place."""
        self._broker, self._reader, self._gate, self._tally = broker, reader, gate, tally
        self._client = _client(broker)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._arrived
        self._ears, self._bell = socket.socketpair()
        self._ears.setblocking(False)
        self._bell.setblocking(False)
        self._waiting: deque[_Message] = deque()
        self._waiting_bytes = 0
        self._fresh: list[_Message] = []
        self._connection, self._was_connected = 0, False
        self._connect_at, self._wait_s = 0.0, FIRST_WAIT_S
        self._retry_at: float | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"mqtt-{broker.name}", daemon=True)
        self._trouble: Text | None = Text("正在连接", "it is being connected to")
        self._refused: Text | None = None
        self._log_trouble: Text | None = None
        self.counters = Counters()
        self.failure: BaseException | None = None

    # -- what others call ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begins to look for the broker."""
        self._thread.start()

    def stop(self) -> None:
        """Hears no more, and acknowledges what our log still takes; the broker keeps the rest."""
        self._stopping.set()
        self._ring()
        if self._thread.ident is None:
            self._hang_up()
        elif self._thread.is_alive():
            self._thread.join(STOP_S)

    def check(self) -> None:
        """Raises WorldError while messages are not read; Elsewhere where it is the broker that keeps us from it."""
        name = self._broker.name
        if self.failure is not None:
            raise WorldError(Text(f"{name} 已停止：{self.failure}", f"{name} has stopped: {self.failure}"))
        for trouble, kind in ((self._log_trouble, WorldError), (self._trouble, Elsewhere)):
            if trouble is not None:
                raise kind(Text(f"{name}：{trouble.zh}", f"{name}: {trouble.en}"), retryable=True)

    def samples(self) -> list[Sample]:
        """Whether it is connected, how much waits, and what went wrong."""
        labels = (("broker", self._broker.name),)
        connected = float(self._client.is_connected())
        return [
            Sample("mqtt_connected", "Whether the broker is connected", connected, labels),
            Sample("mqtt_waiting", "Messages that are not durable yet", len(self._waiting), labels),
            *self.counters.samples(),
        ]

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                if self._client.socket() is None:
                    self._connect()
                self._turn(hearing=True)
            self._finish()
        except BaseException as error:
            self.failure = error
            raise
        finally:
            self._hang_up()

    def _hang_up(self) -> None:
        self._ears.close()
        self._bell.close()

    def _connect(self) -> None:
        if time.monotonic() < self._connect_at:
            return
        self._connection += 1
        self._refused = None
        self._wait()
        try:
            self._client.reconnect()
        except OSError as error:
            self._away(error)

    def _wait(self) -> None:
        self._connect_at = time.monotonic() + self._wait_s
        self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)

    def _turn(self, *, hearing: bool) -> None:
        """Moves bytes once, or waits until there is something to do."""
        poll = select.poll()
        poll.register(self._ears, select.POLLIN)
        line = self._client.socket()
        timeout_s = TURN_S
        if line is not None:
            hearing = hearing and not self._full()
            wanted = select.POLLIN * hearing | select.POLLOUT * self._client.want_write()
            poll.register(line, wanted)
            if hearing and isinstance(line, ssl.SSLSocket) and line.pending():
                timeout_s = 0.0
        ready = dict(poll.poll(timeout_s * 1000))
        if self._ears.fileno() in ready:
            self._silence()
        if line is not None:
            heard = ready.get(line.fileno(), 0)
            if heard & ~select.POLLOUT or timeout_s == 0.0:
                self._hear(line)
            if heard & select.POLLOUT:
                self._client.loop_write()
            self._client.loop_misc()
        self._settle()

    def _hear(self, line: Any) -> None:
        """What has come, up to a burst, and all of it submitted together."""
        poll = select.poll()
        poll.register(line, select.POLLIN)
        for _packet in range(BURST):
            self._client.loop_read()
            if self._client.socket() is not line or self._full():
                break
            if not poll.poll(0) and not (isinstance(line, ssl.SSLSocket) and line.pending()):
                break
        if self._retry_at is None:
            self._submit([message for message in self._fresh if message.future is None])
        self._fresh.clear()

    def _full(self) -> bool:
        return len(self._waiting) >= 2 * self._broker.in_flight or self._waiting_bytes >= MAX_WAITING_BYTES

    def _finish(self) -> None:
        """Waits a little for what is on its way, and says goodbye."""
        deadline = time.monotonic() + FINISH_S
        while any(message.future is not None for message in self._waiting) and time.monotonic() < deadline:
            self._turn(hearing=False)
            if self._retry_at is not None:
                break
        self._client.disconnect()
        while self._client.want_write() and self._client.socket() is not None and time.monotonic() < deadline:
            self._client.loop_write()

    def _ring(self) -> None:
        """Wakes the thread; from any thread."""
        try:
            self._bell.send(b"!")
        except (BlockingIOError, OSError):
            return  # it is awake already, or gone

    def _silence(self) -> None:
        try:
            while self._ears.recv(4096):
                pass
        except BlockingIOError:
            return

    # -- what the client tells, in this thread ------------------------------------------------------------------------

    def _connected(
        self, client: Client, _data: Any, flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._refused = Text(f"服务器拒绝连接：{reason}", f"the broker refuses: {reason}")
            return
        if not flags.session_present and self._was_connected:
            self._count("mqtt_sessions_new_total", "Connections for which the broker knew no session")
        self._was_connected = True
        client.subscribe([(one.topic, _options(self._broker, one.retained)) for one in self._broker.subscriptions])
        log.info("connected", extra={"fields": {"broker": self._broker.name, "session": flags.session_present}})

    def _subscribed(
        self, _client: Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        refused = [
            one.topic for one, reason in zip(self._broker.subscriptions, reasons, strict=False) if reason.is_failure
        ]
        self._wait_s = FIRST_WAIT_S
        self._trouble = None
        if refused:
            listed = ", ".join(refused)
            self._trouble = Text(f"不允许订阅：{listed}", f"these may not be subscribed to: {listed}")

    def _disconnected(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if not self._stopping.is_set():
            self._wait()
            self._away(reason)

    def _away(self, reason: object) -> None:
        self._trouble = self._refused or Text(f"连接断开：{reason}", f"not connected: {reason}")
        self._count("mqtt_disconnects_total", "Connections that were lost or not made")
        log.warning("not connected", extra={"fields": {"broker": self._broker.name, "error": str(reason)}})

    def _arrived(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        one = _Message(message.topic, bytes(message.payload), message.mid, message.qos, self._connection)
        if message.retain and self._skips(one.topic):
            self._count("mqtt_retained_skipped_total", "Retained messages that were passed over")
            one.taken, one.future = Taken([], []), Future()
            one.future.set_result(None)
        self._waiting.append(one)
        self._waiting_bytes += len(one.payload)
        self._fresh.append(one)

    def _skips(self, topic: str) -> bool:
        subscription = self._reader.subscription(topic)
        return subscription is None or subscription.retained == "skip"

    # -- into our log -------------------------------------------------------------------------------------------------

    def _submit(self, messages: Sequence[_Message]) -> None:
        """Sends them on their way; where that cannot be, all is tried again after a while."""
        if not messages:
            return
        try:
            for message in messages:
                message.taken = self._reader.read(message.topic, message.payload, self._gate.now_ms())
            events = [event for message in messages if message.taken for event in message.taken.events]
            letters = [letter for message in messages if message.taken for letter in message.taken.letters]
            future = self._gate.submit(events, letters)
        except (WorldError, Busy) as error:
            self._hold(error.text)
            return
        for message in messages:
            message.future = future
        future.add_done_callback(lambda _future: self._ring())

    def _hold(self, reason: Text) -> None:
        self._log_trouble, self._retry_at = reason, time.monotonic() + RETRY_S
        self._count("mqtt_retries_total", "Times that messages could not be taken in and were tried again")

    def _settle(self) -> None:
        """Acknowledges what is durable, from the front; submits again what was not taken, when it is time."""
        while self._waiting and (future := self._waiting[0].future) is not None and future.done():
            error = future.exception()
            if isinstance(error, WorldError):
                self._take_back(error)
                break
            if error is not None:
                raise error
            self._log_trouble = None
            self._acknowledge(self._waiting.popleft())
        if self._retry_at is not None and time.monotonic() >= self._retry_at and not self._stopping.is_set():
            self._retry_at = None
            self._submit([message for message in self._waiting if message.future is None])

    def _take_back(self, error: WorldError) -> None:
        for message in self._waiting:
            if message.future is not None and message.future.done() and message.future.exception() is not None:
                message.future = None
        self._hold(error.text)

    def _acknowledge(self, message: _Message) -> None:
        self._waiting_bytes -= len(message.payload)
        taken = message.taken
        assert taken is not None
        self._tally.took(self._broker.name, taken.events)
        for letter in taken.letters:
            self._tally.fault(self._broker.name, letter.code)
        # Over another connection its number may be that of another message; the broker sends it again there.
        if message.qos and message.connection == self._connection and self._client.is_connected():
            self._client.ack(message.mid, message.qos)

    def _count(self, name: str, help_text: str) -> None:
        self.counters.add(name, help_text, broker=self._broker.name)


def _client(broker: Broker) -> Client:
    """A client that has not connected yet."""
    name = broker.client_id.replace("{host}", socket.gethostname())
    five = broker.protocol == "5"
    client = Client(
        CallbackAPIVersion.VERSION2,
        name,
        clean_session=None if five else False,
        protocol=MQTTv5 if five else MQTTv311,
        reconnect_on_failure=False,
        manual_ack=True,
    )
    client.connect_timeout = CONNECT_S
    if broker.user is not None and broker.password is not None:
        client.username_pw_set(broker.user, broker.password.value())
    if broker.tls is not None:
        client.tls_set_context(_encryption(broker))
    properties = None
    if five:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = int(broker.session_days * 86_400)
        properties.ReceiveMaximum = broker.in_flight
        properties.MaximumPacketSize = MAX_PAYLOAD_BYTES + PACKET_SPARE
    client.connect_async(broker.host, broker.port, broker.keepalive_s, clean_start=False, properties=properties)
    return client


def _encryption(broker: Broker) -> ssl.SSLContext:
    assert broker.tls is not None
    tls = broker.tls
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
        if tls.cert_file is not None:
            context.load_cert_chain(tls.cert_file, tls.key_file)
    except (OSError, ssl.SSLError) as error:
        raise WorldError(
            Text(f"{broker.name} 的证书用不了：{error}", f"certificates of {broker.name} cannot be used: {error}")
        ) from error
    return context


def _options(broker: Broker, retained: str) -> Any:
    """How a topic is subscribed to: with MQTT 5 the broker itself keeps back what is retained."""
    if broker.protocol != "5":
        return 1
    send_none, send_if_new = 2, 1
    return SubscribeOptions(qos=1, retainHandling=send_none if retained == "skip" else send_if_new)
