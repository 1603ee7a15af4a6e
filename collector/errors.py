"""The exception family. A class says whose fault it was, and so what happens next; anything else raised is a bug.

| class                 | at fault                        | what follows                                            |
|-----------------------|---------------------------------|---------------------------------------------------------|
| `ConfigError`         | the owner, at start             | every fault is printed, exit code 2                     |
| `StartError`          | this machine (a taken port)     | one line, exit code 1                                   |
| `RemoteProtocolError` | the peer                        | its bytes are kept, its connection is closed            |
| `JournalError`        | this machine (disk, file)       | no answer to the gateway, which keeps its copy          |
| `SinkUnavailable`     | the world, or its configuration | every record is kept, another attempt is made later     |
| `SinkRejected`        | what was sent, or what is there | by its `kind`                                           |
"""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

# How the reason of every record begins that InfluxDB refused for points of somebody else's, or for its age.
FOREIGN_POINTS = "InfluxDB holds points of another program"
TOO_OLD = "older than the retention of the bucket"


class CollectorError(Exception):
    """Base of the family; its text is fit to be shown to the owner and never holds a secret."""


class ConfigError(CollectorError):
    """The configuration can't be used. `faults` has one line a fault, which starts with the key or file it is about;
    the keys are those of `file`, if there is one.
    """

    def __init__(self, faults: Sequence[str], file: Path | None = None) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)
        self.file = file


class StartError(CollectorError):
    """The service can't begin: what it needs of this machine is not to be had."""


class RemoteProtocolError(CollectorError):
    """The peer broke the rules of the wire, and what follows on this connection can't be trusted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class JournalError(CollectorError):
    """A record could not be stored or read; what was to be stored is not stored and must not be acknowledged."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SinkUnavailable(CollectorError):
    """InfluxDB can't be used now. `retry_after` is the number of seconds it asked to be left alone, if it did."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class TokenRefused(SinkUnavailable):
    """InfluxDB, and nothing before it, refuses the token: it does not know it, or not for this."""


class Rejection(StrEnum):
    """Why InfluxDB does not take lines."""

    # Something in them: which part it is shows when they are sent in parts.
    LINES = "lines"
    # A field of theirs has another type in the bucket, which somebody else wrote. Whatever has that field is refused
    # for as long as those points are there; the rest of the lines was written.
    FOREIGN_POINTS = "foreign points"
    # Some are older than what the bucket keeps; the rest was written.
    RETENTION = "retention"


class SinkRejected(CollectorError):
    """InfluxDB will not take these lines, or these alone, however often they are sent.

    The `reason` of any other kind than LINES is the same for all lines with that fate. `retention_s` is what the bucket
    keeps, for RETENTION.
    """

    def __init__(self, reason: str, kind: Rejection = Rejection.LINES, retention_s: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind
        self.retention_s = retention_s
