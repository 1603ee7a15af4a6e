"""The queries of docs/flux.md say what the text above them says, on the made-up sites."""

import os
import re
import shutil
import subprocess
from datetime import date, datetime, timedelta
from pathlib import Path
from statistics import median

import pytest

from collector.boards.write import bucket_names, with_buckets
from tests.boards.conftest import Site
from tests.boards.figures import day, month, year
from tests.boards.files import ROOT
from tests.boards.flux import strangers
from tests.boards.screen import Row, numbers, rfc3339, when
from tests.boards.sites import AMSTERDAM, BARN_1, NOW, ROOF, ROOF_2, ROOF_3

DOCUMENT = (ROOT / "docs" / "flux.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\d+)\. (.*?)(?=^## |\Z)", DOCUMENT, re.DOTALL | re.MULTILINE))
TODAY = datetime(2026, 4, 4, tzinfo=AMSTERDAM)


def _query(number: int) -> str:
    (query,) = re.findall(r"^```flux\n(.*?)^```$", SECTIONS[str(number)], re.DOTALL | re.MULTILINE)
    return str(query)


def _ask(site: Site, number: int, limit: str = "253.0") -> list[Row]:
    influx = site.screen.influx
    query = with_buckets(_query(number).replace("253.0", limit), bucket_names(influx.bucket, influx.rollup_bucket))
    rows = influx.api.query(query, rfc3339(NOW))
    assert not [row["error"] for row in rows if row.get("error")]
    return rows


def test_there_are_twenty_questions() -> None:
    assert [int(number) for number in SECTIONS] == list(range(1, 21))
    assert all(text.partition("\n")[0].endswith("?") for text in SECTIONS.values())


def test_its_links_lead_somewhere() -> None:
    for path, anchor in re.findall(r"\]\(([^)#]+)#?([^)]*)\)", DOCUMENT):
        text = (ROOT / "docs" / path).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        assert anchor in {"", *(heading.lower().replace(" ", "-") for heading in headings)}, path


@pytest.mark.parametrize("number", range(1, 21))
def test_every_query_asks_for_what_there_is_and_finds_something(mixed: Site, number: int) -> None:
    assert strangers(_query(number)) == []
    assert _ask(mixed, number)


def test_the_present_power_is_that_of_gateways_heard_of_lately(mixed: Site) -> None:
    lately = mixed.figures.grouped(
        "ecu", "power_w", "ecu", how=lambda values: values[-1], metered=True, start=NOW - timedelta(minutes=15)
    )
    assert len(lately) == 2
    assert numbers(_ask(mixed, 1)) == {(): pytest.approx(sum(lately.values()))}


def test_today_this_month_and_this_year_begin_at_local_midnight(mixed: Site) -> None:
    assert numbers(_ask(mixed, 2), "ecu") == pytest.approx(
        mixed.figures.grouped("inverter", "energy_wh", "ecu", metered=True, start=TODAY)
    )
    spans = numbers(_ask(mixed, 3), "span", value="kwh")
    for span, start in {"this month": TODAY.replace(day=1), "this year": TODAY.replace(month=1, day=1)}.items():
        given = mixed.figures.total("inverter", "energy_wh", metered=True, start=start)
        assert spans[span,] == pytest.approx(given / 1000)


def test_hours_of_work_are_hours_that_have_passed(mixed: Site) -> None:
    rows = {(row["ecu_name"], when(row).astimezone(AMSTERDAM).date()): row for row in _ask(mixed, 4)}
    short_day = rows["Roof", date(2026, 3, 29)]
    assert [float(short_day["first_h"]), float(short_day["last_h"])] == pytest.approx([0, 23 - 5 / 60])


def test_months_stand_side_by_side_by_year(mixed: Site) -> None:
    months = mixed.figures.grouped("inverter", "energy_wh", month(AMSTERDAM), metered=True)
    rows = {int(row["month"]): row for row in _ask(mixed, 5)}
    shown = {
        (date(int(name), number, 1),): float(row[name]) * 1000
        for number, row in rows.items()
        for name in row
        if name.isdigit() and row[name]
    }
    assert shown == pytest.approx(months)


def test_the_best_days_are_the_best(mixed: Site) -> None:
    days = mixed.figures.grouped("inverter", "energy_wh", day(AMSTERDAM), metered=True)
    best = sorted(days.values(), reverse=True)[:10]
    rows = _ask(mixed, 6)
    assert [float(row["_value"]) for row in rows] == pytest.approx(best)
    assert days[when(rows[0]).astimezone(AMSTERDAM).date(),] == pytest.approx(best[0])


def test_yield_is_told_of_panels_with_a_known_size(mixed: Site) -> None:
    energies = mixed.figures.grouped("channel_day", "energy_wh", "panel", start=NOW - timedelta(days=30))
    sizes = mixed.figures.grouped("channel_day", "peak_w", "panel", how=max, start=NOW - timedelta(days=30))
    assert numbers(_ask(mixed, 7), "panel", value="kwh_per_kwp") == pytest.approx(
        {panel: energies[panel] / size for panel, size in sizes.items()}
    )


def test_a_shadow_shows_at_its_hours(mixed: Site) -> None:
    ratios = {
        int(row["hour"]): float(row["South 4"]) / float(row["South 2"])
        for row in _ask(mixed, 8)
        if float(row["South 2"]) > 100
    }
    assert min(ratio for hour, ratio in ratios.items() if 10 <= hour < 14) > 0.8
    assert max(ratio for hour, ratio in ratios.items() if 14 <= hour < 19) < 0.5
    assert sum(float(row["South 4"]) for row in _ask(mixed, 8)) == pytest.approx(
        mixed.figures.total("channel", "energy_wh", panel="South 4", start=NOW - timedelta(days=14))
    )


