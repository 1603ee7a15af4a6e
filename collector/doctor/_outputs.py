"""Whether what the owner's data are sent to, besides InfluxDB, takes them: as the service says that runs."""

from collector.clock.stamps import to_second
from collector.doctor.context import Context
from collector.doctor.findings import Finding, ok, warning
from collector.journal.state import OutputHealth

CHECK = "outputs"


async def check(context: Context) -> list[Finding]:
    """From what the service says of itself alone. Nothing without outputs; that no service runs is told elsewhere."""
    run = context.facts.run
    return [_told(output) for output in run.outputs] if run.is_alive(context.now) else []


def _told(output: OutputHealth) -> Finding:
    sent = f"last sent {to_second(output.last_sent)}" if output.last_sent else "nothing was sent yet"
    if output.last_error:
        return warning(
            CHECK,
            f"{output.name}: {output.last_error} ({sent}, {_waiting(output)})",
            "gateways get their answers all the same, and what was not sent will be",
            output.remedy,
        )
    state = "connected" if output.connected else "not connected yet"
    note = f" ({output.note})" if output.note else ""
    return ok(CHECK, f"{output.name}: {state}, {sent}, {_waiting(output)}{note}")


def _waiting(output: OutputHealth) -> str:
    told = f"waiting: {output.waiting}"
    told += f" since {to_second(output.waiting_since)}" if output.waiting_since else ""
    told += f", refused: {output.refused}" if output.refused else ""
    return told + (f", commands of the vendor refused: {output.commands_refused}" if output.commands_refused else "")
