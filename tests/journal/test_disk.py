"""What the journal promises of the disk: a record is on it when `append` returns, and one that will not have it is an
error that says what to do.

Everything here is the real SQLite on a real disk.
"""

import contextlib
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collector.errors import JournalError
from collector.journal.file import log_path
from collector.journal.job_writing import Jobs
from collector.journal.jobs import Progress, Request, StaleDay
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.protocol.messages import read
from collector.record import Arrival
from tests.disks import mounted, remount
from tests.journal.helpers import RECEIVED, ROOT, Spy, assert_whole, numbered, rows
from tests.protocol.helpers import ECU, YC600, record


def test_records_are_committed_with_full_sync_and_what_can_be_derived_again_without(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy(monkeypatch)
    journal = Journal(path)
    journal.open()
    journal.append([numbered(1)])
    journal.mark_delivered([1], RECEIVED)
    journal.append([numbered(2)])
    journal.set_aside(2, "a reason")
    journal.put_state("run", {})
    journal.refuse(RECEIVED, 8995, "192.0.2.9", "junk", b"junk")
    journal.purge(1, RECEIVED)
    journal.append([numbered(3)])
    journal.close()
    assert spy.synchronous_at_commits() == ["full", "full", "normal", "full", *["normal"] * 4, "full"]


def test_what_lets_a_roll_up_be_deleted_is_on_disk_before(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spy = Spy(monkeypatch)
    journal = Journal(path)
    jobs = Jobs(journal)
    (job,) = jobs.ask([Request("replay", ECU)], RECEIVED)
    jobs.begin(job, "names")
    jobs.begin_span(job, "", "")
    jobs.mark(job, [(ECU, "2026-06-20")], RECEIVED)
    journal.close()
    # The first one is that of the schema.
    assert spy.synchronous_at_commits() == ["full"] * 5


def test_what_can_be_done_again_costs_no_sync(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(path)
    jobs = Jobs(journal)
    (job,) = jobs.ask([Request("replay", ECU)], RECEIVED)
    jobs.begin_span(job, "", "")
    journal.close()
    day = StaleDay(ECU, "2026-06-21", 1, RECEIVED, RECEIVED)
    spy = Spy(monkeypatch)
    jobs.span_deleted(job)
    jobs.advance(job, Progress(cursor=7))
    jobs.end_span(job, is_last=True)
    jobs.clear_days([day], (), (), RECEIVED)
    jobs.refuse_day(day, "a reason", RECEIVED)
    journal.close()
    assert spy.synchronous_at_commits() == ["normal"] * 5


def test_a_new_journal_has_small_pages_and_an_older_one_keeps_its_own(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = tmp_path / "older.db"
    with contextlib.closing(sqlite3.connect(older)) as db:
        db.execute("pragma page_size = 4096")
        db.execute("vacuum")
    spy = Spy(monkeypatch)
    for file, page_bytes, pages in ((path, 512, 8192), (older, 4096, 1024)):
        with contextlib.closing(Journal(file)) as journal:
            journal.append([numbered(1)])
        assert rows(file, "pragma page_size") == [(page_bytes,)]
        # Either log is brought into the file when it has 4 MiB.
        assert f"pragma wal_autocheckpoint = {pages}" in spy.statements
        assert_whole(file)


def test_records_are_synced_again_after_a_derived_write_that_failed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy(monkeypatch)
    journal = Journal(path)
    journal.append([numbered(1)])
    with pytest.raises(TypeError):
        journal.put_state("run", {"no": object()})
    journal.append([numbered(2)])
    journal.close()
    assert spy.synchronous_at_commits() == ["full"] * 3


_SYNCS = """
import sys
from pathlib import Path
from collector.journal.writing import Arrival, Journal
from collector.protocol.messages import read

raw = sys.argv[2].encode()
journal = Journal(Path(sys.argv[1]))
journal.open()
if sys.argv[3] == "records":
    for number in range(100):
        journal.append([Arrival(number, 8995, "192.0.2.7", read(raw.replace(b"20260621124000", b"%d" % (20260621000000 + number))))])
else:
    for number in range(100):
        journal.put_state("run", {"beat": number})
"""  # noqa: E501 (a program)


def synced(path: Path, what: str) -> int:
    """How often a process asks the kernel to sync while it writes a hundred times."""
    trace = path.with_name(f"{what}.trace")
    command = ["strace", "-f", "-e", "trace=fsync,fdatasync", "-o", str(trace), sys.executable, "-c", _SYNCS]
    subprocess.run([*command, str(path), record(YC600), what], cwd=ROOT, check=True, timeout=60)
    return len(re.findall(r"f(?:data)?sync\([0-9]+\) += 0", trace.read_text()))


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace to count system calls with")
def test_each_record_costs_a_sync_and_derived_writes_hardly_any(tmp_path: Path) -> None:
    try:
        by_records = synced(tmp_path / "records.db", "records")
    except subprocess.CalledProcessError as exc:
        pytest.skip(f"strace may not trace here: {exc}")
    assert by_records >= 100
    assert synced(tmp_path / "derived.db", "derived") < 20


def test_the_time_of_the_last_sync_is_told(journal: Journal) -> None:
    journal.append([numbered(1)])
    assert 0 < journal.fsync_s < 60


def test_all_of_a_batch_is_stored_or_none(journal: Journal, reader: JournalReader) -> None:
    rotten = Arrival(RECEIVED, 8995, "192.0.2.7", read(b"{"))
    object.__setattr__(rotten, "peer", None)
    with pytest.raises(JournalError):
        journal.append([numbered(1), rotten, numbered(2)])
    assert reader.pending_count() == 0
    journal.append([numbered(3)])
    assert reader.pending_count() == 1


# Full and read-only disks


class Disk:
    """A place for a journal that can be full and be mended."""

    def __init__(self, folder: Path, fill: Callable[[], object], mend: Callable[[], object]) -> None:
        self.folder = folder
        self.fill = fill
        self.mend = mend


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Disk]:
    """A file system of a megabyte, which is full soon, and four times as large when mended."""
    with mounted(tmp_path / "tiny", "1m") as folder:
        yield Disk(folder, lambda: None, lambda: remount(folder, "size=4m"))


@pytest.fixture
def limited_disk(tmp_path: Path) -> Iterator[Disk]:
    """A limit on the size of files, which the system enforces on any disk and for any user."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield Disk(
        tmp_path,
        lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1])),
        lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before),
    )
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("disk", "remedy"), [("tiny_disk", "the disk is full: make room for"), ("limited_disk", "check the disk")]
)
def test_on_a_full_disk_nothing_acknowledged_is_missing_and_a_mended_one_needs_no_restart(
    disk: str, remedy: str, request: pytest.FixtureRequest
) -> None:
    where: Disk = request.getfixturevalue(disk)
    path = where.folder / "journal.db"
    journal = Journal(path)
    journal.open()
    where.fill()
    acknowledged = []
    with JournalReader(path) as reader:
        with pytest.raises(JournalError, match=remedy):  # noqa: PT012 (whichever is the first that does not fit)
            for number in range(5000):
                journal.append([numbered(number, *[YC600] * 10)])
                acknowledged.append(f"{20260621000000 + number}")
        assert len(acknowledged) > 20
        with pytest.raises(JournalError, match=remedy):
            journal.append([numbered(number, *[YC600] * 50) for number in range(6000, 6100)])
        assert [kept.time for kept in reader.pending(9999)] == acknowledged
    where.mend()
    journal.append([numbered(9000)])
    journal.close()
    assert_whole(path)
    assert rows(path, "select time from record order by id") == [(time,) for time in [*acknowledged, "20260621009000"]]


@contextlib.contextmanager
def an_ordinary_user() -> Iterator[None]:
    """Root may write anywhere, so for a while this process is somebody else."""
    if os.geteuid() != 0:
        yield
        return
    try:
        os.seteuid(65534)
    except PermissionError as exc:
        pytest.skip(f"root may write anywhere and may not become another user: {exc}")
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_read_only_journal_is_an_error_that_says_what_to_do_and_works_again_when_it_is_writable() -> None:
    # The folders of pytest are closed to the user that root becomes.
    with an_ordinary_user(), tempfile.TemporaryDirectory() as name:
        path = Path(name) / "journal.db"
        journal = Journal(path)
        journal.append([numbered(1)])
        journal.close()
        path.chmod(0o400)
        for _ in range(2):
            with pytest.raises(JournalError, match="is read-only for this user: run this as the service's user"):
                journal.append([numbered(2)])
        for file in Path(name).iterdir():
            file.chmod(0o600)
        journal.append([numbered(2)])
        assert rows(path, "select count(*) from record") == [(2,)]
        journal.close()
        Path(name).chmod(0o500)
        with pytest.raises(JournalError, match="run this as the service's user"):
            journal.append([numbered(3)])
        Path(name).chmod(0o000)
        with pytest.raises(JournalError, match=r"cannot be opened: .* run this as the service's user"):
            JournalReader(path)
        Path(name).chmod(0o700)
        journal.append([numbered(3)])
        journal.close()


# Two processes


_WRITES = """
import sys
from pathlib import Path
from collector.journal.writing import Arrival, Journal
from collector.protocol.messages import read

raw = sys.argv[2].encode()
journal = Journal(Path(sys.argv[1]))
for number in range(400):
    own = raw.replace(b"20260621124000", b"%d" % (20260621000000 + number))
    journal.append([Arrival(number, 8995, "192.0.2.7", read(own))])
    if number % 10 == 0:
        journal.mark_delivered([number + 1], number)
    if number == 0:
        print("begun", flush=True)
journal.close()
"""


def test_a_reader_beside_a_writing_process_sees_whole_records_in_order_and_never_waits(path: Path) -> None:
    command = [sys.executable, "-c", _WRITES, str(path), record(*[YC600] * 10)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as writing:
        assert writing.stdout is not None
        assert writing.stdout.readline() == b"begun\n"
        seen = 0
        with JournalReader(path) as reader:
            while writing.poll() is None:
                kept = reader.records_between(ECU, "", "~")
                assert [each.id for each in kept] == list(range(1, len(kept) + 1))
                assert len(kept) >= seen
                assert all(read(each.raw).time == each.time for each in kept)
                seen = len(kept)
            assert len(reader.records_between(ECU, "", "~")) == 400
            assert reader.pending_count() == 360
    assert writing.returncode == 0


def test_reading_cannot_change_anything(journal: Journal, reader: JournalReader) -> None:
    journal.append([numbered(1)])
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        vars(reader)["_db"].execute("delete from record")


def test_the_size_counts_the_log_as_well(journal: Journal, reader: JournalReader, path: Path) -> None:
    journal.append([numbered(number, *[YC600] * 10) for number in range(100)])
    assert reader.file_bytes() == path.stat().st_size + log_path(path).stat().st_size > 100_000
