"""What can be wrong with a broker, in words that an owner can use. Pure."""

import errno
import socket
import ssl
from collections.abc import Mapping
from typing import Final

import trio

from collector.config.model import Mqtt
from collector.outputs.faults import OutputError


class BrokerError(OutputError):
    """A broker can't be used now."""


class OldProtocol(BrokerError):
    """It does not know the version of the protocol."""


_WAIT: Final = "nothing is lost; it is tried again by itself. See whether the broker runs, and its log"

_CREDENTIALS: Final = (
    "see that mqtt.user and the password in mqtt.password_file are those of the broker, or, without both, that it lets"
    " in whoever has none"
)
_ANOTHER: Final = (
    "if this comes again and again, another program uses this collector's name at the broker, as a second collector on"
    " a copy of the same journal does: stop one of them"
)

# By the names that the protocol's specification has for reasons, in paho's spelling.
_REMEDIES: Final[Mapping[str, str]] = {
    "Bad user name or password": _CREDENTIALS,
    "Not authorized": _CREDENTIALS,
    "Client identifier not valid": "the broker's list of clients does not let this collector in: allow its name there",
    "Session taken over": _ANOTHER,
    "Banned": "the broker's owner has shut this collector out",
    "Packet too large": "raise the broker's limit of a message's size (mosquitto: max_packet_size)",
    "Quota exceeded": "raise the broker's limit of messages for this user",
    "Retain not supported": "let the broker keep messages (mosquitto: retain_available true)",
    "QoS not supported": "let the broker take messages of QoS 1 (mosquitto: max_qos)",
}


def of_reason(reason: str, where: str, topic: str = "") -> BrokerError:
    """A broker's own word on why it refuses a connection, or the message for a topic."""
    if reason == "Unsupported protocol version":
        return OldProtocol(f"the broker at {where} does not know this version of MQTT", 'set mqtt.protocol = "3.1.1"')
    if topic and reason == "Not authorized":
        remedy = "see that the broker's list of rights lets mqtt.user write below mqtt.prefix and mqtt.discovery_prefix"
    else:
        remedy = _REMEDIES.get(reason, _WAIT)
    what = f"refuses {topic}" if topic else "ends the connection"
    return BrokerError(f"the broker at {where} {what}: {reason}", remedy)


def of_connection(what: str, where: str) -> BrokerError:
    """A connection that has ended, or that has to be ended."""
    return BrokerError(f"the broker at {where} {what}", f"{_WAIT}; {_ANOTHER}")


def of_stranger(what: str, where: str) -> BrokerError:
    """A connection on which no word of a broker's came."""
    remedy = "see that a broker listens there, and that mqtt.tls is true if it wants TLS on this port, else false"
    return BrokerError(f"what listens at {where} {what}", remedy)


def of_connecting(exc: Exception, where: str, settings: Mqtt) -> BrokerError:
    """Why there is no connection at all."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return BrokerError(
            f"the certificate of the broker at {where} is not trusted: {exc.verify_message}",
            "name the certificate of the authority that signed it as mqtt.ca_file, and reach the broker by the name"
            " that stands in it",
        )
    if isinstance(exc, ssl.SSLError) or (settings.tls and isinstance(exc, ConnectionResetError)):
        reason = (getattr(exc, "reason", None) or "it closed the connection").replace("_", " ").lower()
        return BrokerError(
            f"no TLS with the broker at {where}: {reason}",
            "see that its port is that for TLS (usually 8883), and that cert_file is there if it wants certificates of"
            " its clients",
        )
    if isinstance(exc, socket.gaierror):
        return BrokerError(
            f"nobody knows where {settings.host} is: {exc.strerror}",
            "see that mqtt.host is right, or name the broker's address in its place; names that end in .local are"
            " unknown in containers",
        )
    if isinstance(exc, ConnectionRefusedError):
        return BrokerError(f"nobody listens at {where}", "see that the broker runs, and that mqtt.port is its port")
    if isinstance(exc, trio.TooSlowError | TimeoutError):
        return BrokerError(
            f"no answer from {where} in time", "see that mqtt.host is on, and that no firewall is in between"
        )
    if isinstance(exc, ValueError):
        return BrokerError(f"{where} can't be connected to: {exc}", "see that mqtt.host and mqtt.user are right")
    code = errno.errorcode.get(getattr(exc, "errno", None) or 0, "")
    what = getattr(exc, "strerror", None) or code or type(exc).__name__
    return BrokerError(f"no connection to {where}: {what}", "see that mqtt.host is on, and the network")
