"""The collector's report about itself."""

import shutil
from pathlib import Path

import pytest

from collector.points import SCHEMA, LineWriter
from collector.report import Figures, Place, disk_free_bytes, report_point
from tests.samples import ns

FIGURES = Figures(
    records_received=9,
    records_acknowledged=8,
    records_pending=3,
    records_set_aside=1,
    write_errors=2,
    connections=7,
    journal_bytes=4096,
    disk_free_bytes=10**9,
    fsync_s=0.0125,
)
AMSTERDAM = Place(52.37, 4.9)


@pytest.mark.parametrize(
    ("instant", "elevation_deg"),
    [
        pytest.param("2026-06-21T11:42:00Z", 61.1, id="midsummer noon: 90 - 52.37 + 23.44"),
        pytest.param("2026-12-21T11:38:00Z", 14.2, id="midwinter noon: 90 - 52.37 - 23.44"),
        pytest.param("2026-06-20T23:42:00Z", -14.2, id="midsummer midnight"),
    ],
)
def test_the_sun_stands_where_the_almanac_says(instant: str, elevation_deg: float) -> None:
    assert AMSTERDAM.sun_elevation_deg(ns(instant)) == pytest.approx(elevation_deg, abs=0.3)


def test_the_report_has_every_field_of_its_measurement() -> None:
    at = ns("2026-06-21T11:42:00Z")
    point = report_point("home", at, FIGURES, AMSTERDAM)
    assert (point.measurement, point.tags, point.time) == ("collector", ("home",), at)
    assert set(point.fields) == set(SCHEMA["collector"].fields)
    assert point.fields["sun_elevation_deg"] == pytest.approx(61.1, abs=0.3)
    names = ("records_received", "records_set_aside", "journal_bytes", "disk_free_bytes", "fsync_ms")
    given = {name: point.fields[name] for name in names}
    assert list(given.values()) == [9, 1, 4096, 10**9, 12.5]


def test_the_report_says_who_was_replaced_and_also_that_nobody_was() -> None:
    pairs = [("216000000001", "216000000002"), ("408000000001", "704000000002")]
    point = report_point("home", 0, FIGURES, None, pairs)
    assert point.fields["replaced"] == "216000000001>216000000002 408000000001>704000000002"
    assert report_point("home", 0, FIGURES, None).fields["replaced"] == ""
    assert 'replaced=""' in LineWriter().line(report_point("home", 0, FIGURES, None))


def test_a_site_without_a_place_has_no_sun() -> None:
    assert report_point("home", 0, FIGURES, None).fields["sun_elevation_deg"] is None


def test_free_space_is_that_of_the_nearest_folder_there_is(tmp_path: Path) -> None:
    expected = shutil.disk_usage(tmp_path).free
    found = disk_free_bytes(tmp_path / "not" / "yet" / "journal.db")
    # Others write to the same disk meanwhile.
    assert found == pytest.approx(expected, rel=0.1)
