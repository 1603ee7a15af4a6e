"""Accepting devices that wait: by the owner's word, or by naming them in the configuration."""

from contextlib import closing
from pathlib import Path

from collector.errors import CollectorError
from collector.journal.devices import devices, gateway_waits, gateways_of, what_waits
from collector.journal.letting_in import Devices
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.newcomers import Welcome


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
