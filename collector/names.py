"""What the owner calls things, and which clock each gateway shows.

A tag is never missing: what has no name is called by its id, a channel by its inverter's id and its number, and a panel
without an array belongs to one that is called like its gateway. So a query that groups by panel or array is right
before anything was named.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from zoneinfo import ZoneInfo

from collector.config import Config


@dataclass(frozen=True, slots=True)
class Panel:
    """Name, array and peak power of one channel."""

    name: str
    array: str
    peak_w: float | None


@dataclass(frozen=True, slots=True)
class EcuNames:
    """The names below one gateway."""

    id: str
    name: str
    zone: tzinfo
    _inverters: Mapping[str, str]
    _panels: Mapping[tuple[str, int], Panel]
    _defaults: dict[tuple[str, int], Panel] = field(default_factory=dict)

    def inverter_name(self, inverter: str) -> str:
        """The name of an inverter, or its id."""
        return self._inverters.get(inverter, inverter)

    def panel(self, inverter: str, channel: int) -> Panel:
        """The panel on a channel; without an entry it is called by its place."""
        key = (inverter, channel)
        known = self._panels.get(key) or self._defaults.get(key)
        if known is None:
            known = self._defaults[key] = Panel(f"{inverter}-{channel}", self.name, None)
        return known


class Names:
    """Answers for any gateway, also for one that the configuration does not know."""

    def __init__(self, config: Config) -> None:
        self._zone = ZoneInfo(config.site.timezone)
        self._configured = {ecu.id: ecu for ecu in config.ecu}
        self._inverters = {inverter.id: inverter.name for inverter in config.inverter if inverter.name}
        self._panels = {
            (inverter.id, panel.channel): panel for inverter in config.inverter for panel in inverter.panels
        }
        self._known: dict[str, EcuNames] = {}

    def ecu(self, ecu: str) -> EcuNames:
        """The names below a gateway; built once for each."""
        known = self._known.get(ecu)
        if known is None:
            known = self._known[ecu] = self._build(ecu)
        return known

    def _build(self, ecu: str) -> EcuNames:
        configured = self._configured.get(ecu)
        name = (configured and configured.name) or ecu
        zone = ZoneInfo(configured.timezone) if configured and configured.timezone else self._zone
        panels = {
            key: Panel(panel.name or f"{key[0]}-{key[1]}", panel.array or name, panel.peak_w)
            for key, panel in self._panels.items()
        }
        return EcuNames(ecu, name, zone, self._inverters, panels)

    def fingerprint(self) -> str:
        """Changes when a name that is a tag changes, which forks the series from then on."""
        named = {
            "ecu": sorted((ecu.id, ecu.name) for ecu in self._configured.values() if ecu.name),
            "inverter": sorted(self._inverters.items()),
            "panel": sorted((*key, panel.name, panel.array) for key, panel in self._panels.items()),
        }
        return hashlib.blake2b(json.dumps(named).encode(), digest_size=8).hexdigest()
