"""Which gateway or inverter took the place of which, as the owner has configured it with `replaces`.

A chain goes from the oldest device to the newest. All of it is one place with one name, whatever the day; the day that
`from` names only tells from when on the old device is not expected any more.
"""

from collections.abc import Iterable
from datetime import date

from collector.config.model import Ecu, Inverter


class Succession:
    """The chains of the gateways, or those of the inverters."""

    def __init__(self, devices: Iterable[Ecu | Inverter]) -> None:
        self._after = {device.replaces: device for device in devices if device.replaces}
        self._before = {device.id: old for old, device in self._after.items()}

    def chain(self, device: str) -> tuple[str, ...]:
        """The ids of all that were or are in one place, the newest last; the device alone where it replaces none."""
        oldest = device
        while (before := self._before.get(oldest)) is not None:
            oldest = before
        return tuple(self._from(oldest))

    def chains(self) -> list[tuple[str, ...]]:
        """All chains of at least two."""
        return sorted(tuple(self._from(old)) for old in self._after if old not in self._before)

    def successor(self, device: str, today: date) -> str | None:
        """Who does the work of a retired device on a day of the device's own; None for one that is not retired."""
        living = device
        while (after := self._after.get(living)) is not None and (after.since is None or after.since <= today):
            living = after.id
        return None if living == device else living

    def _from(self, oldest: str) -> Iterable[str]:
        yield oldest
        while (after := self._after.get(oldest)) is not None:
            oldest = after.id
            yield oldest
