"""What is said of panels and arrays is one sentence each, in plain words, and nothing where there is nothing to say."""

from dataclasses import replace

import pytest

from collector.analysis import sentences
from collector.analysis.results import ArrayResult, PanelResult, Results
from collector.analysis.series import Cause

PANEL = PanelResult(
    ecu="216000123456",
    inverter="408000000001",
    channel=1,
    panel="South 1",
    array="South",
    days=365,
    measured_kwh=340.0,
    expected_kwh=345.0,
    unshaded_kwh=390.0,
)
SHADED = replace(PANEL, shade_kwh=43.2, price_per_kwh=0.3, shade_azimuth_deg=231.0, shade_from=10, shade_to=2)
UNDER = replace(PANEL, under_since="2026-05-03", under_percent=33.4, under_wh=410.0, cause="bypass diode")


def test_shade_is_told_with_where_it_comes_from_and_what_it_costs() -> None:
    assert sentences.shade(SHADED, "EUR") == (
        "loses 11 % to shade from the south-west, October to February: 43 kWh, 13 EUR a year"
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"price_per_kwh": None}, "loses 11 % to shade from the south-west, October to February: 43 kWh a year"),
        ({"shade_azimuth_deg": None}, "loses 11 % to shade, October to February: 43 kWh, 13 EUR a year"),
        ({"shade_to": 9}, "loses 11 % to shade from the south-west, all year: 43 kWh, 13 EUR a year"),
        ({"shade_to": 10}, "loses 11 % to shade from the south-west, in October: 43 kWh, 13 EUR a year"),
        ({"days": 90}, "loses 11 % to shade from the south-west, October to February: 43 kWh, 13 EUR in 90 days"),
        (
            {"shade_azimuth_deg": 350.0, "shade_to": 9},
            "loses 11 % to shade from the north, all year: 43 kWh, 13 EUR a year",
        ),
        (
            {"days": 9, "unshaded_kwh": 16.0, "shade_kwh": 1.76},
            "loses 11 % to shade from the south-west, October to February: 1.8 kWh, 0.53 EUR in 9 days",
        ),
        ({"days": 2, "unshaded_kwh": 1.3, "shade_kwh": 0.04}, ""),
        ({"days": 360}, "loses 11 % to shade from the south-west, October to February: 43 kWh, 13 EUR a year"),
        ({"shade_kwh": 5.0}, ""),
        ({"unshaded_kwh": 0.0}, ""),
    ],
)
def test_what_is_not_known_of_a_shade_is_left_out(changes: dict[str, float | None], told: str) -> None:
    assert sentences.shade(replace(SHADED, **changes), "EUR") == told  # type: ignore[arg-type]


def test_a_panel_under_its_expectation_is_told_with_the_likely_cause() -> None:
    assert sentences.problem(UNDER) == (
        "makes 33 % less than its neighbours say that it should, since 2026-05-03: 410 Wh a day; probably a bypass"
        " diode: a third or two of its cells give nothing"
    )
    assert sentences.problem(PANEL) == ""


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_of_the_model_has_its_words(cause: Cause) -> None:
    assert len(sentences.under("2026-05-03", 10, 100, cause).partition("probably ")[2]) > len(cause) + 5


def test_a_rate_that_is_nearly_none_has_no_sign_that_says_otherwise() -> None:
    known = ArrayResult(ecu="1", array="South", panels=8, rate_percent=-0.04, years=5.0)
    assert sentences.ageing(known) == "changes by +0.0 % a year, seen over 5.0 years"


def test_other_losses_and_ageing_are_told_where_they_are_known() -> None:
    assert sentences.other_losses(replace(PANEL, outage_kwh=12.4, clip_kwh=3.0)) == (
        "loses 12 kWh while its inverter did not report and 3 kWh above what its inverter can give a year"
    )
    array = ArrayResult(ecu="1", array="South", panels=4)
    assert sentences.ageing(array) == ""
    known = replace(array, rate_percent=-0.52, low_percent=-0.9, high_percent=-0.14, years=4.97)
    assert sentences.ageing(known) == "changes by -0.5 % a year (between -0.9 and -0.1), seen over 5.0 years"


def test_lines_name_panels_and_arrays() -> None:
    results = Results(panels=(PANEL, SHADED, UNDER), arrays=(ArrayResult(ecu="1", array="South", panels=3),))
    assert [line.partition(" loses")[0].partition(" makes")[0] for line in sentences.lines(results)] == [
        "panel South 1",
        "panel South 1",
    ]
    assert len(sentences.problems(results)) == 1


def test_results_are_read_as_they_were_written_and_the_rest_was_not_said() -> None:
    results = Results(
        at=5, last="2026-07-01", panels=(SHADED, UNDER), arrays=(ArrayResult(ecu="1", array="a", panels=2),)
    )
    assert Results.read(results.values()) == results
    assert Results.read({"at": "5", "panels": [{"ecu": 1}, 7, {"panel": "x"}], "arrays": 3}) == Results()
