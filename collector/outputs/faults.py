"""What is wrong with the other side of an output."""

from collector.errors import CollectorError


class OutputError(CollectorError):
    """Why the other side can't be used now, and what the owner can do about it. Neither text has a secret."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}: {remedy}")
        self.reason = reason
        self.remedy = remedy
