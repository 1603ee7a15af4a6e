"""The nightly analysis comes once a night, catches up with what was missed, and costs nothing else when it fails."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil
import pytest
import trio

from collector.analysis.results import ANALYSIS_STATE, FAILURE_STATE, Answer, PanelResult, Results, failure, latest
from collector.clock.stamps import to_ns
from collector.config.model import Config
from collector.journal.reading import JournalReader
from collector.journal.threaded import ThreadedJournal
from collector.journal.writing import Journal
from collector.service import _analysis
from collector.service._analysis import AnalysisFailed, Nightly, due_at
from collector.status.site import gather
from tests.analysis.journals import FIRST, NOW, Roof, days

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
HOUR_NS = 3600 * 10**9
PANEL = PanelResult(
    ecu="216000123456",
    inverter="408000000001",
    channel=1,
    panel="South 1",
    array="South",
    under_since="2026-06-01",
    under_percent=33.0,
    under_wh=410.0,
    cause="bypass diode",
)


def at(text: str) -> int:
    return to_ns(datetime.fromisoformat(text).replace(tzinfo=AMSTERDAM).astimezone(UTC))


@pytest.mark.parametrize(
    ("ended", "due"),
    [
        ("2026-07-01T03:31", "2026-07-02T03:30"),
        ("2026-07-01T12:00", "2026-07-02T03:30"),
        ("2026-07-01T02:00", "2026-07-01T03:30"),
        # Where the clock is changed that night.
        ("2026-03-28T12:00", "2026-03-29T03:30"),
        ("2026-10-24T12:00", "2026-10-25T03:30"),
    ],
)
def test_it_is_due_every_night_by_the_clock_on_the_wall(ended: str, due: str) -> None:
    assert due_at(at(ended), AMSTERDAM, at("2026-12-01T00:00")) == at(due)


def test_it_is_due_at_once_where_there_was_none_or_the_clock_was_ahead() -> None:
    now = at("2026-07-01T12:00")
    assert due_at(0, AMSTERDAM, now) == now
    assert due_at(now + HOUR_NS, AMSTERDAM, now) == now


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_analysis, "AFTER_START_S", 0.0)


class Rig:
    """A journal, and a process that counts how often it was started before it says what it is to say."""

    def __init__(self, folder: Path, body: str = "") -> None:
        self.path = folder / "journal.db"
        self.config = Config.model_validate({"site": {"timezone": "Europe/Amsterdam"}, "journal": {"path": self.path}})
        self.now = NOW
        self._counted = folder / "counted"
        answer = json.dumps(Answer(Results(at=NOW, last="2026-08-01", panels=(PANEL,))).values())
        (folder / "answer").write_text(answer, encoding="utf-8")
        begin = f"import sys; sys.stdin.buffer.read(); open({str(self._counted)!r}, 'a').write('x')"
        body = body or f"print(open({str(folder / 'answer')!r}).read())"
        self.command = (sys.executable, "-c", f"{begin}\n{body}")
        self.journal = ThreadedJournal(Journal(self.path), trio.CapacityLimiter(1))

    @property
    def started(self) -> int:
        return len(self._counted.read_text(encoding="utf-8")) if self._counted.exists() else 0

    def nightly(self) -> Nightly:
        return Nightly(self.config, self.journal, now_ns=lambda: self.now, command=self.command)

    async def nights(self, nightly: Nightly, count: int) -> None:
        """Let it go on until it has started so many processes and waits again."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(nightly.run)
            with trio.fail_after(60):
                while self.started < count or not (await self.journal.state(ANALYSIS_STATE)):  # noqa: ASYNC110
                    await trio.sleep(0.02)
            nursery.cancel_scope.cancel()


async def test_what_was_missed_is_made_up_for_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    await rig.journal.write(Journal.open)
    await rig.nights(rig.nightly(), 1)
    with JournalReader(rig.path) as reader:
        assert latest(reader).panels == (PANEL,)
        assert failure(reader) == ""
    # Also after a restart.
    again = rig.nightly()
    with trio.move_on_after(0.5):
        await again.run()
    assert rig.started == 1
    rig.now += 24 * HOUR_NS
    with trio.move_on_after(0.5):
        await rig.nightly()._step(trio.current_time())
    assert rig.started == 2
    await rig.journal.close()


async def test_a_bug_in_it_is_told_and_tried_again_an_hour_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(tmp_path, "raise ValueError('a bug')")
    await rig.journal.write(Journal.open)
    nightly = rig.nightly()
    with pytest.raises(AnalysisFailed, match="ValueError: a bug"):
        await nightly.run()
    assert "Traceback" in caplog.text
    assert gather(rig.config, NOW).warnings[-1] == (
        "the nightly analysis, which is tried again by itself: ValueError: a bug"
    )
    with trio.move_on_after(0.5):
        await nightly.run()
    assert rig.started == 1
    # A restart tries at once, since whatever it was may be mended.
    with pytest.raises(AnalysisFailed):
        await rig.nightly().run()
    await rig.journal.close()


async def test_what_could_not_be_written_is_told_and_the_results_are_there(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    answer = Answer(Results(at=NOW, last="2026-08-01", panels=(PANEL,)), "InfluxDB is away")
    (tmp_path / "answer").write_text(json.dumps(answer.values()), encoding="utf-8")
    await rig.journal.write(Journal.open)
    await rig.nights(rig.nightly(), 1)
    with trio.fail_after(30):
        while (await rig.journal.state(FAILURE_STATE)).get("reason") != "InfluxDB is away":  # noqa: ASYNC110
            await trio.sleep(0.02)
    await rig.journal.close()


async def test_while_another_process_analyses_nothing_is_taken(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    (tmp_path / "answer").write_text(json.dumps(Answer(is_taken=True).values()), encoding="utf-8")
    await rig.journal.write(Journal.open)
    with trio.fail_after(60):
        await rig.nightly()._step(trio.current_time())
    assert await rig.journal.state(ANALYSIS_STATE) == {}
    await rig.journal.close()


async def test_a_stop_ends_the_process_too(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "import time; time.sleep(600)")
    await rig.journal.write(Journal.open)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.nightly().run)
            while not rig.started:  # noqa: ASYNC110
                await trio.sleep(0.02)
            nursery.cancel_scope.cancel()
    assert not [child for child in psutil.Process().children() if "time.sleep(600)" in " ".join(child.cmdline())]
    await rig.journal.close()


async def test_without_numpy_there_is_none_and_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_analysis, "missing", lambda: "it needs NumPy")
    rig = Rig(tmp_path)
    await rig.nightly().run()
    assert rig.started == 0


@pytest.mark.slow
async def test_the_process_itself_reads_the_journal_and_tells_what_it_found(tmp_path: Path) -> None:
    roof = Roof(tmp_path / "journal.db")
    roof.store(*days(FIRST, 3))
    journal = ThreadedJournal(Journal(roof.path), trio.CapacityLimiter(1))
    with trio.fail_after(120):
        await Nightly(roof.config, journal, now_ns=lambda: NOW)._step(trio.current_time())
    with JournalReader(roof.path) as reader:
        results = latest(reader)
    assert (results.first, results.last, len(results.panels)) == ("2026-06-29", "2026-07-01", 4)
    await journal.close()
