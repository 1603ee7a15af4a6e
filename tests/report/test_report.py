"""A report tells what the ledger and the analysis know, compares like with like, and needs nothing from elsewhere."""

import contextlib
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.analysis.results import ANALYSIS_STATE, ArrayResult, MonthResult, PanelResult, Results
from collector.commands.exit_codes import FINDING, FINE, USAGE
from collector.journal.writing import Journal
from collector.report.figures import Loss, Report, SiteFigures
from collector.report.markdown import markdown
from collector.report.page import page
from collector.report.period import Period
from tests.ledger.books import Books
from tests.program import Run, without_settings
from tests.samples import ECU, UID, frame, yc600

CONFIG = """\
[site]
name = "Home & <garden>"
timezone = "Europe/Amsterdam"
[ledger]
enabled = true
[[ecu]]
id = "{ecu}"
name = "Roof *1*"
[[inverter]]
id = "{uid}"
name = "South"
[[tariff]]
from = 2020-01-01
price_per_kwh = 0.3
feed_in_per_kwh = 0.1
currency = "EUR"
"""
_PANEL = PanelResult(
    ecu=ECU,
    inverter=UID,
    channel=1,
    panel="South <1>",
    array="South",
    days=365,
    unshaded_kwh=400.0,
    shade_kwh=40.0,
    price_per_kwh=0.3,
    under_since="2026-06-01",
    under_percent=20.0,
    under_wh=150.0,
    cause="dirt",
)
RESULTS = Results(
    at=1,
    first="2025-01-01",
    last="2026-06-30",
    currency="EUR",
    panels=(_PANEL,),
    arrays=(ArrayResult(ecu=ECU, array="South", panels=3, rate_percent=-0.6, years=4.0),),
    months=(
        MonthResult(
            ecu=ECU,
            array="South",
            month="2026-06",
            measured_kwh=90.0,
            expected_kwh=100.0,
            shade_kwh=5.0,
            fault_kwh=10.0,
            price_per_kwh=0.3,
        ),
        MonthResult(ecu=ECU, array="South", month="2026-05", expected_kwh=1000.0, price_per_kwh=0.3),
    ),
)


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A journal whose ledger has two days of June 2026 and all of June 2025, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    without_settings(monkeypatch)
    (tmp_path / "config.toml").write_text(CONFIG.format(ecu=ECU, uid=UID))
    (tmp_path / "data").mkdir()
    books = Books(tmp_path / "data" / "journal.db")
    frames = [frame(f"202506{day:02d}120000", yc600()) for day in range(1, 31)]
    books.store(*frames, frame("20260620120000", yc600()), frame("20260621120000", yc600()))
    books.count()
    return books.path


def analysed(path: Path, last: str = RESULTS.last) -> None:
    with contextlib.closing(Journal(path)) as journal:
        journal.put_state(ANALYSIS_STATE, replace(RESULTS, last=last).values())


def test_a_month_is_told_with_its_losses_and_the_panels_that_need_a_look(run: Run, journal: Path) -> None:
    analysed(journal)
    code, out, err = run("report", "--month", "2026-06", "--markdown")
    assert (code, err) == (FINE, "")
    lines = out.splitlines()
    assert lines[0] == r"# Home & \<garden\>: June 2026"
    assert r"## Roof \*1\*" in lines
    assert "- 0.0 kWh (AC), 93 % less than in 2025" in lines
    assert "| Faults | 10.0 kWh | 3.00 EUR |" in lines
    assert "| Shade | 5.0 kWh | 1.50 EUR |" in lines
    assert any("90.0 % of the 100 kWh" in line for line in lines)
    assert any(line.startswith(r"- panel South \<1\> makes 20 % less") for line in lines)
    assert any(line.startswith("- array South changes by -0.6 % a year") for line in lines)
    assert "As of 2026-06-30." in lines


@pytest.mark.parametrize(("last", "is_late"), [("2026-06-20", True), ("2026-06-28", False), ("2026-08-01", False)])
def test_an_analysis_that_ends_before_the_month_is_told_as_such(
    run: Run, journal: Path, last: str, *, is_late: bool
) -> None:
    analysed(journal, last)
    _, out, _ = run("report", "--month", "2026-06", "--markdown")
    assert (f"This is known up to {last}: `collector analyse` does the rest." in out) == is_late


