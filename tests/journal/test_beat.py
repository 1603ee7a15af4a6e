"""The sign of life beside a journal, as other processes see it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collector.errors import JournalError
from collector.journal.beat import Beat, last_beat

AT = 1_800_000_000_000_000_000
NOBODY = 65_534


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def beat(journal: Path) -> Iterator[Beat]:
    beat = Beat(journal)
    yield beat
    beat.end()


def in_a_process(look: Callable[[], object]) -> bool:
    """What a process of its own makes of it."""
    pid = os.fork()
    if pid == 0:
        # Whatever happens, this copy of the tests must not go on.
        code = 2
        try:
            code = 0 if look() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_the_latest_sign_counts_for_every_process(journal: Path, beat: Beat) -> None:
    assert last_beat(journal) == 0
    for at in (AT, AT + 2, AT - 5):
        beat.give(at)
        assert last_beat(journal) == at
        assert in_a_process(lambda expected=at: last_beat(journal) == expected)  # type: ignore[misc]
    beat.end()
    assert last_beat(journal) == 0


def test_looking_takes_no_sign_away(journal: Path, beat: Beat) -> None:
    beat.give(AT)
    assert [last_beat(journal) for _ in range(3)] == [AT] * 3


def test_it_is_gone_with_its_process_however_that_ends(journal: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from collector.journal.beat import Beat
Beat(Path({str(journal)!r})).give({AT})
print("given", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "given\n"
        assert last_beat(journal) == AT
        process.kill()
        process.wait()
        assert last_beat(journal) == 0


def test_two_journals_of_one_folder_have_a_sign_each(journal: Path, beat: Beat) -> None:
    other = journal.with_name("other.db")
    beat.give(AT)
    assert (last_beat(journal), last_beat(other)) == (AT, 0)


def test_a_link_to_the_journal_leads_to_its_sign(journal: Path, beat: Beat, tmp_path: Path) -> None:
    beat.give(AT)
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.db"
    link.symlink_to(journal)
    assert last_beat(link) == AT


def test_it_is_beside_the_journal_also_when_the_folder_was_moved_away(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    beat = Beat(folder / "journal.db")
    beat.give(AT)
    folder.rename(tmp_path / "data.before")
    folder.mkdir()
    beat.give(AT + 1)
    assert last_beat(folder / "journal.db") == AT + 1
    assert last_beat(tmp_path / "data.before" / "journal.db") == 0
    beat.end()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_who_may_read_the_folder_sees_it_and_can_give_none() -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        journal = Path(name) / "journal.db"
        beat = Beat(journal)
        beat.give(AT)

        def look() -> bool:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            with pytest.raises(JournalError, match="run this as the service's user"):
                Beat(journal).give(AT + 1)
            return last_beat(journal) == AT

        assert in_a_process(look)
        beat.end()


def test_a_folder_that_is_missing_is_told_by_who_gives_and_no_sign_to_who_looks(tmp_path: Path) -> None:
    journal = tmp_path / "nowhere" / "journal.db"
    with pytest.raises(JournalError, match=r"journal\.db\.beat\.lock: No such file"):
        Beat(journal).give(AT)
    assert last_beat(journal) == 0


def test_it_writes_nothing_to_the_disk(journal: Path, beat: Beat) -> None:
    beat.give(AT)
    before = journal.with_name("journal.db.beat.lock").stat()
    for second in range(100):
        beat.give(AT + 1 + second)
    assert journal.with_name("journal.db.beat.lock").stat() == before
    assert before.st_size == 0
