"""`python -m benchmarks [--quick] [--json] [NAME ...]`: runs one benchmark after the other and prints the results."""

import argparse
import json
import os
import platform
import sqlite3
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from benchmarks import (
    acknowledgements,
    analysing,
    analysis,
    boards,
    decoding,
    disk_writes,
    exporting,
    fleet,
    footprint,
    hostile,
    inventing,
    ledger,
    live_replay,
    mirroring,
    nothing_lost,
    outputs,
    publishing,
    replaying,
    rollups,
    starting,
)
from benchmarks.disk import IN_MEMORY, file_system
from benchmarks.result import Options, Row, Skip, tell

BENCHMARKS: dict[str, Callable[[Options], list[Row]]] = {
    "starts": starting.measure,
    "acknowledgements": acknowledgements.on_this_disk,
    "slow-disk": acknowledgements.on_a_slow_disk,
    "decoding": decoding.measure,
    "replay": replaying.measure,
    "live-replay": live_replay.measure,
    "rollups": rollups.measure,
    "export": exporting.measure,
    "ledger": ledger.measure,
    "nightly": analysing.measure,
    "footprint": footprint.measure,
    "fleet": fleet.measure,
    "boards": boards.measure,
    "hostile": hostile.measure,
    "mqtt": publishing.measure,
    "outputs": outputs.measure,
    "mirror": mirroring.measure,
    "demo": inventing.measure,
}

# Only if named: each takes half an hour.
ON_REQUEST: dict[str, Callable[[Options], list[Row]]] = {
    "analysis": analysis.measure,
    "disk-writes": disk_writes.measure,
    "nothing-lost": nothing_lost.measure,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run those that were named, or all. 0 also when a target is missed: that is a result."""
    arguments = _parser().parse_args(argv)
    place: Path = arguments.dir
    place.mkdir(parents=True, exist_ok=True)
    kind = file_system(place)
    if kind in IN_MEMORY and not arguments.quick:
        print(f"benchmarks: {place} is in memory ({kind}); --dir must name a folder on a disk", file=sys.stderr)
        return 2
    machine = {**_machine(place, kind), "quick": arguments.quick}
    results: dict[str, list[Row]] = {}
    skipped: dict[str, str] = {}
    with TemporaryDirectory(prefix="run-", dir=place) as folder:
        options = Options(
            Path(folder),
            arguments.quick,
            arguments.years,
            arguments.existing,
            arguments.steps,
            arguments.minutes,
            arguments.seed,
            arguments.seeds,
        )
        for name in arguments.names or BENCHMARKS:
            print(name, file=sys.stderr, flush=True)
            try:
                results[name] = {**BENCHMARKS, **ON_REQUEST}[name](options)
            except Skip as skip:
                skipped[name] = str(skip)
                tell(f"skipped: {skip}")
    if arguments.json:
        print(json.dumps({"machine": machine, "results": results, "skipped": skipped}, indent=2))
    else:
        _show(machine, results, skipped)
    return 0


def _parser() -> argparse.ArgumentParser:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the collector on this machine.")
    parser.add_argument("names", metavar="NAME", nargs="*", type=_name, help=", ".join([*BENCHMARKS, *ON_REQUEST]))
    parser.add_argument("--quick", action="store_true", help="only see that they run; the figures mean nothing")
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument(
        "--years", type=float, default=1.0, help="how much to replay, to roll up and to export (default: 1)"
    )
    parser.add_argument(
        "--existing",
        action="store_true",
        help="boards: look at the last --years in the buckets solar and solar_daily of $INFLUXDB_URL, and make none",
    )
    given = Options(Path(), quick=False, years=0)
    parser.add_argument("--seed", type=int, help="nothing-lost: of the first run (default: any)")
    parser.add_argument(
        "--seeds", type=int, default=given.seeds, help="analysis: how many roofs (default: %(default)s)"
    )
    parser.add_argument("--steps", type=int, default=given.steps, help="nothing-lost: how many (default: %(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=given.minutes, help="nothing-lost: for how long at most (default: %(default)s)"
    )
    parser.add_argument(
        "--dir",
        type=Path,
        default=cache / "apsystems-collector" / "benchmarks",
        help="where the files go, on the disk to be measured (default: %(default)s)",
    )
    return parser


def _name(text: str) -> str:
    if text not in BENCHMARKS and text not in ON_REQUEST:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join([*BENCHMARKS, *ON_REQUEST])}")
    return text


def _machine(place: Path, kind: str) -> dict[str, str | float]:
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "load_average": os.getloadavg()[0],
        "folder": str(place),
        "file_system": kind,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    found = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return found or platform.machine()


def _show(machine: dict[str, str | float], results: dict[str, list[Row]], skipped: dict[str, str]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 200)
    if machine["quick"]:
        console.print("--quick: these figures mean nothing")
    console.print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.items()), highlight=False)
    for name, rows in results.items():
        columns = list(dict.fromkeys(column for row in rows for column in row))
        table = Table(title=name, title_justify="left")
        for column in columns:
            table.add_column(column.replace("_", " "), justify="right")
        for row in rows:
            table.add_row(*(_written(row.get(column)) for column in columns))
        console.print(table)
    for name, reason in skipped.items():
        console.print(f"{name} skipped: {reason}", highlight=False)


def _written(value: float | str | bool | None) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "met" if value else "missed"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return value


if __name__ == "__main__":
    sys.exit(main())
