"""`collector simulate`: its arguments, the fleet that they describe, and the report.

The exit code is 1 when a record stayed unacknowledged or an answer was wrong.
"""

import argparse
import contextlib
import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, TextIO
from zoneinfo import ZoneInfo

import trio

from collector import newcomers
from collector.client.firmware import GENERATIONS, Firmware
from collector.client.network import Client, Pace, Target, unreachable
from collector.commands import _simulate_options
from collector.commands._simulate_progress import days, line
from collector.commands.arguments import add_config
from collector.commands.exit_codes import FINDING, FINE
from collector.config.load import load
from collector.config.model import Config
from collector.errors import CollectorError, ConfigError
from collector.file_limit import raise_file_limit
from collector.protocol.models import dialect
from collector.simulate import fleet, manifest, mishaps, real_ecus, truth
from collector.simulate.control import ControlPort
from collector.simulate.device import Device
from collector.simulate.equipment import models_behind
from collector.simulate.roofs import UTRECHT, Faults, solar_site
from collector.simulate.rounds import Site
from collector.simulate.sky import Place
from collector.simulate.steady import SteadySite
from collector.simulate.store import Record
from collector.simulate.tally import Tally
from collector.simulate.weather import Outlook

# Connections at a time: by default the collector takes 4096 in all, and 256 from one address.
_CONNECTIONS, _CONNECTIONS_OF_ONE_ADDRESS = 1000, 128
# In a hurry the pieces of a message need no more than to be pieces.
_HURRIED_PAUSE_S = 0.02
_TELL_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Is one ECU or thousands, as strict as their firmware, and reports what the collector made of it."
        " With --from and --to they deliver the backlog of these days; without, they live from now on, until Ctrl-C."
        " Give them a collector of their own, as one in an empty folder is: nothing takes a gateway out of a journal"
        " again, nor out of the InfluxDB that it is written to."
    )
    parser.epilog = "Exit code 1 when a record stayed unacknowledged or an answer was wrong."
    # All of them would hide the one line that a mistake is told in.
    parser.usage = "%(prog)s [OPTION]..."
    add_config(parser)
    _simulate_options.add_to(parser)


@dataclass(frozen=True, slots=True)
class _Fleet:
    gateways: list[fleet.Gateway]
    plan: fleet.Plan
    tally: Tally

    @property
    def held(self) -> int:
        return sum(gateway.held for gateway in self.gateways)


def run(arguments: argparse.Namespace) -> int:
    """Simulate and report; returns the exit code. Raises ConfigError and CollectorError."""
    config = load(arguments.config, needs_token=False)
    zone = _zone(arguments.timezone or config.site.timezone)
    plan = _plan(arguments, zone)
    target = _target(arguments, config)
    if reason := unreachable(target, control=plan.control):
        raise CollectorError(f"{reason} Others are named with --host, --data-port and --control-port")
    if arguments.host is None and not arguments.beside_real_ecus:
        real_ecus.refuse_real_ecus(config.journal.path)
    if hint := _held_back(arguments, config):
        sys.stderr.write(f"{hint}\n")
    raise_file_limit()
    with contextlib.ExitStack() as stack:
        out = None
        if arguments.journal_manifest:
            out = manifest.Manifest(stack.enter_context(_new(arguments.journal_manifest)))
        told = stack.enter_context(_new(arguments.truth)) if arguments.truth else None
        simulated = _fleet(arguments, config, plan, zone, target, out)
        began = time.monotonic()
        total = fleet.total(len(simulated.gateways), plan)
        if told is not None and total is not None:
            _tell_truth(told, simulated, total)
            began = time.monotonic()
        if total is None:
            sys.stderr.write(f"{_introduced(simulated, target, zone)}\n")
            with line() as tell:
                trio.run(_live, simulated, lambda _passed: None, tell)
        else:
            with days("simulate", total) as advance:
                trio.run(_live, simulated, advance, lambda _text: None)
        seconds = time.monotonic() - began
        if out:
            for gateway in simulated.gateways:
                for record in (*gateway.device.store.records, *gateway.control.store.records):
                    out.add(gateway.device.ecu, record)
    held = simulated.held
    report = {"seconds": round(seconds, 3), **simulated.tally.as_json(held)}
    sys.stdout.write(f"{json.dumps(report, indent=2)}\n" if arguments.json else _as_text(simulated.tally, report))
    return FINDING if held or simulated.tally.fault_count else FINE


