"""The command line: arguments in, exit code out. 0 is fine, 1 a finding or a failed operation, 2 usage or
configuration.

Nothing that a user can cause shows a traceback. The service logs to stderr, one line an event; everything a command
answers goes to stdout. `rich` is imported only where tables or a progress bar are shown.
"""

import argparse
import contextlib
import errno
import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import trio

from collector import __version__, accept_command, export_command, redate
from collector.backup import command as backup_command
from collector.config import find, load
from collector.doctor import command as doctor_command
from collector.errors import CollectorError, ConfigError
from collector.file_limit import OnceAMinute
from collector.journal import Stored
from collector.journal_jobs import Job
from collector.journal_reader import JournalReader, Refusal
from collector.names import Names
from collector.points import as_json, decode, rfc3339
from collector.protocol.messages import Kind, read
from collector.simulate import command as simulate_command
from collector.simulate import verify_command
from collector.values import no_zone

FINE, FINDING, USAGE = 0, 1, 2

# InfluxDB's time stamps end in 2262.
EARLIEST_YEAR, LATEST_YEAR = 1970, 2261
# Numbers of records are SQLite's, which end here.
LAST_RECORD = 2**63 - 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; argparse itself exits with 2 for a usage error."""
    arguments, unknown = _parser().parse_known_args(argv)
    if unknown:
        # Left to argparse, this would come with the usage of all commands instead of this one's.
        arguments.usage_error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        code = int(arguments.command(arguments))
        # Here, where an error still has a handler, and not at the interpreter's end.
        sys.stdout.flush()
    except ConfigError as exc:
        for fault in exc.faults:
            print(fault, file=sys.stderr)
        return USAGE
    except CollectorError as exc:
        print(f"collector: {exc}", file=sys.stderr)
        return FINDING
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        _discard_output()
        return FINE
    except OSError as exc:
        # What a disk says of a file has a name; only a stream that was open from the start has none.
        if exc.filename is not None or exc.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        _discard_output()
        print(f"collector: standard output: {exc.strerror}", file=sys.stderr)
        return FINDING
    return code


def _discard_output() -> None:
    """What is still buffered goes nowhere, so that the interpreter does not try once more at its end and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="collector",
        description="Takes the APsystems cloud's place: answers the ECU, keeps every record, writes to InfluxDB 2.",
        epilog="`collector COMMAND --help` explains one. Exit codes: 0 fine, 1 a finding or a failed operation, 2"
        " usage or configuration, 130 or 143 broken off by Ctrl-C or a signal.",
    )
    parser.add_argument("--version", action="version", version=f"collector {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    configured = argparse.ArgumentParser(add_help=False)
    configured.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="configuration (default: $COLLECTOR_CONFIG, then ./config.toml, then built-in values)",
    )

    run = commands.add_parser(
        "run",
        parents=[configured],
        help="run the service",
        description="Listens for gateways, answers them, keeps every record in the journal and writes it to InfluxDB"
        " where one is configured, until SIGTERM or Ctrl-C. Logs to stderr.",
    )
    run.add_argument("--verbose", action="store_true", help="log every message, not only what changes")
    run.set_defaults(command=_run)

    check = commands.add_parser(
        "check-config",
        parents=[configured],
        help="print every fault of the configuration",
        description="Reads the configuration as the service would and names every fault with its place; changes"
        " nothing. Exit code 2 when there are any.",
    )
    check.set_defaults(command=_check_config)

    status = commands.add_parser(
        "status",
        parents=[configured],
        help="show gateways, inverters, backlog and health",
        description="Shows from the journal alone, also while the service runs, what was heard and whether all is well."
        " Exit code 0 when healthy, 1 when not.",
    )
    status.add_argument("--json", action="store_true", help="for machines")
    status.add_argument("--brief", action="store_true", help="health only, without looking at the gateways' records")
    status.set_defaults(command=_status)

    decoding = commands.add_parser(
        "decode",
        parents=[configured],
        help="decode raw frames, one a line, to JSON lines; nothing is stored",
        description="Shows what the collector reads in a gateway's messages, one JSON object for each, with what it"
        " did not understand under `problems`; stores nothing. This is what a report about a new model needs.",
    )
    decoding.add_argument("file", metavar="FILE", nargs="?", help="frames, one a line; `-` or nothing: standard input")
    stored = decoding.add_mutually_exclusive_group()
    stored.add_argument(
        "--record",
        metavar="NUMBER",
        type=_record_number,
        action="append",
        help="one from the journal instead, with its bytes, as `doctor` names it; may be repeated",
    )
    stored.add_argument(
        "--refused",
        action="store_true",
        help="what the journal kept of what was turned away instead, with its bytes and its sender, the newest first",
    )
    decoding.set_defaults(command=_decode)
    doctor_command.add_parser(commands, configured)

    replay = commands.add_parser(
        "replay",
        parents=[configured],
        help="decode the journal again and rewrite InfluxDB; safe while the service runs",
        description="Makes the points of journal records anew and puts them in the place of the old ones: after a"
        " better decoder, a change of names or time zones, or the loss of a bucket. Safe while the service runs.",
    )
    _add_span(replay)
    replay.add_argument("--all", action="store_true", help="everything in the journal")
    replay.set_defaults(command=_replay)

    rollup = commands.add_parser(
        "rollup",
        parents=[configured],
        help="compute the days' roll-ups again from what InfluxDB holds; safe while the service runs",
        description="Adds up local days again, all that InfluxDB holds or those named. The service does so by itself"
        " whenever a record of a day arrives. Safe while the service runs.",
    )
    _add_span(rollup)
    rollup.set_defaults(command=_rollup)
    accept_command.add_parser(commands, configured)
    redate.add_parser(commands, configured, _OneGateway)
    export_command.add_parser(commands, configured, _day)
    backup_command.add_parser(commands, configured)
    simulate_command.add_parser(commands, configured)
    verify_command.add_parser(commands, configured)
    for command in commands.choices.values():
        command.set_defaults(usage_error=command.error)
    return parser


