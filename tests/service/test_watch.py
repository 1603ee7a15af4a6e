"""The watch on gateways' clocks: whom it warns, when, and when it keeps quiet."""

import logging
from collections.abc import Iterable

import pytest

from collector.clock.skew import Skew
from collector.clock.stamps import NS
from collector.config.names import Names
from collector.protocol.upload import LateGroup
from collector.service._watch import FIRST_TOLD, ClockWatch, FirstRecords, NewcomerWatch
from tests.samples import ECU, arrival, config, control, fill_up, frame, ns, yc600

OTHER = "216000999999"
BEGIN = ns("2026-06-21T10:40:00Z")
MINUTE = 60 * NS


class Warned(list[tuple[str, int, Skew]]):
    def __call__(self, ecu: str, at: int, skew: Skew) -> None:
        self.append((ecu, at, skew))


@pytest.fixture
def warned() -> Warned:
    return Warned()


@pytest.fixture
def watch(warned: Warned) -> ClockWatch:
    return ClockWatch(Names(config()), warned)


def live(watch: ClockWatch, times: list[str], *, ecu: str = ECU, begin: int = BEGIN) -> None:
    """One record every five minutes, the first at `begin`."""
    for position, time in enumerate(times):
        watch.observe(arrival(frame(time, yc600(), ecu=ecu), begin + 5 * MINUTE * position))


def numbered(number: int) -> str:
    return f"2160{number:08d}"


def first(records: FirstRecords, numbers: Iterable[int], at: int) -> None:
    for number in numbers:
        records.observe(arrival(frame("20260621124000", yc600(), ecu=numbered(number)), at))


def test_the_first_record_of_each_gateway_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    records = FirstRecords()
    with caplog.at_level(logging.INFO):
        for position in range(3):
            records.observe(arrival(control("A101", ""), BEGIN))
            first(records, (1, 2), BEGIN + position * 5 * MINUTE)
    assert [message.partition(" peer=")[0] for message in caplog.messages] == [
        f"first record ecu={numbered(number)} time=20260621124000" for number in (1, 2)
    ]


def test_of_a_fleet_that_comes_at_once_a_few_are_named_and_the_others_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    records = FirstRecords()
    with caplog.at_level(logging.INFO):
        for position in range(3):
            first(records, range(5000), BEGIN + position * 5 * MINUTE)
        first(records, range(5000, 5001), BEGIN + 15 * MINUTE)
    assert len(caplog.messages) == FIRST_TOLD + 2
    assert caplog.messages[FIRST_TOLD] == f"first records of more gateways ecus={5000 - FIRST_TOLD}"
    assert f"ecu={numbered(5000)}" in caplog.messages[-1]


def clock(hour: int, count: int = 3, day: str = "20260621") -> list[str]:
    return [f"{day}{hour:02d}{40 + 5 * position:02d}00" for position in range(count)]


def test_a_clock_that_is_right_is_not_worth_a_word(watch: ClockWatch, warned: Warned) -> None:
    live(watch, clock(12, count=4))
    assert warned == []