def _new(path: Path) -> TextIO:
    """A new file. Raises CollectorError."""
    try:
        return path.open("x", encoding="utf-8")
    except FileExistsError as exc:
        raise CollectorError(f"{path} is there already: name a new file") from exc
    except OSError as exc:
        raise CollectorError(f"{path}: {exc.strerror}") from exc


def _tell_truth(out: TextIO, simulated: _Fleet, total: timedelta) -> None:
    """Write what is true of all sites, before anything of it is sent. Raises CollectorError."""
    plan = simulated.plan
    if plan.stop is None:
        return
    try:
        with days("truth", total) as advance:
            truth.write(out, {one.device.ecu: one.site for one in simulated.gateways}, plan.start, plan.stop, advance)
        out.flush()
    except ValueError as exc:
        raise CollectorError(f"{exc}: name another with --timezone, or leave out --truth") from exc
    except OSError as exc:
        raise CollectorError(f"{out.name}: {exc.strerror}") from exc


def _held_back(arguments: argparse.Namespace, config: Config) -> str:
    """What the collector of this configuration will keep from InfluxDB, empty for nothing."""
    ecus, inverters = arguments.ecus, arguments.inverters
    is_much = (
        ecus > newcomers.MOST_GATEWAYS_A_DAY
        or inverters > newcomers.MOST_INVERTERS_OF_A_GATEWAY
        or ecus * inverters > newcomers.MOST_INVERTERS_A_DAY
    )
    if config.collector.accept == "all" or not is_much:
        return ""
    return (
        f"the collector stores and answers all {ecus} gateways of {inverters} inverters, but of unknown ones it lets"
        f" {newcomers.MOST_GATEWAYS_A_DAY} gateways and {newcomers.MOST_INVERTERS_A_DAY} inverters a day into InfluxDB,"
        f" {newcomers.MOST_INVERTERS_OF_A_GATEWAY} of one gateway: for a fleet, give it"
        ' accept = "all" under [collector]'
    )


def _introduced(simulated: _Fleet, target: Target, zone: tzinfo) -> str:
    """Who lives on without an end, and when there will be something to see."""
    first, start = simulated.gateways[0], simulated.plan.start
    others = f" and {len(simulated.gateways) - 1} more" if len(simulated.gateways) > 1 else ""
    ports = ", ".join(map(str, target.data_ports))
    soon = next(iter(first.site.rounds(start, start + timedelta(days=1))), None)
    due = f"at {soon.at.astimezone(zone):%Y-%m-%d %H:%M} ({zone})" if soon else "later than in a day"
    return (
        f"gateway {first.device.ecu}{others} to {target.host}, {ports}: every five minutes, with the first record due"
        f" {due}; Ctrl-C ends it"
    )


async def _live(simulated: _Fleet, advance: Callable[[timedelta], None], tell: Callable[[str], None]) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:

            async def stop_on_signal() -> None:
                async for _ in signals:
                    nursery.cancel_scope.cancel()

            nursery.start_soon(stop_on_signal)
            nursery.start_soon(_tell, simulated, tell)
            await fleet.run(simulated.gateways, simulated.plan, advance)
            nursery.cancel_scope.cancel()


async def _tell(simulated: _Fleet, tell: Callable[[str], None]) -> None:
    tally = simulated.tally
    while True:
        tell(
            f"records: {tally.produced} made, {tally.acknowledged} acknowledged, {simulated.held} held; control port"
            f" polled {tally.polls} times"
        )
        await trio.sleep(_TELL_S)


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ConfigError([f"--timezone {name}: no IANA time zone"]) from None


