"""`collector simulate`: its arguments, the fleet that they describe, and the report.

The exit code is 1 when a record stayed unacknowledged or an answer was wrong.
"""

import argparse
import contextlib
import json
import re
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import trio

from collector.config import Config, load
from collector.errors import CollectorError, ConfigError
from collector.file_limit import raise_file_limit
from collector.journal_reader import JournalReader
from collector.simulate import fleet, manifest
from collector.simulate.client import Client, Pace, Target
from collector.simulate.control import ControlPort
from collector.simulate.device import Device
from collector.simulate.firmware import GENERATIONS, Firmware
from collector.simulate.progress import days
from collector.simulate.roofs import UTRECHT, Faults, solar_site
from collector.simulate.rounds import ROUND_S, Site
from collector.simulate.sky import Place
from collector.simulate.steady import SteadySite
from collector.simulate.store import Record
from collector.simulate.tally import Tally
from collector.simulate.weather import Outlook

FINE, FINDING = 0, 1
MOST_GATEWAYS = 10_000
# Ids of simulated gateways have these digits where real ones have zeros.
SIMULATED = re.compile(r"[0-9]{4}99[0-9]{6}")

# Connections at a time: by default the collector takes 4096 in all, and 256 from one address.
_CONNECTIONS, _CONNECTIONS_OF_ONE_ADDRESS = 1000, 128
# In a hurry the pieces of a message need no more than to be pieces.
_HURRIED_PAUSE_S = 0.02
_SPAN = re.compile(r"([0-9]+)([mhd])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}
_DAY_S = 86_400


def add_parser(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", configured: argparse.ArgumentParser
) -> None:
    """Add the command to the collector's own."""
    simulate = commands.add_parser(
        "simulate",
        parents=[configured],
        # All of them would hide the one line that a mistake is told in.
        usage="%(prog)s [OPTION]...",
        help="be one ECU or thousands, as strict as their firmware, and report what the collector made of it",
        description="Without --from and --to the gateways live from now on, until Ctrl-C. Firmware generations: "
        + ", ".join(GENERATIONS)
        + ".",
    )
    where = simulate.add_argument_group("where")
    where.add_argument("--host", help="the collector's host (default: 127.0.0.1, with the configured ports)")
    where.add_argument("--data-port", type=_port, action="append", metavar="PORT", help="may be given twice")
    where.add_argument("--control-port", type=_port, metavar="PORT")
    where.add_argument("--no-control", action="store_true", help="stay away from the control port")
    where.add_argument(
        "--beside-real-ecus", action="store_true", help="go on although the configured journal knows real ECUs"
    )
    who = simulate.add_argument_group("who")
    who.add_argument("--ecus", type=_count, default=1, metavar="N", help="gateways (default: 1)")
    who.add_argument("--inverters", type=_count, default=4, metavar="N", help="inverters of each (default: 4)")
    who.add_argument("--firmware", action="append", choices=[*GENERATIONS, "mixed"], help="default: ecu-r-2024")
    who.add_argument("--steady", action="store_true", help="the same every day, without sun or weather; for load")
    who.add_argument("--seed", type=int, default=0, metavar="N", help="another number, other gateways and weather")
    roof = simulate.add_argument_group("roof", "at the configured place, or else near Utrecht; not with --steady")
    roof.add_argument(
        "--weather", choices=[one.value for one in Outlook], help="every day alike (default: changing, as it comes)"
    )
    roof.add_argument("--shaded-panel", action="store_true", help="one panel is in the shade of a tree from noon on")
    roof.add_argument("--dead-panel", type=_day, metavar="DAY", help="one panel gives nothing from this day on")
    roof.add_argument("--dead-inverter", type=_day, metavar="DAY", help="one inverter is silent from this day on")
    when = simulate.add_argument_group("when")
    when.add_argument("--from", dest="first", type=_day, metavar="DAY", help="first day of a backlog")
    when.add_argument("--to", dest="last", type=_day, metavar="DAY", help="last day, included")
    when.add_argument("--speed", type=_speed, metavar="N", help="simulated seconds in a second (default: 1)")
    when.add_argument("--for", dest="lasting", type=_span, metavar="SPAN", help="simulated time to live, as 36h or 2d")
    when.add_argument(
        "--every", type=_count, default=ROUND_S, metavar="S", help="with --steady: seconds between rounds"
    )
    when.add_argument(
        "--away", type=_span, default=timedelta(0), metavar="SPAN", help="cut off from the collector for so long"
    )
    when.add_argument("--timezone", metavar="ZONE", help="of the gateways' clocks (default: the site's)")
    when.add_argument("--clock-error", type=float, default=0.0, metavar="S", help="how far the clocks are ahead")
    when.add_argument(
        "--patience", type=float, default=60.0, metavar="S", help="seconds without progress until a gateway gives up"
    )
    simulate.add_argument("--journal-manifest", type=Path, metavar="OUT", help="list every record, for `verify`")
    simulate.add_argument("--json", action="store_true", help="the report for machines")
    simulate.set_defaults(command=run)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port number")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_GATEWAYS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {MOST_GATEWAYS}")
    return int(text)


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= _DAY_S:
        raise argparse.ArgumentTypeError(f"{text!r} is no speed; expected a number up to {_DAY_S}")
    return speed