def test_days_without_records_are_named(run: Run, journal: Path) -> None:
    assert journal.exists()
    _, out, _ = run("report", "--month", "2026-06", "--markdown")
    assert "2 of 30 days have records; none of 2026-06-01, 2026-06-02," in out


def test_a_page_is_whole_and_has_no_text_of_an_owner_as_it_is(run: Run, journal: Path, tmp_path: Path) -> None:
    analysed(journal)
    file = tmp_path / "report.html"
    assert run("report", "--year", "2026", "-o", str(file))[:2] == (FINE, "")
    text = file.read_text(encoding="utf-8")
    assert "Home &amp; &lt;garden&gt;: 2026" in text
    assert "South &lt;1&gt; makes 20 %" in text
    assert "<garden>" not in text
    assert not re.search(r"<script|https?://|url\(|@import|src=", text)


def test_without_an_analysis_it_says_what_that_needs(run: Run, journal: Path) -> None:
    assert journal.exists()
    code, out, _ = run("report", "--month", "2026-06", "--markdown")
    assert code == FINE
    assert "Nothing of this time was analysed. It needs NumPy" in out


def test_a_time_without_records_and_a_file_that_can_t_be_written_are_said(
    run: Run, journal: Path, tmp_path: Path
) -> None:
    assert journal.exists()
    assert run("report", "--year", "2098")[0::2] == (FINDING, "collector: no day of 2098 is over yet\n")
    assert run("report", "--month", "2024-01")[0::2] == (
        FINDING,
        "collector: nothing is recorded of January 2024: `collector ledger --json` shows which days there are\n",
    )
    code, _, err = run("report", "--month", "2026-06", "-o", str(tmp_path))
    assert (code, "can't be written" in err) == (FINDING, True)


def test_without_a_ledger_it_says_how_to_get_one(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_settings(monkeypatch)
    (tmp_path / "data").mkdir()
    Books(tmp_path / "data" / "journal.db").store(frame("20260620120000", yc600()))
    code, _, err = run("report")
    assert (code, "`[ledger] enabled = true`" in err) == (FINDING, True)


@pytest.mark.parametrize("arguments", [("--month", "2026-13"), ("--month", "june"), ("--year", "26")])
def test_what_is_no_month_and_no_year_is_refused(run: Run, arguments: tuple[str, str]) -> None:
    code, _, err = run("report", *arguments)
    assert (code, "expected one as" in err) == (USAGE, True)


def test_a_month_that_goes_on_is_compared_with_the_same_days_alone() -> None:
    going_on = Period.of(2024, 2, date(2024, 2, 11))
    assert (going_on.until, going_on.days) == (date(2024, 2, 10), 10)
    assert going_on.in_year(2023) == (date(2023, 2, 1), date(2023, 2, 10))
    assert Period.of(2024, 2, date(2026, 1, 1)).in_year(2023) == (date(2023, 2, 1), date(2023, 2, 28))
    assert Period.before(date(2026, 1, 1)) == Period(2025, 12, date(2025, 12, 31))


_texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30)
_energies = st.floats(0, 1e6)


@st.composite
def _reports(draw: st.DrawFn) -> Report:
    period = Period.of(2026, draw(st.sampled_from((None, 1, 2))), date(2026, 12, 31))
    site = SiteFigures(
        draw(_texts),
        draw(st.booleans()),
        draw(_energies),
        {part: draw(st.none() | _energies) for part in period.parts()},
        ("1 January", draw(_energies)),
        (),
        (draw(st.none() | _energies), None),
        (),
        period.days,
    )
    losses = [Loss(draw(_texts), draw(_energies), draw(st.none() | _energies))]
    lines = draw(st.lists(_texts, max_size=3))
    return Report(draw(_texts), period, [site], draw(_texts), 1.0, 2.0, losses, lines, lines, "2026-01-01")


@given(_reports())
def test_whatever_names_there_are_a_page_is_well_formed_and_a_table_keeps_its_columns(report: Report) -> None:
    text = page(report)
    body = text[text.index("<body>") : text.index("</body>") + len("</body>")]
    ET.fromstring(body)  # noqa: S314 (it is our own)
    rows = [line for line in markdown(report).splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} <= {3, 4}
