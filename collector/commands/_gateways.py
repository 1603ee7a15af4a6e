"""The gateways that a command is about."""

from collector.errors import CollectorError
from collector.journal.imported import gateways
from collector.journal.reading import JournalReader

_MOST_NAMED = 10


def known_gateways(reader: JournalReader, wanted: list[str] | None) -> list[str]:
    """Those that are wanted, each once, None for all of the journal. Raises CollectorError for one that was never
    heard, nor brought along.
    """
    known = list(dict.fromkeys([*(gateway.ecu for gateway in reader.gateways()), *gateways(reader)]))
    for ecu in wanted or ():
        if ecu not in known:
            named = ", ".join(known[:_MOST_NAMED]) + (", …" if len(known) > _MOST_NAMED else "")
            raise CollectorError(f"the journal has no records of an ECU {ecu}" + (f", but of {named}" if named else ""))
    return known if wanted is None else list(dict.fromkeys(wanted))
