"""What the collector brings to the disk, idle and on a day of a site, as the system counts it for its process.

A day is sent one record at a time, each delivered before the next, to two collectors. To one as fast as that goes. Of
the other the day is computed too, and its files are brought to the disk after each record: that is what five minutes
between two records bring, since the system writes what was changed within half a minute, and the next record changes
the same pages again. What has come no further than SQLite's log is brought into the journal at the end. The yardstick
is SQLite alone, with nothing but the bytes of each record in a table.

`write_bytes` of `/proc/PID/io` counts pages of 4 KiB as they are changed. What the file system writes for itself, and
how much a memory card makes of it, is not in it.
"""

import os
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from threading import Event

from benchmarks import service
from benchmarks.history import ECU, Database, database
from benchmarks.result import Options, Row, below, tell
from benchmarks.site import RECORDS_A_DAY, history
from collector.journal.reading import JournalReader
from collector.journal.state import RUN_STATE, RunState
from collector.journal.writing import Journal
from collector.service._heartbeat import NOTE_S

IDLE_TARGET_MB = 2.0
DAY_TARGET = 8.0

_DAY_S = 24 * 3600
_SETTLED_S = 15.0
_LIMIT_S = 120.0
_LOOK_S = 0.1
# The first records make inverters known, which later ones do not.
_FIRST = 2
_NOTES = 20

_POLL = f"APS1300051A101AAA0{ECU}A10100000000000000END\n".encode()


def measure(options: Options) -> list[Row]:
    """Raises Skip without an InfluxDB."""
    with TemporaryDirectory(dir=options.folder) as name, database(Path(name)) as influx:
        folder, rounds = Path(name), 1 if options.quick else RECORDS_A_DAY
        rows = [_idle(folder, influx, 2.0 if options.quick else 120.0)]
        with _site(folder / "sent", influx) as sent, _site(folder / "real", influx, settles=True) as real:
            rows += _day(sent, real, rounds)
        rows.append(_bare(folder / "bare.db", rounds))
    return rows


def _idle(folder: Path, influx: Database, seconds: float) -> Row:
    place = folder / "idle"
    with _site(place, influx) as site:
        tell(f"idle for {seconds:.0f} s")
        Event().wait(min(_SETTLED_S, seconds))
        before = site.written
        Event().wait(seconds)
        measured_mb = (site.written - before) / seconds * _DAY_S / 1e6
    notes_mb = _note_bytes(folder / "note.db") * _DAY_S / NOTE_S / 1e6
    return {
        "what": "idle, with InfluxDB",
        "written_mb_a_day": measured_mb + notes_mb,
        **below(measured_mb + notes_mb, IDLE_TARGET_MB),
    }


def _note_bytes(path: Path) -> float:
    """What the service writes of itself now and then, too rarely to be met while it is looked at."""
    with closing(Journal(path)) as journal:
        journal.open()
        _settle(path)
        before = _written(os.getpid())
        for number in range(_NOTES):
            now = time.time_ns() + number
            state = RunState(version="0.0.0", started_at=now, noted_at=now, names="0" * 16)
            journal.put_state(RUN_STATE, state.values())
            _settle(path)
        return (_written(os.getpid()) - before) / _NOTES


@dataclass(slots=True)
class _Site:
    """A collector of its own. `settles` says that a message is followed by all that five minutes bring."""

    journal: Path
    running: service.Running
    settles: bool

    @property
    def written(self) -> int:
        return _written(self.running.pid)

    def store(self, message: bytes) -> int:
        """Send a message, wait until all that follows from it is done, and return what that has written."""
        before = self.written
        with socket.create_connection(("127.0.0.1", self.running.port), _LIMIT_S) as connection:
            connection.sendall(message)
            assert connection.recv(4096), "it got no answer"
        with JournalReader(self.journal) as reader:
            deadline = time.monotonic() + _LIMIT_S
            while reader.pending_count() or (self.settles and reader.stale_days_count()):
                assert time.monotonic() < deadline, "it is not delivered"
                Event().wait(_LOOK_S)
        if self.settles:
            _settle(self.journal)
        return self.written - before

    def bring_in(self) -> int:
        """Bring SQLite's log into the journal, and return what that has written."""
        before = _written(os.getpid())
        with closing(sqlite3.connect(self.journal)) as db:
            db.execute("pragma wal_checkpoint(truncate)")
        return _written(os.getpid()) - before


@contextmanager
def _site(folder: Path, influx: Database, *, settles: bool = False) -> Iterator[_Site]:
    folder.mkdir()
    config = service.write_config(folder, influx.config)
    with service.collector(folder, config, influx.environ) as running:
        yield _Site(folder / "journal.db", running, settles)


def _day(sent: _Site, real: _Site, rounds: int) -> list[Row]:
    tell(f"{rounds} records of 20 inverters, each delivered before the next")
    frames = [f"{text}\n".encode() for _, text in history(ECU, date(2016, 6, 1), _FIRST + rounds)]
    by_sent, by_real, by_polls = [], [], []
    for frame in frames:
        by_sent.append(sent.store(frame))
        by_real.append(real.store(frame))
        by_polls.append(real.store(_POLL))
    own_bytes = sum(map(len, frames[_FIRST:]))

    def row(what: str, site: _Site, written: list[int]) -> Row:
        each = mean(written[_FIRST:]) + site.bring_in() / len(frames)
        times = each * rounds / own_bytes
        return {
            "what": what,
            "records": rounds,
            "own_bytes_each": own_bytes / rounds,
            "written_bytes_each": each,
            "written_mb_a_day": each * RECORDS_A_DAY / 1e6,
            "times_own_bytes": times,
            **below(times, DAY_TARGET),
        }

    return [
        row("a day, as fast as it is delivered", sent, by_sent),
        row("a day, as in reality", real, by_real),
        {"what": "polls of the control port, as in reality", "written_bytes_each": mean(by_polls[_FIRST:])},
    ]


def _bare(path: Path, rounds: int) -> Row:
    """SQLite alone, with the journal's pragmas."""
    frames = [text.encode() for _, text in history(ECU, date(2016, 6, 1), rounds)]
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = full")
        db.execute("create table record (id integer primary key, raw blob not null)")
        _settle(path)
        before = _written(os.getpid())
        for frame in frames:
            db.execute("insert into record (raw) values (?)", (frame,))
            _settle(path)
        db.execute("pragma wal_checkpoint(truncate)")
        each = (_written(os.getpid()) - before) / rounds
    own_bytes = sum(map(len, frames)) / rounds
    return {
        "what": "SQLite alone, as in reality",
        "records": rounds,
        "own_bytes_each": own_bytes,
        "written_bytes_each": each,
        "written_mb_a_day": each * RECORDS_A_DAY / 1e6,
        "times_own_bytes": each / own_bytes,
    }


def _settle(journal: Path) -> None:
    """Bring what was changed of a journal's files to the disk, as the system does by itself within half a minute."""
    for ending in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            descriptor = os.open(journal.with_name(journal.name + ending), os.O_RDONLY)
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)


def _written(pid: int) -> int:
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))
