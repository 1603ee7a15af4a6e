"""How the ledger looks: days of each gateway, what its inverters and panels come to, and the same for machines."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from rich import box
from rich.markup import escape
from rich.table import Table

from collector.commands._terminal import Terminal
from collector.config.names import Names
from collector.ledger.reading import Day, Energy, Ledger, PlaceInfo, State, of_gateway

_MWH_A_KWH = 1_000_000


@dataclass(frozen=True, slots=True)
class Account:
    """What a gateway, or an inverter or panel of it, made: in all, and on the days that are shown."""

    id: str
    name: str
    lifetime: Energy
    days: Sequence[Day]
    place: PlaceInfo | None = None

    @property
    def shown(self) -> Energy | None:
        """What these days come to; None without any."""
        if not self.days:
            return None
        acs = [day.energy.ac_mwh for day in self.days if day.energy.ac_mwh is not None]
        return Energy(sum(acs) if acs else None, sum(day.energy.dc_mwh for day in self.days))


@dataclass(frozen=True, slots=True)
class Site:
    """A gateway, and its inverters and panels in their order."""

    gateway: Account
    places: Sequence[Account]


def collect(ledger: Ledger, names: Names, first: date | None, last: date | None) -> list[Site]:
    """Read all that is to be shown. An inverter stands with the gateway that it reports to now."""
    sites = []
    places = ledger.places()
    for ecu in ledger.gateways():
        sum_of = of_gateway(ecu)
        own = [info for info in places if info.gateways[-1] == ecu]
        sites.append(
            Site(
                Account(ecu, names.ecu(ecu).name, ledger.lifetime(sum_of), ledger.days(sum_of, first, last)),
                [
                    Account(
                        info.place, info.name, ledger.lifetime(info.place), ledger.days(info.place, first, last), info
                    )
                    for info in own
                ],
            )
        )
    return sites


def show(sites: Iterable[Site], first: date | None, last: date | None, hint: str) -> None:
    """Print it for people, with the days that are shown, and a hint if there is one."""
    console = Terminal()
    for site in sites:
        name = "" if site.gateway.name == site.gateway.id else f" {site.gateway.name}"
        console.print(f"[bold]ECU {escape(site.gateway.id)}{escape(name)}[/]", soft_wrap=True)
        if site.gateway.days:
            console.print(_of_days(site.gateway.days))
        else:
            console.print(f"no day with an energy{_span(first, last)}", soft_wrap=True)
        console.print(_of_places(site))
    if hint:
        console.print(f"[yellow]{escape(hint)}[/]", soft_wrap=True)


def _span(first: date | None, last: date | None) -> str:
    return (f" from {first}" if first else "") + (f" to {last}" if last else "")


def _of_days(days: Iterable[Day]) -> Table:
    table = _table("day", "AC kWh", "DC kWh", "refused kWh", "mended kWh")
    for day in days:
        changes = [_kwh(mwh) if mwh else "" for mwh in (day.refused_mwh, day.mended_mwh)]
        table.add_row(day.day, _kwh(day.energy.ac_mwh), _kwh(day.energy.dc_mwh), *changes)
    return table


def _of_places(site: Site) -> Table:
    has_days = any(account.days for account in (*site.places, site.gateway))
    table = _table("", *(("AC kWh", "DC kWh") if has_days else ()), "lifetime AC kWh", "lifetime DC kWh")
    for account in (*site.places, site.gateway):
        if account.place is None:
            table.add_section()
        name = "all" if account.place is None else account.name
        indent = "  " if account.place and account.place.channel else ""
        energies = (*(account.shown or (None, None) if has_days else ()), *account.lifetime)
        table.add_row(f"{indent}{escape(name)}", *map(_kwh, energies))
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column(first, no_wrap=True)
    for heading in others:
        table.add_column(heading, justify="right")
    return table


def _kwh(mwh: int | None) -> str:
    return "" if mwh is None else f"{mwh / _MWH_A_KWH:.3f}"


def print_json(sites: Iterable[Site], state: State, *, is_kept: bool) -> None:
    """Print it for machines; energies in kWh."""
    said = {
        "kept": is_kept,
        "complete": state.is_complete,
        "records_waiting": state.records_waiting,
        "days_waiting": state.days_waiting,
        "days_refused": state.days_refused,
        "ecus": [
            {
                **_told(site.gateway),
                "inverters": [
                    {
                        **_told(account),
                        "device": account.place.device,
                        "panels": [
                            {**_told(panel), "array": panel.place.array, "channel": panel.place.channel}
                            for panel in site.places
                            if panel.place and panel.place.channel and panel.place.root == account.place.root
                        ],
                    }
                    for account in site.places
                    if account.place and not account.place.channel
                ],
            }
            for site in sites
        ],
    }
    print(json.dumps(said, indent=2))


def _told(account: Account) -> dict[str, object]:
    return {
        "id": account.id,
        "name": account.name,
        "lifetime": _energy(account.lifetime),
        "days": [
            {
                "day": day.day,
                **_energy(day.energy),
                "refused_kwh": day.refused_mwh / _MWH_A_KWH,
                "mended_kwh": day.mended_mwh / _MWH_A_KWH,
                "source": day.source,
            }
            for day in account.days
        ],
    }


def _energy(energy: Energy) -> dict[str, object]:
    return {"ac_kwh": energy.ac_kwh, "dc_kwh": energy.dc_kwh}
