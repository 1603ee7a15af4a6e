"""When Home Assistant is sent something after a clock that was wrong for a while."""

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from collector.clock.stamps import NS
from collector.journal.threaded import ThreadedJournal
from collector.journal.writing import Journal
from collector.outputs.homeassistant.output import StatisticsOutput
from tests.ledger.books import Books
from tests.outputs.test_home_assistant import books as books
from tests.outputs.test_home_assistant import days, with_home_assistant
from tests.samples import ns


class Rounds(StatisticsOutput):
    """Only notes when its rounds are, in seconds since it was started, of which there are so many."""

    def __init__(self, books: Books, now: Callable[[], int], most: int) -> None:
        journal = ThreadedJournal(Journal(books.path), trio.CapacityLimiter(1))
        super().__init__(with_home_assistant(books, "http://nowhere"), journal, now)
        self.at_s: list[float] = []
        self._most = most
        self._books = journal
        self._end = trio.CancelScope()

    async def round(self) -> None:
        self.at_s.append(trio.current_time())
        if len(self.at_s) == self._most:
            self._end.cancel()
            await trio.lowlevel.checkpoint()

    async def live(self) -> list[float]:
        with self._end:
            await self.run()
        await self._books.close()
        return self.at_s


def clock_ahead(begin: str, until_s: float) -> Callable[[], int]:
    """A year ahead for so many seconds."""

    def now() -> int:
        passed_s = trio.current_time()
        return ns(begin) + round((passed_s + (365 * 86_400.0 if passed_s < until_s else 0.0)) * NS)

    return now


def test_after_a_clock_that_was_ahead_the_next_hour_is_sent_when_it_is_over(books: Books) -> None:
    books.store(*days("2026-06-10", 1))
    books.count()
    output = Rounds(books, clock_ahead("2027-01-10T12:30:00Z", 300.0), 3)
    first, second, third = trio.run(output.live, clock=MockClock(autojump_threshold=0))
    assert first < 10
    assert 300 <= second < 330
    assert third == pytest.approx(36 * 60, abs=1)


def test_a_clock_that_was_ahead_makes_no_longer_wait_for_the_first_account(books: Books) -> None:
    books.store(*days("2026-06-10", 1))
    output = Rounds(books, clock_ahead("2027-01-10T12:05:00Z", 30.0), 1)
    (first,) = trio.run(output.live, clock=MockClock(autojump_threshold=0))
    assert first == pytest.approx(60, abs=2)
