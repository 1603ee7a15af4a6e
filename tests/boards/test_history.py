"""The board of all years shows what really was: days, months and years of each gateway's own calendar."""

import math
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from statistics import fmean

import pytest

from collector.clock import stamps
from collector.points.schema import Point
from tests.boards.conftest import Site, fill
from tests.boards.figures import Sample
from tests.boards.files import boards
from tests.boards.screen import Look, Screen, numbers, when
from tests.boards.sites import AMSTERDAM, BARN, NOW, ROOF, SHED, ZONES
from tests.conftest import Influx

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
TODAY = NOW.astimezone(AMSTERDAM).date()
WHOLE_YEAR_DAYS, WHOLE_MONTH_DAYS, BEST_DAYS = 350, 25, 30

MATRIX = "Months compared with their mean"

Days = Mapping[date, float]


def own_day(sample: Sample) -> date:
    """The day that a roll-up is of: it stands at the midnight of its gateway."""
    return sample.time.astimezone(ZONES[sample.tags["ecu"]]).date()


def days_of(site: Site, *ecus: str) -> Days:
    """The energy in kWh of each day of these gateways, or all of them, in AC where it is told."""
    found = site.figures.grouped("ecu_day", "energy_wh", own_day, metered=True, ecu=ecus or tuple(ZONES))
    return {day: wh / 1000 for (day,), wh in found.items()}


def summed(days: Days, digits: int) -> dict[str, float]:
    """By year (4 digits) or month (7 digits)."""
    sums: dict[str, float] = defaultdict(float)
    for day, wh in days.items():
        sums[day.isoformat()[:digits]] += wh
    return sums


def counted(days: Days, digits: int) -> dict[str, int]:
    return {period: len([day for day in days if day.isoformat().startswith(period)]) for period in summed(days, digits)}


@pytest.fixture(scope="module")
def history(mixed: Site) -> Look:
    return mixed.screen.look(boards()["solar-history"])


# All years


def test_years_are_those_of_each_gateway_and_only_whole_ones_are_called_so(mixed: Site, history: Look) -> None:
    days = days_of(mixed)
    rows = history.panel("Energy by year")
    whole = {year for (year,) in numbers(rows, "year", value="Whole year")}
    shown = numbers(rows, "year", value="Whole year") | numbers(rows, "year", value="Part of a year")
    assert {year: wh for (year,), wh in shown.items()} == pytest.approx(summed(days, 4))
    assert whole == {"2023", "2024", "2025"}
    assert all(counted(days, 4)[year] >= WHOLE_YEAR_DAYS for year in whole)


def test_a_year_of_few_months_is_no_whole_one(mixed: Site) -> None:
    rows = mixed.screen.look(boards()["solar-history"], site=BARN).panel("Energy by year")
    assert {year for (year,) in numbers(rows, "year", value="Whole year")} == {"2025"}
    assert {year for (year,) in numbers(rows, "year", value="Part of a year")} == {"2024", "2026"}


def test_months_stand_beside_the_same_months_of_last_year_and_the_mean_of_all_before(
    mixed: Site, history: Look
) -> None:
    days = days_of(mixed)
    sums, counts = summed(days, 7), counted(days, 7)
    rows = history.panel("Months compared with earlier years")
    assert [row["name"] for row in rows] == list(MONTHS)
    for number, row in enumerate(rows, 1):
        for year, kind in ((2026, "This year"), (2025, "Last year")):
            known = sums.get(f"{year}-{number:02}")
            assert (row[kind] == "") if known is None else (float(row[kind]) == pytest.approx(known))
        earlier = [
            wh
            for period, wh in sums.items()
            if period[:4] < "2026" and int(period[5:]) == number and counts[period] >= WHOLE_MONTH_DAYS
        ]
        assert float(row["Mean of earlier years"]) == pytest.approx(fmean(earlier))


