"""`collector status`: health, and the gateways with their inverters, as it looks on a terminal."""

import json
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from collector.commands._terminal import Terminal
from collector.config.load import load
from collector.status.health import EcuStatus, InverterStatus, Status, outputs_line
from collector.status.site import gather


def tell(config: Path | None, now: int, *, as_json: bool) -> bool:
    """Print it and return whether all is well. Raises ConfigError."""
    status = gather(load(config, needs_token=False), now)
    if as_json:
        print(json.dumps(status.as_json(), indent=2))
    else:
        show(status)
    return status.healthy


def show(status: Status, console: Console | None = None) -> None:
    """Print the status: health first, then a table of inverters for each gateway."""
    console = console or Terminal()
    health = "[green]healthy[/]" if status.healthy else "[red]NOT healthy[/]"
    console.print(f"{health}, {status.state}")
    waiting = "records waiting for InfluxDB" if status.has_influxdb else "records kept until an InfluxDB is configured"
    held = f", held: {status.held}" if status.held else ""
    tails = f", ends of older records: {status.stale_tails}" if status.stale_tails else ""
    console.print(
        f"{waiting}: {status.pending}, set aside: {status.set_aside}{held}, turned away: {status.refused}{tails}"
    )
    for peer in status.refused_peers:
        console.print(
            f"  from {escape(peer.peer)}: {peer.count}, last {peer.last_at} at port {peer.port}, {escape(peer.reason)}:"
            f" {escape(peer.first_bytes)}",
            soft_wrap=True,
        )
    if status.refused_peers:
        console.print("  if one of these is an ECU, report what `collector decode --refused` prints", soft_wrap=True)
    if outputs := outputs_line(status.outputs):
        console.print(outputs, soft_wrap=True)
    for problem in status.problems:
        console.print(f"[red]problem[/]: {escape(problem)}", soft_wrap=True)
    for warning in status.warnings:
        console.print(f"[yellow]warning[/]: {escape(warning)}", soft_wrap=True)
    for line in status.analysis:
        console.print(f"up to {status.analysed}: {escape(line)}", soft_wrap=True)
    for ecu in status.ecus:
        if ecu.replaced_by:
            console.print(
                f"\n[bold]ECU {escape(ecu.name)}[/] ({escape(ecu.id)}): retired, replaced by {escape(ecu.replaced_by)};"
                f" {ecu.records} records, last record {ecu.last_record or 'none'}, last heard {ecu.last_contact}",
                soft_wrap=True,
            )
            continue
        console.print(
            f"\n[bold]ECU {escape(ecu.name)}[/] ({escape(ecu.id)}): {_state(ecu)}today {_kwh(ecu)},"
            f" {ecu.records} records, last record {ecu.last_record or 'none'}, last heard {ecu.last_contact}",
            soft_wrap=True,
        )
        if ecu.inverters:
            table = Table(box=box.SIMPLE_HEAD)
            for heading in ("inverter", "model", "last record"):
                table.add_column(heading)
            for heading in ("DC W", "AC W", "today Wh"):
                table.add_column(heading, justify="right")
            for inverter in ecu.inverters:
                name = inverter.name if inverter.name == inverter.id else f"{inverter.name} ({inverter.id})"
                more = f", replaced by {inverter.replaced_by}" if inverter.replaced_by else ""
                more += ", silent" if inverter.silent_since else ""
                dc_power, ac_power = (
                    "" if power_w is None else f"{power_w:.1f}"
                    for power_w in (inverter.dc_power_w, inverter.ac_power_w)
                )
                table.add_row(
                    escape(name + more),
                    inverter.model,
                    inverter.last_record,
                    dc_power,
                    ac_power,
                    _wh(inverter),
                )
            console.print(table)


def _state(ecu: EcuStatus) -> str:
    return f"{ecu.state.lower()}, " if ecu.state else ""


def _kwh(ecu: EcuStatus) -> str:
    """What the owner's meter counts, where that is known."""
    if ecu.ac_energy_today_wh is None:
        return f"{ecu.energy_today_wh / 1000:.3f} kWh DC"
    return f"{ecu.ac_energy_today_wh / 1000:.3f} kWh AC"


def _wh(inverter: InverterStatus) -> str:
    if inverter.ac_energy_today_wh is None:
        return f"{inverter.energy_today_wh:.1f} DC"
    return f"{inverter.ac_energy_today_wh:.1f} AC"
