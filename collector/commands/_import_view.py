"""What `collector import` prints."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path

from rich.table import Table

from collector.clock.stamps import to_second
from collector.commands._progress import bar
from collector.commands._terminal import Terminal
from collector.config.model import Config
from collector.config.names import Names
from collector.imports.days import Day, derived, is_wires
from collector.imports.files import is_guessed_counter
from collector.journal import imported
from collector.journal.import_writing import Brought
from collector.journal.imported import FILE, Body
from collector.journal.reading import JournalReader
from collector.ledger.wanted import wanted

_MWH_A_KWH = 1_000_000


def refuse(faults: Iterable[str]) -> None:
    """Say what can't be read; nothing was kept."""
    for fault in faults:
        print(f"collector: {fault}", file=sys.stderr)
    print("collector: nothing was taken, of no file", file=sys.stderr)


def tell_files(reader: JournalReader, names: Names, some: Sequence[tuple[Path, Brought]], new: int) -> None:
    """Say what was read of each file."""
    for file, one in some:
        own = [day for day in one.days if is_wires(reader, names, one.ecu, date.fromisoformat(day))]
        days = "1 day" if len(one.days) == 1 else f"{len(one.days)} days"
        print(f"{file}: {days}, {min(one.days)} to {max(one.days)}")
        if is_guessed_counter(one, names):
            print("  read as a counter, each day by what it grew: if these are energies of days, take the file back")
            print("  by `collector import remove`, and say `--kind daily`")
        if own:
            print(f"  {len(own)} of them the ECU itself has sent something of: those stay its own")
    if new < len(some):
        print(f"{len(some) - new} of {len(some)} were here already")


def tell_what_follows(config: Config) -> None:
    """Say who gets it, and when."""
    takers = [name for name, is_there in (("the ledger", wanted(config)), ("InfluxDB", config.influxdb)) if is_there]
    if takers:
        print(f"{' and '.join(takers)} follow{'s' if len(takers) == 1 else ''} while `collector run` runs")
    else:
        print("it is in the journal; nothing shows it before [influxdb], an output, or `[ledger] enabled = true`")


def summary(reader: JournalReader, names: Names) -> dict[str, dict[str, object]]:
    """What there is of each gateway: days that count, with their energy, days that are its own, and those far off."""
    days = {ecu: imported.days(reader, ecu) for ecu in imported.gateways(reader)}
    with bar() as progress:
        task = progress.add_task("days", total=sum(map(len, days.values())))
        return {ecu: _summary(reader, names, ecu, some, lambda: progress.advance(task)) for ecu, some in days.items()}


def _summary(
    reader: JournalReader, names: Names, ecu: str, days: Iterable[str], progress: Callable[[], None]
) -> dict[str, object]:
    counting: dict[str, Day] = {}
    own = 0
    for text in days:
        day = date.fromisoformat(text)
        if is_wires(reader, names, ecu, day):
            own += 1
        elif one := derived(imported.of_day(reader, ecu, text), ecu, day, names.ecu(ecu).zone):
            counting[text] = one
        progress()
    mwh = sum(reading.energy_mwh for one in counting.values() for reading in one.readings)
    return {
        "days": len(counting),
        "first": min(counting, default=None),
        "last": max(counting, default=None),
        "kwh": mwh / _MWH_A_KWH,
        "days_of_the_ecu": own,
        "days_far_off": [text for text, one in counting.items() if one.is_off],
    }


def print_json(reader: JournalReader, names: Names) -> None:
    """All of it, for machines."""
    bodies = [
        {
            "number": body.id,
            "kind": body.kind,
            "what": _what(body),
            "ecu": body.ecu,
            "first": body.first,
            "last": body.last,
            "fetched_at": to_second(body.fetched_at),
            "bytes": size,
        }
        for body, size in imported.listed(reader)
    ]
    told = {"imported": bodies, "ecus": summary(reader, names), "waiting_for_influxdb": imported.marked_count(reader)}
    print(json.dumps(told, indent=2))


def show(reader: JournalReader, names: Names, *, has_influxdb: bool) -> None:
    """All of it, for people: files one by one, answers by kind and gateway."""
    terminal = Terminal()
    bodies = [body for body, _ in imported.listed(reader)]
    if not bodies:
        terminal.print("nothing was brought along")
        return
    table = Table(box=None, header_style="")
    for title in ("number", "what", "ECU", "first day", "last day"):
        table.add_column(title, justify="right" if title == "number" else "left")
    answers: dict[tuple[str, str], list[Body]] = {}
    for body in bodies:
        if body.kind == FILE:
            table.add_row(str(body.id), _what(body), body.ecu, body.first, body.last)
        else:
            answers.setdefault((body.kind, body.ecu), []).append(body)
    for (kind, ecu), some in answers.items():
        told = [body for body in some if body.first]
        first, last = min((body.first for body in told), default="-"), max((body.last for body in told), default="-")
        count = "1 answer" if len(some) == 1 else f"{len(some)} answers"
        table.add_row("", f"{kind}, {count}", ecu or "-", first, last)
    terminal.print(table)
    for ecu, one in summary(reader, names).items():
        terminal.print(
            f"ECU {ecu}: {one['days']} days count, {one['kwh']:.3f} kWh; {one['days_of_the_ecu']} more are its own"
        )
        if isinstance(far := one["days_far_off"], list) and far:
            days = "1 day" if len(far) == 1 else f"{len(far)} days"
            terminal.print(f"  on {days} energies and powers are more than 10 % apart, the last is {far[-1]}")
    if has_influxdb and (waiting := imported.marked_count(reader)):
        terminal.print(f"{waiting} days wait for InfluxDB, while `collector run` runs")


def _what(body: Body) -> str:
    if body.kind == FILE:
        said = body.said
        return f"{said.get('name', '')} ({said.get('place', '')})"
    return body.key
