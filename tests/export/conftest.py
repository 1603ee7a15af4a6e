"""Where the journal of a test is."""

from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is; the first record makes it."""
    return tmp_path / "journal.db"
