"""`collector verify`: its arguments and its report.

The exit code is 1 when anything is missing, too much or different.
"""

import argparse
import contextlib
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from collector.commands.arguments import add_config
from collector.commands.exit_codes import FINDING, FINE
from collector.config.load import load
from collector.delivery.configured import configured
from collector.journal.reading import JournalReader
from collector.simulate import manifest, verify

# A long answer of the database takes its time.
_TIMEOUT_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Compares every record that `collector simulate --journal-manifest MANIFEST` has sent with the"
        " journal, and with InfluxDB where one is configured. Exit code 1 on anything missing, extra or different."
    )
    add_config(parser)
    parser.add_argument("manifest", metavar="MANIFEST", type=Path, help="the file that `simulate` has written")
    parser.add_argument(
        "--wait", type=float, default=0.0, metavar="S", help="wait so long for what is not delivered yet (default: 0)"
    )
    parser.add_argument("--json", action="store_true", help="for machines")


def run(arguments: argparse.Namespace) -> int:
    """Compare and report. Raises ConfigError, JournalError and CollectorError."""
    config = load(arguments.config)
    found: dict[str, verify.Comparison] = {}
    with JournalReader(config.journal.path) as reader:
        if config.influxdb:
            _await_delivery(reader, arguments.wait)
        found["journal"], ecus = verify.with_journal(manifest.read(arguments.manifest), reader)
        if config.influxdb:
            with contextlib.closing(configured(config.influxdb, _TIMEOUT_S)) as sink:
                found["influxdb"] = verify.with_influx(ecus, reader, sink, config, config.influxdb.bucket)
        pending = reader.pending_count() if config.influxdb else 0
    report = {name: comparison.as_json() for name, comparison in found.items()} | {"pending": pending}
    sys.stdout.write(f"{json.dumps(report, indent=2)}\n" if arguments.json else _as_text(found, report))
    return FINE if all(comparison.agrees for comparison in found.values()) else FINDING


def _await_delivery(reader: JournalReader, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while reader.pending_count() and time.monotonic() < deadline:
        threading.Event().wait(0.2)


def _as_text(found: dict[str, verify.Comparison], report: dict[str, Any]) -> str:
    lines = []
    for name, comparison in found.items():
        lines.append(
            f"{name}: {comparison.compared} compared, {comparison.missing} missing, {comparison.extra} extra,"
            f" {comparison.different} different"
        )
        lines += [f"  {example}" for example in comparison.examples]
    if report["pending"]:
        lines.append(f"{report['pending']} records wait for delivery: try again later, or with --wait")
    return "\n".join(lines) + "\n"
