"""What the doctor says of the nightly comparison of panels."""

from pathlib import Path

import pytest

from collector import __version__
from collector.analysis import wanted
from collector.analysis.results import ANALYSIS_STATE, FAILURE_STATE, ArrayResult, PanelResult, Results
from collector.clock.stamps import NS
from collector.doctor import _analysis
from collector.doctor._facts import Facts
from collector.doctor.findings import Finding, Level
from collector.journal.state import RUN_STATE
from tests.doctor.contexts import context, levels, note, only, store
from tests.samples import ECU, TIME, UID, config, frame, ns, yc600

NOW = ns("2026-06-21T10:42:00Z")
HOUR_NS = 3600 * NS
SITE = {"name": "Home", "timezone": "Europe/Amsterdam", "latitude": 52.1, "longitude": 5.1}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal with a gateway."""
    store(tmp_path / "journal.db", frame(TIME, yc600()), received_at=[NOW - NS])
    return tmp_path / "journal.db"


def running(path: Path, *, since: int) -> None:
    note(path, RUN_STATE, {"version": __version__, "started_at": since, "there_since": since, "beat_at": NOW - NS})


def analysed(path: Path, at: int, *arrays: tuple[str, int]) -> None:
    """Keep the results of an analysis that was begun at an instant, of arrays with so many panels."""
    results = Results(
        at=at,
        first="2026-06-01",
        last="2026-06-20",
        panels=tuple(
            PanelResult(ecu=ECU, inverter=UID, channel=number, panel=str(number), array=name)
            for name, count in arrays
            for number in range(count)
        ),
        arrays=tuple(ArrayResult(ecu=ECU, array=name, panels=count) for name, count in arrays),
    )
    note(path, ANALYSIS_STATE, results.values())


async def found(path: Path, **sections: object) -> list[Finding]:
    configured = config(path, **({"site": SITE} | sections))
    return await _analysis.check(context(path, now=NOW, configured=configured))


async def test_a_roof_that_was_analysed_last_night_is_fine(path: Path) -> None:
    running(path, since=NOW - 30 * 24 * HOUR_NS)
    analysed(path, NOW - 9 * HOUR_NS, ("South", 4), ("West", 3))
    (finding,) = await found(path)
    assert finding.level is Level.OK
    assert (
        finding.found == "the latest one was begun 2026-06-21T01:42:00Z; it knows 7 panels in 2 arrays up to 2026-06-20"
    )


async def test_without_numpy_it_is_missed_where_it_was_asked_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_analysis, "missing", lambda: wanted.NEEDS_NUMPY)
    (finding,) = await found(path)
    assert (finding.level, finding.found) == (Level.SKIPPED, "it needs NumPy, which is not installed")
    assert "pip install 'apsystems-collector[analysis]'" in finding.remedy
    asked = only(await found(path, analysis={"enabled": True}), Level.WARNING)
    assert asked.found == "[analysis] is configured, and it needs NumPy, which is not installed"
    assert asked.remedy == finding.remedy


async def test_one_that_is_switched_off_lacks_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_analysis, "missing", lambda: wanted.NEEDS_NUMPY)
    note(path, FAILURE_STATE, {"reason": "the disk is full"})
    (finding,) = await found(path, analysis={"enabled": False})
    assert (finding.level, finding.found) == (Level.OK, "it is switched off (analysis.enabled)")


async def test_what_hindered_the_latest_one_is_told(path: Path) -> None:
    running(path, since=NOW - 30 * 24 * HOUR_NS)
    note(path, FAILURE_STATE, {"reason": "the disk is full", "at": NOW - HOUR_NS})
    finding = only(await found(path), Level.WARNING)
    assert finding.found == "the latest one could not do all of its work: the disk is full"
    assert finding.meaning == "nothing is said of panels yet"
    analysed(path, NOW - 4 * 24 * HOUR_NS, ("South", 4))
    assert only(await found(path), Level.WARNING).meaning == "what is said of panels goes up to 2026-06-20"


async def test_one_of_more_than_two_days_ago_is_too_old_while_the_service_runs(path: Path) -> None:
    analysed(path, NOW - 49 * HOUR_NS, ("South", 4))
    assert levels(await found(path)) == [Level.OK]
    # After a pause there is time for the next one.
    running(path, since=NOW - HOUR_NS)
    assert levels(await found(path)) == [Level.OK]
    running(path, since=NOW - 30 * 24 * HOUR_NS)
    finding = only(await found(path), Level.WARNING)
    assert finding.found == "the latest one was begun 2026-06-19T09:42:00Z, though one is due every night"
    analysed(path, NOW - 47 * HOUR_NS, ("South", 4))
    assert levels(await found(path)) == [Level.OK]


async def test_one_that_never_came_is_missed_after_two_days(path: Path) -> None:
    running(path, since=NOW - HOUR_NS)
    (finding,) = await found(path)
    assert (finding.level, finding.found) == (Level.SKIPPED, "there was none yet")
    assert finding.remedy
    running(path, since=NOW - 49 * HOUR_NS)
    assert only(await found(path), Level.WARNING).found == "there was none yet, though one is due every night"


async def test_a_gateway_without_a_place_is_named(path: Path) -> None:
    analysed(path, NOW - HOUR_NS, ("South", 4))
    nowhere = {"name": "Home", "timezone": "Europe/Amsterdam"}
    finding = only(await found(path, site=nowhere, ecu=[{"id": ECU, "name": "Barn"}]), Level.WARNING)
    assert finding.found == "where the panels of Barn are is not configured"
    assert finding.remedy.startswith("set site.latitude and site.longitude")
    own = {"id": ECU, "latitude": 52.1, "longitude": 5.1}
    assert levels(await found(path, site=nowhere, ecu=[own])) == [Level.OK]
    # The site's sun is not that of a gateway in another part of the world.
    elsewhere = [{"id": ECU, "timezone": "America/New_York"}]
    assert levels(await found(path, ecu=elsewhere)) == [Level.OK, Level.WARNING]


async def test_arrays_that_are_too_small_to_be_compared_are_one_finding(path: Path) -> None:
    analysed(path, NOW - HOUR_NS, ("South", 4), ("Shed", 2), ("Balcony", 1))
    fine, small = await found(path)
    assert fine.level is Level.OK
    assert small.level is Level.SKIPPED
    assert small.found == "panels can't be compared in an array of fewer than 3: Shed (2) and Balcony (1)"
    assert "the same `array`" in small.remedy


async def test_without_a_journal_or_a_gateway_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert await _analysis.check(context(now=NOW)) == []
    note(tmp_path / "empty.db", RUN_STATE, {})
    assert await found(tmp_path / "empty.db") == []


async def test_a_journal_that_could_not_be_read_in_time_is_not_judged(path: Path) -> None:
    late = Facts(path, exists=True, is_late=True)
    (finding,) = await _analysis.check(context(path, now=NOW, configured=config(path), facts=late))
    assert (finding.level, finding.found) == (Level.SKIPPED, "the journal could not be read in time")
