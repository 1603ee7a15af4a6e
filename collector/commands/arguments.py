"""What several commands take on the command line."""

import argparse
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from collector.tables.reading import Kind

# InfluxDB's time stamps end in 2262.
EARLIEST_YEAR, LATEST_YEAR = 1970, 2261
# Numbers of records are SQLite's, which end here.
LAST_RECORD = 2**63 - 1


def add_config(parser: argparse.ArgumentParser) -> None:
    """`--config`; None when it is not given."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="configuration (default: $COLLECTOR_CONFIG, then ./config.toml, then built-in values)",
    )


class OneGateway(argparse.Action):
    """One id. An empty one, as of a variable that is not set, would mean all; of two, only the last would count."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        if not values:
            raise argparse.ArgumentError(self, "the id is empty")
        if getattr(namespace, self.dest) is not None:
            raise argparse.ArgumentError(self, "takes one gateway: run the command once for each")
        setattr(namespace, self.dest, values)


def add_span(command: argparse.ArgumentParser) -> None:
    """`ecu`, and `first` and `last`, a run of local days; each None when it is not given."""
    command.add_argument("--ecu", metavar="ID", action=OneGateway, help="only this gateway")
    command.add_argument("--from", metavar="DAY", dest="first", type=day, help="first local day, as 2026-03-29")
    command.add_argument("--to", metavar="DAY", dest="last", type=day, help="last local day, included")


def check_span(arguments: argparse.Namespace) -> None:
    """End with a usage error when the days run backwards."""
    if arguments.first and arguments.last and arguments.last < arguments.first:
        arguments.usage_error(f"--to {arguments.last} is before --from {arguments.first}")


def day(text: str) -> date:
    """Read a day that InfluxDB can have; an argument's type."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; expected one as 2026-03-29") from None
    if not EARLIEST_YEAR <= day.year <= LATEST_YEAR:
        raise argparse.ArgumentTypeError(f"{text!r} is outside the years {EARLIEST_YEAR} to {LATEST_YEAR}")
    return day


def record_number(text: str) -> int:
    """Read the number of a record; an argument's type."""
    if not text.isdecimal() or not 1 <= int(text) <= LAST_RECORD:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of a record")
    return int(text)


def kind(text: str) -> Kind:
    """Read what the numbers of a file are; an argument's type."""
    try:
        return Kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(Kind)}") from None
