"""What a frame can be, and the one value that travels from the socket through the journal to the points.

A `Message` holds what an answer and a key need and the frame's own bytes; everything else is decoded from those bytes
when it is asked for, so that a better decoder can read the past again.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a message is, which settles whether and how it is answered (docs/protocol.md, 8)."""

    RECORD = "record"  # an upload of inverters' data
    RECORD_QUERY = "record-query"  # which records do you have? asked by night
    POLL = "poll"  # anything to do?
    STATUS = "status"  # A123: inverters' abnormal states
    STATUS_QUERY = "status-query"
    GATEWAY = "gateway"  # A156, A158: alarms and control records of a rapid-shutdown gateway
    GATEWAY_QUERY = "gateway-query"  # A157, A159
    REPORT = "report"  # a report or an acknowledgement; only an A147 with a time of its own expects an answer
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
