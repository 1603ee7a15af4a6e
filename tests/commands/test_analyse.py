"""`collector analyse` shows what was found, keeps it for `status`, and says what is missing in plain words."""

import json
from pathlib import Path

import pytest

from collector.analysis import wanted
from collector.analysis.nightly import job
from collector.analysis.results import latest
from collector.commands import analyse
from collector.journal.lock import locked
from collector.journal.reading import JournalReader
from tests.analysis.journals import FIRST, Roof, days, patched_model
from tests.program import Run

CONFIG = """
[site]
timezone = "Europe/Amsterdam"
{place}
[journal]
path = {journal}
[[inverter]]
id = "408000000001"
panels = [{{ channel = 1, name = "South 1", array = "South", peak_w = 400 }}]
"""
PLACE = "latitude = 52.1\nlongitude = 5.2"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    roof = Roof(tmp_path / "journal.db")
    roof.store(*days(FIRST, 3))
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.format(place=PLACE, journal=json.dumps(str(roof.path))), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def usual_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    # The tests go on in this process.
    monkeypatch.setattr(analyse, "_NICENESS", 0)


def test_it_shows_the_panels_of_each_array_and_keeps_them_for_status(config: Path, run: Run) -> None:
    with patched_model():
        code, out, err = run("analyse", "--config", str(config))
    assert (code, err) == (0, "")
    assert "South, ECU 216000123456: 1 panel\n" in out
    assert "South 1" in out
    # As a whole, on a terminal of 80 columns.
    assert "expected" in out
    assert "missing: array South: less than two years" in out
    with JournalReader(config.with_name("journal.db")) as reader:
        results = latest(reader)
    assert (results.last, len(results.panels)) == ("2026-07-01", 4)


def test_for_machines_it_has_all_figures_and_the_sentences(config: Path, run: Run) -> None:
    with patched_model():
        code, out, _ = run("analyse", "--json", "--config", str(config))
    found = json.loads(out)
    assert code == 0
    assert found["last"] == "2026-07-01"
    assert {"measured_kwh", "expected_kwh", "shade_kwh", "text"} <= found["panels"][0].keys()


def test_it_says_where_the_place_is_missing(config: Path, run: Run) -> None:
    config.write_text(config.read_text(encoding="utf-8").replace(PLACE, ""), encoding="utf-8")
    with patched_model():
        code, out, _ = run("analyse", "--config", str(config))
    assert code == 0
    assert "missing: where the panels are is not configured: with site.latitude and site.longitude" in out


def test_without_numpy_it_says_how_to_get_it(config: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wanted, "find_spec", lambda _: None)
    code, out, err = run("analyse", "--config", str(config))
    assert (code, out) == (1, "")
    assert "needs NumPy" in err
    assert "pip install 'apsystems-collector[analysis]'" in err


def test_beside_another_one_it_says_so(config: Path, run: Run) -> None:
    with locked(config.with_name("journal.db"), job.LOCK):
        code, _, err = run("analyse", "--config", str(config))
    assert code == 1
    assert "another analysis is under way (pid" in err


def test_without_a_journal_it_says_so_and_makes_none(config: Path, run: Run) -> None:
    folder = config.parent / "none"
    config.write_text(config.read_text(encoding="utf-8").replace("/journal.db", "/none/journal.db"), encoding="utf-8")
    code, _, err = run("analyse", "--config", str(config))
    assert code == 1
    assert "there is no journal" in err
    assert not folder.exists()


def test_with_no_day_that_is_over_it_says_so(tmp_path: Path, config: Path, run: Run) -> None:
    Roof(tmp_path / "empty.db").store()
    config.write_text(config.read_text(encoding="utf-8").replace("journal.db", "empty.db"), encoding="utf-8")
    code, out, _ = run("analyse", "--config", str(config))
    assert code == 0
    assert "nothing to analyse yet: no day with records is over" in out


def test_a_day_that_is_none_is_a_usage_error(config: Path, run: Run) -> None:
    code, _, err = run("analyse", "--from", "yesterday", "--config", str(config))
    assert code == 2
    assert "'yesterday' is no day" in err
