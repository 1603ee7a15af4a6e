"""What the service says of itself while it runs, hangs, fails and after it was killed."""

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest
import trio
from trio.testing import MockClock

from collector.config.load import load
from collector.config.model import Config
from collector.journal.beat import Beat, last_beat
from collector.journal.reading import JournalReader
from collector.journal.state import SILENT_NS, RunState
from collector.journal.threaded import ThreadedJournal
from collector.journal.writing import Journal
from collector.service import _heartbeat
from collector.service._heartbeat import NOTE_S, Heartbeat
from collector.service.supervision import Supervisor
from collector.status.health import Status
from collector.status.site import gather
from tests.disks import seen_read_only
from tests.fake_influx import FakeInflux
from tests.journal.test_beat import NOBODY, in_a_process
from tests.running import Collector, own_environ, write_config
from tests.service.test_service import RECORD, ask, configured, run_state, running, until, with_influxdb

DEADLINE_S = 30.0


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    with started(tmp_path) as collector:
        yield collector


def started(folder: Path, environ: Mapping[str, str] | None = None) -> Collector:
    """One that has opened its ports and, a moment later, given its first sign."""
    collector = Collector(folder, f'[journal]\npath = "{folder}/data/journal.db"\n', environ=environ)
    moved(collector.journal, 0)
    return collector


def looked(collector: Collector, later_ns: int = 0) -> Status:
    return gather(load(collector.config, {}), time.time_ns() + later_ns)


def state(journal: Path) -> RunState:
    with JournalReader(journal) as reader:
        return reader.run_state()


def moved(journal: Path, since: int) -> int:
    """Wait until the sign of life is another one, and return it."""
    deadline = time.monotonic() + DEADLINE_S
    while (found := last_beat(journal)) in (0, since):
        assert time.monotonic() < deadline, "it does not move"
        Event().wait(0.05)
    return found


def written(pid: int) -> int:
    """What a process has written to disks, as the system counts it."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def test_a_service_that_was_killed_is_told_at_once_and_one_that_is_started_again_as_well(tmp_path: Path) -> None:
    with started(tmp_path) as collector:
        assert looked(collector).healthy
        collector.signal(signal.SIGKILL)
        collector.process.wait()
        found = looked(collector)
        assert found.state.startswith("no sign of life, the last note is of 2")
        assert found.problems == [
            f"the collector does not run, or can't write its journal (is the disk full?): {found.state}"
        ]
    with started(tmp_path) as collector:
        assert looked(collector).healthy


def test_a_process_that_is_held_gives_no_sign_until_it_goes_on(collector: Collector) -> None:
    collector.signal(signal.SIGSTOP)
    os.waitpid(collector.process.pid, os.WUNTRACED)
    before = last_beat(collector.journal)
    assert "no sign of life" in looked(collector, SILENT_NS + 1).state
    collector.signal(signal.SIGCONT)
    assert moved(collector.journal, before) > before
    assert looked(collector).healthy


def test_an_event_loop_that_hangs_gives_no_sign(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    program = f"""
import sys, time
from pathlib import Path
import trio
from collector.config.load import load
from collector.service.service import Service

async def main():
    async with trio.open_nursery() as nursery:
        await nursery.start(Service(load(Path({str(config)!r}), {{}})).run)
        print("hangs", flush=True)
        sys.stdin.read()

trio.run(main)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=own_environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "hangs\n"
        journal = tmp_path / "data" / "journal.db"
        found = state(journal)
        assert found.is_alive(time.time_ns())
        assert process.poll() is None
        # Threads may still end what they had begun, but no sign of a later time can come any more.
        later = time.time_ns() + SILENT_NS
        assert not state(journal).is_alive(later)
        process.kill()


def test_an_idle_service_writes_nothing(collector: Collector) -> None:
    settled = moved(collector.journal, last_beat(collector.journal))
    before = written(collector.process.pid)
    for _ in range(3):
        settled = moved(collector.journal, settled)
    assert written(collector.process.pid) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_who_may_read_the_journal_is_told_the_same() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with started(folder) as collector:
            config = load(collector.config, {})

            def look() -> bool:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                return gather(config, time.time_ns()).healthy

            assert in_a_process(look)
            collector.signal(signal.SIGKILL)
            collector.process.wait()
            assert not in_a_process(look)


