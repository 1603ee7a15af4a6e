"""How a comparison with the meter or the portal looks: a table of days, what they come to, and the likely reasons."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Drawn

from collector.commands._terminal import Terminal
from collector.compare.judging import AGREES_WITHIN, Comparison, Row
from collector.tables.reading import Kind, Table

_KINDS = {
    Kind.DAILY: "energies of days",
    Kind.MONTHLY: "energies of months",
    Kind.LIFETIME: "readings of a counter",
}
_SOURCES = {"journal": "the journal's records", "influxdb": "the daily roll-ups in InfluxDB"}


def show(file: Path, table: Table, compared: Comparison, source: str, console: Console | None = None) -> None:
    """Print it for people."""
    console = console or Terminal()
    common = sum(row.is_common for row in compared.rows)
    there = sum(row.theirs_wh is not None for row in compared.rows)
    for line in (
        f"{escape(str(file))}: {_KINDS[table.kind]} (`--kind` says otherwise), {common} of {there} are here as a whole",
        f"ours: {compared.basis} energy, from {_SOURCES[source]}",
    ):
        console.print(line, soft_wrap=True)
    if compared.rows:
        console.print(_drawn(compared))
    for line in _summary(compared):
        console.print(line, soft_wrap=True)
    for reason in compared.reasons:
        console.print(f"[yellow]reason[/]: {escape(reason)}", soft_wrap=True)
    for note in table.notes:
        console.print(f"note: {escape(note)}", soft_wrap=True)


def _drawn(compared: Comparison) -> Drawn:
    drawn = Drawn(box=box.SIMPLE_HEAD)
    drawn.add_column("date", no_wrap=True)
    for heading in ("theirs kWh", "ours kWh", "ratio"):
        drawn.add_column(heading, justify="right")
    drawn.add_column("", no_wrap=True)
    for _, group in groupby(_with_runs(compared.rows), key=lambda item: item[0]):
        rows = [row for _, row in group]
        drawn.add_row(
            _days(rows[0].first, rows[-1].last),
            _kwh(None if rows[0].theirs_wh is None else sum(row.theirs_wh or 0.0 for row in rows)),
            _kwh(None if _own(rows[0], compared) is None else sum(_own(row, compared) or 0.0 for row in rows)),
            "" if rows[0].ratio is None else f"{rows[0].ratio:.3f}",
            _mark(rows, compared),
        )
    return drawn


def _with_runs(rows: Sequence[Row]) -> Iterator[tuple[int, Row]]:
    """The rows with numbers, which those share that follow each other and are missing on the same side."""
    number, before = 0, None
    for row in rows:
        follows = before is not None and before.last + timedelta(days=1) == row.first
        if before is None or not follows or _side(row) is None or _side(row) != _side(before):
            number += 1
        before = row
        yield number, row


def _side(row: Row) -> str | None:
    if row.theirs_wh is None:
        return "there"
    return "here" if row.days_here == 0 else None


def _own(row: Row, compared: Comparison) -> float | None:
    return row.ac_wh if compared.basis == "AC" else row.dc_wh


def _mark(rows: Sequence[Row], compared: Comparison) -> str:
    row = rows[0]
    if side := _side(row):
        days = sum(row.days for row in rows)
        return f"missing {side}" + (f", {days} days" if days > 1 else "")
    if not row.is_common:
        return f"{row.days_here} of {row.days} days here"
    if _own(row, compared) is None:
        return f"{compared.basis} unknown here"
    return "[red]! far from the others[/]" if row.is_outlier else ""


def _days(first: date, last: date) -> str:
    if first == last:
        return f"{first}"
    if first.day == 1 and (last + timedelta(days=1)) == (first + timedelta(days=31)).replace(day=1):
        return f"{first:%Y-%m}"
    return f"{first} to {last}"


def _kwh(energy_wh: float | None) -> str:
    return "" if energy_wh is None else f"{energy_wh / 1000:.3f}"


def _summary(compared: Comparison) -> Iterator[str]:
    if compared.not_over:
        yield f"left out, since not over yet: {compared.not_over}"
    if compared.median is None or compared.low is None or compared.high is None:
        yield "[red]nothing to compare[/]: no day of the file is here with an energy"
        return
    factor = f", {compared.theirs_wh / compared.ours_wh:.3f} times ours" if compared.ours_wh > 0 else ""
    yield f"what both have: {_kwh(compared.theirs_wh)} kWh there, {_kwh(compared.ours_wh)} kWh here{factor}"
    agrees = f"[green]agrees within {AGREES_WITHIN:.0%}[/]" if compared.agrees else "[red]differs[/]"
    if compared.days_agree and not compared.agrees:
        agrees = "[red]most days agree, the sum does not[/]: look at the days that are far from it"
    yield (f"middle ratio {compared.median:.3f}, nine of ten from {compared.low:.3f} to {compared.high:.3f}: {agrees}")


def print_json(table: Table, compared: Comparison, source: str, ecus: Sequence[str]) -> None:
    """Print it for machines; energies in Wh."""
    said = {
        "kind": table.kind,
        "source": source,
        "ecus": ecus,
        "basis": compared.basis,
        "agrees": compared.agrees,
        "median_ratio": compared.median,
        "range_90": None if compared.median is None else [compared.low, compared.high],
        "theirs_wh": round(compared.theirs_wh, 3),
        "ours_wh": round(compared.ours_wh, 3),
        "missing_here": [f"{day}" for day in compared.missing_here],
        "missing_there": [f"{day}" for day in compared.missing_there],
        "not_over": compared.not_over,
        "reasons": compared.reasons,
        "notes": table.notes,
        "rows": [{key: _plain(value) for key, value in asdict(row).items()} for row in compared.rows],
    }
    print(json.dumps(said, indent=2))


def _plain(value: object) -> object:
    if isinstance(value, date):
        return f"{value}"
    return round(value, 6) if isinstance(value, float) else value
