"""All outputs that are configured: the one place that names them, so that the next one touches no other."""

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import trio

from collector.clock.stamps import NS
from collector.config.model import Config
from collector.config.names import Names
from collector.journal.state import OutputHealth
from collector.journal.threaded import ThreadedJournal
from collector.journal.writing import Journal
from collector.outputs._output import Output
from collector.outputs.homeassistant import output as homeassistant
from collector.outputs.mirror import output as mirror
from collector.outputs.mqtt import output as mqtt
from collector.outputs.pvoutput import output as pvoutput
from collector.points.figures import OutputFigures
from collector.points.schema import Point

# Each builds what the configuration asks for: none, one, or several.
_BUILT: Final[Sequence[Callable[[Config, Names, Callable[[], ThreadedJournal]], Sequence[Output]]]] = (
    mqtt.configured,
    homeassistant.configured,
    pvoutput.configured,
    mirror.configured,
)


class Outputs:
    """The outputs of one service. Each reads the journal by a connection of its own, so that none waits for another."""

    def __init__(self, config: Config, names: Names, journal: Journal, limiter: trio.CapacityLimiter) -> None:
        self._readers: list[ThreadedJournal] = []

        def journal_of_its_own() -> ThreadedJournal:
            self._readers.append(ThreadedJournal(journal, limiter))
            return self._readers[-1]

        self._outputs = [output for built in _BUILT for output in built(config, names, journal_of_its_own)]

    def tasks(self) -> dict[str, Callable[[], Awaitable[object]]]:
        """What is to run, by names that an owner can read."""
        return {f"the output {output.health.name}": output.run for output in self._outputs}

    def wake(self) -> None:
        """Something was stored."""
        for output in self._outputs:
            output.wake()

    def health(self) -> tuple[OutputHealth, ...]:
        """What each says of itself now."""
        return tuple(output.health for output in self._outputs)

    async def close(self) -> None:
        """Close their connections to the journal."""
        for reader in self._readers:
            await reader.close_reading()


def figures(health: OutputHealth, now: int) -> OutputFigures:
    """What is told of an output at the instant `now` (ns)."""

    def age_s(at: int) -> float:
        return (now - at) / NS if at else float("nan")

    return OutputFigures(
        connected=int(health.connected),
        waiting=health.waiting,
        waiting_age_s=age_s(health.waiting_since),
        refused=health.refused,
        commands_refused=health.commands_refused,
        last_sent_age_s=age_s(health.last_sent),
    )


def report_points(instance: str, outputs: Sequence[OutputHealth], now: int) -> list[Point]:
    """What the collector's report says of outputs at the instant `now` (ns); an error that has gone is empty."""
    return [
        Point(
            "output",
            (instance, health.name),
            {**dataclasses.asdict(figures(health, now)), "last_error": health.last_error, "remedy": health.remedy},
            now,
        )
        for health in outputs
    ]
