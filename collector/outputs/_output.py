"""The few words that every output has."""

from typing import Protocol

from collector.journal.state import OutputHealth


class Output(Protocol):
    """One way out. All but `run` return at once, and are called from the event loop.

    What an output needs of the configuration is its section there; where it has come to is under a key of its own in
    the journal's state, or in memory where the latest is all that counts.
    """

    @property
    def health(self) -> OutputHealth:
        """What it says of itself now. Its name never changes."""

    def wake(self) -> None:
        """Something was stored."""

    async def run(self) -> None:
        """Send until cancelled. What the other side does wrong ends in `health` and another try; what is raised is a
        bug, after which it is called again.
        """
