"""What stands for a meter counts every reading and every day once: as AC where it is told, else as it was counted."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from collector.boards.kit.queries import metered, metered_sums
from collector.boards.write import bucket_names, with_buckets
from collector.clock import stamps
from collector.points.schema import Point
from tests.boards.conftest import fill
from tests.boards.screen import Row, numbers, rfc3339, when
from tests.conftest import Influx

NOON = datetime(2026, 4, 4, 12, 0, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
OLD, NEW, OPTIMIZERS = "215000000001", "216000000002", "216000000003"


def days() -> Iterator[Point]:
    """Ten days of three gateways: without AC, with AC for the last four, and of one that was written anew for all."""
    for age in range(10):
        at = stamps.to_ns(NOON - age * DAY)
        dc: dict[str, float | int | str | None] = {"energy_wh": 1000.0 + age, "peak_power_w": 500.0}
        ac: dict[str, float | int | str | None] = {"ac_energy_wh": 940.0 + age, "ac_peak_power_w": 470.0}
        yield Point("ecu_day", (OPTIMIZERS, "Shed"), dc, at)
        yield Point("ecu_day", (OLD, "Roof"), dc | ac if age < 4 else dc, at)
        yield Point("ecu_day", (NEW, "Barn"), dc | ac, at)


def readings() -> Iterator[Point]:
    """Three hours of one gateway: without AC, with AC from the middle on, with AC."""
    for number in range(36):
        fields: dict[str, float | int | str | None] = {"energy_wh": 100.0, "power_w": 1200.0}
        if number >= 18:
            fields |= {"ac_energy_wh": 94.0, "ac_power_w": 1128.0}
        yield Point("ecu", (OLD, "Roof"), fields, stamps.to_ns(NOON + 5 * number * MINUTE))


@pytest.fixture
def written(influx: Influx) -> Influx:
    fill(influx, list(readings()), list(days()))
    return influx


def asked(influx: Influx, query: str) -> list[Row]:
    text = with_buckets(query, bucket_names(influx.bucket, influx.rollup_bucket))
    return influx.api.query(text, rfc3339(NOON + DAY))


@pytest.mark.parametrize("together", [False, True])
def test_each_day_counts_once_with_ac_or_without(written: Influx, together: bool) -> None:
    rows = asked(written, metered("ecu_day", "energy_wh", start="0", stop=None, together=together))
    found = {(row["ecu"], (NOON - when(row)).days): float(row["_value"]) for row in rows}
    assert len(rows) == len(found)
    assert found == {
        **{(OPTIMIZERS, age): 1000 + age for age in range(10)},
        **{(OLD, age): (940 if age < 4 else 1000) + age for age in range(10)},
        **{(NEW, age): 940 + age for age in range(10)},
    }


def test_a_day_is_moved_to_its_noon_as_others_are(written: Influx) -> None:
    of_day = f"{NOON - DAY:%Y-%m-%dT%H:%M:%SZ}"
    query = metered("ecu_day", "energy_wh", start=of_day, stop=None, at_noon=True)
    rows = asked(written, 'import "date"\n\n' + query)
    assert {when(row) for row in rows} == {NOON + timedelta(hours=12 - 24 * age) for age in (0, 1)}


def test_energies_of_readings_are_added_up_one_by_one(written: Influx) -> None:
    rows = asked(written, metered("ecu", "energy_wh", start="0", stop=None) + "  |> sum()\n")
    assert numbers(rows) == {(): 18 * 100 + 18 * 94}


def test_an_hour_in_which_some_readings_tell_no_ac_counts_in_full_without_it(written: Influx) -> None:
    window = '  |> aggregateWindow(every: 1h, fn: {}, createEmpty: false, timeSrc: "_start")\n'
    rows = asked(written, metered_sums("ecu", "energy_wh", start="0", stop="now()", window=window))
    assert {when(row): float(row["_value"]) for row in rows} == {
        NOON: 1200,
        NOON + timedelta(hours=1): 1200,
        NOON + timedelta(hours=2): 12 * 94,
    }


def test_the_mean_power_of_a_window_is_that_of_its_readings_with_ac(written: Influx) -> None:
    window = '  |> aggregateWindow(every: 1h, fn: mean, createEmpty: false, timeSrc: "_start")\n'
    rows = asked(written, metered("ecu", "power_w", start="0", stop=None, windows=window))
    assert [float(row["_value"]) for row in sorted(rows, key=when)] == [1200, 1128, 1128]
