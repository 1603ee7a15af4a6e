"""What tests of the ledger share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Influx
from tests.ledger.books import Books
from tests.rolling import Yard, empty_yard


@pytest.fixture
def books(tmp_path: Path) -> Books:
    """A journal that is not there yet."""
    return Books(tmp_path / "journal.db")


@pytest.fixture
def yard(influx: Influx, tmp_path: Path) -> Iterator[Yard]:
    """A journal and an InfluxDB, empty."""
    with empty_yard(influx, tmp_path) as found:
        yield found
