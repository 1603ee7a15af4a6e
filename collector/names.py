"""What the owner calls things, and which clock each gateway shows.

A tag is never missing: what has no name is called by its id, a channel by its inverter's id and its number, and a panel
without an array belongs to one that is called like its gateway. So a query that groups by panel or array is right
before anything was named.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from zoneinfo import ZoneInfo

from collector import config

# More gateways than any one collector serves: beyond it all are forgotten and built anew.
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Panel:
    """Name, array and peak power of one channel."""

    name: str
    array: str
    peak_w: float | None


@dataclass(frozen=True, slots=True)
class EcuNames:
    """The names below one gateway.

    `_inverters` and `_panels` are everyone's, for a configuration does not say which gateway an inverter belongs to.
    """

    id: str
    name: str
    zone: tzinfo
    _inverters: Mapping[str, str]
    _panels: Mapping[tuple[str, int], config.Panel]

    def inverter_name(self, inverter: str) -> str:
        """The name of an inverter, or its id."""
        return self._inverters.get(inverter, inverter)

    def panel(self, inverter: str, channel: int) -> Panel:
        """The panel on a channel; without an entry it is called by its place."""
        place = f"{inverter}-{channel}"
        configured = self._panels.get((inverter, channel))
        if configured is None:
            return Panel(place, self.name, None)
        return Panel(configured.name or place, configured.array or self.name, configured.peak_w)


class Names:
    """Answers for any gateway, also for one that the configuration does not know."""

    def __init__(self, configured: config.Config) -> None:
        self._zone = ZoneInfo(configured.site.timezone)
        self._has_zone = "timezone" in configured.site.model_fields_set
        self._configured = {ecu.id: ecu for ecu in configured.ecu}
        self._inverters = {inverter.id: inverter.name for inverter in configured.inverter if inverter.name}
        self._panels = {
            (inverter.id, panel.channel): panel for inverter in configured.inverter for panel in inverter.panels
        }
        self._known: dict[str, EcuNames] = {}

    def ecu(self, ecu: str) -> EcuNames:
        """The names below a gateway."""
        known = self._known.get(ecu)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[ecu] = self._build(ecu)
        return known

    def knows_zone(self, ecu: str) -> bool:
        """Whether somebody said in which zone a gateway's clock is; UTC stands in for it otherwise."""
        configured = self._configured.get(ecu)
        return self._has_zone or (configured is not None and configured.timezone is not None)

    def _build(self, ecu: str) -> EcuNames:
        configured = self._configured.get(ecu)
        name = (configured and configured.name) or ecu
        zone = ZoneInfo(configured.timezone) if configured and configured.timezone else self._zone
        return EcuNames(ecu, name, zone, self._inverters, self._panels)

    def fingerprint(self) -> str:
        """Changes when a name that is a tag changes, or a time zone: the past is then under other series or hours."""
        zones = {ecu.id: ecu.timezone for ecu in self._configured.values() if ecu.timezone}
        return _digest([self._tags(), self._zone.key, sorted(zones.items())])

    def fingerprint_of_before(self) -> str:
        """The fingerprint as collectors before 0.2 had it, without the zones."""
        return _digest(self._tags())

    def _tags(self) -> dict[str, object]:
        return {
            "ecu": sorted((ecu.id, ecu.name) for ecu in self._configured.values() if ecu.name),
            "inverter": sorted(self._inverters.items()),
            "panel": sorted((*key, panel.name, panel.array) for key, panel in self._panels.items()),
        }


def _digest(value: object) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=8).hexdigest()
