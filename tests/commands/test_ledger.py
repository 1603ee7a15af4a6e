"""`collector ledger`: what it prints, and what it says of a ledger that is off or behind."""

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest

from collector.commands.exit_codes import FINE, USAGE
from tests.ledger.books import Books
from tests.program import Run, without_settings
from tests.samples import ECU, UID, frame, yc600

CONFIG = '[site]\ntimezone = "Europe/Amsterdam"\n[ledger]\nenabled = true\n[[inverter]]\nid = "{uid}"\nname = "South"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory of its own, with nothing in the environment."""
    monkeypatch.chdir(tmp_path)
    without_settings(monkeypatch)


def counted(folder: Path, *, config: str = CONFIG) -> Books:
    (folder / "config.toml").write_text(config.format(uid=UID))
    (folder / "data").mkdir()
    books = Books(folder / "data" / "journal.db")
    books.store(frame("20260620120000", yc600()), frame("20260621120000", yc600()))
    books.count()
    return books


def test_it_shows_days_and_totals(run: Run, tmp_path: Path) -> None:
    counted(tmp_path)
    code, out, err = run("ledger", "--from", "2026-06-21")
    assert (code, err) == (FINE, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["ECU", ECU] in lines
    assert ["2026-06-21", "0.004", "0.004"] in lines
    assert ["South", "0.004", "0.004", "0.008", "0.008"] in lines
    assert [f"{UID}-1", "0.002", "0.004"] in lines
    assert "ledger is off" not in out


def test_days_without_an_energy_show_none_and_their_span(run: Run, tmp_path: Path) -> None:
    counted(tmp_path)
    code, out, _ = run("ledger", "--from", "2026-07-01", "--to", "2026-07-02")
    assert code == FINE
    assert "no day with an energy from 2026-07-01 to 2026-07-02\n" in out
    lines = [line.split() for line in out.splitlines()]
    # The lifetimes alone.
    assert ["South", "0.008", "0.008"] in lines
    assert ["all", "0.008", "0.008"] in lines
    assert [heading for line in lines for heading in line].count("kWh") == 2


def test_for_machines_it_tells_all_days_exactly(run: Run, tmp_path: Path) -> None:
    counted(tmp_path)
    code, out, _ = run("ledger", "--json")
    told = json.loads(out)
    assert (code, told["kept"], told["complete"]) == (FINE, True, True)
    (ecu,) = told["ecus"]
    (inverter,) = ecu["inverters"]
    assert ecu["lifetime"] == {"ac_kwh": 0.00752, "dc_kwh": 0.008072}
    assert [day["day"] for day in inverter["days"]] == ["2026-06-20", "2026-06-21"]
    assert [(panel["channel"], panel["lifetime"]) for panel in inverter["panels"]] == [
        (1, {"ac_kwh": None, "dc_kwh": 0.004082}),
        (2, {"ac_kwh": None, "dc_kwh": 0.00399}),
    ]


def test_it_says_when_it_is_off_and_when_it_is_not_complete(run: Run, tmp_path: Path) -> None:
    books = counted(tmp_path, config="")
    assert "the ledger is off, and this is how far it came: `[ledger] enabled = true`" in run("ledger")[1]
    (tmp_path / "config.toml").write_text(CONFIG.format(uid=UID))
    books.store(frame("20260622120000", yc600()))
    assert "not complete yet, still to be counted: 1 record;" in run("ledger")[1]
    assert "still to be counted: 1 record and 2 days;" in run("ledger", "--rebuild")[1]


def test_it_says_when_a_day_cannot_be_computed(run: Run, tmp_path: Path) -> None:
    books = counted(tmp_path)
    with contextlib.closing(sqlite3.connect(books.path)) as db, db:
        db.execute("insert into energy_mark values (?, '2026-06-19', 1, 1)", (ECU,))
    assert "1 day can't be computed, and may be missing here: `collector status` names them" in run("ledger")[1]


def test_days_that_run_backwards_are_a_usage_error(run: Run, tmp_path: Path) -> None:
    counted(tmp_path)
    assert run("ledger", "--from", "2026-06-22", "--to", "2026-06-21")[0] == USAGE
