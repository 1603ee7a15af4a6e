"""Commands wait out a short outage, and say so."""

from threading import Event

import pytest

from collector.errors import SinkUnavailable
from collector.patience import ATTEMPTS, patiently


class Clock(Event):
    """An event that never comes, for which nobody waits in earnest."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        return False


def away(times: int, retry_after: float | None = None) -> list[SinkUnavailable]:
    return [SinkUnavailable("InfluxDB asks for fewer requests", retry_after) for _ in range(times)]


def calling(outages: list[SinkUnavailable]) -> str:
    if outages:
        raise outages.pop()
    return "done"


def test_every_wait_is_told_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    assert patiently(clock, calling, away(3)) == "done"
    assert clock.waits == [1, 2, 4]
    assert capsys.readouterr().err.splitlines() == [
        f"collector: InfluxDB asks for fewer requests; tried again in {seconds} s" for seconds in (1, 2, 4)
    ]


def test_an_influxdb_that_asks_for_an_hour_is_given_a_minute() -> None:
    clock = Clock()
    with pytest.raises(SinkUnavailable):
        patiently(clock, calling, away(ATTEMPTS, 3600))
    assert clock.waits == [60] * (ATTEMPTS - 1)


def test_nothing_is_tried_again_or_told_once_it_is_to_stop(capsys: pytest.CaptureFixture[str]) -> None:
    stop = Event()
    stop.set()
    outages = away(2)
    with pytest.raises(SinkUnavailable):
        patiently(stop, calling, outages)
    assert len(outages) == 1
    assert capsys.readouterr().err == ""
