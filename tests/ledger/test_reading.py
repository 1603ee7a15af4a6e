"""What readers of the ledger are told: of inverters, inputs, gateways and arrays."""

from datetime import date

import pytest

from collector.ledger.reading import Energy, of_array, of_gateway
from tests.ledger.books import Books
from tests.samples import ECU, UID, frame, ns, optimizer, qs1, yc600

NEW_ECU = "216000999999"
DAY = date(2026, 6, 21)
# An inverter's AC and DC, and an input's DC, as `yc600` has them.
AC, DC, FIRST, SECOND = 3760, 4036, 2041, 1995
KWH = 1_000_000


def two_days(books: Books) -> None:
    books.store(
        *(
            frame(time, yc600(), qs1())
            for time in ("20260620120000", "20260621115900", "20260621120000", "20260621120500")
        )
    )
    books.count()


def test_an_inverter_has_ac_and_dc_and_an_input_dc_alone(books: Books) -> None:
    two_days(books)
    with books.ledger() as ledger:
        assert ledger.lifetime(UID) == (4 * AC, 4 * DC)
        assert ledger.lifetime(f"{UID}/1") == (None, 4 * FIRST)
        assert ledger.lifetime(UID, date(2026, 6, 20)) == (AC, DC)
        day = ledger.day(UID, DAY)
        assert day is not None
        assert (day.energy, day.peak_w, day.source) == ((3 * AC, 3 * DC), 45.12, "wire")
        assert ledger.day(UID, date(2026, 6, 22)) is None
        assert ledger.lifetime("999999999999") == (0, 0)


def test_hours_are_told_of_once_until_they_change(books: Books) -> None:
    two_days(books)
    with books.ledger() as ledger:
        changes = ledger.hours_since(UID)
        assert [(hour.start, hour.energy, hour.readings) for hour in changes.hours] == [
            (ns("2026-06-20T10:00:00Z"), (AC, DC), 1),
            (ns("2026-06-21T09:00:00Z"), (AC, DC), 1),
            (ns("2026-06-21T10:00:00Z"), (2 * AC, 2 * DC), 2),
        ]
        assert ledger.hours_since(UID, changes.mark).hours == []
    books.store(frame("20260621121000", yc600()))
    books.count()
    with books.ledger() as ledger:
        assert [hour.start for hour in ledger.hours_since(UID, changes.mark).hours] == [ns("2026-06-21T10:00:00Z")]
        assert ledger.hours_since(qs1().uid, changes.mark).hours == []


def test_an_hour_that_midnight_divides_is_one_hour(books: Books) -> None:
    books.zone = "Asia/Kolkata"
    books.store(frame("20260620235500", yc600()))
    books.count()
    with books.ledger() as ledger:
        mark = ledger.hours_since(UID).mark
    books.store(frame("20260621000500", yc600()))
    books.count()
    with books.ledger() as ledger:
        assert ledger.hours_since(UID, mark).hours == [(ns("2026-06-20T18:00:00Z"), (2 * AC, 2 * DC), 2)]
        assert [day.energy.ac_mwh for day in ledger.days(UID)] == [AC, AC]


def test_what_a_gateway_made_is_the_sum_of_its_inverters_also_of_one_that_went_to_another(books: Books) -> None:
    books.store(frame("20260620120000", yc600(), qs1()), frame("20260621120000", yc600(), ecu=NEW_ECU))
    books.count()
    with books.ledger() as ledger:
        assert ledger.gateways() == [ECU, NEW_ECU]
        assert ledger.lifetime(of_gateway(ECU)) == (AC + 12345, DC + 12385)
        assert ledger.lifetime(of_gateway(NEW_ECU)) == (AC, DC)
        assert ledger.lifetime(UID) == (2 * AC, 2 * DC)
        assert [info.gateways for info in ledger.places() if info.place == UID] == [(ECU, NEW_ECU)]
    # One that was replaced is the same gateway.
    books.ecus = ({"id": NEW_ECU, "replaces": ECU},)
    with books.ledger() as ledger:
        assert ledger.gateways() == [ECU]
        assert ledger.lifetime(of_gateway(NEW_ECU)) == (2 * AC + 12345, 2 * DC + 12385)
        today = ledger.today(ECU, ns("2026-06-21T20:00:00Z"))
        assert today is not None
        assert today.energy == (AC, DC)


