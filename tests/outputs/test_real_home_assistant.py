"""Against a Home Assistant that runs: HOMEASSISTANT_URL and HOMEASSISTANT_TOKEN_FILE name it, or these are skipped.

Its statistics of a gateway that never was, which begin with `apsystems_collector:ecu_21600012`, are removed.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trio

from collector.config.model import Config
from collector.ledger.reading import of_gateway
from collector.outputs.homeassistant import by_hand
from collector.outputs.homeassistant._session import Session, converse
from tests.ledger.books import Books
from tests.outputs.test_home_assistant import LATER, days, in_the_ledger, round_with, with_home_assistant
from tests.samples import ECU

OURS = f"apsystems_collector:ecu_{ECU}"
URL = os.environ.get("HOMEASSISTANT_URL", "")

pytestmark = pytest.mark.skipif(not URL, reason="no HOMEASSISTANT_URL and HOMEASSISTANT_TOKEN_FILE of a real one")


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    books = Books(tmp_path / "journal.db", zone="UTC")
    (tmp_path / "token").write_text(Path(os.environ["HOMEASSISTANT_TOKEN_FILE"]).read_text())
    forget(with_home_assistant(books, URL))
    yield books
    forget(with_home_assistant(books, URL))


def asked(config: Config, kind: str, **words: object) -> Any:  # noqa: ANN401 (JSON)
    async def ask(session: Session) -> object:
        return await session._ask(kind, **words)

    return trio.run(converse, by_hand.settings_of(config), ask)


def forget(config: Config) -> None:
    asked(config, "recorder/clear_statistics", statistic_ids=[OURS])


def send(books: Books) -> dict[datetime, int]:
    """One round; returns what its Energy dashboard shows then, in mWh."""
    trio.run(round_with, books, URL, LATER)
    found = asked(
        with_home_assistant(books, URL),
        "recorder/statistics_during_period",
        start_time="2000-01-01T00:00:00+00:00",
        statistic_ids=[OURS],
        period="hour",
        types=["change"],
        units={"energy": "kWh"},
    )
    changes = {
        datetime.fromtimestamp(row["start"] / 1000, UTC): round(row["change"] * 1_000_000) for row in found[OURS]
    }
    return {start: mwh for start, mwh in changes.items() if mwh}


def test_it_holds_the_ledger_with_late_days_and_a_beginning_that_moves(books: Books) -> None:
    books.store(*days("2026-03-20", 100))
    books.count()
    assert send(books) == in_the_ledger(books, of_gateway(ECU))
    books.store(*days("2026-07-01", 2))
    books.count()
    assert send(books) == in_the_ledger(books, of_gateway(ECU))
    books.store(*days("2026-03-01", 2, wh=400.0), *days("2026-06-29", 2, wh=300.0))
    books.count()
    assert send(books) == in_the_ledger(books, of_gateway(ECU))


def test_one_that_has_lost_them_gets_all_once_more(books: Books) -> None:
    books.store(*days("2026-06-20", 3))
    books.count()
    send(books)
    forget(with_home_assistant(books, URL))
    books.store(*days("2026-06-25", 1))
    books.count()
    assert send(books) == in_the_ledger(books, of_gateway(ECU))


def test_it_says_who_we_are(books: Books) -> None:
    welcomed = trio.run(by_hand.check, with_home_assistant(books, URL))
    assert welcomed.version
    assert welcomed.user