def test_each_month_of_each_year_is_compared_with_the_mean_of_its_like(mixed: Site, history: Look) -> None:
    days = days_of(mixed)
    rows = history.panel(MATRIX)
    assert [row["year"] for row in rows] == ["2026", "2025", "2024", "2023"]
    cells = {
        (row["year"], number): float(row[name])
        for row in rows
        for number, name in enumerate(MONTHS, 1)
        if row.get(name)
    }
    counts = counted(days, 7)
    whole = {
        (period[:4], int(period[5:])): wh
        for period, wh in summed(days, 7).items()
        if counts[period] >= WHOLE_MONTH_DAYS and period < NOW.isoformat()[:7]
    }
    means = {number: fmean(wh for (_, one), wh in whole.items() if one == number) for _, number in whole}
    assert len(whole) > 36
    assert cells == pytest.approx({(year, number): wh / means[number] - 1 for (year, number), wh in whole.items()})
    assert {row["year"]: float(row["kWh"]) for row in rows} == pytest.approx(summed(days, 4))
    assert {row["year"]: int(float(row["Days"])) for row in rows} == counted(days, 4)


def test_curves_of_years_grow_day_by_day_from_the_first_of_january(mixed: Site, history: Look) -> None:
    days = days_of(mixed)
    rows = history.panel("Energy since 1 January")
    names = {"2023": 2023, "2024": 2024, "2025, last year": 2025, "2026, this year": 2026}
    begin = datetime(2026, 1, 1, tzinfo=AMSTERDAM)
    for row in rows:
        at = datetime.fromtimestamp(int(row["day"]) / 1000, AMSTERDAM)
        number = (at.date() - begin.date()).days
        for name, year in names.items():
            day = date(year, 1, 1) + timedelta(days=number)
            if day.year == year and day in days:
                grown = math.fsum(wh for one, wh in days.items() if one.year == year and one <= day)
                assert float(row[name]) == pytest.approx(grown)
            else:
                assert row[name] == ""
    # A leap year has a day more, which stands at its end.
    assert len(rows) == 366


def test_in_its_first_days_a_year_has_the_axis_of_a_whole_one(influx: Influx) -> None:
    midnight = datetime(2026, 4, 3, tzinfo=AMSTERDAM)
    fill(influx, (), [Point("ecu_day", (ROOF, "Roof"), {"energy_wh": 275.0}, stamps.to_ns(midnight))])
    rows = Screen(influx, NOW).look(boards()["solar-history"]).panel("Energy since 1 January")
    shown = {datetime.fromtimestamp(int(row["day"]) / 1000, AMSTERDAM).date(): row["2026, this year"] for row in rows}
    assert shown == {date(2026, 1, 1): "", midnight.date(): "0.275", date(2026, 12, 31): ""}


@pytest.mark.parametrize("period", ["1d", "1w", "1mo", "1y"])
def test_a_row_of_the_table_is_a_day_a_week_a_month_or_a_year(mixed: Site, period: str) -> None:
    start = datetime(2026, 1, 14, 23, tzinfo=UTC)
    look = mixed.screen.look(boards()["solar-history"], start=start, stop=NOW, period=period)

    def begin_of(day: date) -> date:
        return {
            "1d": day,
            "1w": day - timedelta(days=day.weekday()),
            "1mo": day.replace(day=1),
            "1y": day.replace(month=1, day=1),
        }[period]

    expected: dict[date, list[float]] = defaultdict(list)
    for day, wh in days_of(mixed).items():
        if day >= begin_of(date(2026, 1, 15)):
            expected[begin_of(day)].append(wh)
    rows = look.panel("Table by ${period:text}")
    shown = {when(row, "begin").astimezone(AMSTERDAM).date(): row for row in rows}
    assert set(shown) == set(expected)
    for begin, kwh in expected.items():
        row = shown[begin]
        assert [float(row[name]) for name in ("kwh", "mean", "best", "days")] == pytest.approx(
            [sum(kwh), fmean(kwh), max(kwh), len(kwh)]
        )
        assert int(row["from"]) == when(row, "begin").timestamp() * 1000
        month = f"{MONTHS[begin.month - 1]} {begin.year}"
        assert (
            row["name"]
            == {
                "1d": f"{begin:%a} {begin.day} {month}",
                "1w": f"Week of {begin.day} {month}",
                "1mo": month,
                "1y": f"{begin.year}",
            }[period]
        )


