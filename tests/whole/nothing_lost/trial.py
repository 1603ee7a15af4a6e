"""Runs the machine seed after seed, and makes a run that fails shorter.

The seed of a run is the trial's plus the number of runs before it, so that every run is the first of some trial. Since
the timing of processes is never the same twice, a run that failed may hold the next time; what is told of the shortest
one is what was seen last.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.influxdb_server import InfluxServer
from tests.whole.nothing_lost import steps
from tests.whole.nothing_lost.machine import Counts, Machine, run
from tests.whole.nothing_lost.site import Lost, shifted_clock

STEPS_A_RUN = 40
REST_EVERY = 20

Tell = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Failure:
    """What failed, in which run, with which of its steps, and what each of them did."""

    seed: int
    numbers: tuple[int, ...]
    did: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        done = "\n".join(f"  {line}" for line in self.did)
        return f"seed {self.seed}, steps {' '.join(map(str, self.numbers))}\n{done}\n{self.reason}"


class Trial:
    """`folder` is for this alone, `counts` sums up all of its runs. Raises Unavailable at once where the rules can't be
    followed on this machine.
    """

    def __init__(self, folder: Path, influx: InfluxServer, tell: Tell) -> None:
        self.counts = Counts()
        self._folder = folder
        self._influx = influx
        self._clock = shifted_clock(folder)
        self._tell = tell
        self._runs = 0

    def once(self, seed: int, numbers: Sequence[int], deadline: float = math.inf) -> Failure | None:
        """One run with some steps of its seed, of which none is begun behind `deadline` (monotonic)."""
        self._runs += 1
        folder = self._folder / f"run-{self._runs}"
        folder.mkdir()
        machine = Machine(folder, self._influx, self._clock, seed)
        did: list[str] = []

        def tell(line: str) -> None:
            did.append(line)
            self._tell(f"  {line}")

        self._tell(f"seed {seed}, {len(numbers)} steps")
        try:
            run(machine, [steps.numbered(seed, number, tell) for number in numbers], REST_EVERY, deadline)
        except Lost as lost:
            # What comes behind the last step that was begun has no part in it.
            return Failure(seed, tuple(numbers[: len(did)]), tuple(did), str(lost))
        finally:
            self.counts.add(machine.counts)
        return None

    def until(self, seed: int, most_steps: int, minutes: float, steps_a_run: int = STEPS_A_RUN) -> Failure | None:
        """Run after run until one fails, so many steps are done, or the time is over."""
        deadline = time.monotonic() + 60 * minutes
        while self.counts.steps < most_steps and time.monotonic() < deadline:
            numbers = range(min(steps_a_run, most_steps - self.counts.steps))
            if failure := self.once(seed, numbers, deadline):
                return failure
            seed += 1
        return None

    def shorter(self, failure: Failure, minutes: float) -> Failure:
        """The shortest run that was seen to fail after so much time: first without its end, then without its steps one
        by one.
        """
        deadline = time.monotonic() + 60 * minutes
        numbers = failure.numbers
        size = len(numbers) // 2
        while size and time.monotonic() < deadline:
            for begin in range(0, len(numbers), size):
                left = (*numbers[:begin], *numbers[begin + size :])
                if time.monotonic() < deadline and (again := self.once(failure.seed, left)):
                    failure, numbers = again, again.numbers
                    break
            else:
                size //= 2
        return failure
