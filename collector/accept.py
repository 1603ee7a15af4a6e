"""Accepting devices that wait: by the owner's word, or by naming them in the configuration."""

from collections.abc import Collection
from contextlib import closing
from pathlib import Path

from collector.errors import CollectorError
from collector.journal import Journal
from collector.journal_devices import Devices, Waiting, gateway_waits, gateways_of, waiting
from collector.journal_reader import JournalReader
from collector.newcomers import Welcome

_MOST_NAMED = 5


def named(ids: Collection[str], count: int) -> str:
    """The first of some ids, for a line."""
    return ", ".join([*ids, *(["…"] if count > len(ids) else [])])


def devices(found: Waiting) -> str:
    """How many gateways and inverters wait, and the first of them; empty for none."""
    parts = []
    for one, count, ids in (
        ("gateway", found.gateways, found.first_gateways),
        ("inverter", found.inverters, found.first_inverters),
    ):
        if count:
            parts.append(f"{count} {one}{'s' if count > 1 else ''} ({named(ids, count)})")
    return " and ".join(parts)


def what_waits(reader: JournalReader, most_named: int = _MOST_NAMED) -> Waiting:
    """What waits to be accepted, with a few ids."""
    return waiting(reader, most_named)


def accept(path: Path, identity: str) -> tuple[str, int]:
    """Let a gateway or an inverter in; returns what was, in words, and how many records follow.

    Raises CollectorError when nothing waits of it, and JournalError.
    """
    with JournalReader(path) as reader, closing(Journal(path)) as journal:
        if gateway_waits(reader, identity) or identity in gateways_of(reader):
            records = Devices(journal).accept_gateway(identity)
            return f"gateway {identity} with all inverters that it has reported so far", records
        if ecus := gateways_of(reader, identity):
            return f"inverter {identity}", Devices(journal).accept_inverter(identity, ecus)
        others = devices(what_waits(reader))
        raise CollectorError(
            f"nothing of {identity} waits to be accepted" + (f"; what waits: {others}" if others else "")
        )


def accept_everything(path: Path) -> tuple[str, int]:
    """Let everything in that waits; returns what was, in words, and how many records follow."""
    with JournalReader(path) as reader, closing(Journal(path)) as journal:
        found = what_waits(reader)
        return devices(found), Devices(journal).accept_everything()


def accept_announced(path: Path, welcome: Welcome) -> None:
    """Let in what waited before the configuration named it."""
    with JournalReader(path) as reader, closing(Journal(path)) as journal:
        if welcome.everyone:
            found = what_waits(reader)
            if found.gateways or found.inverters or found.records:
                Devices(journal).accept_everything()
            return
        for ecu in sorted(welcome.gateways):
            if gateway_waits(reader, ecu):
                Devices(journal).accept_gateway(ecu, with_inverters=False)
        for inverter in sorted(welcome.inverters):
            if ecus := gateways_of(reader, inverter):
                Devices(journal).accept_inverter(inverter, ecus)
