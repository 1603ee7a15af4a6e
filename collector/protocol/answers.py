"""The closed list of what is ever sent to a gateway (docs/protocol.md, 3 and 7).

A wrong answer is worse than none, so there is no general encoder here: seven templates, filled only with digits the
gateway itself has sent. None of them changes anything in the gateway but what it keeps for delivery. No answer ends in
a line feed, and each must leave in a single send.
"""

from collections.abc import Sequence

from collector.protocol.control import CONFIRMED
from collector.protocol.fields import ID, TIME
from collector.protocol.kinds import Kind, Message

# The count has two digits, and ninety-nine time stamps stay within one TCP segment and below every receive buffer
# known.
MOST_TIMES = 99


def answer(message: Message, stored: Sequence[str] = ()) -> bytes | None:
    """The answer to a message that is on disk, or None where silence is the answer.

    `stored` lists the time stamps of the records asked for, newest first; only the two queries of the control port use
    it.
    """
    times = [time for time in stored if TIME.fullmatch(time)][:MOST_TIMES]
    match message.kind:
        case Kind.RECORD if TIME.fullmatch(message.time):
            return f"101{message.time}".encode()
        case Kind.RECORD_QUERY:
            return b"100"
        case Kind.POLL if ID.fullmatch(message.ecu):
            return f"APS13AAA52A100AAA0{message.ecu}A101000000000000000END".encode()
        case Kind.STATUS if TIME.fullmatch(message.time):
            return _status_answer([message.time])
        case Kind.STATUS_QUERY:
            return _status_answer(times) if times else b"APS13AAA24A123AAA0000END"
        case Kind.GATEWAY if ID.fullmatch(message.ecu) and TIME.fullmatch(message.time):
            return _gateway_answer(message, message.time, [message.time])
        case Kind.REPORT if message.command == CONFIRMED and TIME.fullmatch(message.time):
            # The gateway compares the first bytes of whatever comes with this time stamp, and looks at nothing else.
            return message.time.encode()
        case Kind.GATEWAY_QUERY if ID.fullmatch(message.ecu) and TIME.fullmatch(_asked_at(message)) and times:
            return _gateway_answer(message, _asked_at(message), times)
    return None


def _asked_at(message: Message) -> str:
    """The time in a gateway's query, which is no key of a record."""
    return message.raw[30:44].decode("latin-1")


def _status_answer(times: Sequence[str]) -> bytes:
    length = str(24 + 14 * len(times)).rjust(5, "A")
    return f"APS13{length}A123AAA01{len(times):02d}{''.join(times)}END".encode()


def _gateway_answer(message: Message, time: str, times: Sequence[str]) -> bytes:
    length = str(55 + 14 * len(times)).rjust(5, "A")
    return f"APS13{length}A100AAA1{message.ecu}{message.command}{time}01{len(times):02d}{''.join(times)}END".encode()
