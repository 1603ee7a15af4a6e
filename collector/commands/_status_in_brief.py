"""`collector status --brief`: health in a few lines, on any terminal."""

import json
from pathlib import Path

from collector.config.document import whereabouts
from collector.status.health import Status, gather, outputs_line


def tell(config: Path | None, now: int, *, as_json: bool) -> bool:
    """Print it and return whether all is well. Raises ConfigError."""
    where = whereabouts(config)
    status = gather(where.journal, now, has_influxdb=where.has_influxdb)
    print(json.dumps(status.as_json(), indent=2) if as_json else "\n".join(lines(status)))
    return status.healthy


def lines(status: Status) -> list[str]:
    """Health first, then what waits, then what is to be done."""
    waiting = "records waiting for InfluxDB" if status.has_influxdb else "records kept until an InfluxDB is configured"
    held = f", held: {status.held}" if status.held else ""
    tails = f", ends of older records: {status.stale_tails}" if status.stale_tails else ""
    outputs = outputs_line(status.outputs)
    return [
        f"{'healthy' if status.healthy else 'NOT healthy'}, {status.state}",
        f"{waiting}: {status.pending}, set aside: {status.set_aside}{held}, turned away: {status.refused}{tails}",
        *([outputs] if outputs else []),
        *(f"problem: {problem}" for problem in status.problems),
        *(f"warning: {warning}" for warning in status.warnings),
    ]
