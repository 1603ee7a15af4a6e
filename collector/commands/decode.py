"""`collector decode`: raw frames as JSON lines, which is what a report about a new model needs."""

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from collector.clock.stamps import rfc3339
from collector.commands.arguments import add_config, record_number
from collector.commands.exit_codes import FINE
from collector.config.load import load
from collector.config.names import Names
from collector.errors import CollectorError
from collector.journal.reading import JournalReader, Refusal
from collector.points.decoding import decode
from collector.points.lines import as_json
from collector.protocol import upload
from collector.protocol.blocks import NOT_UNDERSTOOD
from collector.protocol.kinds import Kind, Message
from collector.protocol.messages import read
from collector.protocol.models import BY_NAME
from collector.record import Record

# What whoever adds the model has to know, and no record says.
_REPORT = (
    "report this line, with the model's name on the inverter's label, its number of DC inputs, and the AC power that"
    " the ECU's own page or app shows for it; CONTRIBUTING.md has more"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Shows what the collector reads in a gateway's messages, one JSON object for each, with what it did not"
        " understand under `problems`; stores nothing. Of an inverter of a model that is not known it says under"
        " `report` what is needed to add it."
    )
    add_config(parser)
    parser.add_argument("file", metavar="FILE", nargs="?", help="frames, one a line; `-` or nothing: standard input")
    stored = parser.add_mutually_exclusive_group()
    stored.add_argument(
        "--record",
        metavar="NUMBER",
        type=record_number,
        action="append",
        help="one from the journal instead, with its bytes, as `doctor` names it; may be repeated",
    )
    stored.add_argument(
        "--refused",
        action="store_true",
        help="what the journal kept of what was turned away instead, with its bytes and its sender, the newest first",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each. Raises ConfigError, JournalError and CollectorError."""
    if (arguments.record or arguments.refused) and arguments.file:
        arguments.usage_error("--record and --refused are from the journal and FILE is not: name one of them")
    config = load(arguments.config, needs_token=False)
    names = Names(config)
    if arguments.record:
        with JournalReader(config.journal.path) as reader:
            for number in arguments.record:
                record = reader.record(number)
                if record is None:
                    raise CollectorError(f"there is no record {number} in {config.journal.path}")
                _print_line(_decoded(record.raw, names, record) | {"raw": record.raw.decode("latin-1")})
        return FINE
    if arguments.refused:
        with JournalReader(config.journal.path) as reader:
            for refusal in reader.refused():
                _print_line(_decoded(refusal.raw, names) | _circumstances(refusal))
        return FINE
    for frame in _frames(arguments.file or "-"):
        _print_line(_decoded(frame, names))
    return FINE


def _print_line(said: dict[str, object]) -> None:
    # What came from the network is in it, and of all control characters JSON lets this one through.
    print(json.dumps(said).replace("\x7f", r"\u007f"), flush=True)


def _circumstances(refusal: Refusal) -> dict[str, object]:
    return {
        "received_at": rfc3339(refusal.received_at),
        "peer": refusal.peer,
        "port": refusal.port,
        "reason": refusal.reason,
        "raw": refusal.raw.decode("latin-1"),
    }


def _frames(file: str) -> Iterator[bytes]:
    """Lines without their ends; blank ones and comments, which begin with `#`, are passed over."""
    try:
        with contextlib.nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb") as stream:
            for line in stream:
                frame = line.strip(b"\r\n")
                if frame.strip() and not frame.startswith(b"#"):
                    yield frame
    except OSError as exc:
        raise CollectorError(f"{file}: {exc.strerror}") from exc


def _decoded(frame: bytes, names: Names, stored: Record | None = None) -> dict[str, object]:
    """What a frame says; of one that is stored, as of its receipt and with the time that it was given."""
    message = read(frame)
    if stored is None:
        received_at, dated = time.time_ns(), None
    else:
        received_at, dated = stored.received_at, stored.dated
    record = Record(
        0, received_at, message.kind, message.ecu, message.time, message.command, frame, newest=False, dated=dated
    )
    decoded = decode(record, names, None)
    problems = list(decoded.problems)
    if message.kind in (Kind.UNKNOWN, Kind.REFUSED):
        problems.append(message.reason)
    elif decoded.unreadable is not None and decoded.unreadable not in problems:
        problems.append(decoded.unreadable)
    said: dict[str, object] = {
        "kind": message.kind,
        "ecu": message.ecu,
        "time": message.time,
        "points": [as_json(point) for point in decoded.points],
        "problems": problems,
    }
    if message.kind is Kind.RECORD and (lacking := _lacking(message)):
        said |= {"report": f"{'; '.join(lacking)}: {_REPORT}", "raw": frame.decode("latin-1")}
    return said


def _lacking(message: Message) -> list[str]:
    """What the table of models lacks for a record."""
    decoded = upload.decode(message.raw.decode("latin-1"))
    blocks = [*decoded.inverters, *(inverter for group in decoded.late for inverter in group.inverters)]
    lacking = {
        f"{inverter.model}, read as {len(inverter.channels)} DC inputs, is no known model"
        for inverter in blocks
        if inverter.model not in BY_NAME
    }
    if any(problem.startswith(NOT_UNDERSTOOD) for problem in decoded.problems):
        lacking.add("a block of an inverter is not understood")
    return sorted(lacking)
