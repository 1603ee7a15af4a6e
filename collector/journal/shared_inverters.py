"""Finds inverters that two gateways report at the same time, so that every sum over both counts them twice.

A gateway that was replaced is none of the two, if the configuration says so: one that knows an inverter no more is not
either, however long it once reported it.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from collector.clock import stamps
from collector.config.names import Names
from collector.journal.reading import JournalReader
from collector.protocol import upload

_log = logging.getLogger(__name__)

_LATELY_NS = 24 * 3600 * stamps.NS

# Whoever has more has one cause for all of them. It bounds the work as well, whatever strangers send.
_MOST_INVERTERS = 20
_MOST_ECUS = 5


@dataclass(frozen=True, slots=True)
class Shared:
    """An inverter and the gateways that report it, by their ids in order."""

    inverter: str
    ecus: tuple[str, ...]

    @property
    def found(self) -> str:
        """What is the matter."""
        return f"inverter {self.inverter} is reported by {len(self.ecus)} gateways, {' and '.join(self.ecus)}"

    @property
    def meaning(self) -> str:
        """What comes of it."""
        return "its energy and power count twice wherever these gateways are added up"

    @property
    def remedy(self) -> str:
        """What to do."""
        return (
            "if one of them took the other's place, set replaces under its [[ecu]]; if both hear the inverter, remove"
            " it from the list of inverters of one"
        )


def find(reader: JournalReader, names: Names, now: int) -> list[Shared]:
    """The inverters that several gateways reported by turns in the 24 hours before `now` (ns); one that only went from
    one gateway to another is none. Raises JournalError.
    """
    since = now - _LATELY_NS
    reported: dict[str, dict[str, tuple[int, int]]] = {}
    found = []
    for inverter, ecus in reader.inverters_of_several(since, _MOST_INVERTERS).items():
        times: dict[str, tuple[int, int]] = {}
        for ecu in [ecu for ecu in ecus if names.successor(ecu, now) is None][:_MOST_ECUS]:
            if ecu not in reported:
                reported[ecu] = _reported(reader, ecu, since)
            if inverter in reported[ecu]:
                times[ecu] = reported[ecu][inverter]
        several = {
            ecu
            for ecu, (first, last) in times.items()
            for other, (other_first, other_last) in times.items()
            if names.ecus.chain(ecu) != names.ecus.chain(other) and first <= other_last and other_first <= last
        }
        if several:
            found.append(Shared(inverter, tuple(sorted(several))))
    return found


def _reported(reader: JournalReader, ecu: str, since: int) -> dict[str, tuple[int, int]]:
    """When the first and the last of a gateway's records with each inverter came (ns), of those that came live."""
    times: dict[str, tuple[int, int]] = {}
    for record in reader.live_records(ecu, since):
        for inverter in upload.decode(record.raw.decode("latin-1")).inverters:
            first, _ = times.get(inverter.uid, (record.received_at, 0))
            times[inverter.uid] = (first, record.received_at)
    return times


class SharedInverters:
    """Tells in the log of each inverter that several gateways report, once."""

    def __init__(self) -> None:
        self._told: set[Shared] = set()

    def tell(self, found: Iterable[Shared]) -> None:
        """Log what was not there before."""
        for shared in found:
            if shared not in self._told:
                _log.warning("%s: %s; %s", shared.found, shared.meaning, shared.remedy)
                self._told.add(shared)
