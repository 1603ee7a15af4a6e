"""Tasks that may fail while gateways get their answers, in virtual time."""

# ruff: noqa: ARG001 (the clock is asked for its effect)

import logging
from collections.abc import Iterator
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from collector.service.supervision import LONGEST_DELAY_S, SETTLED_S, Supervisor

NAME = "the daily roll-ups"


class Fault(Exception):
    pass


@pytest.fixture
def supervisor() -> Supervisor:
    return Supervisor()


class Task:
    """Fails with what `faults` gives next, after `seconds`, and then returns."""

    def __init__(self, faults: Iterator[Exception], seconds: float = 0.0) -> None:
        self.starts: list[float] = []
        self.seconds = seconds
        self._faults = faults

    @property
    def pauses(self) -> list[int]:
        return [round(later - earlier - self.seconds) for earlier, later in pairwise(self.starts)]

    async def __call__(self) -> None:
        self.starts.append(trio.current_time())
        await trio.sleep(self.seconds)
        for fault in self._faults:
            raise fault


async def test_a_task_that_returns_is_not_started_again(autojump_clock: MockClock, supervisor: Supervisor) -> None:
    task = Task(iter(()))
    await supervisor.run(NAME, task)
    assert len(task.starts) == 1
    assert supervisor.problems == []


async def test_a_task_that_fails_is_started_again_later_each_time(
    autojump_clock: MockClock, supervisor: Supervisor
) -> None:
    task = Task(Fault("ha") for _ in range(9))
    await supervisor.run(NAME, task)
    assert task.pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert LONGEST_DELAY_S == 60


async def test_after_a_time_of_work_it_is_started_again_at_once(
    autojump_clock: MockClock, supervisor: Supervisor
) -> None:
    task = Task((Fault("ha") for _ in range(5)), SETTLED_S + 1)
    await supervisor.run(NAME, task)
    assert task.pauses == [1, 1, 1, 1, 1]
    shorter = Task((Fault("ha") for _ in range(5)), SETTLED_S - 1)
    await supervisor.run(NAME, shorter)
    assert shorter.pauses == [1, 2, 4, 8, 16]


async def test_a_fault_is_logged_once_with_its_trace_and_another_one_as_well(
    autojump_clock: MockClock, supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    faults = [Fault("ha"), Fault("ha"), KeyError("ecu"), KeyError("ecu"), KeyError("ecu")]
    await supervisor.run(NAME, Task(iter(faults)))
    assert caplog.messages == [
        f"{NAME} failed, tried again reason=Fault: ha",
        f"{NAME} failed, tried again reason=KeyError: 'ecu'",
    ]
    assert [record.exc_info and record.exc_info[1] for record in caplog.records] == [faults[0], faults[2]]
    assert {record.levelno for record in caplog.records} == {logging.ERROR}


async def test_a_fault_that_comes_again_after_a_long_time_is_logged_again(
    autojump_clock: MockClock,
    supervisor: Supervisor,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("collector.service.supervision.time.monotonic", trio.current_time)
    for _ in range(2):
        await supervisor.run(NAME, Task(Fault("ha") for _ in range(30)))
        await trio.sleep(SETTLED_S)
    assert caplog.messages == [f"{NAME} failed, tried again reason=Fault: ha"] * 2


async def test_one_task_that_fails_leaves_the_others_alone(
    autojump_clock: MockClock, supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    beats = []

    async def beat() -> None:
        while True:
            beats.append(trio.current_time())
            await trio.sleep(1)

    with trio.move_on_after(10.5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervisor.run, "the sign of life", beat)
            nursery.start_soon(supervisor.run, NAME, Task(Fault("ha") for _ in range(100)))
            nursery.start_soon(supervisor.run, "the purge", Task(KeyError(1) for _ in range(100)))
    assert len(beats) == 11
    assert sorted(supervisor.problems) == [
        f"{NAME} failed and is tried again: Fault: ha",
        "the purge failed and is tried again: KeyError: 1",
    ]
    assert len(caplog.records) == 2


async def test_a_failure_is_a_problem_until_it_has_not_come_again_for_long(
    autojump_clock: MockClock, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.service.supervision.time.monotonic", trio.current_time)
    await supervisor.run(NAME, Task(iter([Fault("two\nlines")])))
    assert supervisor.problems == [f"{NAME} failed and is tried again: Fault: two lines"]
    await trio.sleep(SETTLED_S - 2)
    assert len(supervisor.problems) == 1
    await trio.sleep(2)
    assert supervisor.problems == []


async def test_out_of_a_group_the_first_reason_is_told(autojump_clock: MockClock, supervisor: Supervisor) -> None:
    group = ExceptionGroup("several", [ExceptionGroup("inner", [Fault("ha"), KeyError(1)]), KeyError(2)])
    await supervisor.run(NAME, Task(iter([group])))
    assert supervisor.problems == [f"{NAME} failed and is tried again: Fault: ha"]


async def test_cancelling_is_no_failure(
    autojump_clock: MockClock, supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    task = Task(iter(()), 1000)
    with trio.move_on_after(5) as scope:
        await supervisor.run(NAME, task)
    assert scope.cancelled_caught
    assert (supervisor.problems, caplog.messages) == ([], [])
    # Neither while it waits for its next start.
    with trio.move_on_after(1.5) as scope:
        await supervisor.run(NAME, Task(Fault("ha") for _ in range(9)))
    assert scope.cancelled_caught


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
async def test_what_is_to_end_the_process_does(
    autojump_clock: MockClock, supervisor: Supervisor, end: type[BaseException]
) -> None:
    with pytest.raises(end), supervisor.contained(NAME):
        raise end


def test_a_block_that_is_contained_says_whether_it_failed(supervisor: Supervisor) -> None:
    with supervisor.contained(NAME) as failed:
        pass
    assert failed == []
    fault = Fault("ha")
    with supervisor.contained(NAME) as failed:
        raise fault
    assert failed == [fault]
