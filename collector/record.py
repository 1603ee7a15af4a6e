"""What travels through the house: a message as it arrived, and a record as the journal gives it back."""

from dataclasses import dataclass

from collector.protocol.kinds import Kind, Message

# Counts up when records give more than they did, or something else, so that the past is to be written again. "" stands
# for what collectors before 0.3 made of them, which told no AC energy.
DECODING = "2"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message and the circumstances of its receipt."""

    received_at: int
    port: int
    peer: str
    message: Message


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it lies in the journal, its bytes unpacked. `dated` (ns) stands for a time of its own that can't be
    right.
    """

    id: int
    received_at: int
    kind: Kind
    ecu: str
    time: str
    command: str
    raw: bytes
    newest: bool
    dated: int | None = None
