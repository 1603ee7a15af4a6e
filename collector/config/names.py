"""What the owner calls things, and which clock each gateway shows, and where it is.

A tag is never missing: what has no name is called by its id, a channel by its inverter's id and its number, and a panel
without an array belongs to one that is called like its gateway. So a query that groups by panel or array is right
before anything was named.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from functools import lru_cache
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from collector.clock import stamps
from collector.clock.sun import Place
from collector.condition import EARLIEST_NOON_S, LATEST_NOON_S
from collector.config import model
from collector.config.fingerprint import fingerprint, has_same_names
from collector.config.succession import Succession
from collector.newcomers import Welcome
from collector.record import DECODING

# More gateways than any one collector serves: beyond it all are forgotten and built anew. So many panels are
# remembered as well, those of five hundred usual sites.
_REMEMBERED = 10_000


_T = TypeVar("_T")


class Panel(NamedTuple):
    """Name, array and peak power of one channel."""

    name: str
    array: str
    peak_w: float | None


@dataclass(frozen=True, slots=True)
class EcuNames:
    """The names below one gateway.

    `_inverters`, `_places` and `_panel` are everyone's, for a configuration does not say which gateway an inverter
    belongs to. `_places` has the id by which an inverter and its panels are called, where that is not its own.
    """

    id: str
    name: str
    zone: tzinfo
    _inverters: Mapping[str, str]
    _places: Mapping[str, str]
    _panel: Callable[[str, str, int], Panel]

    def inverter_name(self, inverter: str) -> str:
        """The name of an inverter, or its id, or that of the one that took its place."""
        return self._inverters.get(inverter) or self._places.get(inverter, inverter)

    def panel(self, inverter: str, channel: int) -> Panel:
        """The panel on a channel; without an entry it is called by its place."""
        return self._panel(self.name, inverter, channel)


def announced(configured: model.Config) -> Welcome:
    """The devices that the configuration names, also as replaced ones, or all that there are if it says so."""
    ecus, inverters = (
        frozenset({device.id for device in devices}.union(*Succession(devices).chains()))
        for devices in (configured.ecu, configured.inverter)
    )
    return Welcome(
        ecus,
        inverters,
        everyone=configured.collector.accept == "all",
    )


class Names:
    """Answers for any gateway, also for one that the configuration does not know.

    A device without a name takes the name of the nearest one in its chain, first of those that came after it; a channel
    without a panel takes the panel. `ecus` and `inverters` say who took the place of whom.
    """

    def __init__(self, configured: model.Config) -> None:
        self.ecus, self.inverters = Succession(configured.ecu), Succession(configured.inverter)
        self._zone = ZoneInfo(configured.site.timezone)
        self._has_zone = "timezone" in configured.site.model_fields_set
        self._configured = {ecu.id: ecu for ecu in configured.ecu}
        self._ecu_names = {ecu.id: ecu.name for ecu in configured.ecu if ecu.name}
        self._place = place_of(configured.site)
        self._own_places = {ecu.id: place for ecu in configured.ecu if (place := place_of(ecu))}
        self._inverters = {inverter.id: inverter.name for inverter in configured.inverter if inverter.name}
        self._panels = panels_of(configured.inverter)
        self._places = {inverter: chain[-1] for chain in self.inverters.chains() for inverter in chain}
        for chain in self.ecus.chains():
            # Also one that nobody has named is one site.
            self._ecu_names |= dict.fromkeys(chain, chain[-1]) | _inherited(chain, self._ecu_names)
            self._own_places |= _inherited(chain, self._own_places)
        for chain in self.inverters.chains():
            self._inverters |= _inherited(chain, self._inverters)
        self._known: dict[str, EcuNames] = {}
        # Every record asks for each of its panels.
        self._panel = lru_cache(maxsize=_REMEMBERED)(self._build_panel)

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

    def place(self, ecu: str, at: int) -> Place | None:
        """Where a gateway is: its own place, or the site's if by the gateway's clock (at ns) noon there is about noon.
        Its sun says nothing of a gateway elsewhere.
        """
        if (own := self._own_places.get(ecu)) or self._place is None:
            return own
        zone = self.ecu(ecu).zone
        offset_s = stamps.offset_of(stamps.from_ns(at), zone).total_seconds()
        return self._place if EARLIEST_NOON_S <= self._place.noon_s(offset_s) <= LATEST_NOON_S else None

    def _build(self, ecu: str) -> EcuNames:
        configured = self._configured.get(ecu)
        zone = ZoneInfo(configured.timezone) if configured and configured.timezone else self._zone
        return EcuNames(ecu, self._ecu_names.get(ecu, ecu), zone, self._inverters, self._places, self._panel)

    def _build_panel(self, array: str, inverter: str, channel: int) -> Panel:
        place = f"{self._places.get(inverter, inverter)}-{channel}"
        configured = self._panels.get((inverter, channel))
        if configured is None:
            return Panel(place, array, None)
        return Panel(configured.name or place, configured.array or array, configured.peak_w)

    def successor(self, ecu: str, at: int) -> str | None:
        """The gateway that does the work of a retired one at an instant (ns), by the day of the retired one's clock;
        None for one that is not retired.
        """
        return self.ecus.successor(ecu, _day(at, self.ecu(ecu).zone))

    def replaced(self, at: int) -> list[tuple[str, str]]:
        """All gateways and inverters that are retired at an instant (ns), each with the one that does its work."""
        ecus = {ecu: self.successor(ecu, at) for chain in self.ecus.chains() for ecu in chain}
        today = _day(at, self._zone)
        inverters = {uid: self.inverters.successor(uid, today) for chain in self.inverters.chains() for uid in chain}
        return [(old, living) for old, living in (ecus | inverters).items() if living]

    def fingerprint(self, decoding: str = DECODING) -> str:
        """Changes when a name that is a tag changes, or a time zone: the past is then under other series or hours. So
        it does with what records are decoded to: the past then lacks something.
        """
        zones = {ecu.id: ecu.timezone for ecu in self._configured.values() if ecu.timezone}
        return fingerprint(_digest([self._tags(), self._zone.key, sorted(zones.items())]), decoding)

    def basis_of_days(self) -> list[object]:
        """What a day's energy depends on: when it begins, and what inputs can make."""
        zones = {ecu.id: ecu.timezone for ecu in self._configured.values() if ecu.timezone}
        peaks = [(*key, panel.peak_w) for key, panel in self._panels.items() if panel.peak_w]
        return [self._zone.key, sorted(zones.items()), sorted(peaks)]

    def has_written(self, known: object) -> bool:
        """Whether that is the fingerprint of these names, also as a collector of before has computed it."""
        return has_same_names(known, self.fingerprint()) or known == self.fingerprint_of_before()

    def fingerprint_of_before(self) -> str:
        """The fingerprint as collectors before 0.2 had it, without the zones."""
        return _digest(self._tags())

    def _tags(self) -> dict[str, object]:
        return {
            "ecu": sorted(self._ecu_names.items()),
            "inverter": sorted(self._inverters.items()),
            "panel": sorted((*key, panel.name, panel.array) for key, panel in self._panels.items()),
            **({"place": sorted(self._places.items())} if self._places else {}),
        }


