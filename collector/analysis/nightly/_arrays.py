"""Which arrays there are, which inputs belong to each, and which device each was on from when on.

An input is called by its place, which stays when its inverter or its gateway is replaced, as the configuration says it.
So names may change without any reading being made again.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np

from collector.analysis.nightly._records import bounds_s
from collector.analysis.nightly._shards import Shards
from collector.config.names import Names, Panel
from collector.protocol.models import BY_NAME


class Device(NamedTuple):
    """An input of an inverter as one gateway reports it, since a local day (its ordinal)."""

    ecu: str
    inverter: str
    model: str
    number: int
    since: int


@dataclass(frozen=True, slots=True)
class Column:
    """A panel's place: the devices that it was on, the latest last, and what the owner says of it."""

    place: str
    number: int
    devices: tuple[Device, ...]
    panel: Panel

    @property
    def device(self) -> Device:
        """The one that it is on now."""
        return self.devices[-1]

    @property
    def ac_limit_w(self) -> float:
        """What its inverter can give as a whole; not a number where that is not known."""
        model = BY_NAME.get(self.device.model)
        return float(model.rated_w) if model else np.nan

    def device_on(self, day: int) -> Device:
        """The one that it was on at a day (an ordinal)."""
        return next((one for one in reversed(self.devices) if one.since <= day), self.devices[0])


@dataclass(frozen=True, slots=True)
class Array:
    """The panels of one array behind a gateway and those that it replaced, which are `ecus`, the latest last."""

    name: str
    ecus: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def ecu(self) -> str:
        """The gateway that it is behind now."""
        return self.ecus[-1]

    @property
    def key(self) -> str:
        """A name for its files."""
        return digits([self.ecus[0], self.name])


def digits(value: object) -> str:
    """Some digits that tell a value from others."""
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=8).hexdigest()


def arrays_of(shards: Shards, names: Names, ecus: Iterable[str], waiting: Mapping[str, set[str]]) -> list[Array]:
    """The arrays of these gateways, by what the shards have, but without inverters that wait to be accepted."""
    chains: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for ecu in sorted(ecus):
        chains[names.ecus.chain(ecu)].append(ecu)
    found: list[Array] = []
    for chain, known in sorted(chains.items()):
        ordered = tuple(ecu for ecu in chain if ecu in known)
        of_arrays: dict[str, dict[str, list[Device]]] = defaultdict(lambda: defaultdict(list))
        for device in _devices(shards, names, ordered, waiting):
            panel = names.ecu(device.ecu).panel(device.inverter, device.number)
            place = f"{names.inverters.chain(device.inverter)[0]}/{device.number}"
            of_arrays[panel.array][place].append(device)
        for array, places in sorted(of_arrays.items()):
            columns = [_column(place, devices, names) for place, devices in sorted(places.items())]
            found.append(Array(array, ordered, tuple(columns)))
    return found


def _column(place: str, devices: Sequence[Device], names: Names) -> Column:
    chain = names.inverters.chain(devices[0].inverter)
    ordered = sorted(devices, key=lambda one: (chain.index(one.inverter), one.since))
    latest = ordered[-1]
    return Column(place, latest.number, tuple(ordered), names.ecu(latest.ecu).panel(latest.inverter, latest.number))


def _devices(shards: Shards, names: Names, ecus: Sequence[str], waiting: Mapping[str, set[str]]) -> list[Device]:
    first_months: dict[tuple[str, str, int], tuple[str, str]] = {}
    for ecu in ecus:
        zone = str(names.ecu(ecu).zone)
        for month in shards.months(ecu):
            for uid, (model, numbers) in shards.contents(ecu, month, zone).inverters.items():
                if uid not in waiting.get(ecu, ()):
                    for number in numbers:
                        first_months.setdefault((ecu, uid, number), (month, model))
    places: dict[str, int] = defaultdict(int)
    for _, uid, number in first_months:
        places[f"{names.inverters.chain(uid)[0]}/{number}"] += 1
    devices = []
    for (ecu, uid, number), (month, model) in first_months.items():
        # Only where a place has had several it matters on which day a device came.
        is_alone = places[f"{names.inverters.chain(uid)[0]}/{number}"] == 1
        since = date.fromisoformat(f"{month}-01").toordinal()
        devices.append(
            Device(ecu, uid, model, number, since if is_alone else _first_day(shards, names, ecu, uid, month))
        )
    return devices


def _first_day(shards: Shards, names: Names, ecu: str, uid: str, month: str) -> int:
    zone = names.ecu(ecu).zone
    content = shards.read(ecu, month, str(zone), (uid,))
    begin = date.fromisoformat(f"{month}-01").toordinal()
    if content is None or uid not in content.readings.inverters:
        return begin
    heard = ~np.isnan(content.readings.inverters[uid].values).all(axis=(0, 2))
    at = int(content.readings.at[np.argmax(heard)])
    days = sorted(content.days)
    # The days of a file are local ones; which of them an instant is in, their bounds tell.
    return next(
        (
            date.fromisoformat(day).toordinal()
            for day in reversed(days)
            if bounds_s(date.fromisoformat(day), zone)[0] <= at
        ),
        begin,
    )
