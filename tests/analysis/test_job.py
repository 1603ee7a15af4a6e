"""An analysis takes what has changed, keeps what it has found, and can lose all of that at any time."""

import contextlib
import shutil
import sqlite3
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from collector.analysis.nightly import job
from collector.analysis.nightly._arrays import arrays_of
from collector.analysis.nightly._building import series_of
from collector.analysis.nightly._shards import folder_of
from collector.analysis.results import Results
from collector.analysis.series import Analysis, ArraySeries, Learned
from collector.config.names import Names
from collector.journal.lock import Taken, locked
from tests.analysis import stub
from tests.analysis.journals import FIRST, NOW, SECOND, THIRD, Roof, day_of_rounds, days, patched_model
from tests.samples import ECU, UID, frame, yc600


@pytest.fixture
def roof(tmp_path: Path) -> Roof:
    return Roof(tmp_path / "journal.db")


class Watched:
    """The stub, with what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[ArraySeries, int | None]] = []

    def __call__(self, series: ArraySeries, since_day: int | None = None, learned: Learned | None = None) -> Analysis:
        self.asked.append((series, since_day))
        return stub.analyse(series, since_day, learned)


def analysed(roof: Roof, again: date | None = None) -> tuple[Results, Watched]:
    watched = Watched()
    with patched_model(watched):
        answer = job.run(roof.config, Names(roof.config), NOW, lambda *_: None, again)
    assert answer.hindrance == ""
    return answer.results, watched


def test_panels_are_told_with_the_sums_of_what_was_read(roof: Roof) -> None:
    roof.store(*days(FIRST, 3))
    results, _ = analysed(roof)
    assert (results.first, results.last) == ("2026-06-29", "2026-07-01")
    assert [panel.panel for panel in results.panels] == ["South 1", "South 2", "South 3", "South 4"]
    assert {(panel.ecu, panel.array, panel.days) for panel in results.panels} == {(ECU, "South", 3)}
    made_kwh = 3 * sum(round((200 + 5 * number) / 12, 3) for number in range(12)) / 1000
    assert results.panels[0].measured_kwh == pytest.approx(made_kwh, abs=0.001)
    assert results.arrays[0].notes == ("less than two years",)


def test_the_months_of_an_array_are_the_sums_of_its_panels(roof: Roof) -> None:
    roof.store(*days(FIRST, 3))
    results, _ = analysed(roof)
    assert [(one.array, one.month) for one in results.months] == [("South", "2026-06"), ("South", "2026-07")]
    for field in ("measured_kwh", "expected_kwh", "unshaded_kwh", "shade_kwh", "fault_kwh", "outage_kwh", "clip_kwh"):
        of_months = sum(getattr(one, field) for one in results.months)
        assert of_months == pytest.approx(sum(getattr(one, field) for one in results.panels), abs=0.005), field


def test_without_a_change_nothing_is_analysed_and_the_same_is_told(roof: Roof) -> None:
    roof.store(*days(FIRST, 3))
    first, watched = analysed(roof)
    assert [since for _, since in watched.asked] == [None]
    again, watched = analysed(roof)
    assert watched.asked == []
    assert again == first


def test_a_new_day_is_analysed_by_itself_with_the_days_before_it(roof: Roof) -> None:
    roof.store(*days(FIRST, 5))
    analysed(roof)
    roof.store(*days(date(2026, 7, 4), 1))
    results, watched = analysed(roof)
    assert [since for _, since in watched.asked] == [date(2026, 7, 4).toordinal()]
    assert results.last == "2026-07-04"
    assert results.panels[0].days == 6


@pytest.mark.parametrize("count", [5, 30])
def test_the_model_itself_goes_on_after_its_first_weeks(roof: Roof, count: int) -> None:
    roof.store(*days(FIRST, count))
    for number in range(2):
        roof.store(*days(FIRST + timedelta(days=count + number), 1))
        answer = job.run(roof.config, Names(roof.config), NOW, lambda *_: None, None)
        assert answer.hindrance == ""
        assert answer.results.last == (FIRST + timedelta(days=count + number)).isoformat()


def test_the_last_year_is_one_of_the_calendar_also_where_days_are_missing(roof: Roof) -> None:
    roof.store(*days(date(2025, 6, 1), 5), *days(date(2026, 5, 30), 5))
    results, _ = analysed(roof)
    # That is from 2025-06-04 to 2026-06-03.
    assert [panel.days for panel in results.panels] == [7] * 4


def test_of_a_panel_nothing_is_expected_before_it_came_nor_long_after_it_went(roof: Roof) -> None:
    roof.store(*days(date(2026, 2, 1), 50, UID), *days(date(2026, 3, 23), 10), *days(date(2026, 4, 2), 80, UID))
    results, _ = analysed(roof)
    expected = {panel.panel: panel.days for panel in results.panels}
    assert expected == {"South 1": 140, "South 2": 140, "South 3": 10 + 60, "South 4": 10 + 60}
    roof.store(*days(date(2026, 6, 21), 3, UID), *days(date(2026, 6, 24), 3))
    results, _ = analysed(roof)
    going_on = {panel.panel: panel.days for panel in results.panels}
    shutil.rmtree(folder_of(roof.path))
    assert {panel.panel: panel.days for panel in analysed(roof)[0].panels} == going_on
    assert going_on["South 3"] == 10 + 60 + 3


def test_in_the_first_year_all_is_judged_anew_now_and_then_by_what_it_taught(roof: Roof) -> None:
    first = date(2026, 6, 1)
    roof.store(*days(first, 49))
    analysed(roof)
    asked = []
    for number in (49, 50, 51):
        roof.store(*days(first + timedelta(days=number), 1))
        asked += [since for _, since in analysed(roof)[1].asked]
    assert asked == [(first + timedelta(days=49)).toordinal(), None, (first + timedelta(days=51)).toordinal()]


def test_a_late_record_has_its_day_analysed_again(roof: Roof) -> None:
    roof.store(*days(FIRST, 5))
    analysed(roof)
    roof.store(frame("20260702180000", yc600(UID, wh=(10.0, 10.0))))
    _, watched = analysed(roof)
    assert [since for _, since in watched.asked] == [date(2026, 7, 2).toordinal()]


def test_one_that_is_long_past_has_all_analysed_again(roof: Roof) -> None:
    roof.store(*days(FIRST, 1), *days(date(2026, 7, 31), 1))
    analysed(roof)
    roof.store(frame("20260629180000", yc600(UID)))
    _, watched = analysed(roof)
    assert [since for _, since in watched.asked] == [None]


def test_other_panels_have_all_analysed_again(roof: Roof) -> None:
    roof.store(*days(FIRST, 3))
    analysed(roof)
    _, watched = analysed(Roof(roof.path, inverters=()))
    assert [since for _, since in watched.asked] == [None]


def test_all_that_it_keeps_may_be_deleted(roof: Roof) -> None:
    roof.store(*days(FIRST, 3))
    first, _ = analysed(roof)
    shutil.rmtree(folder_of(roof.path))
    again, _ = analysed(roof)
    assert again == first


@pytest.mark.parametrize("broken", ["arrays/*.npz", "2*/*.npz"])
def test_a_file_that_is_broken_is_made_again(roof: Roof, broken: str) -> None:
    roof.store(*days(FIRST, 3))
    first, _ = analysed(roof)
    for file in folder_of(roof.path).glob(broken):
        raw = file.read_bytes()
        file.write_bytes(raw[: len(raw) // 2])
    again, _ = analysed(roof)
    assert again == first


def test_readings_that_break_between_feeding_and_reading_are_made_again(
    roof: Roof, monkeypatch: pytest.MonkeyPatch
) -> None:
    roof.store(*days(FIRST, 3))
    first, _ = analysed(roof)
    shutil.rmtree(folder_of(roof.path) / "arrays")
    broken = [True]
    build = series_of

    def breaking(*arguments: object) -> ArraySeries:
        if broken.pop() if broken else False:
            for file in folder_of(roof.path).glob("2*/*.npz"):
                file.write_bytes(b"")
        return build(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(job, "series_of", breaking)
    again, _ = analysed(roof)
    assert again == first


def test_days_from_one_on_are_read_again_when_that_is_asked_for(roof: Roof) -> None:
    roof.store(*days(FIRST, 3))
    first, _ = analysed(roof)
    again, watched = analysed(roof, again=date(2026, 6, 30))
    assert [since for _, since in watched.asked] == [None]
    assert again == first


def test_only_one_analyses_at_a_time(roof: Roof) -> None:
    roof.store(*days(FIRST, 1))
    with locked(roof.path, job.LOCK), pytest.raises(Taken):
        roof.analyse()


def test_an_array_of_which_nothing_was_read_yet_is_none(roof: Roof) -> None:
    roof.store(*day_of_rounds(date(2026, 8, 2)))
    results, watched = analysed(roof)
    assert (results.panels, watched.asked) == ((), [])


def test_a_replaced_inverter_is_one_panel_with_the_one_that_took_its_place(roof: Roof) -> None:
    roof.inverters = (*roof.inverters, {"id": THIRD, "replaces": SECOND})
    roof.store(*days(FIRST, 2), *days(date(2026, 7, 1), 2, UID, THIRD))
    results, watched = analysed(roof)
    assert [(panel.panel, panel.inverter, panel.days) for panel in results.panels] == [
        *(("South 1", UID, 4), ("South 2", UID, 4)),
        *(("South 3", THIRD, 4), ("South 4", THIRD, 4)),
    ]
    ((series, _),) = watched.asked
    assert series.channels == ((UID, "1"), (UID, "2"), (SECOND, "1"), (SECOND, "2"))
    begins = int(series.end_s[np.searchsorted(series.day, date(2026, 7, 1).toordinal())])
    assert [(number, begins - 12 * 3600) for number in (2, 3)] == list(series.changed)
    assert not np.isnan(series.power_w).any()


def _series(roof: Roof) -> ArraySeries:
    roof.feed()
    names = Names(roof.config)
    (array,) = arrays_of(roof.shards, names, [ECU], {})
    return series_of(roof.shards, array, names.ecu(ECU).zone, None, None, date(2026, 12, 31))


def test_powers_are_the_mean_of_each_interval(roof: Roof) -> None:
    roof.store(*day_of_rounds(FIRST))
    series = _series(roof)
    assert series.span_s[1:].tolist() == [300.0] * 11
    np.testing.assert_allclose(series.power_w[1:, 0], [205.0 + 5 * number for number in range(11)], rtol=1e-4)


def test_a_missed_reading_is_made_up_for_by_the_next_one(roof: Roof) -> None:
    rounds = day_of_rounds(FIRST)
    rounds[4] = frame("20260629122000", yc600(SECOND, watts=(100.0, 100.0), wh=(8.0, 8.0)))
    rounds[5] = frame("20260629122500", yc600(UID, watts=(220.0, 220.0), wh=(40.0, 30.0)), yc600(SECOND))
    roof.store(*rounds)
    series = _series(roof)
    assert series.power_w[4, 0] == series.power_w[5, 0] == pytest.approx(40 * 6, rel=1e-6)
    energy_wh = (series.power_w[1:, 0] * series.span_s[1:]).sum() / 3600
    sent_wh = sum(round((200 + 5 * number) / 12, 3) for number in range(1, 12) if number not in (4, 5)) + 40
    assert energy_wh == pytest.approx(sent_wh, rel=1e-5)


def test_what_an_input_can_not_have_made_is_not_known(roof: Roof) -> None:
    rounds = day_of_rounds(FIRST)
    rounds[5] = frame("20260629122500", yc600(UID, watts=(220.0, 220.0), wh=(400.0, 18.0)), yc600(SECOND))
    roof.store(*rounds)
    series = _series(roof)
    assert np.isnan(series.power_w[5, 0])
    assert not np.isnan(series.power_w[5, 1])


def test_an_array_that_can_not_be_analysed_costs_no_other_one(roof: Roof, caplog: pytest.LogCaptureFixture) -> None:
    other = {"id": THIRD, "panels": ({"channel": 1, "array": "East"}, {"channel": 2, "array": "East"})}
    roof.inverters = (*roof.inverters, other)
    roof.store(*days(FIRST, 2, UID, SECOND, THIRD))

    def failing(series: ArraySeries, since_day: int | None = None, learned: Learned | None = None) -> Analysis:
        if len(series.channels) == 2:
            raise KeyError("a bug")
        return stub.analyse(series, since_day, learned)

    with patched_model(failing):
        answer = job.run(roof.config, Names(roof.config), NOW, lambda *_: None)
    assert answer.hindrance == f"array East of ECU {ECU} can't be analysed: KeyError('a bug')"
    assert {panel.array for panel in answer.results.panels} == {"South"}
    assert "Traceback" in caplog.text


def test_an_inverter_that_waits_to_be_accepted_is_left_out_until_it_is(roof: Roof) -> None:
    roof.store(*days(FIRST, 2))
    with contextlib.closing(sqlite3.connect(roof.path)) as db, db:
        db.execute("insert into novelty values (?, 'inverter', ?, 1, null)", (ECU, SECOND))
    results, _ = analysed(roof)
    assert {panel.inverter for panel in results.panels} == {UID}
    with contextlib.closing(sqlite3.connect(roof.path)) as db, db:
        db.execute("update novelty set admitted_at = 1")
    results, watched = analysed(roof)
    assert {panel.inverter for panel in results.panels} == {UID, SECOND}
    assert roof.feed(until=date(2026, 8, 1)) == set()
    assert [since for _, since in watched.asked] == [None]