class _OneGateway(argparse.Action):
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


def _add_span(command: argparse.ArgumentParser) -> None:
    command.add_argument("--ecu", metavar="ID", action=_OneGateway, help="only this gateway")
    command.add_argument("--from", metavar="DAY", dest="first", type=_day, help="first local day, as 2026-03-29")
    command.add_argument("--to", metavar="DAY", dest="last", type=_day, help="last local day, included")


def _check_span(arguments: argparse.Namespace) -> None:
    if arguments.first and arguments.last and arguments.last < arguments.first:
        arguments.usage_error(f"--to {arguments.last} is before --from {arguments.first}")


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; expected one as 2026-03-29") from None
    if not EARLIEST_YEAR <= day.year <= LATEST_YEAR:
        raise argparse.ArgumentTypeError(f"{text!r} is outside the years {EARLIEST_YEAR} to {LATEST_YEAR}")
    return day


def _record_number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= LAST_RECORD:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of a record")
    return int(text)


def _run(arguments: argparse.Namespace) -> int:
    from collector.app import Service

    config = load(arguments.config)
    _log_to_stderr(logging.DEBUG if arguments.verbose else logging.INFO)
    log = logging.getLogger("collector.cli")
    chosen = arguments.config or find() or "none"
    influxdb = config.influxdb.url if config.influxdb else "none, the journal alone"
    log.info(
        "starting version=%s config=%s journal=%s timezone=%s influxdb=%s",
        __version__,
        chosen,
        config.journal.path,
        config.site.timezone,
        influxdb,
    )
    if "timezone" not in config.site.model_fields_set:
        log.warning('%s: set site.timezone, as "Europe/Amsterdam" ("UTC" says that it is meant)', no_zone(os.environ))
    service = Service(config)
    trio.run(service.run)
    return FINE


def _log_to_stderr(level: int) -> None:
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("collector").setLevel(level)
    logging.getLogger("trio.serve_listeners").addFilter(OnceAMinute())


