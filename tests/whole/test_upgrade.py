"""From any earlier version to this one: a journal of each is kept here, made by the collector of its time."""

import contextlib
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from collector.journal.schema import SCHEMA_VERSION
from collector.journal.writing import Journal
from collector.status.health import DECODING_CHANGED
from tests.conftest import Influx
from tests.running import own_environ, run_command, write_config

FILES = {
    int(path.stem.removeprefix("schema-")): path
    for path in (Path(__file__).parents[1] / "journal" / "versions").glob("*.db")
}

every_version = pytest.mark.parametrize("version", sorted(FILES))
earlier_versions = pytest.mark.parametrize("version", sorted(FILES.keys() - {SCHEMA_VERSION}))

Row = tuple[object, ...]


@pytest.fixture
def path(version: int, tmp_path: Path) -> Path:
    """A copy of a version's file, in the place where a collector in `tmp_path` has its journal."""
    place = tmp_path / "data" / "journal.db"
    place.parent.mkdir()
    shutil.copy(FILES[version], place)
    return place


def rows(path: Path, query: str) -> list[Row]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def records(path: Path) -> list[Row]:
    """Number, gateway, time stamp, delivery and bytes as received of every record."""
    found = rows(
        path, "select id, ecu, time, received_at, delivered_at, set_aside, packed, raw from record order by id"
    )
    return [(*row[:6], zlib.decompress(row[7]) if row[6] else row[7]) for row in found]  # type: ignore[arg-type]


def version_of(path: Path) -> int:
    ((version,),) = rows(path, "pragma user_version")
    assert isinstance(version, int)
    return version


def test_there_is_a_journal_of_every_version() -> None:
    assert sorted(FILES) == list(range(1, SCHEMA_VERSION + 1))


def test_the_journal_of_this_version_looks_like_a_new_one(tmp_path: Path) -> None:
    new = tmp_path / "new.db"
    with contextlib.closing(Journal(new)) as journal:
        journal.open()
    query = "select type, name, sql from sqlite_master order by name"
    assert rows(FILES[SCHEMA_VERSION], query) == rows(new, query)


@every_version
def test_a_journal_is_brought_up_to_date_and_keeps_every_record(version: int, path: Path) -> None:
    assert version_of(path) == version
    before = records(path)
    assert len(before) > 300
    with contextlib.closing(Journal(path)) as journal:
        journal.open()
    assert version_of(path) == SCHEMA_VERSION
    assert records(path) == before
    assert rows(path, "pragma integrity_check") == [("ok",)]


@every_version
def test_a_replay_of_it_gives_its_points(path: Path, influx: Influx) -> None:
    folder = path.parents[1]
    names = f'bucket = "{influx.bucket}"\nrollup_bucket = "{influx.rollup_bucket}"'
    write_config(folder, f'[influxdb]\nurl = "{influx.url}"\norg = "{influx.org}"\ntoken = "{influx.token}"\n{names}')
    with contextlib.closing(Journal(path)) as journal:
        # Whoever only reads wants this version's.
        journal.open()
    told = bool(rows(path, "select 1 from state where key = 'names'"))
    assert asks(folder) == [DECODING_CHANGED] * told
    done = run_command("replay", "--all", folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    said = re.match(r"(\d+) records, (\d+) points written, (\d+) days rolled up", done.stdout)
    assert said is not None
    assert int(said[1]) == len(
        rows(path, "select 1 from record where kind not in ('poll', 'unknown') and held is null")
    )
    for bucket, measurement in ((influx.bucket, "channel"), (influx.rollup_bucket, "channel_day")):
        found = influx.query(
            f'from(bucket: "{bucket}") |> range(start: 2000-01-01T00:00:00Z, stop: 2200-01-01T00:00:00Z)'
            f' |> filter(fn: (r) => r._measurement == "{measurement}" and r._field == "energy_wh")'
        )
        assert {row["ecu"] for row in found} == {"203099000000", "215099000001"}
    # It is what `status` has asked for, where the journal tells what InfluxDB was written with.
    assert asks(folder) == []


def asks(folder: Path) -> list[str]:
    """What `status` asks to be written again."""
    said = json.loads(run_command("status", "--json", folder=folder).stdout)
    return [warning for warning in said["warnings"] if "collector replay --all" in warning]


def statuses(folder: Path, influxdb: str) -> list[str]:
    """What `status --brief` warns of, but for the service that does not run."""
    write_config(folder, influxdb)
    said = json.loads(run_command("status", "--brief", "--json", folder=folder).stdout)
    return [warning for warning in said["warnings"] if "does not run" not in warning]


@earlier_versions
def test_only_who_has_an_influxdb_is_told_of_the_roll_ups_that_are_to_be_done(path: Path) -> None:
    with contextlib.closing(Journal(path)) as journal:
        journal.open()
    folder = path.parents[1]
    told = statuses(folder, '[influxdb]\nurl = "http://127.0.0.1:9"\norg = "home"\ntoken = "none"')
    assert "the computation of roll-ups is not finished; the service does the rest by itself" in told
    assert "roll-ups" not in " ".join(statuses(folder, ""))


# Ends itself, as a power cut would, before the statement of this number.
KILLED = """
import os, signal, sqlite3, sys
from pathlib import Path
from collector.journal.schema import bring_up_to_date

path, left = Path(sys.argv[1]), int(sys.argv[2])

def count(statement):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

db = sqlite3.connect(path, isolation_level=None)
db.execute("pragma journal_mode = wal")
db.execute("pragma synchronous = full")
db.set_trace_callback(count)
bring_up_to_date(db, path)
"""


@earlier_versions
def test_killed_at_any_step_of_the_way_it_is_the_old_journal_or_the_new_one(
    version: int, path: Path, tmp_path: Path
) -> None:
    before = records(path)
    seen = []
    for statement in range(1000):
        copy = tmp_path / f"{statement}.db"
        shutil.copy(path, copy)
        command = [sys.executable, "-c", KILLED, str(copy), str(statement)]
        done = subprocess.run(command, env=own_environ(), check=False)
        seen.append(version_of(copy))
        assert seen[-1] in (version, SCHEMA_VERSION)
        assert records(copy) == before
        with contextlib.closing(Journal(copy)) as journal:
            journal.open()
        assert version_of(copy) == SCHEMA_VERSION
        assert records(copy) == before
        assert rows(copy, "pragma integrity_check") == [("ok",)]
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
    assert len(seen) > 5
    assert seen[-1] == SCHEMA_VERSION


@pytest.mark.parametrize("version", [SCHEMA_VERSION])
@pytest.mark.parametrize(
    "command",
    [
        *(["run"], ["status"], ["backup", "copy.tar.gz"]),
        *(["replay", "--all"], ["rollup"], ["decode", "--record", "1"]),
    ],
)
def test_a_journal_of_a_newer_collector_is_left_alone(path: Path, command: list[str]) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"pragma user_version = {SCHEMA_VERSION + 1}")
    folder = path.parents[1]
    write_config(folder, '[influxdb]\nurl = "http://127.0.0.1:9"\norg = "home"\ntoken = "none"')
    before = path.read_bytes()
    done = run_command(*command, folder=folder)
    assert done.returncode == 1
    said = f"was made by a newer collector (schema {SCHEMA_VERSION + 1}): run that one"
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert path.read_bytes() == before
