"""What a gateway asks of its socket, one step at a time; the device model is generators of these steps.

A generator yields a step and is sent what came of it: bytes, or None when it failed. `client` performs the steps with
trio, a test with a list.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a connection, after closing the one before. b"" when it is open, None when refused."""

    control: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """Send all, in pieces with pauses. What came in before the last piece, b"" when nothing did; None when it broke."""

    data: bytes
    piece_bytes: int = 65_536


@dataclass(frozen=True, slots=True)
class Receive:
    """One read: at least a byte and at most `most`; b"" when the other side closed, None at the timeout."""

    timeout_s: float
    most: int = 65_536


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection, if there is one."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait as long as there is between two connections of a bundle."""


Step = Connect | Send | Receive | Close | Pause
Dialogue = Generator[Step, bytes | None, T]