def _check_config(arguments: argparse.Namespace) -> int:
    config = load(arguments.config)
    chosen = arguments.config or find()
    print(f"{chosen or 'built-in values'}: no faults")
    why = "" if "timezone" in config.site.model_fields_set else f": {no_zone(os.environ)}"
    print(f"  time zone {config.site.timezone}{why}")
    listen = config.listen
    print(f"  listens on {', '.join(listen.host)}: {', '.join(map(str, (*listen.data_ports, listen.control_port)))}")
    print(f"  journal {config.journal.path}")
    print(f"  InfluxDB {config.influxdb.url if config.influxdb else 'none: records are kept in the journal alone'}")
    return FINE


def _status(arguments: argparse.Namespace) -> int:
    from collector import status_view
    from collector.status import gather

    status = gather(load(arguments.config, needs_token=False), time.time_ns(), brief=arguments.brief)
    if arguments.json:
        print(json.dumps(status.as_json(), indent=2))
    else:
        status_view.show(status)
    return FINE if status.healthy else FINDING


def _decode(arguments: argparse.Namespace) -> int:
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


def _decoded(frame: bytes, names: Names, stored: Stored | None = None) -> dict[str, object]:
    """What a frame says; of one that is stored, as of its receipt and with the time that it was given."""
    message = read(frame)
    if stored is None:
        received_at, dated = time.time_ns(), None
    else:
        received_at, dated = stored.received_at, stored.dated
    record = Stored(
        0, received_at, message.kind, message.ecu, message.time, message.command, frame, newest=False, dated=dated
    )
    decoded = decode(record, names, None)
    problems = list(decoded.problems)
    if message.kind in (Kind.UNKNOWN, Kind.REFUSED):
        problems.append(message.reason)
    elif decoded.unreadable is not None and decoded.unreadable not in problems:
        problems.append(decoded.unreadable)
    return {
        "kind": message.kind,
        "ecu": message.ecu,
        "time": message.time,
        "points": [as_json(point) for point in decoded.points],
        "problems": problems,
    }


def _replay(arguments: argparse.Namespace) -> int:
    if not (arguments.all or arguments.ecu or arguments.first or arguments.last):
        arguments.usage_error("say what: --all, or --ecu, --from and --to")
    if arguments.all and (arguments.ecu or arguments.first or arguments.last):
        arguments.usage_error("--all goes with nothing else")
    _check_span(arguments)
    config = load(arguments.config)
    if config.influxdb is None:
        print("collector: no [influxdb] is configured, so there is nothing to replay into", file=sys.stderr)
        return USAGE
    from collector.jobs_command import replay

    done = replay(config, ecu=arguments.ecu, first=arguments.first, last=arguments.last)
    records, points = sum(job.records for job in done), sum(job.points for job in done)
    print(f"{records} records, {points} points written, {sum(job.days for job in done)} days rolled up")
    if recovered := sum(job.recovered for job in done):
        print(f"{recovered} records that had been set aside go to InfluxDB again; what it refuses, `status` tells")
    if unreadable := sum(job.unreadable for job in done):
        print(f"{unreadable} records are not understood; `collector status` says why")
    return _told(done)


def _rollup(arguments: argparse.Namespace) -> int:
    from collector.jobs_command import rollup

    _check_span(arguments)
    done = rollup(load(arguments.config), ecu=arguments.ecu, first=arguments.first, last=arguments.last)
    print(f"{sum(job.days for job in done)} days computed")
    return _told(done)


def _told(done: Sequence[Job]) -> int:
    """What both commands say of days that stay and of what was refused; the exit code."""
    if kept := sum(job.kept for job in done):
        print(f"{kept} days keep the roll-up that they have: InfluxDB has no points of them any more, or not all")
    for job in done:
        if job.refused:
            print(f"refused: {job.refused} of ECU {job.ecu}, the last one because: {job.problem}", file=sys.stderr)
    return FINDING if any(job.refused for job in done) else FINE
