"""The collector's report about itself."""

import shutil
import time
from pathlib import Path

import pytest
import trio

from collector import disk
from collector.clock.sun import Place
from collector.config.names import Names
from collector.config.tariffs import Tariffs
from collector.delivery.writer import Writer
from collector.gateway.server import Counters
from collector.journal.mirroring import note_command
from collector.journal.threaded import ThreadedJournal
from collector.journal.writing import Journal
from collector.points.figures import Figures
from collector.points.lines import LineWriter
from collector.points.schema import SCHEMA, Point
from collector.points.settings import Settings
from collector.service import _report
from collector.service._report import Reports, Sites, report_point, settings_of
from tests.samples import ECU, config, ns

FIGURES = Figures(
    records_received=9,
    records_acknowledged=8,
    records_pending=3,
    records_set_aside=1,
    write_errors=2,
    connections=7,
    journal_bytes=4096,
    disk_free_bytes=10**9,
    fsync_ms=12.5,
)
AMSTERDAM = Place(52.37, 4.9)


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


def test_places_of_gateways_are_told_once_an_hour_however_many_there_are() -> None:
    ecus = [{"id": f"21600000{number:04}", "latitude": 52.0, "longitude": 5.0} for number in range(100)]
    configured = config(ecu=[*ecus, {"id": "216000009999"}])
    sites = Sites(configured, Names(configured))
    told = [list(sites.points([], number)) for number in range(120)]
    assert [len(points) for points in told[:5]] == [30, 30, 30, 10, 0]
    assert told[0][0] == Point("site", ("216000000000",), {"latitude": 52.0, "longitude": 5.0}, 0)
    for points in (told[:60], told[60:]):
        assert [point.tags[0] for some in points for point in some] == [ecu["id"] for ecu in ecus]


def test_of_more_gateways_than_an_hour_is_enough_for_none_is_forgotten() -> None:
    configured = config(site=UTRECHT)
    sites, heard = Sites(configured, Names(configured)), [f"21600000{number:04}" for number in range(2000)]
    told = [point.tags[0] for number in range(70) for point in sites.points(heard, number)]
    assert told == [*heard, *heard[: 70 * 30 - 2000]]


UTRECHT = {"name": "Home", "timezone": "Europe/Amsterdam", "latitude": 52.09, "longitude": 5.12}


def test_where_the_site_is_every_gateway_is_by_whose_clock_it_may_be_there() -> None:
    old, new, far, own, heard = (f"21600000000{number}" for number in range(1, 6))
    ecus = [
        {"id": new, "replaces": old},
        {"id": far, "timezone": "America/Phoenix"},
        {"id": own, "timezone": "America/Phoenix", "latitude": 33.45, "longitude": -112.07},
    ]
    configured = config(site=UTRECHT, ecu=ecus)
    sites, at = Sites(configured, Names(configured)), ns("2026-06-21T11:42:00Z")
    here = {"latitude": 52.09, "longitude": 5.12}
    told = {point.tags[0]: point.fields for point in sites.points([old, new], at)}
    assert told == {new: here, own: {"latitude": 33.45, "longitude": -112.07}}
    # A new gateway need not wait for an hour.
    assert [(point.tags, point.fields) for point in sites.points([old, heard], at)] == [((heard,), here)]


def test_what_a_gateway_has_cost_is_told_beside_its_place_or_alone() -> None:
    bought = {"id": "216000000001", "purchase_price": 8900.0}
    configured = config(ecu=[bought, {**bought, "id": "216000000002", "latitude": 52.0, "longitude": 5.0}])
    points = Sites(configured, Names(configured)).points([], 0)
    assert [(point.tags[0], point.fields) for point in points] == [
        ("216000000001", {"purchase_price": 8900.0}),
        ("216000000002", {"latitude": 52.0, "longitude": 5.0, "purchase_price": 8900.0}),
    ]


def test_the_report_says_what_the_owner_has_set() -> None:
    tariffs = [
        {"from": "2026-01-01", "price_per_kwh": 0.4, "feed_in_per_kwh": 0.08},
        {"from": "2025-01-01", "price_per_kwh": 0.3, "hours": ("00:00-06:00",)},
        {"from": "2025-01-01", "price_per_kwh": 0.26},
    ]
    limits = {"voltage_max_v": 250.0, "frequency_min_hz": 49.7}
    configured = config(site={"name": "Home", "co2_g_per_kwh": 410.0}, grid=limits, tariff=tariffs)
    found = settings_of(configured, Tariffs(configured.tariff))
    assert found == Settings(voltage_max_v=250.0, frequency_min_hz=49.7, co2_g_per_kwh=410.0, price_per_kwh=0.27)
    point = report_point("home", 0, FIGURES, None, settings=found)
    assert {name: point.fields[name] for name in ("voltage_max_v", "voltage_min_v", "price_per_kwh")} == {
        "voltage_max_v": 250.0,
        "voltage_min_v": None,
        "price_per_kwh": 0.27,
    }


class Kept(Writer):
    """Takes points to nowhere, until there are enough messages of the vendor among them."""

    def __init__(self, most: int) -> None:
        self.messages: list[Point] = []
        self.complete = trio.Event()
        self._most = most

    def offer(self, point: Point) -> None:
        if "vendor_command" in point.tags:
            self.messages.append(point)
        if len(self.messages) >= self._most:
            self.complete.set()


async def test_of_many_messages_of_the_vendor_between_two_reports_each_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_report, "REPORT_S", 0.0)
    settings = config(tmp_path / "journal.db")
    writer, began = Kept(100), time.time_ns() - 1000
    journal = Journal(settings.journal.path)
    journal.open()
    for number in range(100):
        note_command(journal, ECU, 8995, "A105", b"%d" % number, began + number)
    threaded = ThreadedJournal(journal, trio.CapacityLimiter(1))
    reports = Reports(settings, Names(settings), Tariffs(settings.tariff), threaded, Counters(), None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reports.run, writer)
        await writer.complete.wait()
        nursery.cancel_scope.cancel()
    await threaded.close()
    assert [point.time for point in writer.messages] == [began + number for number in range(100)]


def test_free_space_is_that_of_the_nearest_folder_there_is(tmp_path: Path) -> None:
    expected = shutil.disk_usage(tmp_path).free
    found = disk.free_bytes(tmp_path / "not" / "yet" / "journal.db")
    # Others write to the same disk meanwhile.
    assert found == pytest.approx(expected, rel=0.1)
