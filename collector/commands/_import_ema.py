"""`collector import ema`: asks the vendor, and tells what that takes."""

import argparse
import sys
import time
from contextlib import closing
from datetime import date, tzinfo
from threading import Event

from collector.clock.days import day_of
from collector.commands._import_view import tell_what_follows
from collector.commands._progress import bar
from collector.commands.exit_codes import FINDING, FINE
from collector.config.model import Config
from collector.config.names import Names
from collector.errors import CollectorError
from collector.imports import ema
from collector.imports.days import is_wires
from collector.imports.ema import Failure, Refused, Service
from collector.imports.fetching import DETAILS, Budget, Device, Fetching, Plan, began, devices, inventory, plan
from collector.journal import imported
from collector.journal.import_writing import Imports
from collector.journal.imported import DEVICES
from collector.journal.reading import JournalReader

URL = ema.URL
# As owners report of their accounts.
_CALLS_A_MONTH = 1000
_MOST_SECRET_BYTES = 1000
_WANTED = "--secret-file names a text file that you make, with the App Secret in it and nothing else"


def run(arguments: argparse.Namespace, config: Config, reader: JournalReader, imports: Imports) -> int:
    """Ask for all that is missing. Raises CollectorError and JournalError."""
    names = Names(config)
    system = str(arguments.system or _system_of_before(reader))
    secret = _secret(arguments)
    budget = Budget(arguments.budget)

    def zone_of(ecu: str) -> tzinfo:
        return names.ecu(ecu).zone

    with closing(Service(arguments.app_id, secret, arguments.url)) as service:
        try:
            print(f"system {system}: 3 calls tell which devices there are", flush=True)
            found, since = _inventory(Fetching(service, imports, budget, zone_of, time.time_ns, _wait), system)
            _propose(config, names, found)
            planned = _plan(arguments, reader, names, system, found, since)
            _tell(planned, budget)
            if arguments.dry_run or not planned.calls:
                return FINE
            with bar() as progress:
                task = progress.add_task("calls", total=min(planned.calls, budget.left))
                Fetching(service, imports, budget, zone_of, time.time_ns, _wait, lambda: progress.advance(task)).all_of(
                    planned
                )
        except Refused as exc:
            print(f"collector: {exc}", file=sys.stderr)
            print(f"{service.asked} calls were made; what they brought is kept")
            if exc.failure is Failure.QUOTA:
                tell_what_follows(config)
            return FINDING
        except KeyboardInterrupt:
            print(f"collector: {service.asked} calls were made, what they brought is kept", file=sys.stderr)
            print("collector: the same command goes on where it was broken off", file=sys.stderr)
            raise
        print(f"{service.asked} calls were made: nothing is left to be asked for")
    tell_what_follows(config)
    return FINE


def _wait(seconds: float) -> None:
    Event().wait(seconds)


def _system_of_before(reader: JournalReader) -> str:
    systems = sorted({body.key for body in imported.of_kind(reader, DEVICES)})
    if len(systems) == 1:
        return systems[0]
    raise CollectorError("say by --system which one: the portal shows the id of your system with its data")


def _secret(arguments: argparse.Namespace) -> str:
    try:
        with arguments.secret_file.open("rb") as stream:
            secret = str(stream.read(_MOST_SECRET_BYTES).decode().strip())
    except (OSError, UnicodeDecodeError) as exc:
        told = exc.strerror if isinstance(exc, OSError) else "it is no text"
        raise CollectorError(f"{arguments.secret_file}: {told}; {_WANTED}") from exc
    if not secret or not secret.isprintable():
        raise CollectorError(f"{arguments.secret_file}: this is not the secret; {_WANTED}")
    return secret


def _inventory(fetching: Fetching, system: str) -> tuple[list[Device], date]:
    answers = {question.kind: fetching.ask(question) for question in inventory(system)}
    told = answers[DEVICES]
    found = devices(told) if told else []
    if not found:
        raise CollectorError(f"the vendor knows no device of the system {system}: see that --system is right")
    return found, began(answers[DETAILS])


def _propose(config: Config, names: Names, found: list[Device]) -> None:
    """Lines for what the configuration lacks."""
    ecus, inverters = {ecu.id for ecu in config.ecu}, {inverter.id for inverter in config.inverter}
    lines = []
    for device in found:
        zone = getattr(names.ecu(device.ecu).zone, "key", "")
        if device.zone and device.zone != zone:
            print(f"ECU {device.ecu}: the vendor counts its days in {device.zone}, here they are those of {zone}")
        if device.ecu not in ecus:
            lines += ["[[ecu]]", f'id = "{device.ecu}"', ""]
        for uid, model in sorted(device.inverters.items()):
            if uid not in inverters:
                lines += ["[[inverter]]", f'id = "{uid}"  # {model}', ""]
    if lines:
        print("config.toml does not name these yet:\n")
        print("\n".join(lines))


def _plan(
    arguments: argparse.Namespace,
    reader: JournalReader,
    names: Names,
    system: str,
    found: list[Device],
    since: date,
) -> Plan:
    now = time.time_ns()
    today = min(day_of(now, names.ecu(device.ecu).zone) for device in found)
    first, last = arguments.first or since, min(arguments.last or today, today)
    return plan(
        system,
        found,
        (first, last),
        today,
        imported.held(reader),
        lambda ecu, day: not is_wires(reader, names, ecu, day),
    )


def _tell(planned: Plan, budget: Budget) -> None:
    powers = sum(map(len, planned.powers.values()))
    print(f"{len(planned.energies)} calls for energies of days, at most {powers} for powers, the latest first")
    if planned.calls > budget.left:
        months = -(-planned.calls // _CALLS_A_MONTH)
        print(
            f"{budget.left} calls are left of this run's budget; at {_CALLS_A_MONTH} a month, all of it takes up to"
            f" {months} month{'s' * (months != 1)}, with this command once a month"
        )
