"""What a gateway makes of an answer, byte for byte (docs/protocol.md, 3 and 7).

Written from the gateway's side alone: nothing here comes from the collector's own list of answers, so that either can
contradict the other. A gateway forgives some things that its neighbours do not; `Answer.excess` and the like tell of
those.
"""

import json
import re
from dataclasses import dataclass

from collector.client.firmware import Firmware

_TIME = 14
_BEFORE_TIMES = 3
_IS_TIME = re.compile(rf"[0-9]{{{_TIME}}}")


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer on the data ports; `excess` is what stood behind it and was forgiven."""

    received: bool
    times: tuple[str, ...]
    excess: bytes = b""


class Unacceptable(Exception):
    """The gateway throws the answer away; the text says by which rule."""


def data_answer(buffer: bytes, firmware: Firmware) -> Answer | None:
    """Judge what came so far; None while the gateway goes on reading. Raises Unacceptable."""
    if len(buffer) < _BEFORE_TIMES:
        _go_on(firmware)
        return None
    if firmware.json and buffer.startswith(b"{"):
        return _json_answer(buffer)
    if firmware.wifi and (len(buffer) - _BEFORE_TIMES) % _TIME:
        raise Unacceptable("the WiFi module's rule: the length is not 3 + 14 n")
    count = int(buffer[1:3]) if buffer[1:3].isdigit() else -1
    # Whole division, so up to 13 bytes behind the last time stamp pass here.
    if count != (len(buffer) - _BEFORE_TIMES) // _TIME:
        if buffer[:1] != b"1" and firmware.fails_at_once:
            raise Unacceptable("not a receipt, and the number of time stamps does not fit the length")
        _go_on(firmware)
        return None
    ends = _BEFORE_TIMES + count * _TIME
    times = tuple(buffer[at : at + _TIME].decode("latin-1") for at in range(_BEFORE_TIMES, ends, _TIME))
    return Answer(buffer[:1] == b"1", times, buffer[ends:])


def _go_on(firmware: Firmware) -> None:
    # The module hands over its first packet and no other.
    if firmware.wifi:
        raise Unacceptable("the WiFi module's rule: the first packet is not the whole answer")


def _json_answer(buffer: bytes) -> Answer:
    try:
        message = json.loads(buffer)
        received, times = message["F"] == "1", tuple(message["DT"])
    # RecursionError: brackets in brackets, by the thousand.
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Unacceptable("an answer in JSON that cannot be read") from None
    if not all(isinstance(time, str) and _IS_TIME.fullmatch(time) for time in times):
        raise Unacceptable("an answer in JSON with a time stamp that is none")
    return Answer(received, times)


def declared_length(buffer: bytes) -> int | None:
    """The length in a control message as the gateway reads it; None before it is there or when it is no number."""
    digits = buffer[5:10].replace(b"A", b"0")
    return int(digits) if len(digits) == 5 and digits.isdigit() else None


def check_reply(reply: bytes, firmware: Firmware, ecu: str | None) -> None:
    """Raise Unacceptable for a control message that the gateway throws away; `ecu` is None where no id is expected."""
    if declared_length(reply) != len(reply):
        raise Unacceptable(f"the length field says {reply[5:10]!r}, {len(reply)} bytes came")
    if not firmware.checks_reply:
        return
    if reply[:3] != b"APS":
        raise Unacceptable("does not begin with APS")
    if ecu is not None and reply[18:30] != ecu.encode():
        raise Unacceptable(f"the id of another ECU: {reply[18:30]!r}")


def command(reply: bytes) -> int:
    """The number of the command in an accepted control message; -1 for one without."""
    number = _number(reply[10:14])
    return _number(reply[30:34]) if number == 101 else number


def _number(text: bytes) -> int:
    return int(text[1:]) if len(text) == 4 and text[:1] == b"A" and text[1:].isdigit() else -1


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a reply to a stored record or to the question for them says: the keys that may be deleted."""

    stored: bool
    times: tuple[str, ...]


def status_receipt(reply: bytes, firmware: Firmware) -> Receipt:
    """Read the reply to an A123. Raises Unacceptable."""
    check_reply(reply, firmware, None)
    count = int(reply[19:21]) if reply[19:21].isdigit() else -1
    if count < 0 or len(reply) < 24 + _TIME * count:
        raise Unacceptable("shorter than its time stamps")
    if len(reply) > 24 + _TIME * count:
        raise Unacceptable("text behind the reply, which would be carried out as a command")
    return Receipt(reply[18:19] == b"1", _times(reply, 21, count))


def gateway_receipt(reply: bytes, *, query: bool) -> Receipt:
    """Read the reply to an A156 or A158, or to a `query` A157 or A159; only its offsets count. Raises Unacceptable."""
    if len(reply) < 54 or (query and len(reply) == 54):
        raise Unacceptable(f"{len(reply)} bytes are too few")
    count = int(reply[50:52]) if reply[50:52].isdigit() else -1
    if len(reply) - 49 != 1 + 2 + _TIME * count + 3:
        raise Unacceptable("the number of time stamps does not fit the length")
    return Receipt(reply[49:50] == b"1", _times(reply, 52, count))


def is_update_confirmed(reply: bytes, time: str) -> bool:
    """Whether the reply to an A147 settles it. Only so many first bytes count, and nothing else is looked at."""
    return reply[:_TIME] == time.encode()


def _times(reply: bytes, start: int, count: int) -> tuple[str, ...]:
    return tuple(reply[at : at + _TIME].decode("latin-1") for at in range(start, start + count * _TIME, _TIME))
