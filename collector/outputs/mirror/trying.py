"""A look at the mirror by hand: where the cloud is, whether its ports are open, and what waits. Sends nothing."""

from dataclasses import dataclass

import trio

from collector.client.network import Target, unreachable
from collector.config.model import Config
from collector.journal.mirroring import begun, last_tries, not_looked_at, standing
from collector.journal.reading import JournalReader
from collector.outputs.mirror._upstream import Upstream
from collector.outputs.mirror.output import since_of


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits, since when (ns, 0 for nothing), how much of it was refused and why at last; and when something
    was sent last (ns, 0 for never).
    """

    waiting: int
    waiting_since: int
    refused: int
    last_at: int
    last_fault: str


def tried(config: Config) -> tuple[str, dict[int, str]]:
    """The address, and for each port what is wrong with it, "" for nothing. Blocks. Raises OutputError."""
    address = trio.run(Upstream(config.mirror, config.listen).address)
    mirror = config.mirror
    ports = (*mirror.data_ports, *((mirror.control_port,) if mirror.control == "pushes" else ()))
    return address, {port: unreachable(Target(address, (port,), port), control=False) or "" for port in ports}


def waiting(config: Config, reader: JournalReader, now: int) -> Waiting:
    """What waits at an instant (ns). Raises JournalError."""
    word, at = since_of(config.mirror.since, config.site.timezone, now)
    known = begun(reader)
    since_at = known[1] if known is not None and known[0] == word else at
    found = standing(reader, config.mirror.ecus, since_at)
    last_at, fault = last_tries(reader)
    more = not_looked_at(reader, config.mirror.ecus, since_at)
    return Waiting(found.waiting + more, found.waiting_since, found.refused, last_at, fault)
