"""What was brought along is marked on the boards that show the past."""

from datetime import UTC, datetime, timedelta

import pytest

from collector.points.schema import Point
from tests.boards.conftest import fill
from tests.boards.files import boards
from tests.boards.screen import Screen, rfc3339
from tests.boards.sites import NOW
from tests.conftest import Influx
from tests.samples import ECU

MIDNIGHT = datetime(NOW.year, NOW.month, NOW.day, tzinfo=UTC) - timedelta(hours=2)


def day(back: int, *, ecu: str = ECU, imported: int | None = 1) -> Point:
    at = round((MIDNIGHT - timedelta(days=back)).timestamp()) * 10**9
    return Point("ecu_day", (ecu, f"Roof {ecu[-1]}"), {"energy_wh": 1000.0, "inverters": 1, "imported": imported}, at)


@pytest.mark.parametrize("uid", ["solar-history", "solar-day"])
def test_each_run_of_days_from_the_vendor_is_one_span(influx: Influx, uid: str) -> None:
    days = [*(day(back) for back in (3, 4, 5, 8)), *(day(back, imported=None) for back in (1, 2, 6, 7))]
    fill(influx, (), [*days, day(4, ecu="216000000009")])
    look = Screen(influx, NOW).look(boards()[uid], start=NOW - timedelta(days=30), stop=NOW)
    found = sorted((row["text"], row["_time"], row["timeEnd"]) for row in look.annotation("Mark days of the vendor"))
    told = [
        ("Roof 6: from the vendor, 1 day", 8, 7),
        ("Roof 6: from the vendor, 3 days", 5, 2),
        ("Roof 9: from the vendor, 1 day", 4, 3),
    ]
    expected = [
        (text, *(rfc3339(MIDNIGHT - timedelta(days=back)) for back in (first, end))) for text, first, end in told
    ]
    assert found == sorted(expected)