def test_a_dead_panel_is_found_and_no_other(mixed: Site) -> None:
    assert numbers(_ask(mixed, 9), "panel", value="share") == {("South 3",): 0}
    energies = mixed.figures.grouped("channel_day", "energy_wh", "panel", start=NOW - timedelta(days=3), array="South")
    assert energies["South 4",] > 0.5 * median(energies.values())


def test_the_highest_voltage_and_its_minutes_are_those_of_one_inverter(mixed: Site) -> None:
    highest = _ask(mixed, 10)[0]
    assert (highest["inverter_name"], float(highest["_value"])) == ("Roof 3", 254)
    assert when(highest).astimezone(AMSTERDAM).date() == date(2026, 4, 2)
    above = [s for s in mixed.figures.samples("inverter", "grid_voltage_v", inverter=ROOF_3) if s.value > 253]
    (row,) = _ask(mixed, 11)
    assert (int(row["_value"]), when(row).astimezone(AMSTERDAM).date()) == (5 * len(above), date(2026, 4, 2))


def test_a_phase_above_the_limit_is_found_though_the_mean_of_three_is_below(mixed: Site) -> None:
    start = NOW - timedelta(days=30)
    limit = max(s.value for s in mixed.figures.samples("inverter", "grid_voltage_v", inverter=BARN_1, start=start))
    above = {s.time for s in mixed.figures.samples("phase", "grid_voltage_v", start=start) if s.value > limit}
    rows = [row for row in _ask(mixed, 11, f"{limit:.1f}") if row["inverter_name"] == "Barn 1"]
    assert sum(int(row["_value"]) for row in rows) == 5 * len(above) > 0


def test_phases_are_told_apart(mixed: Site) -> None:
    phases = mixed.figures.grouped(
        "phase",
        "grid_voltage_v",
        "phase",
        how=lambda values: sum(values) / len(values),
        inverter=BARN_1,
        start=NOW - timedelta(days=7),
    )
    assert numbers(_ask(mixed, 12), "phase") == pytest.approx(phases)


def test_the_greatest_heat_is_that_of_all_records(mixed: Site) -> None:
    hottest = mixed.figures.grouped(
        "inverter", "temperature_c", "inverter_name", how=max, start=NOW - timedelta(days=365)
    )
    assert numbers(_ask(mixed, 13), "inverter_name") == pytest.approx(hottest)


def test_an_inverter_that_misses_rounds_is_first(mixed: Site) -> None:
    rows = _ask(mixed, 14)
    start = NOW - timedelta(days=30)
    records = mixed.figures.grouped("inverter_day", "records", "inverter_name", how=sum, start=start)
    rounds = mixed.figures.grouped("inverter_day", "rounds", "inverter_name", how=sum, start=start)
    assert numbers(rows, "inverter_name", value="percent") == pytest.approx(
        {name: 100 * records[name] / rounds[name] for name in rounds}
    )
    assert rows[0]["inverter_name"] == "408000000005"


def test_a_silent_inverter_is_the_only_one_listed(mixed: Site) -> None:
    (row,) = _ask(mixed, 15)
    assert row["inverter_name"] == "Roof 2"
    assert when(row) == mixed.figures.samples("inverter", "energy_wh", inverter=ROOF_2)[-1].time


def test_firmware_and_refused_commands_are_listed_with_the_newest_first(mixed: Site) -> None:
    assert [row["kind"] for row in _ask(mixed, 16)] == ["refused_command", "firmware", "firmware"]


def test_the_clocks_error_is_the_smallest_delay(mixed: Site) -> None:
    assert numbers(_ask(mixed, 17), "ecu_name") == {("Roof",): 45, ("Barn (A/B)",): 400, ("Shed",): 45}


def test_years_have_their_worth(mixed: Site) -> None:
    years = mixed.figures.grouped("inverter", "energy_wh", year(AMSTERDAM), metered=True)
    assert numbers(_ask(mixed, 18), "year", value="worth") == pytest.approx(
        {(str(first.year),): energy_wh / 1000 * 0.3 for (first,), energy_wh in years.items()}
    )


def test_the_best_thirty_days_of_a_year_show_its_age(mixed: Site) -> None:
    days = mixed.figures.grouped("ecu_day", "energy_wh", year(AMSTERDAM), how=sorted, ecu=ROOF)
    means = {(str(first.year),): sum(energies[-30:]) / 30 for (first,), energies in days.items()}
    assert numbers(_ask(mixed, 19), "year", value="wh_a_day") == pytest.approx(means)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_a_query_becomes_a_file_by_the_command_given(mixed: Site, tmp_path: Path) -> None:
    influx = mixed.screen.influx
    # The command has no time of its own to look from, so the query gets one.
    query = _query(20).replace("start: -30d", f"start: {rfc3339(NOW - timedelta(days=30))}")
    (tmp_path / "energy.flux").write_text(with_buckets(query, bucket_names(influx.bucket, influx.rollup_bucket)))
    (command,) = re.findall(r"^```sh\n(.*?)^```$", SECTIONS["20"], re.DOTALL | re.MULTILINE)
    environ = {"INFLUXDB_URL": influx.url, "INFLUXDB_ORG": influx.org, "INFLUXDB_TOKEN": influx.token}
    subprocess.run(["bash", "-c", command], cwd=tmp_path, env=os.environ | environ, check=True)  # noqa: S607
    header, *rows = (tmp_path / "energy.csv").read_text().replace("\r", "").strip().split("\n")
    assert header.split(",")[-4:] == ["South 1", "South 2", "South 3", "South 4"]
    assert len(rows) == len(
        mixed.figures.grouped("ecu_day", "energy_wh", day(AMSTERDAM), ecu=ROOF, start=NOW - timedelta(days=30))
    )
