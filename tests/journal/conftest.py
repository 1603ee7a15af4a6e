"""A journal that is not there yet, one that is, and the reading side beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.journal.reading import JournalReader
from collector.journal.writing import Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal(path)
    yield journal
    journal.close()


@pytest.fixture
def reader(journal: Journal) -> Iterator[JournalReader]:
    """Beside the writing side, over the same file."""
    journal.open()
    with JournalReader(journal.path) as reader:
        yield reader
