"""Days that were brought along reach PVOutput and Home Assistant like all others."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import trio

from collector.clock.stamps import NS
from collector.journal.import_writing import Imports
from collector.journal.imported import listed
from collector.journal.reading import JournalReader
from collector.journal.threaded import ThreadedJournal
from collector.journal.writing import Journal
from collector.ledger.reading import of_gateway
from collector.outputs.homeassistant.output import StatisticsOutput
from tests.brought import curve, month
from tests.fake_home_assistant import TOKEN, FakeHomeAssistant
from tests.ledger.books import RECEIVED, Books
from tests.outputs.pvoutput_rig import KEY, SYSTEM, Clock, Rig, instant
from tests.pvoutput_server import PVOutputServer
from tests.pvoutput_service import USUAL, System
from tests.samples import ECU, config, ns


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    clock = Clock(instant(date(2026, 6, 23), 20 * 60))
    with PVOutputServer([System(SYSTEM, KEY, size_w=5000)], clock, USUAL) as server:
        yield Rig(tmp_path, server, clock)


async def test_pvoutput_gets_their_statuses_and_the_sums_of_older_ones(rig: Rig) -> None:
    await rig.start()
    # The first days of June are older than what statuses are taken of.
    old, new = month([1.5, 2.5], begin=1), curve("2026-06-22", (1000, 2000, 1000))
    await rig.journal.write(lambda journal: Imports(journal).keep([old, new], rig.clock.ns))
    await rig.count()
    await rig.settle()
    assert rig.held_days() == rig.ledger_days()
    assert rig.held_days() == {date(2026, 6, 1): 1500, date(2026, 6, 2): 2500, date(2026, 6, 22): 333}
    assert rig.server.days(SYSTEM) == [date(2026, 6, 22)]
    assert rig.server.breaches == {}


def test_home_assistant_gets_their_hours_and_forgets_what_is_taken_back(tmp_path: Path) -> None:
    books, there = Books(tmp_path / "journal.db"), FakeHomeAssistant()
    series = f"apsystems_collector:ecu_{ECU}"
    (tmp_path / "token").write_text(TOKEN)

    async def send() -> None:
        there.port = 0
        async with there.serving():
            journal = ThreadedJournal(Journal(books.path), trio.CapacityLimiter(1))
            await journal.write(Journal.open)
            own = {"url": there.url, "token_file": tmp_path / "token"}
            settings = config(books.path, site={"name": "Home", "timezone": books.zone}, homeassistant=own)
            await StatisticsOutput(settings, journal, lambda: ns("2027-01-10T12:30:00Z")).round()
            await journal.close()

    def change(*, remove: bool) -> None:
        journal = Journal(books.path)
        journal.open()
        with JournalReader(books.path) as reader:
            if remove:
                Imports(journal).remove([listed(reader)[0][0].id])
            else:
                Imports(journal).keep([month([1.0, 2.0]), month([4.0], uid="408000000009", begin=21)], RECEIVED)
        journal.close()
        books.count()
        trio.run(send)

    change(remove=False)
    with books.ledger() as ledger:
        hours = {hour.start // NS: hour.energy.ac_mwh for hour in ledger.hours_from(of_gateway(ECU), 0)}
    assert {round(at.timestamp()): mwh for at, mwh in there.changes_mwh(series).items()} == hours
    assert sum(there.changes_mwh(series).values()) == 7_000_000
    change(remove=True)
    assert sum(there.changes_mwh(series).values()) == 4_000_000
