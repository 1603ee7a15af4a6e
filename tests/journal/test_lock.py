"""Locks beside the journal, as two holders see them."""

import fcntl
import os
import socket
from pathlib import Path

import pytest

from collector.errors import JournalError
from collector.journal.lock import Taken, locked


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.db"


def test_nobody_else_gets_what_is_locked_and_the_next_one_does(journal: Path) -> None:
    with locked(journal, "run"), pytest.raises(Taken) as refused, locked(journal, "run"):
        pass
    assert refused.value.holder == f"pid {os.getpid()} on {socket.gethostname()}"
    with locked(journal, "run"):
        pass


def test_a_lock_on_one_purpose_says_nothing_of_another(journal: Path) -> None:
    with locked(journal, "run"), locked(journal, "rollup"):
        pass
    assert sorted(path.name for path in journal.parent.iterdir()) == ["journal.db.rollup.lock", "journal.db.run.lock"]


def test_a_link_to_a_journal_is_locked_with_it(journal: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(journal)
    with locked(journal, "run"), pytest.raises(Taken), locked(link, "run"):
        pass


def test_a_file_that_somebody_left_locks_nothing(journal: Path) -> None:
    journal.parent.mkdir()
    file = journal.with_name("journal.db.run.lock")
    file.write_text("pid 1 on a machine that is no more, and whose name was a very long one")
    with locked(journal, "run"):
        assert file.read_text() == f"pid {os.getpid()} on {socket.gethostname()}\n"


def test_who_can_wait_gets_it_when_the_other_lets_go(journal: Path) -> None:
    journal.parent.mkdir()
    with journal.with_name("journal.db.run.lock").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Taken), locked(journal, "run", patience_s=0.1):
            pass
    with locked(journal, "run", patience_s=0.1):
        pass


def test_a_file_of_another_user_names_the_one_to_be(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    with (
        pytest.raises(JournalError, match=r"lock: Permission denied; run this as the service's user"),
        locked(journal, "run"),
    ):
        pass
