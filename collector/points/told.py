"""What a record says of inverters' powers and energies, and perhaps of nothing else, by instant: its round, and the
groups that came late. Pure but for the log.
"""

import logging
from collections.abc import Sequence
from datetime import tzinfo

from collector.clock import stamps
from collector.points.decoding import late_groups
from collector.protocol import upload
from collector.protocol.blocks import Inverter
from collector.record import Record

_log = logging.getLogger(__name__)

# Instants (ns) with the inverters of each.
Told = Sequence[tuple[int, tuple[Inverter, ...]]]


def told_safely(record: Record, zone: tzinfo) -> Told:
    """What a record says; nothing where its own time can't be right, or where the decoder itself fails, which costs
    this one record.
    """
    try:
        return _told(record, zone)
    except Exception:  # noqa: BLE001 (as wherever records are decoded)
        _log.exception("decoder failed record=%d ecu=%s time=%s", record.id, record.ecu, record.time)
        return []


def _told(record: Record, zone: tzinfo) -> Told:
    decoded = upload.decode_energies(record.raw.decode("latin-1"))
    found = []
    if decoded.has_round:
        try:
            at = record.dated or stamps.believable_ns(record.time, zone, record.received_at)
        except ValueError:
            return []
        found.append((at, decoded.inverters))
    groups, _ = late_groups(decoded, zone, record.received_at)
    return [*found, *((at, group.inverters) for at, group in groups)]