def test_the_best_days_are_the_ten_best_and_lead_to_themselves(mixed: Site, history: Look) -> None:
    best = sorted(days_of(mixed).items(), key=lambda item: -item[1])[:10]
    rows = history.panel("Best days")
    assert [float(row["energy"]) for row in rows] == pytest.approx([wh for _, wh in best])
    for row, (day, _) in zip(rows, best, strict=True):
        begin = datetime(day.year, day.month, day.day, tzinfo=AMSTERDAM)
        end = begin + timedelta(days=1)
        assert when(row, "day") == begin
        assert int(row["from"]) == begin.timestamp() * 1000
        assert int(row["to"]) == end.timestamp() * 1000 - 1
    (row,) = history.panel("Best day")
    day, wh = best[0]
    assert row["day"] == f"{day.day} {MONTHS[day.month - 1]} {day.year}"
    assert float(row["energy"]) == pytest.approx(wh)


def test_lifetime_is_all_that_is_recorded_beside_the_gateways_own_counters(mixed: Site, history: Look) -> None:
    shown = numbers(history.panel("Lifetime"), "name", value="energy")
    counters = mixed.figures.grouped("ecu_day", "lifetime_kwh", "ecu", how=lambda values: values[-1])
    assert shown == {
        ("Recorded since Jan 2023",): pytest.approx(sum(days_of(mixed).values())),
        ("Counted by the gateway",): pytest.approx(sum(counters.values())),
    }


def test_prices_are_for_all_that_is_used_and_all_that_is_sold_also_with_a_comma(mixed: Site) -> None:
    look = mixed.screen.look(boards()["solar-history"], price="0,25", feed_in="0.1", co2="0")
    years = summed(days_of(mixed), 4)
    rows = look.panel("What it is worth")
    assert [row["year"] for row in rows] == ["All years", "2026", "2025", "2024", "2023"]
    for row in rows:
        kwh = years[row["year"]] if row["year"] in years else sum(years.values())
        assert float(row["kwh"]) == pytest.approx(kwh)
        assert float(row["used"]) == pytest.approx(kwh * 0.25)
        assert float(row["sold"]) == pytest.approx(kwh * 0.1)
        assert float(row["co2"]) == 0


# Against the year before


def in_span(mixed: Site, ecu: str, start: datetime, stop: datetime, *, metered: bool) -> float:
    """What a gateway gave in a span: by its days, and of a day that is cut off by the readings in it."""
    days = mixed.figures.grouped("ecu_day", "energy_wh", own_day, metered=metered, ecu=ecu)
    cut = {instant.date() for instant in (start, stop) if instant.time() != time(0)}
    readings = mixed.figures.samples("ecu", "energy_wh", metered=metered, ecu=ecu, start=start, stop=stop)
    return math.fsum(
        [wh for (day,), wh in days.items() if start.date() <= day < stop.date() and day not in cut]
        + [sample.value for sample in readings if own_day(sample) in cut]
    )


