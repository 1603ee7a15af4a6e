"""How `collector status` looks on a terminal."""

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from collector.status import Status
from collector.terminal import Terminal


def show(status: Status, console: Console | None = None) -> None:
    """Print the status: health first, then a table of inverters for each gateway."""
    console = console or Terminal()
    health = "[green]healthy[/]" if status.healthy else "[red]NOT healthy[/]"
    console.print(f"{health}, {status.state}")
    waiting = "records waiting for InfluxDB" if status.has_influxdb else "records kept until an InfluxDB is configured"
    held = f", held: {status.held}" if status.held else ""
    console.print(f"{waiting}: {status.pending}, set aside: {status.set_aside}{held}, turned away: {status.refused}")
    for peer in status.refused_peers:
        console.print(
            f"  from {escape(peer.peer)}: {peer.count}, last {peer.last_at} at port {peer.port}, {escape(peer.reason)}:"
            f" {escape(peer.first_bytes)}",
            soft_wrap=True,
        )
    if status.refused_peers:
        console.print("  if one of these is an ECU, report what `collector decode --refused` prints", soft_wrap=True)
    for problem in status.problems:
        console.print(f"[red]problem[/]: {escape(problem)}", soft_wrap=True)
    for warning in status.warnings:
        console.print(f"[yellow]warning[/]: {escape(warning)}", soft_wrap=True)
    for ecu in status.ecus:
        if ecu.replaced_by:
            console.print(
                f"\n[bold]ECU {escape(ecu.name)}[/] ({escape(ecu.id)}): retired, replaced by {escape(ecu.replaced_by)};"
                f" {ecu.records} records, last record {ecu.last_record or 'none'}, last heard {ecu.last_contact}",
                soft_wrap=True,
            )
            continue
        console.print(
            f"\n[bold]ECU {escape(ecu.name)}[/] ({escape(ecu.id)}): today {ecu.energy_today_wh / 1000:.3f} kWh,"
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
                retired = f", replaced by {inverter.replaced_by}" if inverter.replaced_by else ""
                ac_power = "" if inverter.ac_power_w is None else f"{inverter.ac_power_w:.1f}"
                table.add_row(
                    escape(name + retired),
                    inverter.model,
                    inverter.last_record,
                    f"{inverter.dc_power_w:.1f}",
                    ac_power,
                    f"{inverter.energy_today_wh:.1f}",
                )
            console.print(table)
