"""What a frame is: the one value that travels from the socket through the journal to the points.

A `Message` holds what an answer and a key need and the frame's own bytes; everything else is decoded from those bytes
when it is asked for, so that a better decoder can read the past again.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from collector.protocol import control, upload
from collector.protocol.fields import ID


class Kind(StrEnum):
    """What a message is, which settles whether and how it is answered (docs/protocol.md, 8)."""

    RECORD = "record"  # an upload of inverters' data
    RECORD_QUERY = "record-query"  # which records do you have? asked by night
    POLL = "poll"  # anything to do?
    STATUS = "status"  # A123: inverters' abnormal states
    STATUS_QUERY = "status-query"
    GATEWAY = "gateway"  # A156, A158: alarms and control records of a rapid-shutdown gateway
    GATEWAY_QUERY = "gateway-query"  # A157, A159
    REPORT = "report"  # a report or an acknowledgement that expects no answer
    REFUSED = "refused"  # a command that only the vendor sends, or none that is known
    UNKNOWN = "unknown"


# These say nothing about the site and so have nothing to deliver.
QUESTIONS = (Kind.RECORD_QUERY, Kind.POLL, Kind.STATUS_QUERY, Kind.GATEWAY_QUERY)

# These never get an answer.
UNANSWERED = (Kind.UNKNOWN, Kind.REFUSED)


# No gateway has this id: a poll that bears it asks whether a collector answers. It is stored and answered as any other,
# so that the answer proves as much, but it makes no gateway known and may be asked often.
PROBE_ECU = "0" * 12


@dataclass(frozen=True, slots=True)
class Message:
    """A frame and what was read of it at once.

    `time` is the 14 digits as sent, empty where the message has no time stamp of its own; `ecu` is empty where no id
    could be read; `command` is `A101` and the like on control messages; `reason` says why a message is UNKNOWN or
    REFUSED.
    """

    kind: Kind
    raw: bytes
    ecu: str = ""
    time: str = ""
    command: str = ""
    reason: str = ""

    @property
    def is_probe(self) -> bool:
        """Whether this is no gateway's poll but the question whether a collector answers."""
        return self.kind is Kind.POLL and self.ecu == PROBE_ECU


_CONTROL = re.compile(r"APS[0-9]{2}.{5}(A[0-9]{3})", re.ASCII | re.DOTALL)


def read(raw: bytes) -> Message:
    """Read a frame by its content, whichever port it came in on. Never raises.

    Bytes outside ASCII are read one for one, so that they spoil no more than the field they stand in.
    """
    frame = raw.decode("latin-1")
    if match := _CONTROL.match(frame):
        return _read_control(raw, frame, match[1])
    found = upload.find_record(frame)
    if found is None:
        return Message(Kind.UNKNOWN, raw, reason="no time stamp of a record where one should be")
    kind = Kind.RECORD if found.time else Kind.RECORD_QUERY
    return Message(kind, raw, found.ecu, found.time)


_ANSWERED = {
    "A101": Kind.POLL,
    "A156": Kind.GATEWAY,
    "A157": Kind.GATEWAY_QUERY,
    "A158": Kind.GATEWAY,
    "A159": Kind.GATEWAY_QUERY,
}


def _read_control(raw: bytes, frame: str, command: str) -> Message:
    ecu = frame[18:30] if ID.fullmatch(frame[18:30]) else ""
    fault = control.fault(frame)
    if fault:
        return Message(Kind.UNKNOWN, raw, ecu, command=command, reason=fault)
    if command == "A123":
        kind = Kind.STATUS_QUERY if control.is_status_query(frame) else Kind.STATUS
    elif command in _ANSWERED:
        kind = _ANSWERED[command]
    elif command in control.REPORTS:
        return Message(Kind.REPORT, raw, ecu, control.own_time(frame, command), command)
    else:
        return Message(Kind.REFUSED, raw, ecu, command=command, reason=f"{command} is no message of a gateway")
    fault = control.answer_fault(frame, command)
    if fault:
        return Message(Kind.UNKNOWN, raw, ecu, command=command, reason=fault)
    return Message(kind, raw, ecu, control.own_time(frame, command), command)
