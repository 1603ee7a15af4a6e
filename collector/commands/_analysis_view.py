"""What was found of panels and arrays, as it looks on a terminal and for machines."""

import json
from dataclasses import asdict

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from collector.analysis import sentences
from collector.analysis.results import Answer, PanelResult
from collector.analysis.wanted import lacking
from collector.commands._terminal import Terminal
from collector.config.model import Config

_COLUMNS = ("made", "expected", "shade", "faults", "outages", "clipped")


def print_json(config: Config, answer: Answer) -> None:
    """All figures, with the sentences."""
    results = answer.results
    panels = [{**asdict(panel), "text": sentences.of_panel(panel, results.currency)} for panel in results.panels]
    values = {
        **results.values(),
        "panels": panels,
        "lacking": lacking(config, results),
        "hindrance": answer.hindrance,
    }
    print(json.dumps(values, indent=2))


def show(config: Config, answer: Answer, console: Console | None = None) -> None:
    """A table for each array, what there is to say of it, and what is missing."""
    console = console or Terminal()
    results = answer.results
    if not results.last:
        console.print("nothing to analyse yet: no day with records is over")
    for array in results.arrays:
        panels = "1 panel" if array.panels == 1 else f"{array.panels} panels"
        console.print(f"\n[bold]{escape(array.array)}[/], ECU {escape(array.ecu)}: {panels}", soft_wrap=True)
        own = [panel for panel in results.panels if (panel.ecu, panel.array) == (array.ecu, array.array)]
        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("panel")
        table.add_column("days", justify="right")
        for heading in _COLUMNS:
            table.add_column(f"{heading} kWh", justify="right", min_width=len(heading))
        for panel in own:
            table.add_row(escape(panel.panel), str(panel.days), *_row(panel))
        console.print(table)
        if text := sentences.ageing(array):
            console.print(f"  {escape(text)}", soft_wrap=True)
        for panel in own:
            if text := sentences.of_panel(panel, results.currency):
                console.print(f"  {escape(panel.panel)} {escape(text)}", soft_wrap=True)
    for text in lacking(config, results):
        console.print(f"missing: {escape(text)}", soft_wrap=True)
    if answer.hindrance:
        console.print(f"[yellow]not all was done[/]: {escape(answer.hindrance)}", soft_wrap=True)


def _row(panel: PanelResult) -> list[str]:
    losses = (panel.shade_kwh, panel.fault_kwh, panel.outage_kwh, panel.clip_kwh)
    return [f"{value:.1f}" for value in (panel.measured_kwh, panel.expected_kwh, *losses)]