def _digest(value: object) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=8).hexdigest()


def _day(at: int, zone: tzinfo) -> date:
    return datetime.fromtimestamp(at / stamps.NS, zone).date()


def place_of(section: model.Site | model.Ecu) -> Place | None:
    """The place that the owner has given in a section, if any."""
    if section.latitude is None or section.longitude is None:
        return None
    return Place(section.latitude, section.longitude)


def panels_of(inverters: Sequence[model.Inverter]) -> dict[tuple[str, int], model.Panel]:
    """The panel on each channel that has one, of its inverter's own or of its chain's."""
    panels = {(inverter.id, panel.channel): panel for inverter in inverters for panel in inverter.panels}
    for chain in Succession(inverters).chains():
        panels |= _inherited_panels(chain, panels)
    return panels


def _others(chain: Sequence[str], position: int) -> Sequence[str]:
    """The other devices of a chain, in the order in which one asks them: the next ones, then those before it."""
    return [*chain[position + 1 :], *reversed(chain[:position])]


def _inherited(chain: Sequence[str], names: Mapping[str, _T]) -> dict[str, _T]:
    """The name or the place of every device of a chain in which any has one."""
    found = {}
    for position, device in enumerate(chain):
        named = [names[other] for other in (device, *_others(chain, position)) if other in names]
        if named:
            found[device] = named[0]
    return found


def _inherited_panels(
    chain: Sequence[str], panels: Mapping[tuple[str, int], model.Panel]
) -> dict[tuple[str, int], model.Panel]:
    """The panels of channels that have none with a name of their own."""
    found = {}
    channels = sorted({channel for device, channel in panels if device in chain})
    for position, device in enumerate(chain):
        own = {channel: panels[device, channel] for channel in channels if (device, channel) in panels}
        taken = {panel.name for panel in own.values()} - {None}
        for channel in (channel for channel in channels if channel not in own or not own[channel].name):
            # A panel that the owner has put on another channel of this device is not on this one as well.
            others = [
                panels[other, channel]
                for other in _others(chain, position)
                if (other, channel) in panels and panels[other, channel].name not in taken
            ]
            if others:
                best = next((panel for panel in others if panel.name), others[0])
                given = own[channel].model_dump(exclude_none=True) if channel in own else {}
                found[device, channel] = best.model_copy(update=given)
    return found