@pytest.mark.parametrize(
    ("ecu", "title", "begin"),
    [
        (ROOF, "This month", datetime(2026, 4, 1, tzinfo=AMSTERDAM)),
        (ROOF, "This year", datetime(2026, 1, 1, tzinfo=AMSTERDAM)),
        (ROOF, "Last twelve months", NOW.astimezone(AMSTERDAM).replace(year=2025)),
        # Of the year before there is no AC: what is compared is what the gateway counts.
        (BARN, "This year", datetime(2026, 1, 1, tzinfo=AMSTERDAM)),
    ],
)
def test_a_figure_is_compared_with_the_year_before_until_the_same_hour(
    mixed: Site, ecu: str, title: str, begin: datetime
) -> None:
    (row,) = mixed.screen.look(boards()["solar-history"], site=ecu).panel(title)
    same, tomorrow = NOW.astimezone(AMSTERDAM), datetime(2026, 4, 5, tzinfo=AMSTERDAM)
    assert float(row["energy"]) == pytest.approx(in_span(mixed, ecu, begin, tomorrow, metered=True) / 1000)
    lately = in_span(mixed, ecu, begin, tomorrow, metered=False)
    before = in_span(mixed, ecu, begin.replace(year=begin.year - 1), same.replace(year=same.year - 1), metered=False)
    percent = round(1000 * abs(lately / before - 1)) / 10
    assert row["name"] == f"{percent:g} % {'less' if lately < before else 'more'} than a year before"


def test_nothing_is_compared_with_a_year_without_records(mixed: Site) -> None:
    look = mixed.screen.look(boards()["solar-history"], site=SHED)
    for title in ("This month", "This year", "Last twelve months"):
        (row,) = look.panel(title)
        assert row["name"] == "No year before"


# Arrays


def test_with_an_array_chosen_its_panels_are_added_up(mixed: Site) -> None:
    look = mixed.screen.look(boards()["solar-history"], array="Barn/North")
    panels = mixed.figures.grouped("channel_day", "energy_wh", own_day, array="Barn/North")
    rows = look.panel(MATRIX)
    expected = summed({day: wh / 1000 for (day,), wh in panels.items()}, 4)
    assert {row["year"]: float(row["kWh"]) for row in rows} == pytest.approx(expected)
    (row,) = look.panel("This month")
    begin = datetime(2026, 4, 1, tzinfo=AMSTERDAM)
    this_month = sum(wh / 1000 for (day,), wh in panels.items() if day >= begin.date())
    assert float(row["energy"]) == pytest.approx(this_month)
    assert [row["name"] for row in look.panel("Lifetime")] == ["Recorded since Jul 2024"]


def expected_yields(mixed: Site, digits: int) -> dict[tuple[str, str], tuple[float, int]]:
    """By array and period: energy for each watt of the panels whose peak is known, and the days with records.

    A panel's energy is what its gateway gave, by the panel's share of the DC of all of the gateway's panels.
    """

    def period(sample: Sample) -> str:
        return own_day(sample).isoformat()[:digits]

    of_panel = ("array", period, "inverter", "channel")
    dc = mixed.figures.grouped("channel_day", "energy_wh", *of_panel, "ecu")
    of_all = mixed.figures.grouped("channel_day", "energy_wh", period, "ecu")
    given = mixed.figures.grouped("ecu_day", "energy_wh", period, "ecu", metered=True)
    energies = {key[:4]: wh * given[key[1], key[4]] / of_all[key[1], key[4]] for key, wh in dc.items()}
    peaks = mixed.figures.grouped("channel_day", "peak_w", *of_panel, how=list)
    found = {}
    for array, name in {key[:2] for key in peaks}:
        panels = [key for key in peaks if key[:2] == (array, name)]
        days = max(len(peaks[key]) for key in panels)
        watts = sum(sum(peaks[key]) for key in panels) / days
        found[array, name] = (sum(energies[key] for key in panels) / watts, days)
    return found


def test_the_yield_of_a_year_is_that_of_the_panels_whose_peak_is_known(mixed: Site, history: Look) -> None:
    shown = {
        (array, row["year"]): float(row[array])
        for row in history.panel("Yield by year")
        for array in row
        if array not in ("", "result", "table", "year") and row[array]
    }
    whole = {
        key: wh
        for key, (wh, count) in expected_yields(mixed, 4).items()
        if count >= WHOLE_YEAR_DAYS and key[1] < str(TODAY.year)
    }
    assert shown == pytest.approx(whole)
    assert {("South", "2024"), ("West", "2025"), ("Barn/North", "2025")} <= set(shown)


