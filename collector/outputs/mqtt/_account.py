"""The energies of all devices, as the ledger has them."""

from collections.abc import Mapping
from datetime import date

from collector.clock.days import day_of
from collector.config.model import Config
from collector.journal.reading import JournalReader
from collector.ledger.reading import Layout, Ledger, of_gateway
from collector.outputs.mqtt._latest import Gateway, Inverter, Latest
from collector.outputs.mqtt._states import Energies


class Account:
    """For one thread at a time.

    Nothing is told before the ledger has caught up with the journal: what it has not counted yet would be taken for
    energy of the hour in which it does.
    """

    def __init__(self, config: Config) -> None:
        self._layout = Layout(config)
        self._is_caught_up = False
        self._known: dict[str, Energies] = {}
        self._known_for: object = None

    def energies(self, reader: JournalReader, latest: Latest, now: int) -> Mapping[str, Energies]:
        """By the keys of devices, at the instant `now` (ns). Raises JournalError."""
        ledger = Ledger(reader, self._layout)
        state = ledger.state()
        self._is_caught_up = self._is_caught_up or state.is_complete
        if not self._is_caught_up:
            return {}
        days = {root: self._today(gateway, now) for root, gateway in latest.gateways.items()}
        wanted = (reader.file, state.change, days, *((root, *one.channels) for root, one in latest.inverters.items()))
        if wanted != self._known_for:
            self._known = {one.key: _of_gateway(ledger, one, days[one.root]) for one in latest.gateways.values()} | {
                one.key: _of_inverter(ledger, one) for one in latest.inverters.values()
            }
            self._known_for = wanted
        return self._known

    def _today(self, gateway: Gateway, now: int) -> date:
        return day_of(now, self._layout.names.ecu(gateway.id).zone)


def _of_gateway(ledger: Ledger, gateway: Gateway, today: date) -> Energies:
    place = of_gateway(gateway.root)
    lifetime, day = ledger.lifetime(place), ledger.day(place, today)
    # A day of which nothing is counted yet has none, where there is an AC side at all.
    of_today = day.energy.ac_kwh if day else None if lifetime.ac_kwh is None else 0.0
    return Energies(_rounded(lifetime.ac_kwh), _rounded(of_today))


def _of_inverter(ledger: Ledger, inverter: Inverter) -> Energies:
    places = {
        channel: round(ledger.lifetime(f"{inverter.root}/{channel}").dc_kwh, _DIGITS)
        for channel in sorted(inverter.channels)
    }
    return Energies(_rounded(ledger.lifetime(inverter.root).ac_kwh), places=places)


# Of a kWh, so that it is told to the Wh.
_DIGITS = 3


def _rounded(kwh: float | None) -> float | None:
    return None if kwh is None else round(kwh, _DIGITS)
