"""`collector redate`: brings in records whose own time can't be right, at the time of their receipt or at one that the
owner knows.

A gateway whose clock was wrong has counted on nevertheless, so with one time for several of its records the earliest
gets it, and the others keep their distance from that one.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime

from collector.clock import stamps
from collector.commands.arguments import OneGateway, add_config, record_number
from collector.commands.exit_codes import FINE
from collector.config.load import load
from collector.config.model import Config
from collector.config.names import Names
from collector.errors import CollectorError
from collector.journal.devices import Misdated, misdated, misdated_among
from collector.journal.letting_in import Devices
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Gives records another time in place of their own, if they were set aside because that is before"
        " 2010 or more than two days ahead of their receipt. They then go to InfluxDB by themselves. Safe while the"
        " service runs."
    )
    add_config(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--ecu", metavar="ID", action=OneGateway, help="all of this gateway's")
    which.add_argument(
        "--record", metavar="NUMBER", type=record_number, action="append", help="one by its number; may be repeated"
    )
    when = parser.add_mutually_exclusive_group(required=True)
    when.add_argument("--received", action="store_true", help="the time at which each was received")
    when.add_argument(
        "--at",
        metavar="TIME",
        type=_time,
        help="local time of the gateway, as 2026-03-29T12:00; of several records the earliest by its own time gets it,"
        " and the others keep their distance from that one",
    )


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is not None:
        raise argparse.ArgumentTypeError(f"{text!r} is no local time; expected one as 2026-03-29T12:00")
    return time


def run(arguments: argparse.Namespace) -> int:
    """Date the records and tell how many. Raises CollectorError, and then has changed none."""
    config = load(arguments.config, needs_token=False)
    path = config.journal.path
    with JournalReader(path) as reader:
        records = misdated(reader, arguments.ecu) if arguments.ecu else misdated_among(reader, arguments.record)
    _refuse_others(records, arguments)
    dates = _received(records) if arguments.received else _kept_apart(records, arguments.at, config)
    if len({(record.ecu, at) for record, at in zip(records, dates, strict=True)}) < len(records):
        raise CollectorError("some of these records would get one and the same time, and replace each other")
    with closing(Journal(path)) as journal:
        Devices(journal).date(zip((record.id for record in records), dates, strict=True))
    number = "1 record goes" if len(records) == 1 else f"{len(records)} records go"
    sys.stdout.write(f"{number} to InfluxDB with the new time\n")
    return FINE


def _refuse_others(records: Sequence[Misdated], arguments: argparse.Namespace) -> None:
    if arguments.ecu and not records:
        raise CollectorError(f"no record of gateway {arguments.ecu} is set aside because of its time")
    if others := sorted({*(arguments.record or ())} - {record.id for record in records}):
        numbers = ", ".join(map(str, others))
        raise CollectorError(f"not set aside because of its time: {numbers}; only such records can get another")
    if arguments.at and len({record.ecu for record in records}) > 1:
        raise CollectorError("these records are of several gateways: name those of one with --at")


def _received(records: Sequence[Misdated]) -> list[int]:
    return [record.received_at for record in records]


def _kept_apart(records: Sequence[Misdated], at: datetime, config: Config) -> list[int]:
    zone = Names(config).ecu(records[0].ecu).zone
    begin = stamps.to_ns(at.replace(tzinfo=zone).astimezone(UTC))
    own = [stamps.to_ns(stamps.to_utc(record.time, zone)) for record in records]
    dates = [begin + time - min(own) for time in own]
    for record, date in zip(records, dates, strict=True):
        if not stamps.is_believable(date, record.received_at):
            raise CollectorError(
                f"record {record.id} of {record.time} would come to lie before 2010 or more than two days ahead of its"
                " receipt: name the others with --record, or another time"
            )
    return dates