def test_the_yield_of_months_begins_with_a_whole_month(mixed: Site, history: Look) -> None:
    rows = history.panel("Yield by month")
    assert [row["month"] for row in rows][:2] == ["Apr 2025", "May 2025"]
    expected = expected_yields(mixed, 7)
    for row in rows:
        name, year = row["month"].split()
        period = f"{year}-{MONTHS.index(name) + 1:02}"
        for array in ("South", "West", "Barn/North"):
            assert float(row[array]) == pytest.approx(expected[array, period][0])


def strengths(mixed: Site) -> dict[str, dict[int, float]]:
    """By array and whole year: the mean of the best days, a day being the mean of the panels."""
    means = mixed.figures.grouped("channel_day", "energy_wh", "array", own_day, how=fmean)
    by_year: dict[tuple[str, int], list[float]] = defaultdict(list)
    for (array, day), wh in means.items():
        if day.year < TODAY.year:
            by_year[array, day.year].append(wh)
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for (array, year), days in by_year.items():
        if len(days) >= WHOLE_YEAR_DAYS:
            found[array][year] = fmean(sorted(days)[-BEST_DAYS:])
    return found


def test_strength_is_that_of_the_best_days_against_the_mean_of_all_whole_years(mixed: Site, history: Look) -> None:
    shown = {
        (array, int(row["year"])): float(row[array])
        for row in history.panel("Sunniest 30 days by year")
        for array in row
        if array not in ("", "result", "table", "year") and row[array]
    }
    assert shown == {
        (array, year): pytest.approx(wh / fmean(years.values()) - 1, abs=1e-9)
        for array, years in strengths(mixed).items()
        for year, wh in years.items()
    }


def test_the_best_days_of_each_month_tell_how_an_array_does_within_its_first_year(mixed: Site) -> None:
    start, stop = datetime(2025, 9, 20, tzinfo=UTC), datetime(2026, 4, 4, 12, tzinfo=UTC)
    energies = mixed.figures.grouped("channel_day", "energy_wh", "array", own_day, how=fmean)
    expected: dict[tuple[str, str], list[float]] = defaultdict(list)
    for (array, day), mean_wh in energies.items():
        if date(2025, 9, 1) <= day <= date(2026, 4, 4):
            expected[array, f"{MONTHS[day.month - 1]} {day.year}"].append(mean_wh / 1000)
    look = mixed.screen.look(boards()["solar-history"], start=start, stop=stop)
    shown = {
        (array, row["month"]): float(row[array])
        for row in look.panel("Sunniest 5 days by month")
        for array in row
        if array not in ("", "result", "table", "month") and row[array]
    }
    assert shown == {
        place: pytest.approx(fmean(sorted(values, reverse=True)[:5])) for place, values in expected.items()
    }


# The chosen time


def test_the_bars_of_days_stand_at_midnight_also_when_a_gateways_clock_is_another(mixed: Site) -> None:
    for site in (ROOF, BARN, SHED):
        look = mixed.screen.look(boards()["solar-history"], site=site)
        shown = {when(row): float(row["_value"]) for row in look.panel("Energy by day")}
        assert {instant.astimezone(AMSTERDAM).hour for instant in shown} == {0}
        begin = look.start.astimezone(AMSTERDAM).date()
        expected = {day: wh for day, wh in days_of(mixed, site).items() if day > begin}
        assert {instant.astimezone(AMSTERDAM).date(): wh for instant, wh in shown.items()} == pytest.approx(expected)


