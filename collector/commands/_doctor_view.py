"""How `collector doctor` looks on a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from collector.commands._terminal import Terminal
from collector.doctor.findings import Finding, Level, is_healthy

_COLOURS = {Level.OK: "green", Level.SKIPPED: "cyan", Level.WARNING: "yellow", Level.FAILURE: "red"}


def show(findings: Sequence[Finding], console: Console | None = None) -> None:
    """Print every finding, what it means and what to do, and the sum of them last."""
    console = console or Terminal()
    part = ""
    for finding in findings:
        if finding.check != part:
            part = finding.check
            console.print(f"[bold]{escape(part)}[/]")
        colour = _COLOURS[finding.level]
        console.print(f"  [{colour}]{finding.level:8}[/]{escape(finding.found)}", soft_wrap=True)
        if finding.meaning:
            console.print(f"          means: {escape(finding.meaning)}", soft_wrap=True)
        if finding.remedy:
            console.print(f"          to do: {escape(finding.remedy)}", soft_wrap=True)
    counts = {level: sum(finding.level is level for finding in findings) for level in Level}
    health = "[green]healthy[/]" if is_healthy(findings) else "[red]NOT healthy[/]"
    console.print(
        f"\n{health}: {_counted(counts[Level.FAILURE], 'failure')}, {_counted(counts[Level.WARNING], 'warning')},"
        f" {counts[Level.OK]} fine, {counts[Level.SKIPPED]} not looked at"
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
