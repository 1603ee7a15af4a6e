"""The rehearsal: everything that a site has is lost but its backup, and comes back to the last watt-hour."""

import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.journal.reading import JournalReader
from tests.influxdb_server import InfluxServer
from tests.running import Collector, own_environ, run_command

LIMIT_S = 120.0
GATEWAYS, DAYS = 6, 3
EVERYTHING = "range(start: 1970-01-01T00:00:00Z, stop: 2200-01-01T00:00:00Z)"

# What is told of the collector itself and not by a gateway; it is in no journal.
OWN = 'r._measurement != "collector"'


def wait_until(holds: Callable[[], bool], collector: Collector) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline, collector.log[-20:]
        threading.Event().wait(0.2)


def is_settled(collector: Collector) -> bool:
    """Whether every record is in InfluxDB, and every day that it touched is rolled up."""
    status = collector.look()
    return (status.pending, status.rollups_pending) == (0, 0)


def values(influx: InfluxServer, bucket: str) -> Counter[str]:
    """Every value in a bucket with its series and time; none is there twice when all count one."""
    rows = influx.api.query(f'from(bucket: "{bucket}") |> {EVERYTHING} |> filter(fn: (r) => {OWN})')
    left_out = {"", "result", "table", "_start", "_stop"}
    return Counter(
        json.dumps({key: value for key, value in row.items() if key not in left_out}, sort_keys=True) for row in rows
    )


def energies(influx: InfluxServer) -> dict[tuple[str, str], str]:
    """Energy by gateway and day, as InfluxDB has it to the last digit."""
    rows = influx.api.query(
        f'from(bucket: "solar_daily") |> {EVERYTHING}'
        ' |> filter(fn: (r) => r._measurement == "ecu_day" and r._field == "energy_wh")'
    )
    return {(row["ecu"], row["_time"]): row["_value"] for row in rows}


def records(journal: Path) -> dict[str, int]:
    """How many records of each gateway."""
    with JournalReader(journal) as reader:
        return {gateway.ecu: reader.count(gateway.ecu) for gateway in reader.gateways()}


def simulate(collector: Collector, first: str, last: str) -> subprocess.Popen[str]:
    """A mixed fleet that delivers some days at once."""
    *data, control = (str(port) for port in collector.ports)
    ports = ["--data-port", data[0], "--data-port", data[1], "--control-port", control]
    fleet = ["--ecus", str(GATEWAYS), "--inverters", "3", "--firmware", "mixed", "--from", first, "--to", last]
    return subprocess.Popen(
        [sys.executable, "-m", "collector", "simulate", *ports, *fleet, "--host", "127.0.0.1"],
        cwd=collector.folder,
        env=own_environ({"COLLECTOR_CONFIG": str(collector.config)}),
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_site_that_lost_journal_and_influxdb_comes_back_from_its_backup_exactly(
    tmp_path: Path, own_influx_server: InfluxServer
) -> None:
    influx, token = own_influx_server, own_influx_server.api.token
    site, backups, new = (tmp_path / name for name in ("site", "backups", "new"))
    for folder in (site, backups, new):
        folder.mkdir()
    settings = (
        '[site]\ntimezone = "Europe/Amsterdam"\n'
        f'[influxdb]\nurl = "{influx.api.url}"\norg = "{influx.api.org}"\ntoken = "{token}"\n'
    )
    with Collector(site, settings) as collector:
        fleet = simulate(collector, "2026-03-28", "2026-03-30")
        # Any number of backups while records come in; each is good.
        wait_until(lambda: collector.journal.exists() and bool(collector.look().ecus), collector)
        done = collector.run("backup", str(backups / "during.tar.gz"))
        assert (done.returncode, done.stderr) == (0, "")
        report, _ = fleet.communicate(timeout=LIMIT_S)
        assert (fleet.returncode, "wrong answers: 0" in report) == (0, True), report
        wait_until(lambda: is_settled(collector), collector)
        before = records(collector.journal)
        points, days, wh = values(influx, "solar"), values(influx, "solar_daily"), energies(influx)
        done = collector.run("backup", "--keep", "2", str(backups))
        assert (done.returncode, done.stderr) == (0, "")
        backup = Path(done.stdout.partition(":")[0])
        collector.kill()
    assert len(wh) >= GATEWAYS * DAYS
    assert sum(float(value) for value in wh.values()) > 1000
    assert set(points.values()) == set(days.values()) == {1}

    shutil.rmtree(site)
    for bucket in ("solar", "solar_daily"):
        influx.api.drop_bucket(bucket)

    done = run_command("restore", str(backup), folder=new)
    assert (done.returncode, done.stderr) == (0, "")
    said = re.search(r"put InfluxDB's token into (\S+), where it says that it was left out", done.stdout)
    assert said is not None
    config = new / said[1]
    assert token not in config.read_text(encoding="utf-8")
    config.write_text(config.read_text(encoding="utf-8").replace("left-out-of-the-backup", token), encoding="utf-8")
    done = run_command("replay", "--all", folder=new)
    assert (done.returncode, done.stderr) == (0, "")

    assert records(new / "data" / "journal.db") == before
    assert energies(influx) == wh
    assert values(influx, "solar_daily") == days
    assert values(influx, "solar") == points
    # The backup that was made in the middle of it all is as good.
    done = run_command("restore", "--check", str(backups / "during.tar.gz"), folder=new)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, f"{backups / 'during.tar.gz'}: good")