def test_an_array_has_its_share_of_the_inverters_energy(books: Books) -> None:
    panels = [{"channel": 1, "name": "A", "array": "South"}, {"channel": 2, "name": "B", "array": "North"}]
    books.inverters = ({"id": UID, "panels": panels},)
    books.store(frame("20260621120000", yc600()))
    books.count()
    with books.ledger() as ledger:
        assert ledger.arrays() == ["North", "South"]
        south, north = (ledger.lifetime(of_array(name)) for name in ("South", "North"))
        assert (south.dc_mwh, north.dc_mwh) == (FIRST, SECOND)
        assert north.ac_mwh == AC * SECOND // DC
        assert (south.ac_mwh or 0) + (north.ac_mwh or 0) == AC


def test_a_lifetime_begins_with_what_was_made_before_the_first_record(books: Books) -> None:
    panels = [{"channel": 1, "start_kwh": 700.5}, {"channel": 2, "start_kwh": 600}]
    books.inverters = ({"id": UID, "start_kwh": 1250.25, "panels": panels},)
    books.store(frame("20260621120000", yc600()), frame("20260621120500", yc600(), ecu=NEW_ECU))
    books.count()
    before = Energy(round(1250.25 * KWH), round(1300.5 * KWH))
    with books.ledger() as ledger:
        assert ledger.lifetime(UID) == (before.ac_mwh + 2 * AC, before.dc_mwh + 2 * DC)  # type: ignore[operator]
        assert ledger.lifetime(f"{UID}/1") == (None, round(700.5 * KWH) + 2 * FIRST)
        # It was made before the inverter came to the second one.
        assert ledger.lifetime(of_gateway(ECU)) == (before.ac_mwh + AC, before.dc_mwh + DC)  # type: ignore[operator]
        assert ledger.lifetime(of_gateway(NEW_ECU)) == (AC, DC)


def test_an_optimizer_has_no_ac_energy_and_neither_has_its_gateway(books: Books) -> None:
    books.store(frame("20260621120000", optimizer(), version=16), frame("20260621120500", yc600()))
    books.count()
    with books.ledger() as ledger:
        assert ledger.lifetime(optimizer().uid) == (None, 18_675)
        assert ledger.lifetime(of_gateway(ECU)) == (None, 18_675 + DC)


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "Asia/Kolkata"])
def test_the_course_of_a_day_ends_with_its_account(books: Books, zone: str) -> None:
    books.zone = zone
    books.store(
        frame("20260621115500", yc600(watts=(280, 280)), qs1()),
        frame("20260621120000", yc600(watts=(280, 280), wh=(900.0, 900.0), ac_power_w=532.0)),
        frame("20260621120500", yc600(), qs1()),
    )
    books.count()
    with books.ledger() as ledger:
        course = ledger.course(ECU, DAY)
        day = ledger.day(of_gateway(ECU), DAY)
        assert day is not None
        assert day.refused_mwh == 1_800_000
        assert len(course) == 3
        assert [step.at for step in course] == sorted(step.at for step in course)
        assert course[-1].energy == day.energy
        assert course[0].energy == (AC + 12345, DC + 12385)
        assert ledger.course(ECU, date(2026, 6, 22)) == []


def test_it_says_how_far_it_is(books: Books) -> None:
    books.store(frame("20260620120000", yc600()), frame("20260621120000", yc600()))
    with books.ledger() as ledger:
        assert (ledger.state().records_waiting, ledger.state().is_complete) == (2, False)
    books.count()
    with books.ledger() as ledger:
        assert ledger.state().is_complete


def test_an_optimizer_has_no_ac_side_whether_a_record_is_added_or_its_day_is_computed(books: Books) -> None:
    books.store(frame("20260621120000", optimizer(), version=16))
    books.count()
    # Late, so that the whole day is computed.
    books.store(frame("20260621110000", optimizer(), version=16))
    books.count()
    with books.ledger() as ledger:
        lifetime = ledger.lifetime(optimizer().uid)
        assert (lifetime.ac_mwh, lifetime.dc_mwh) == (None, 2 * 18675)
    assert books.rebuilt() == books.account()