def test_a_clock_in_winter_time_is_told_the_zone_that_fits(
    watch: ClockWatch, warned: Warned, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        live(watch, clock(11))
    skew = Skew(3600, ("Etc/GMT-1", "Europe/London", "Africa/Casablanca"))
    assert warned == [(ECU, BEGIN + 10 * MINUTE, skew)]
    assert caplog.messages == [f"clock ecu={ECU} {skew.text}"]
    assert 'its clock is 1 h 0 min behind: timezone = "Etc/GMT-1" (or' in skew.text


def test_a_clock_of_a_site_without_a_zone_is_no_matter_of_the_clock(warned: Warned) -> None:
    unknown = Names(config(site={"name": "Home"}, ecu=({"id": OTHER, "timezone": "UTC"},)))
    watch = ClockWatch(unknown, warned)
    live(watch, ["20260621211000", "20260621211500", "20260621212000"])
    live(watch, ["20260621211000", "20260621211500", "20260621212000"], ecu=OTHER)
    (_, _, skew), (_, _, of_its_own) = warned
    assert skew == Skew(-10.5 * 3600, ("Australia/Lord_Howe",), is_zone_known=False)
    assert of_its_own == Skew(-10.5 * 3600, ("Australia/Lord_Howe",))


def test_the_clock_of_a_retired_gateway_is_nobodys_concern(warned: Warned) -> None:
    for since, warnings in (("2026-06-22", 1), ("2026-06-21", 0)):
        warned.clear()
        replaced = config(ecu=({"id": OTHER, "replaces": ECU, "from": since},))
        live(ClockWatch(Names(replaced), warned), clock(11))
        assert len(warned) == warnings


def test_one_warning_a_day_is_enough(watch: ClockWatch, warned: Warned) -> None:
    live(watch, clock(11, count=4))
    live(watch, clock(11, day="20260622"), begin=BEGIN + 23 * 60 * MINUTE)
    assert len(warned) == 1
    live(watch, clock(11, day="20260623"), begin=BEGIN + 48 * 60 * MINUTE)
    assert len(warned) == 2


def test_each_gateway_is_judged_by_its_own_records(watch: ClockWatch, warned: Warned) -> None:
    live(watch, clock(11), ecu=OTHER)
    live(watch, clock(12))
    assert [ecu for ecu, _, _ in warned] == [OTHER]


def test_old_records_say_nothing_about_the_clock(watch: ClockWatch, warned: Warned) -> None:
    live(watch, clock(12))
    live(watch, clock(9), begin=BEGIN + 15 * MINUTE)
    assert warned == []


def test_nor_do_reports_and_fill_up_messages(watch: ClockWatch, warned: Warned) -> None:
    late = LateGroup("20260621100000", (yc600(),))
    for position in range(4):
        at = BEGIN + 5 * MINUTE * position
        watch.observe(arrival(fill_up(f"302606211{position}0000", late), at))
        watch.observe(arrival(control("A123", f"0001202606211{position}0000END"), at))
        watch.observe(arrival(frame("20269999999999", yc600()), at))
    assert warned == []
    # And none of these stands in the way of what comes later.
    live(watch, clock(11), begin=BEGIN + 20 * MINUTE)
    assert len(warned) == 1


def test_only_the_last_hour_counts(watch: ClockWatch, warned: Warned) -> None:
    live(watch, clock(12))
    later = ["20260621125500", *clock(13)]
    # The clock was set back by an hour; for as long as it was right in the same hour that may still be a backlog.
    live(watch, later, begin=BEGIN + 75 * MINUTE)
    assert [at for _, at, _ in warned] == [BEGIN + 85 * MINUTE]


def test_a_clock_of_this_machine_that_was_ahead_once_does_not_blind_the_watch(
    watch: ClockWatch, warned: Warned
) -> None:
    year = 365 * 24 * 60 * MINUTE
    live(watch, clock(10), begin=BEGIN + 2 * year)
    assert len(warned) == 1
    live(watch, clock(11, count=4))
    assert [at for _, at, _ in warned[1:]] == [BEGIN + 10 * MINUTE]
    assert warned[1][2].seconds == 3600


def test_nor_does_a_gateways_that_was_ahead_with_it(watch: ClockWatch, warned: Warned) -> None:
    year = 365 * 24 * 60 * MINUTE
    live(watch, clock(12, day="20280620"), begin=BEGIN + 2 * year)
    live(watch, clock(11))
    assert [at for _, at, _ in warned][-1] == BEGIN + 10 * MINUTE


class Told(list[tuple[str, int, str]]):
    def __call__(self, ecu: str, at: int, text: str) -> None:
        self.append((ecu, at, text))


def test_devices_that_wait_are_told_at_once_and_then_once_a_day_of_either_kind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = Told()
    watch = NewcomerWatch(told)
    day = 24 * 60 * MINUTE
    with caplog.at_level(logging.WARNING):
        for at in (BEGIN, BEGIN + MINUTE, BEGIN + day - 1, BEGIN + day):
            watch.gateway_waits(OTHER, at)
            watch.inverters_wait(ECU, ["3", "1", "2"], at)
    assert [(ecu, at) for ecu, at, _ in told] == [
        ("", BEGIN),
        (ECU, BEGIN),
        ("", BEGIN + day),
        (ECU, BEGIN + day),
    ]
    assert told[0][2] == f"gateway {OTHER} waits: there were more new ones today than are let in unasked"
    assert told[1][2] == f"inverter 1 and 2 more of gateway {ECU} wait: more new ones than are let in unasked"
    assert len(caplog.messages) == 4
    assert "`collector accept`" in caplog.messages[0]
