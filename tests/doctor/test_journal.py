"""The journal's file, its folder and its disk in each state that an owner can meet."""

import errno
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.clock.stamps import NS
from collector.doctor import _journal as checked
from collector.doctor._facts import Facts
from collector.doctor.findings import Finding, Level
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from tests.disks import fill, mounted, remount
from tests.doctor.contexts import context, levels, note, only, store
from tests.samples import arrival, frame, ns, yc600

DAY_NS = 24 * 3600 * NS


def round_at(number: int) -> bytes:
    return frame(f"20260621{6 + number // 12:02}{number % 12 * 5:02}00", yc600())


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def found(path: Path, *, thorough: bool = False) -> list[Finding]:
    return await checked.check(context(path, thorough=thorough))


async def test_a_journal_that_is_well_has_its_size_its_syncs_and_its_room(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    store(path, frame("20260621124000", yc600()), received_at=[time.time_ns()])
    findings = await found(path)
    assert levels(findings) == [Level.OK] * 3
    assert "is whole" in findings[0].found
    assert "a sync takes" in findings[1].found
    assert "free beside the journal" in findings[2].found
    assert "all its indexes" in (await found(path, thorough=True))[0].found


async def test_looking_leaves_nothing_behind_and_makes_no_journal(tmp_path: Path) -> None:
    findings = await found(tmp_path / "data" / "journal.db")
    assert "collector run" in only(findings, Level.WARNING).found
    assert names_in(tmp_path) == []


async def test_a_journal_with_a_flipped_page_is_damaged_and_restored_from_a_backup(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    for number in range(100):
        journal.append([arrival(round_at(number), ns("2026-06-21T10:41:00Z") + number)])
    journal.close()
    whole = path.read_bytes()
    half = len(whole) // 2 // 4096 * 4096
    path.write_bytes(whole[:half] + bytes(byte ^ 0xFF for byte in whole[half : half + 4096]) + whole[half + 4096 :])
    failure = only(await found(path), Level.FAILURE)
    assert "damaged" in failure.found
    assert "backup" in failure.remedy
    # The remedy works.
    path.rename(tmp_path / "damaged.db")
    store(path, round_at(1), received_at=[time.time_ns()])
    assert Level.FAILURE not in levels(await found(path))


async def test_what_is_no_journal_at_all_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"nothing of the kind\n" * 1000)
    assert "no journal" in only(await found(path), Level.FAILURE).found


async def test_an_empty_file_is_as_good_as_none_and_a_folder_is_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.touch()
    empty = only(await found(path), Level.WARNING)
    assert empty.meaning == "nothing was stored here yet"
    store(path, round_at(1), received_at=[time.time_ns()])
    assert Level.WARNING not in levels(await found(path))
    assert "is a folder" in only(await found(tmp_path), Level.FAILURE).found


async def test_what_the_service_says_of_its_journal_is_passed_on(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    note(path, "run", {"journal_error": "the disk is full", "unanswered": 7})
    failure = only(await found(path), Level.FAILURE)
    assert "the disk is full" in failure.found
    assert "7 times" in failure.meaning


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte."""
    with mounted(tmp_path / "tiny", "1m") as folder:
        yield folder


async def test_a_full_disk_is_named_and_room_mends_it(tiny_disk: Path) -> None:
    path = tiny_disk / "journal.db"
    store(path, round_at(1), received_at=[time.time_ns()])
    ballast = fill(tiny_disk)
    *unread, full, almost = [finding for finding in await found(path) if finding.level is Level.FAILURE]
    assert not any("backup" in finding.remedy for finding in unread)
    assert full.found == f"the disk with {tiny_disk} is full"
    assert "without a restart" in full.remedy
    assert "0.0 of 1.0 MiB" in almost.found
    ballast.unlink()
    assert not any("is full" in finding.found for finding in await found(path))


@pytest.fixture
def read_only_disk(tiny_disk: Path) -> Path:
    """The same after a fault, as systems mount a disk whose files they no longer trust."""
    store(tiny_disk / "journal.db", round_at(1), received_at=[time.time_ns()])
    remount(tiny_disk, "ro")
    return tiny_disk


async def test_a_disk_that_is_read_only_is_named(read_only_disk: Path) -> None:
    failures = [finding for finding in await found(read_only_disk / "journal.db") if finding.level is Level.FAILURE]
    assert f"the disk with {read_only_disk} is mounted read-only" in [finding.found for finding in failures]


def test_what_only_this_user_may_not_do_is_no_failure_while_the_service_does_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    refused = PermissionError(errno.EACCES, "Permission denied")
    assert checked._unwritable(context(path), tmp_path, refused).level is Level.FAILURE
    note(path, "run", {"beat_at": time.time_ns()})
    assert checked._unwritable(context(path), tmp_path, refused).level is Level.SKIPPED
    note(path, "run", {"beat_at": time.time_ns(), "journal_error": "it is read-only"})
    assert checked._unwritable(context(path), tmp_path, refused).level is Level.FAILURE


def room(free_days: float, *, span_days: float = 7.0) -> Finding:
    """One record a second of so many bytes that the disk is full in so many days."""
    path = Path("/")
    free = shutil.disk_usage(path).free
    week = 604_800
    facts = Facts(path, exists=True, records=week, records_a_week=week, span_ns=round(span_days * DAY_NS))
    facts.file_bytes = round(free / free_days * 7)
    return checked._room(facts)[0]


def test_a_disk_that_is_full_in_a_month_is_a_warning_and_one_for_years_is_fine() -> None:
    soon = room(30)
    assert soon.level is Level.WARNING
    assert "30 days" in soon.found or "29 days" in soon.found
    assert "10 years" in room(3650).found
    assert "centuries" in room(1_000_000).found
    assert "too little" in room(3650, span_days=0.5).found


def test_a_file_that_takes_too_long_is_left_to_a_thorough_look(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    for number in range(200):
        journal.append([arrival(round_at(number), 1 + number)])
    journal.close()
    with JournalReader(path) as reader:
        assert reader.faults(thorough=False) == []
        assert reader.faults(thorough=True, within_s=-1.0) is None
        # Nothing is left of the limit.
        assert reader.total_count() == 200


def test_records_of_late_are_counted_without_reading_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    at = ns("2026-06-21T10:00:00Z")
    journal = Journal(path)
    assert journal.open() is not None
    with JournalReader(path) as reader:
        assert reader.live_count_since(0) == 0
        assert reader.received_span() == (0, 0)
        for number in range(50):
            journal.append([arrival(round_at(number), at + number * NS)])
        for since in (0, 1, 25, 49, 50):
            assert reader.live_count_since(at + since * NS) == 50 - since
        assert reader.received_span() == (at, at + 49 * NS)
    journal.close()


async def test_a_journal_that_this_user_may_not_look_at_is_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    path = tmp_path / "journal.db"
    with monkeypatch.context() as patched:
        patched.setattr(Path, "exists", denied)
        looked = context(path)
    (finding,) = await checked.check(looked)
    assert finding.level is Level.SKIPPED
    assert finding.found == f"{path} is in a folder that this user may not look into"
    assert finding.remedy == "run this as the service's user"
