"""A connection to an MQTT broker, in trio. The protocol is paho's; its sockets are waited for here.

What a broker or the network does wrong is a BrokerError, which ends the connection: it is made anew by whoever wants
one. Nothing is sent again by itself.
"""

import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import trio
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from collector.config.authority import trusting
from collector.config.characters import read_secret
from collector.config.model import Mqtt
from collector.outputs.mqtt._faults import (
    BrokerError,
    OldProtocol,
    of_connecting,
    of_connection,
    of_reason,
    of_stranger,
)

CONNECT_S: Final = 10.0
KEEPALIVE_S: Final = 60
# A broker that takes this long over a single message is one that hangs.
ACKNOWLEDGED_S: Final = 20.0
# For the last words to a broker, when the service stops.
FAREWELL_S: Final = 1.0
_TICK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Message:
    """What a topic is to hold. `kept_s` is how long a broker is to keep it, None for ever; without `retained` it does
    not at all. An empty one takes back what is there.
    """

    topic: str
    payload: bytes
    retained: bool = True
    kept_s: int | None = None


class Link:
    """One connection, while it lasts. For the event loop alone."""

    def __init__(self, client: paho.Client, where: str) -> None:
        self._client = client
        self._where = where
        self._is_modern = client.protocol == MQTTProtocolVersion.MQTTv5
        self._accepted = trio.Event()
        self._has_to_write = trio.Event()
        self._scope: trio.CancelScope | None = None
        self._under_way: dict[int, tuple[str, float]] = {}
        self.error: BrokerError | None = None
        self.on_taken: Callable[[int], None] = lambda _: None
        self.on_message: Callable[[str, bytes], None] = lambda *_: None
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_socket_register_write = self._on_has_to_write
        client.on_socket_close = _on_closing

    @property
    def under_way(self) -> int:
        """How many messages the broker has not yet taken."""
        return len(self._under_way)

    def publish(self, message: Message) -> int:
        """Send a message; its number is given to `on_taken` once the broker has it."""
        properties = None
        if self._is_modern and message.kept_s is not None and message.payload:
            properties = Properties(PacketTypes.PUBLISH)
            properties.MessageExpiryInterval = message.kept_s
        sent = self._client.publish(
            message.topic, message.payload, qos=1, retain=message.retained, properties=properties
        )
        self._under_way[sent.mid] = (message.topic, trio.current_time())
        return sent.mid

    def subscribe(self, topic: str) -> None:
        """Have what others publish there given to `on_message`."""
        self._client.subscribe(topic, qos=1)

    async def serve(self, work: Callable[["Link"], Awaitable[None]]) -> None:
        """Do the work over the connection; raises BrokerError when that ends before the work does."""
        try:
            async with trio.open_nursery() as nursery:
                self._scope = nursery.cancel_scope
                for task in (self._read, self._write, self._tick):
                    nursery.start_soon(task)
                with trio.move_on_after(CONNECT_S) as waiting:
                    await self._accepted.wait()
                if waiting.cancelled_caught:
                    self._fail(of_stranger(f"has said nothing for {CONNECT_S:.0f} s", self._where))
                await work(self)
                nursery.cancel_scope.cancel()
        finally:
            self._scope = None
            self._client.on_disconnect = None
            self._client.disconnect()
            self._client.loop_write()
            _close(self._client)
        if self.error is not None:
            raise self.error

    async def take_leave(self, message: Message) -> None:
        """Send a last message, within FAREWELL_S; may be called while the task is being cancelled."""
        if self.error is not None:
            return
        with trio.CancelScope(shield=True), trio.move_on_after(FAREWELL_S):
            number = self.publish(message)
            while number in self._under_way and (link := self._client.socket()) is not None:
                self._client.loop_write()
                await trio.lowlevel.wait_readable(link)
                self._client.loop_read()

    async def _read(self) -> None:
        while (link := self._client.socket()) is not None:
            try:
                await trio.lowlevel.wait_readable(link)
            except trio.ClosedResourceError:
                return
            self._check(self._client.loop_read())
            # What TLS has decrypted already, the system knows nothing of.
            while isinstance(link, ssl.SSLSocket) and link.fileno() >= 0 and link.pending():
                self._check(self._client.loop_read())

    async def _write(self) -> None:
        while True:
            await self._has_to_write.wait()
            self._has_to_write = trio.Event()
            while (link := self._client.socket()) is not None and self._client.want_write():
                try:
                    await trio.lowlevel.wait_writable(link)
                except trio.ClosedResourceError:
                    return
                self._check(self._client.loop_write())

    async def _tick(self) -> None:
        while True:
            await trio.sleep(_TICK_S)
            self._check(self._client.loop_misc())
            late = trio.current_time() - ACKNOWLEDGED_S
            if slow := next((topic for topic, at in self._under_way.values() if at < late), None):
                self._fail(of_connection(f"has not acknowledged {slow} for {ACKNOWLEDGED_S:.0f} s", self._where))

    def _check(self, code: MQTTErrorCode) -> None:
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            told = of_connection if self._accepted.is_set() else of_stranger
            self._fail(told("closed the connection", self._where))

    def _fail(self, error: BrokerError) -> None:
        self.error = self.error or error
        if self._scope is not None:
            self._scope.cancel()

    def _on_connect(
        self, _client: paho.Client, _data: object, _flags: object, reason: ReasonCode, _properties: object
    ) -> None:
        if reason.is_failure:
            self._fail(of_reason(reason.getName(), self._where))
        else:
            self._accepted.set()

    def _on_disconnect(
        self, _client: paho.Client, _data: object, flags: paho.DisconnectFlags, reason: ReasonCode, _properties: object
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._fail(of_reason(reason.getName(), self._where))

    def _on_publish(
        self, _client: paho.Client, _data: object, number: int, reason: ReasonCode, _properties: object
    ) -> None:
        topic, _ = self._under_way.pop(number, ("", 0.0))
        if reason.is_failure:
            self._fail(of_reason(reason.getName(), self._where, topic))
        else:
            self.on_taken(number)

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        self.on_message(message.topic, bytes(message.payload))

    def _on_has_to_write(self, _client: paho.Client, _data: object, _socket: object) -> None:
        self._has_to_write.set()


def _on_closing(_client: paho.Client, _data: object, closing: object) -> None:
    if isinstance(closing, socket.socket):
        trio.lowlevel.notify_closing(closing)


def _close(client: paho.Client) -> None:
    link = client.socket()
    if link is not None:
        trio.lowlevel.notify_closing(link)
        link.close()


class Broker:
    """The broker that a configuration names; `client_id` tells this client from all others there, and `will` is what
    the broker is to publish when the connection breaks.

    The highest version of the protocol is spoken, until the broker says that it does not know that.
    """

    def __init__(self, settings: Mqtt, client_id: str, will: Message | None = None) -> None:
        self._settings = settings
        self._client_id = client_id
        self._will = will
        self._is_modern = settings.protocol == 5
        self._connecting = trio.CapacityLimiter(1)
        self.host, self.port = settings.host, settings.port or (8883 if settings.tls else 1883)

    @property
    def where(self) -> str:
        """Host and port, as they are told."""
        return f"{self.host}:{self.port}"

    @property
    def version(self) -> str:
        """The version of the protocol that is spoken."""
        return "5" if self._is_modern else "3.1.1"

    async def converse(self, work: Callable[[Link], Awaitable[None]]) -> None:
        """Connect and do the work; raises BrokerError when there is no connection, or none any more."""
        try:
            await self._converse(work)
        except OldProtocol:
            if not self._is_modern:
                raise
            self._is_modern = False
            await self._converse(work)

    async def _converse(self, work: Callable[[Link], Awaitable[None]]) -> None:
        try:
            client = self._client()
            with trio.fail_after(CONNECT_S):
                # One at a time: a name server or a handshake that hangs holds a thread for longer.
                await trio.to_thread.run_sync(
                    partial(client.connect, self.host, self.port, KEEPALIVE_S),
                    limiter=self._connecting,
                    abandon_on_cancel=True,
                )
        except (OSError, ValueError, trio.TooSlowError) as exc:
            raise of_connecting(exc, self.where, self._settings) from exc
        await Link(client, self.where).serve(work)

    def _client(self) -> paho.Client:
        settings = self._settings
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if self._is_modern else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_S / 2
        if settings.user is not None:
            client.username_pw_set(settings.user, _password(settings.password_file))
        if settings.tls:
            client.tls_set_context(_tls(settings))
        if self._will is not None:
            client.will_set(self._will.topic, self._will.payload, qos=1, retain=self._will.retained)
        return client


def _password(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return read_secret(file)
    except (OSError, UnicodeError) as exc:
        reason = getattr(exc, "strerror", None) or "is no text"
        raise BrokerError(
            f"{file}, which has the broker's password: {reason}",
            "see that mqtt.password_file names a file that the collector's user can read, with the password in it",
        ) from None


class _Handshaking(ssl.SSLSocket):
    """Ends a handshake that hangs or fails, and the connection with it."""

    def do_handshake(self, block: bool = False) -> None:
        self.settimeout(CONNECT_S)
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def _tls(settings: Mqtt) -> ssl.SSLContext:
    context = trusting()
    context.sslsocket_class = _Handshaking
    try:
        if settings.ca_file is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(cafile=settings.ca_file)
        if settings.cert_file is not None:
            # A key that is locked can't be asked for its password here.
            context.load_cert_chain(settings.cert_file, settings.key_file, password="")
    except OSError as exc:
        what = exc.strerror or getattr(exc, "reason", "") or "no certificate"
        raise BrokerError(
            f"the files for TLS can't be used: {what}",
            "see that mqtt.ca_file, cert_file and key_file name files in PEM form that the collector's user can read,"
            " and that the key has no password",
        ) from None
    return context