def test_hours_are_those_of_the_clock_on_the_wall_also_when_it_changes(mixed: Site) -> None:
    look = mixed.screen.look(boards()["solar-history"], site=ROOF)
    shown = {
        (when(row).astimezone(AMSTERDAM).date(), int(name[:2])): 1000 * float(row[name])
        for row in look.panel("Energy by hour and day")
        for name in row
        if name.endswith(":00") and row[name]
    }
    begin = look.start.astimezone(AMSTERDAM).replace(hour=0, minute=0, second=0, microsecond=0)
    expected: dict[tuple[date, int], float] = defaultdict(float)
    for sample in mixed.figures.samples("ecu", "energy_wh", metered=True, start=begin, ecu=ROOF):
        local = sample.time.astimezone(AMSTERDAM)
        if sample.value > 0:
            expected[local.date(), local.hour] += sample.value
    # The hour that is there twice, in the night, shows its second half.
    twice = datetime(2025, 10, 26, 2, tzinfo=AMSTERDAM, fold=1).astimezone(UTC)
    expected[date(2025, 10, 26), 2] = mixed.figures.total(
        "ecu", "energy_wh", metered=True, start=twice, stop=twice + timedelta(hours=1), ecu=ROOF
    )
    # A reading of two hours has more than one hour can have.
    peaks_w = mixed.figures.grouped("ecu_day", "peak_power_w", own_day, how=max, metered=True, ecu=ROOF)
    capped = {(day, hour): min(wh, peaks_w[day,] * 13 / 12) for (day, hour), wh in expected.items()}
    assert shown == pytest.approx(capped)
    assert {date(2025, 10, 26), date(2026, 3, 29)} <= {day for day, _ in shown}


def test_an_hour_has_no_more_than_the_highest_power_of_its_day_gives(influx: Influx) -> None:
    """After its restart a gateway may send at once what it has counted all day."""
    noon = stamps.to_ns(NOW.replace(hour=10, minute=0, second=0))
    readings = [
        Point(
            "ecu",
            (ROOF, "Roof"),
            {"power_w": 1250.0, "energy_wh": wh, "ac_power_w": 1200.0, "ac_energy_wh": wh},
            noon + 300 * stamps.NS * number,
        )
        for number, wh in enumerate((100.0,) * 12 + (9000.0,) + (100.0,) * 11)
    ]
    midnight = stamps.to_ns(datetime.combine(TODAY, time(), AMSTERDAM))
    day = Point(
        "ecu_day", (ROOF, "Roof"), {"energy_wh": 2400.0, "peak_power_w": 1250.0, "ac_peak_power_w": 1200.0}, midnight
    )
    fill(influx, readings, [day])
    look = Screen(influx, NOW + timedelta(hours=3)).look(boards()["solar-history"])
    (row,) = look.panel("Energy by hour and day")
    first = datetime.fromtimestamp(noon // stamps.NS, AMSTERDAM).hour
    assert float(row[f"{first}:00"]) == pytest.approx(1.2)
    assert float(row[f"{first + 1}:00"]) == pytest.approx(1.2 * 13 / 12)


def test_a_click_on_a_day_opens_the_boards_of_a_day_and_of_now_on_it(history: Look) -> None:
    (panel,) = (panel for panel in history.board["panels"] if panel["title"] == "Best days")
    properties = {
        entry["id"]: entry["value"]
        for override in panel["fieldConfig"]["overrides"]
        if override["matcher"]["options"] == "day"
        for entry in override["properties"]
    }
    for link, uid in zip(properties["links"], ("solar-day", "solar-now"), strict=True):
        assert link["url"].startswith(
            f"/d/{uid}?from=${{__data.fields.from:percentencode}}&to=${{__data.fields.to:percent"
        )


def test_nothing_is_shown_of_nothing(empty_screen: Screen) -> None:
    look = empty_screen.look(boards()["solar-history"])
    # Not shown is what stands for all gateways, and the currency that was typed in.
    always = ("panel 'What it is worth', query A", "variable 'gateways'", "variable 'money'")
    assert [place for place, rows in look.everything() if rows and place not in always] == []