def _span(text: str) -> timedelta:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no span of time; expected one as 90m, 36h or 2d")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; expected one as 2026-03-29") from None
    if not 2000 <= day.year <= 2099:
        raise argparse.ArgumentTypeError(f"{text!r} is outside the years 2000 to 2099")
    return day


@dataclass(frozen=True, slots=True)
class _Fleet:
    gateways: list[fleet.Gateway]
    plan: fleet.Plan
    tally: Tally


def run(arguments: argparse.Namespace) -> int:
    """Simulate and report; returns the exit code. Raises ConfigError and CollectorError."""
    config = load(arguments.config, needs_token=False)
    zone = _zone(arguments.timezone or config.site.timezone)
    plan = _plan(arguments, zone)
    if arguments.host is None and not arguments.beside_real_ecus:
        _refuse_real_ecus(config)
    raise_file_limit()
    with contextlib.ExitStack() as stack:
        out = None
        if arguments.journal_manifest:
            try:
                out = manifest.Manifest(stack.enter_context(arguments.journal_manifest.open("w", encoding="utf-8")))
            except OSError as exc:
                raise CollectorError(f"{arguments.journal_manifest}: {exc.strerror}") from exc
        simulated = _fleet(arguments, config, plan, zone, out)
        began = time.monotonic()
        with days("simulate", fleet.total(len(simulated.gateways), plan)) as advance:
            trio.run(_live, simulated, advance)
        seconds = time.monotonic() - began
        if out:
            for gateway in simulated.gateways:
                for record in (*gateway.device.store.records, *gateway.control.store.records):
                    out.add(gateway.device.ecu, record)
    held = sum(gateway.held for gateway in simulated.gateways)
    report = {"seconds": round(seconds, 3), **simulated.tally.as_json(held)}
    sys.stdout.write(f"{json.dumps(report, indent=2)}\n" if arguments.json else _as_text(simulated.tally, report))
    return FINDING if held or simulated.tally.fault_count else FINE


async def _live(simulated: _Fleet, advance: Callable[[timedelta], None]) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:

            async def stop_on_signal() -> None:
                async for _ in signals:
                    nursery.cancel_scope.cancel()

            nursery.start_soon(stop_on_signal)
            await fleet.run(simulated.gateways, simulated.plan, advance)
            nursery.cancel_scope.cancel()


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ConfigError([f"--timezone {name}: no IANA time zone"]) from None


def _plan(arguments: argparse.Namespace, zone: tzinfo) -> fleet.Plan:
    first, last = arguments.first, arguments.last
    if arguments.steady and (
        arguments.weather or arguments.shaded_panel or arguments.dead_panel or arguments.dead_inverter
    ):
        arguments.usage_error("--steady has neither weather nor faults")
    if last and not first:
        arguments.usage_error("--to needs --from")
    if first and last and last < first:
        arguments.usage_error(f"--to {last} is before --from {first}")
    if last and arguments.lasting:
        arguments.usage_error("--to and --for exclude each other")
    start = _midnight(first, zone) if first else datetime.fromtimestamp(time.time(), UTC)
    stop = _midnight(last + timedelta(days=1), zone) if last else None
    if arguments.lasting:
        stop = start + arguments.lasting
    backlog = arguments.speed is None and first is not None
    if backlog and stop is None:
        arguments.usage_error("a backlog needs an end: --to or --for")
    return fleet.Plan(
        start=start,
        stop=stop,
        speed=None if backlog else arguments.speed or 1.0,
        away=arguments.away,
        patience_s=arguments.patience,
        control=not arguments.no_control,
    )


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _refuse_real_ecus(config: Config) -> None:
    """Made-up records beside real ones can't be told apart in a chart, and never be taken back."""
    if not config.journal.path.exists():
        return
    with JournalReader(config.journal.path) as reader:
        real = [gateway.ecu for gateway in reader.gateways() if gateway.ecu and not SIMULATED.fullmatch(gateway.ecu)]
    if real:
        raise CollectorError(
            f"the journal {config.journal.path} knows ECUs that are not simulated ({', '.join(real[:3])}): name another"
            " collector with --host, or say --beside-real-ecus"
        )


