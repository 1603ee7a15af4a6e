"""One sync for all that wait, and an outcome for everyone.

The store is a fake, but the threads are real, and so is the clock.
"""

import threading
from collections.abc import AsyncIterator, Sequence

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from collector.errors import JournalError
from collector.gateway.intake import MOST_REFUSALS_WAITING, Intake
from collector.protocol.messages import read
from collector.record import Arrival
from tests.protocol.helpers import record

SECOND = 1_000_000_000


def arrival(number: int) -> Arrival:
    """The record of one of many seconds."""
    return Arrival(number * SECOND, 8995, "192.0.2.7", read(record(time=f"{20260621000000 + number}").encode()))


class SlowStore:
    """Stores when the test says so, one call at a time; `faults` are raised in their order, one a call of `append`.

    While `locked` nothing can be stored at once.
    """

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.refused: list[bytes] = []
        self.faults: list[JournalError | RuntimeError | None] = []
        self.locked = False
        self.gate = threading.Event()
        self.gate.set()
        self._alone = threading.Lock()

    def append(self, arrivals: Sequence[Arrival], /) -> None:
        with self._only_one():
            self.batches.append([each.received_at // SECOND for each in arrivals])
            fault = self.faults.pop(0) if self.faults else None
            assert self.gate.wait(10)
        if fault is not None:
            raise fault

    def append_at_once(self, arrivals: Sequence[Arrival], /) -> bool:
        if self.locked:
            return False
        self.append(arrivals)
        return True

    def refuse(self, received_at: int, port: int, peer: str, reason: str, raw: bytes) -> None:  # noqa: ARG002
        with self._only_one():
            assert self.gate.wait(10)
            if self.faults and (fault := self.faults.pop(0)) is not None:
                raise fault
            self.refused.append(raw)

    def _only_one(self) -> threading.Lock:
        assert not self._alone.locked(), "two threads in one journal"
        return self._alone


@pytest.fixture
def store() -> SlowStore:
    return SlowStore()


@pytest.fixture
async def intake(store: SlowStore, nursery: trio.Nursery) -> AsyncIterator[Intake]:
    yield Intake(store, trio.CapacityLimiter(1), nursery)
    # A thread that still waits would keep the test from ending.
    store.gate.set()


class Outcomes:
    """Callers of `store`, each in a task of its own, and what became of them."""

    def __init__(self, intake: Intake, nursery: trio.Nursery) -> None:
        self.stored: list[int] = []
        self.failed: list[int] = []
        self.cancelled: list[int] = []
        self.scopes: dict[int, trio.CancelScope] = {}
        self._intake = intake
        self._nursery = nursery
        self._news = trio.Event()

    async def begin(self, *numbers: int) -> None:
        """Let them come in one by one."""
        for number in numbers:
            self._nursery.start_soon(self._store, number)
            await wait_all_tasks_blocked()

    async def all_of(self, count: int) -> None:
        """Wait until so many have an outcome."""
        with trio.fail_after(10):
            while len(self.stored) + len(self.failed) + len(self.cancelled) < count:
                await self._news.wait()
                self._news = trio.Event()

    async def _store(self, number: int) -> None:
        with trio.CancelScope() as self.scopes[number]:
            try:
                await self._intake.store(arrival(number))
                await trio.lowlevel.checkpoint()
                self.stored.append(number)
            except JournalError:
                self.failed.append(number)
            except trio.Cancelled:
                self.cancelled.append(number)
                raise
            finally:
                self._news.set()


@pytest.fixture
def callers(intake: Intake, nursery: trio.Nursery) -> Outcomes:
    return Outcomes(intake, nursery)


async def test_a_caller_that_is_alone_pays_exactly_one_commit(intake: Intake, store: SlowStore) -> None:
    for number in range(5):
        await intake.store(arrival(number))
    assert store.batches == [[0], [1], [2], [3], [4]]


async def test_what_comes_in_during_a_commit_goes_into_the_next_together_and_in_order(
    callers: Outcomes, store: SlowStore
) -> None:
    store.gate.clear()
    await callers.begin(*range(30))
    store.gate.set()
    await callers.all_of(30)
    assert store.batches == [[0], list(range(1, 30))]


async def test_nobody_hears_of_success_before_the_commit_is_done(callers: Outcomes, store: SlowStore) -> None:
    store.gate.clear()
    await callers.begin(1, 2)
    assert callers.stored == []
    store.gate.set()
    await callers.all_of(2)
    assert sorted(callers.stored) == [1, 2]


async def test_a_third_commit_takes_what_came_during_the_second(callers: Outcomes, store: SlowStore) -> None:
    store.gate.clear()
    await callers.begin(0, 1)
    store.gate.set()
    await callers.all_of(2)
    store.gate.clear()
    await callers.begin(2, 3, 4)
    store.gate.set()
    await callers.all_of(5)
    assert store.batches == [[0], [1], [2], [3, 4]]


async def test_the_leaders_cancellation_leaves_nobody_without_an_outcome(callers: Outcomes, store: SlowStore) -> None:
    store.gate.clear()
    await callers.begin(0, 1, 2)
    callers.scopes[0].cancel()
    await wait_all_tasks_blocked()
    assert callers.cancelled == [], "a commit that is under way is waited for"
    store.gate.set()
    await callers.all_of(3)
    assert callers.cancelled == [0]
    assert sorted(callers.stored) == [1, 2]
    assert store.batches == [[0], [1, 2]]


async def test_a_leader_that_is_cancelled_before_its_commit_began_leaves_nobody_without_an_outcome(
    store: SlowStore, nursery: trio.Nursery
) -> None:
    limiter = trio.CapacityLimiter(1)
    callers = Outcomes(Intake(store, limiter, nursery), nursery)
    async with limiter:
        await callers.begin(0, 1)
        callers.scopes[0].cancel()
        await wait_all_tasks_blocked()
    await callers.all_of(2)
    assert callers.stored == [1]
    assert store.batches == [[0, 1]], "what came while the journal was in other hands goes together"


async def test_a_followers_cancellation_costs_nobody_else_anything(callers: Outcomes, store: SlowStore) -> None:
    store.gate.clear()
    await callers.begin(0, 1, 2, 3)
    callers.scopes[2].cancel()
    await wait_all_tasks_blocked()
    assert callers.cancelled == [2]
    store.gate.set()
    await callers.all_of(4)
    assert sorted(callers.stored) == [0, 1, 3]


async def test_everyone_cancelled_at_once_leaves_an_intake_that_works(
    intake: Intake, callers: Outcomes, store: SlowStore
) -> None:
    store.gate.clear()
    await callers.begin(0, 1, 2)
    for scope in callers.scopes.values():
        scope.cancel()
    store.gate.set()
    await callers.all_of(3)
    await intake.store(arrival(9))
    assert store.batches[0] == [0]
    assert store.batches[-1][-1] == 9


async def test_a_failure_reaches_everyone_in_the_batch_and_nobody_in_the_next(
    callers: Outcomes, store: SlowStore
) -> None:
    store.faults = [None, JournalError("the disk is full"), None]
    store.gate.clear()
    await callers.begin(0, 1, 2, 3)
    store.gate.set()
    await callers.all_of(4)
    assert callers.stored == [0]
    assert sorted(callers.failed) == [1, 2, 3]
    await callers.begin(4)
    await callers.all_of(5)
    assert callers.stored == [0, 4]


async def test_an_outage_is_logged_once_when_it_begins_and_once_when_it_ends(
    intake: Intake, store: SlowStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    store.faults = [JournalError("the disk is full"), JournalError("the disk is full"), JournalError("it is read-only")]
    for number in (100, 130, 160):
        with pytest.raises(JournalError):
            await intake.store(arrival(number))
    assert (intake.health.error, intake.health.since, intake.health.unanswered) == ("it is read-only", 100 * SECOND, 3)
    for number in (190, 191):
        await intake.store(arrival(number))
    assert caplog.messages == [
        "journal failed, gateways get no answer and keep their records reason=the disk is full",
        "journal works again after_s=90 unanswered=3",
    ]
    assert intake.health.error is None
    assert intake.health.unanswered == 0


async def test_an_error_that_nobody_foresaw_is_not_swallowed(store: SlowStore) -> None:
    store.faults = [RuntimeError("a bug")]
    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="a bug")):
        async with trio.open_nursery() as nursery:
            await Intake(store, trio.CapacityLimiter(1), nursery).store(arrival(1))


async def test_refused_bytes_and_records_take_turns(callers: Outcomes, intake: Intake, store: SlowStore) -> None:
    store.gate.clear()
    await callers.begin(1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(intake.refuse, 0, 8995, "192.0.2.9", "junk", b"GET /")
        await wait_all_tasks_blocked()
        assert store.refused == []
        store.gate.set()
    await callers.all_of(1)
    assert store.refused == [b"GET /"]


async def test_a_flood_of_junk_is_kept_as_a_sample_only(callers: Outcomes, intake: Intake, store: SlowStore) -> None:
    store.gate.clear()
    async with trio.open_nursery() as nursery:
        for number in range(500):
            nursery.start_soon(intake.refuse, 0, 8995, "192.0.2.9", "junk", b"%d" % number)
        await wait_all_tasks_blocked()
        await callers.begin(1)
        store.gate.set()
    await callers.all_of(1)
    assert len(store.refused) == MOST_REFUSALS_WAITING
    await intake.refuse(0, 8995, "192.0.2.9", "junk", b"later")
    assert store.refused[-1] == b"later"


async def test_junk_that_cannot_be_kept_is_a_line_in_the_log_and_no_more(
    intake: Intake, store: SlowStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.faults = [JournalError("the disk is full")]
    await intake.refuse(0, 8995, "192.0.2.9", "junk", b"GET /")
    assert caplog.messages == ["refused bytes were not kept error=the disk is full"]
    assert intake.health.error is None


async def test_a_lone_gateway_on_a_quick_disk_needs_no_thread_and_many_at_once_do(nursery: trio.Nursery) -> None:
    threads: list[int] = []

    class QuickStore:
        def append(self, arrivals: Sequence[Arrival]) -> None:
            assert arrivals
            threads.append(threading.get_ident())

        def append_at_once(self, arrivals: Sequence[Arrival]) -> bool:
            self.append(arrivals)
            return True

        def refuse(self, received_at: int, port: int, peer: str, reason: str, raw: bytes) -> None:
            raise NotImplementedError

    intake = Intake(QuickStore(), trio.CapacityLimiter(1), nursery)
    while threads[-1:] != [threading.get_ident()]:
        assert len(threads) < 1000, "the mean of quick commits must fall below the bound"
        await intake.store(arrival(len(threads)))
    assert len(threads) > 10, "a disk has to prove itself"
    threads.clear()
    async with trio.open_nursery() as many:
        for number in range(20):
            many.start_soon(intake.store, arrival(number))
    assert threading.get_ident() in threads[:1]
    assert threading.get_ident() not in threads[1:]


async def test_a_commit_on_the_loop_waits_for_whoever_else_uses_the_journal(
    store: SlowStore, nursery: trio.Nursery
) -> None:
    limiter = trio.CapacityLimiter(1)
    intake = Intake(store, limiter, nursery)
    for number in range(100):
        await intake.store(arrival(number))
    callers = Outcomes(intake, nursery)
    async with limiter:
        await callers.begin(100)
        assert callers.stored == []
    await callers.all_of(1)
    assert callers.stored == [100]


async def test_a_lock_that_another_program_holds_is_waited_for_in_a_thread_and_not_on_the_loop(
    intake: Intake, store: SlowStore, callers: Outcomes
) -> None:
    for number in range(100):
        await intake.store(arrival(number))
    store.locked = True
    store.gate.clear()
    await callers.begin(100, 101)
    assert callers.stored == [], "and the loop is not held up, or this would not be reached"
    store.gate.set()
    await callers.all_of(2)
    assert sorted(callers.stored) == [100, 101]
    assert store.batches[100:] == [[100], [101]]
