"""Our own days: added up from the journal as InfluxDB has them, or asked of the roll-ups there."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from collector.clock.stamps import NS
from collector.compare.days import Gateway, from_influxdb, from_journal, shifted, together
from collector.config.model import Config
from collector.config.names import Names
from collector.delivery.influx import InfluxSink
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.protocol.upload import LateGroup
from tests.conftest import Influx
from tests.rolling import Yard
from tests.samples import ECU, arrival, config, day_times, frame, ns, optimizer, qs1, yc500, yc600

OTHER = "216000999999"
RECEIVED = ns("2026-06-25T10:00:00Z")
JUNE_21, JUNE_22 = date(2026, 6, 21), date(2026, 6, 22)
SPAN = (date(2026, 6, 1), date(2026, 6, 30))


def store(path: Path, *frames: bytes) -> None:
    journal = Journal(path)
    journal.append([arrival(raw, RECEIVED + order) for order, raw in enumerate(frames)])
    journal.close()


def days(path: Path, *ecus: str, span: tuple[date, date] = SPAN, settings: Config | None = None) -> dict[str, Gateway]:
    with JournalReader(path) as reader:
        return from_journal(reader, Names(settings or config(path)), ecus or (ECU,), span)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def test_a_day_is_the_sum_of_its_readings_on_both_sides(path: Path) -> None:
    store(path, *(frame(time, yc600(), qs1()) for time in day_times(JUNE_21, first="100000", last="105500")))
    found = days(path)[ECU].days
    assert found.keys() == {JUNE_21}
    assert found[JUNE_21].dc_wh == pytest.approx(12 * (4.036 + 12.385))
    # What the QS1 sent for AC is more than nine tenths of DC, and so is what the YC600 sent.
    assert found[JUNE_21].ac_wh == pytest.approx(12 * (3.76 + 12.345))
    assert found[JUNE_21].inverters == 2


def test_a_reading_counts_once_however_often_it_came_and_the_latest_of_it(path: Path) -> None:
    late = LateGroup("20260621100500", (yc600(wh=(1.0, 1.0)),))
    store(
        path,
        frame("20260621100000", yc600()),
        frame("20260621100000", yc600()),
        frame("20260621100000", yc600(wh=(2.0, 2.0))),
        frame("20260622100000", yc600(), late=(late,)),
    )
    found = days(path)[ECU].days
    assert found[JUNE_21].dc_wh == pytest.approx(4.0 + 2.0)
    assert found[JUNE_22].dc_wh == pytest.approx(4.036)


def test_days_are_those_of_the_gateway_s_own_clock(path: Path) -> None:
    store(path, frame("20260621235900", yc600()), frame("20260622000100", yc600(wh=(3.0, 3.0))))
    settings = config(path, ecu=({"id": ECU, "timezone": "Asia/Kathmandu"},))
    found = days(path, settings=settings)[ECU]
    assert {day: own.dc_wh for day, own in found.days.items()} == {JUNE_21: pytest.approx(4.036), JUNE_22: 6.0}
    at = ns("2026-06-21T18:14:00Z") // (900 * NS)
    assert found.quarters_wh == {at: pytest.approx(4.036), at + 1: 6.0}
    moved = shifted({ECU: found}, [JUNE_21, JUNE_22], timedelta(minutes=30))
    assert moved == {JUNE_21: pytest.approx(10.036), JUNE_22: 0.0}


def test_days_beyond_the_span_are_not_added_up(path: Path) -> None:
    store(path, frame("20260621100000", yc600()), frame("20260622100000", yc600()))
    assert days(path, span=(JUNE_22, JUNE_22))[ECU].days.keys() == {JUNE_22}


def test_the_ac_energy_of_a_day_is_unknown_where_an_inverter_has_none(path: Path) -> None:
    store(
        path,
        frame("20260621100000", yc500()),
        frame("20260622100000", optimizer(), version=16, lifetime_kwh=None),
    )
    found = days(path)[ECU].days
    assert found[JUNE_21].ac_wh == found[JUNE_21].dc_wh == 18.643
    assert (found[JUNE_22].ac_wh, found[JUNE_22].dc_wh) == (None, 18.675)


def test_a_day_with_rounds_and_no_inverter_is_there_with_nothing(path: Path) -> None:
    store(path, frame("20260621100000"))
    assert days(path)[ECU].days[JUNE_21].dc_wh == 0


def test_inverters_that_wait_to_be_accepted_do_not_count(path: Path) -> None:
    journal = Journal(path)
    journal.append([arrival(frame("20260621100000", yc600(), qs1()), RECEIVED)])
    journal.mark_delivered([1], RECEIVED, waiting=[(ECU, "inverter", qs1().uid, 1)])
    journal.close()
    assert days(path)[ECU].days[JUNE_21].dc_wh == pytest.approx(4.036)


def test_an_energy_that_can_not_be_is_put_right_on_both_sides(path: Path) -> None:
    """After a restart the gateway sends the whole morning as one interval."""
    usual = yc600(watts=(240, 240), wh=(20.0, 20.0), ac_power_w=451.2)
    morning = yc600(watts=(240, 240), wh=(900.0, 20.0), ac_power_w=451.2)
    rounds = (frame(f"2026062112{5 * number:02d}00", morning if number == 3 else usual) for number in range(6))
    store(path, *rounds)
    found = days(path)[ECU].days[JUNE_21]
    assert found.dc_wh == pytest.approx(6 * 40.0)
    assert found.ac_wh == pytest.approx(6 * 40.0 * 0.94)


def test_the_days_of_gateways_go_together_where_both_have_them(path: Path) -> None:
    store(
        path,
        *(frame(f"202606{day}100000", yc600()) for day in (20, 21, 22, 23)),
        *(frame(f"202606{day}100000", qs1(), ecu=OTHER) for day in (21, 23)),
    )
    found = together(days(path, ECU, OTHER))
    assert {day.day: own.inverters for day, own in found.items()} == {20: 1, 21: 2, 23: 2}


# InfluxDB


@pytest.fixture
def yard(influx: Influx, path: Path) -> Iterator[Yard]:
    sink = InfluxSink(influx.url, influx.org, influx.token, influx.bucket, influx.rollup_bucket)
    sink.connect()
    yield Yard(influx, path, sink)
    sink.close()


def test_roll_ups_are_the_same_days_as_the_journal_s(yard: Yard) -> None:
    times = (*day_times(JUNE_21, last="070000"), *day_times(JUNE_22, last="063000"))
    yard.deliver(*(frame(time, yc600(), qs1(), ecu=ecu) for ecu in (ECU, OTHER) for time in times))
    # What both put right.
    yard.deliver(frame("20260622063500", yc600(watts=(240, 240), wh=(900.0, 1.0)), qs1()))
    yard.roll_up()
    found = from_influxdb(yard.sink, yard.influx.rollup_bucket, yard.names, None, SPAN)
    expected = days(yard.path, ECU, OTHER, settings=yard.config)
    assert found.keys() == expected.keys() == {ECU, OTHER}
    for ecu, gateway in found.items():
        assert gateway.days.keys() == expected[ecu].days.keys()
        for day, own in gateway.days.items():
            other = expected[ecu].days[day]
            assert own.dc_wh == pytest.approx(other.dc_wh, abs=0.01)
            assert own.inverters == other.inverters
            assert own.ac_wh == pytest.approx(other.ac_wh, abs=0.01)
    one = from_influxdb(yard.sink, yard.influx.rollup_bucket, yard.names, [OTHER], (JUNE_22, JUNE_22))
    assert {ecu: list(gateway.days) for ecu, gateway in one.items()} == {OTHER: [JUNE_22]}


class Rows:
    """A database that answers with these rows."""

    def __init__(self, *rows: dict[str, object]) -> None:
        self.rows = list(rows)

    def query(self, flux: str) -> list[dict[str, object]]:
        assert "ecu_day" in flux
        return self.rows


def row(field: str, value: object, *, ecu: object = ECU, at: str = "2026-06-20T22:00:00Z") -> dict[str, object]:
    return {"_field": field, "_value": value, "_time": datetime.fromisoformat(at).astimezone(UTC), "ecu": ecu}


def test_a_gateway_that_was_renamed_within_a_day_has_all_of_it(path: Path) -> None:
    answer = Rows(
        *(row("energy_wh", wh) for wh in (1000.0, 500.0)),
        *(row("ac_energy_wh", wh) for wh in (940.0, 470.0)),
        *(row("inverters", count) for count in (2, 2)),
        row("energy_wh", 5.0, at="2026-07-20T22:00:00Z"),
    )
    ((ecu, gateway),) = from_influxdb(answer, "daily", Names(config(path)), None, SPAN).items()
    assert (ecu, list(gateway.days)) == (ECU, [JUNE_21])
    assert (gateway.days[JUNE_21].ac_wh, gateway.days[JUNE_21].dc_wh) == (1410.0, 1500.0)


def test_what_another_program_wrote_is_passed_over(path: Path) -> None:
    answer = Rows(row("energy_wh", "much"), row("energy_wh", 5.0, ecu=None), row("ac_energy_wh", 5.0), {"x": 1})
    assert from_influxdb(answer, "daily", Names(config(path)), None, SPAN) == {}