def _fleet(
    arguments: argparse.Namespace, config: Config, plan: fleet.Plan, zone: tzinfo, out: manifest.Manifest | None
) -> _Fleet:
    listen = config.listen
    target = Target(
        arguments.host or "127.0.0.1",
        tuple(arguments.data_port or listen.data_ports),
        arguments.control_port or listen.control_port,
    )
    if not all(target.data_ports) or not (target.control_port or arguments.no_control):
        raise ConfigError(["the configured ports are chosen by the system: name them with --data-port, --control-port"])
    hurried = plan.speed is None or plan.speed > 1
    pace = Pace(_HURRIED_PAUSE_S, apart_s=_HURRIED_PAUSE_S) if hurried else Pace()
    own_addresses = _source(target.host, 0) is not None
    limiter = trio.CapacityLimiter(_CONNECTIONS if own_addresses else _CONNECTIONS_OF_ONE_ADDRESS)
    tally = Tally()
    generations = _generations(arguments.firmware or ["ecu-r-2024"])

    def note(device: Device, record: Record) -> None:
        if out:
            out.add(device.ecu, record)

    gateways = []
    for number in range(arguments.ecus):
        firmware = generations[number % len(generations)]
        seed = arguments.seed % 100 * MOST_GATEWAYS + number
        clock = zone if firmware.summer_time else _whole_hours(zone, plan.start)
        device = Device(
            firmware,
            f"{firmware.ecu_prefix}99{seed:06d}",
            tally,
            zone=clock,
            clock_error_s=arguments.clock_error,
            on_stored=note,
        )
        client = Client(target, pace, limiter, source=_source(target.host, number), seed=seed)
        site = _site(arguments, config, firmware, clock, seed)
        gateways.append(fleet.Gateway(device, ControlPort(device, note), site, client, seed))
    return _Fleet(gateways, plan, tally)


def _generations(names: list[str]) -> list[Firmware]:
    return list(GENERATIONS.values()) if "mixed" in names else [GENERATIONS[name] for name in names]


def _whole_hours(zone: tzinfo, at: datetime) -> tzinfo:
    """The nearest that a gateway without summer time has to a zone: whole hours, the year round."""
    offset = datetime(at.year, 1, 1, tzinfo=zone).utcoffset() or timedelta(0)
    hours = round(offset / timedelta(hours=1))
    return ZoneInfo(f"Etc/GMT{-hours:+d}" if hours else "Etc/GMT")


def _source(host: str, number: int) -> str | None:
    """On loopback every gateway has an address of its own, as it would have on a network."""
    if not host.startswith("127."):
        return None
    rest, last = divmod(number, 250)
    return f"127.{64 + rest // 250}.{rest % 250}.{last + 1}"


def _site(arguments: argparse.Namespace, config: Config, firmware: Firmware, zone: tzinfo, seed: int) -> Site:
    if arguments.steady:
        return SteadySite(arguments.inverters, seed % 100_000, model=firmware.inverter, every_s=arguments.every)
    north, east = config.site.latitude, config.site.longitude
    return solar_site(
        firmware,
        arguments.inverters,
        seed,
        zone=zone,
        place=UTRECHT if north is None or east is None else Place(north, east),
        outlook=Outlook(arguments.weather or Outlook.CHANGING),
        faults=Faults(arguments.shaded_panel, arguments.dead_panel, arguments.dead_inverter),
    )


def _as_text(tally: Tally, report: dict[str, Any]) -> str:
    waits = "  ".join(f"{name} {wait:.1f} ms" for name, wait in report["latency_ms"].items())
    silence = ", ".join(f"{count} {reason}" for reason, count in report["unanswered"].items())
    lines = [
        f"records: {report['produced']} made, {report['acknowledged']} acknowledged, {report['held']} still held",
        f"sent {report['sent']} times in {report['seconds']:.1f} s, {report['resent']} of them again",
        f"answers: {waits or 'none'}",
        f"control port: {report['polls']} polls, {report['bundles']} first contacts, {report['queries']} queries,"
        f" {report['status_records']} status records acknowledged",
    ]
    if silence:
        lines.append(f"without an answer: {silence}")
    if report["dropped"]:
        lines.append(f"let go of unsent, because of a time stamp that came twice: {report['dropped']}")
    lines.append(f"wrong answers: {report['wrong_answers']}")
    lines += [f"  {fault.text}" for fault in tally.faults[:5]]
    return "\n".join(lines) + "\n"