def _plan(arguments: argparse.Namespace, zone: tzinfo) -> fleet.Plan:
    first, last = arguments.first, arguments.last
    for firmware in _generations(arguments):
        models = models_behind(dialect(firmware.version, firmware.system))
        if arguments.model and arguments.model not in models:
            arguments.usage_error(
                f"--model {arguments.model}: a gateway of --firmware {firmware.name} has none, but {', '.join(models)}"
            )
    if arguments.steady and (
        arguments.weather
        or arguments.shaded_panel
        or arguments.dead_panel
        or arguments.dead_inverter
        or arguments.fault
        or arguments.losses
    ):
        arguments.usage_error("--steady has neither weather nor faults")
    if arguments.losses and (arguments.shaded_panel or arguments.dead_panel or arguments.dead_inverter):
        arguments.usage_error("--losses has shade and faults of its own")
    if arguments.truth and not arguments.losses:
        arguments.usage_error("--truth needs --losses")
    if last and not first:
        arguments.usage_error("--to needs --from")
    if first and last and last < first:
        arguments.usage_error(f"--to {last} is before --from {first}")
    if last and arguments.lasting:
        arguments.usage_error("--to and --for exclude each other")
    now = datetime.fromtimestamp(time.time(), UTC)
    start = _midnight(first, zone) if first else now
    stop = _midnight(last + timedelta(days=1), zone) if last else None
    if arguments.lasting:
        stop = start + arguments.lasting
    if arguments.truth and stop is None:
        arguments.usage_error("--truth needs an end: --to or --for")
    backlog = arguments.speed is None and first is not None
    if backlog and stop is None:
        arguments.usage_error("a backlog needs an end: --to or --for")
    if backlog and stop:
        if start >= now:
            arguments.usage_error(f"--from {first} is in the future, which no gateway has records of")
        stop = min(stop, now)
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


def _target(arguments: argparse.Namespace, config: Config) -> Target:
    listen = config.listen
    target = Target(
        arguments.host or "127.0.0.1",
        tuple(arguments.data_port or listen.data_ports),
        arguments.control_port or listen.control_port,
    )
    if not all(target.data_ports) or not (target.control_port or arguments.no_control):
        raise ConfigError(["the configured ports are chosen by the system: name them with --data-port, --control-port"])
    return target


def _fleet(
    arguments: argparse.Namespace,
    config: Config,
    plan: fleet.Plan,
    zone: tzinfo,
    target: Target,
    out: manifest.Manifest | None,
) -> _Fleet:
    hurried = plan.speed is None or plan.speed > 1
    pace = Pace(_HURRIED_PAUSE_S, apart_s=_HURRIED_PAUSE_S) if hurried else Pace()
    own_addresses = _source(target.host, 0) is not None
    limiter = trio.CapacityLimiter(_CONNECTIONS if own_addresses else _CONNECTIONS_OF_ONE_ADDRESS)
    tally = Tally()
    generations = _generations(arguments)

    def note(device: Device, record: Record) -> None:
        if out:
            out.add(device.ecu, record)

    gateways = []
    for number in range(arguments.ecus):
        firmware = generations[number % len(generations)]
        seed = arguments.seed % 100 * _simulate_options.MOST_GATEWAYS + number
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


def _generations(arguments: argparse.Namespace) -> list[Firmware]:
    names = arguments.firmware or ["ecu-r-2024"]
    chosen = GENERATIONS if "mixed" in names else names
    return [replace(GENERATIONS[name], ac_energy=arguments.ac_energy) for name in chosen]


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
        model = arguments.model or firmware.inverter
        return SteadySite(
            arguments.inverters,
            seed % 100_000,
            model=model,
            every_s=arguments.every,
            sends_ac_energy=firmware.ac_energy,
        )
    north, east = config.site.latitude, config.site.longitude
    return solar_site(
        firmware,
        arguments.inverters,
        seed,
        models=(arguments.model,) if arguments.model else (),
        zone=zone,
        place=UTRECHT if north is None or east is None else Place(north, east),
        outlook=Outlook(arguments.weather or Outlook.CHANGING),
        faults=Faults(arguments.shaded_panel, arguments.dead_panel, arguments.dead_inverter),
        mishaps=mishaps.called(arguments.fault),
        with_losses=arguments.losses,
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