def test_where_the_folder_is_mounted_for_reading_only_the_same_is_told(collector: Collector, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with seen_read_only(collector.journal.parent, tmp_path / "elsewhere") as elsewhere:
        config = load(write_config(tmp_path / "other", f'[journal]\npath = "{elsewhere}/journal.db"\n'), {})
        assert gather(config, time.time_ns()).healthy
        collector.signal(signal.SIGKILL)
        collector.process.wait()
        assert "no sign of life" in gather(config, time.time_ns()).state


def test_the_state_is_found_in_no_folder_that_the_system_gives_and_takes(tmp_path: Path) -> None:
    given = tmp_path / "run"
    given.mkdir()
    with started(tmp_path, {"RUNTIME_DIRECTORY": str(given)}) as collector:
        assert looked(collector).healthy
        assert list(given.iterdir()) == []


async def test_what_fails_and_works_again_is_told_without_waiting_for_the_next_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_heartbeat, "BEAT_S", 0.02)
    with FakeInflux() as influx:
        config = configured(tmp_path, with_influxdb(influx))
    # Nobody listens there now.
    async with running(config):
        await until(lambda: "no connection" in run_state(config).influxdb_error)
        assert run_state(config).influxdb_error_since > run_state(config).started_at


async def test_no_sign_comes_as_long_as_what_is_to_be_said_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "collector.service._heartbeat")
    monkeypatch.setattr(_heartbeat, "BEAT_S", 0.02)
    config = configured(tmp_path)

    async def more_failures() -> None:
        count = len(caplog.messages)
        await until(lambda: len(caplog.messages) >= count + 3)

    async with running(config) as ports:
        with closing(sqlite3.connect(config.journal.path, isolation_level=None)) as db:
            for table in ("record", "state"):
                db.execute(f"create trigger full_{table} before insert on {table} begin select raise(abort, 'no'); end")
            assert await ask(ports[0], RECORD) == b""
            await more_failures()
            before = last_beat(config.journal.path)
            await more_failures()
            assert last_beat(config.journal.path) == before
            assert not run_state(config).journal_error
            for table in ("record", "state"):
                db.execute(f"drop trigger full_{table}")
        await until(lambda: last_beat(config.journal.path) > before)
        assert "no" in run_state(config).journal_error


async def test_another_file_in_the_journals_place_is_told_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_heartbeat, "BEAT_S", 0.02)
    config = configured(tmp_path)
    path = config.journal.path
    async with running(config):
        started_at = run_state(config).started_at
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            path.with_name(name).rename(tmp_path / f"before-{name}")
        await until(path.exists)
        await until(lambda: _started_at(config) == started_at)


def _started_at(config: Config) -> int:
    with closing(sqlite3.connect(f"{config.journal.path.as_uri()}?mode=ro", uri=True)) as db:
        if not db.execute("select 1 from sqlite_master where name = 'state'").fetchone():
            return 0
    return run_state(config).started_at


async def test_no_sign_comes_while_the_thread_that_writes_to_the_journal_is_held_up(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    path, limiter = tmp_path / "journal.db", trio.CapacityLimiter(1)
    journal = ThreadedJournal(Journal(path), limiter)
    told = Heartbeat(journal, Beat(path), "", Supervisor(), None)
    await told.begin()
    before = last_beat(path)
    assert before
    async with limiter:
        with trio.move_on_after(SILENT_NS / 1e9):
            await told.begin()
    assert autojump_clock.current_time() >= SILENT_NS / 1e9
    assert last_beat(path) == before
    await told.begin()
    assert last_beat(path) > before
    told.close()
    await journal.close()
    assert last_beat(path) == 0


async def test_what_did_not_change_is_written_once_in_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.db"
    journal = ThreadedJournal(Journal(path), trio.CapacityLimiter(1))
    told = Heartbeat(journal, Beat(path), "", Supervisor(), None)
    await told.begin()
    noted_at = state(path).noted_at
    await told.begin()
    assert state(path).noted_at == noted_at
    now = time.monotonic() + NOTE_S
    monkeypatch.setattr(time, "monotonic", lambda: now)
    await told.begin()
    assert state(path).noted_at > noted_at
    told.close()
    await journal.close()
