"""Gateways' wall clocks: every form of a time stamp, both instants of the autumn hour, and clocks that are off."""

import zoneinfo
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from collector.clock import skew, stamps, zones
from collector.clock.skew import Skew, judge
from collector.clock.stamps import NS, parse, rfc3339, to_utc
from tests.samples import ns, utc

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
# A time stamp of the hour that Amsterdam has twice on 25 October 2026, from 00:00 to 02:00 UTC.
DOUBLED = "20261025023000"


@pytest.mark.parametrize(
    ("time", "local"),
    [
        ("20260621124000", datetime(2026, 6, 21, 12, 40)),  # noqa: DTZ001 (local by nature)
        ("20240229235959", datetime(2024, 2, 29, 23, 59, 59)),  # noqa: DTZ001
        ("20260621240500", datetime(2026, 6, 22, 0, 5)),  # noqa: DTZ001
        ("20261231245959", datetime(2027, 1, 1, 0, 59, 59)),  # noqa: DTZ001
    ],
)
def test_fourteen_digits_are_a_local_time_and_hour_24_begins_the_next_day(time: str, local: datetime) -> None:
    assert parse(time) == local


@pytest.mark.parametrize(
    "time",
    [
        *("", "2026062112400", "202606211240000", "2026062112400a", " 0260621124000", "+0260621124000"),
        *("٢٠٢٦٠٦٢١١٢٤٠٠٠", "20260621124000\n", "00000000000000", "20260230120000", "20261301120000"),
        *("20260621250000", "20260621126000", "20260621120060", "99991231240000"),
    ],
)
def test_what_is_no_date_is_refused(time: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        parse(time)


def test_summer_and_winter_time_are_those_of_the_zone() -> None:
    assert to_utc("20260621124000", AMSTERDAM) == utc("2026-06-21T10:40:00Z")
    assert to_utc("20261221124000", AMSTERDAM) == utc("2026-12-21T11:40:00Z")


@pytest.mark.parametrize(
    ("received_at", "instant"),
    [
        pytest.param("2026-10-25T00:31:00Z", "2026-10-25T00:30:00Z", id="live in summer time"),
        pytest.param("2026-10-25T01:14:59Z", "2026-10-25T00:30:00Z", id="the later one had not happened yet"),
        pytest.param("2026-10-25T01:31:00Z", "2026-10-25T01:30:00Z", id="live in winter time"),
        pytest.param("2026-10-25T01:29:00Z", "2026-10-25T01:30:00Z", id="by a clock that is a minute ahead"),
        pytest.param("2026-10-25T09:00:00Z", "2026-10-25T01:30:00Z", id="in the morning"),
    ],
)
def test_the_doubled_hour_of_autumn_is_settled_by_the_receipt(received_at: str, instant: str) -> None:
    assert to_utc(DOUBLED, AMSTERDAM, ns(received_at)) == utc(instant)


def test_the_doubled_hour_without_a_receipt_is_the_first_of_the_two() -> None:
    assert to_utc(DOUBLED, AMSTERDAM) == utc("2026-10-25T00:30:00Z")


def test_the_hour_that_spring_leaves_out_is_read_by_the_winter_time_before_it() -> None:
    for received_at in (None, ns("2026-03-29T01:31:00Z"), ns("2026-03-30T00:00:00Z")):
        assert to_utc("20260329023000", AMSTERDAM, received_at) == utc("2026-03-29T01:30:00Z")


@pytest.mark.parametrize(
    ("zone", "instant"),
    [
        ("Etc/GMT-1", "2026-10-25T01:30:00Z"),
        ("Etc/GMT+8", "2026-10-25T10:30:00Z"),
        ("Asia/Kolkata", "2026-10-24T21:00:00Z"),
        ("Asia/Kathmandu", "2026-10-24T20:45:00Z"),
        ("UTC", "2026-10-25T02:30:00Z"),
    ],
)
def test_zones_of_whole_hours_and_of_less_have_one_instant_for_every_time(zone: str, instant: str) -> None:
    assert to_utc(DOUBLED, ZoneInfo(zone), ns("2026-10-25T00:00:00Z")) == utc(instant)


@pytest.mark.parametrize(("day", "hours"), [("20260329", 23), ("20261025", 25), ("20260621", 24)])
def test_a_local_day_has_as_many_hours_as_its_zone_gives_it(day: str, hours: int) -> None:
    midnight = to_utc(f"{day}000000", AMSTERDAM)
    assert to_utc(f"{int(day) + 1}000000", AMSTERDAM) - midnight == timedelta(hours=hours)
    assert to_utc(f"{day}240000", AMSTERDAM) - midnight == timedelta(hours=hours)


@pytest.mark.parametrize(("time", "zone"), [("00010101000000", "Etc/GMT-1"), ("99991231235959", "Etc/GMT+1")])
def test_a_date_at_the_end_of_all_calendars_is_refused_too(time: str, zone: str) -> None:
    with pytest.raises(ValueError, match="out of range"):
        to_utc(time, ZoneInfo(zone))


def test_nanoseconds_are_exact_over_centuries() -> None:
    assert stamps.to_ns(utc("1969-12-31T23:59:59Z")) == -NS
    assert stamps.to_ns(utc("2026-06-21T10:40:00.000001Z")) == 1_782_038_400_000_001_000
    assert stamps.to_ns(datetime(2262, 4, 11, 23, 47, 16, tzinfo=UTC)) == 9_223_372_036 * NS


def seen(*skews_s: float, every_s: float = 300) -> list[tuple[int, float]]:
    """Records that came in one after the other."""
    begin = ns("2026-06-21T10:00:00Z")
    return [(begin + round(every_s * position) * NS, skew_s) for position, skew_s in enumerate(skews_s)]


def test_a_clock_that_is_right_but_for_the_way_here_is_no_finding() -> None:
    assert judge(seen(20, 280, 45), timedelta(hours=2)) is None
    assert judge(seen(600, 601, 900), timedelta(hours=2)) is None
    assert judge(seen(-600, -30, 0), timedelta(hours=2)) is None


@pytest.mark.parametrize(
    ("behind_h", "offset_h", "zone"),
    [
        pytest.param(1, 2, "Etc/GMT-1", id="winter time in summer"),
        pytest.param(-1, 1, "Etc/GMT-2", id="summer time in winter"),
        pytest.param(2, 2, "Etc/GMT", id="UTC in Amsterdam"),
        pytest.param(-6, 2, "Etc/GMT-8", id="as it left the factory"),
        pytest.param(6, -2, "Etc/GMT+8", id="west of Greenwich"),
        pytest.param(1, 13, "Etc/GMT-12", id="New Zealand's summer"),
        pytest.param(-2, 12, "Etc/GMT-14", id="the furthest east"),
        pytest.param(2, -10, "Etc/GMT+12", id="the furthest west"),
        pytest.param(0.5, 5.5, "Etc/GMT-5", id="whole hours only, in India"),
        pytest.param(-0.5, 5.5, "Etc/GMT-6", id="the other way round"),
    ],
)
def test_a_clock_that_is_off_by_a_zone_is_told_the_zone_that_fits(behind_h: float, offset_h: float, zone: str) -> None:
    behind_s = behind_h * 3600
    found = judge(seen(behind_s + 250, behind_s + 20, behind_s + 130), timedelta(hours=offset_h))
    assert found is not None
    assert (found.seconds, found.zone) == (behind_s + 20, zone)
    assert f'timezone = "{zone}"' in found.text
    # The zone that was told is one that exists, and puts the clock right.
    shown = timedelta(hours=offset_h - behind_h)
    assert datetime(2026, 6, 21, tzinfo=ZoneInfo(zone)).utcoffset() == shown


@pytest.mark.parametrize(
    ("behind_h", "offset_h"),
    [
        pytest.param(0.3, 2, id="some minutes"),
        pytest.param(-1.25, 2, id="an hour and some minutes"),
        pytest.param(1, 8.75, id="a whole hour where no other zone is at three quarters"),
        pytest.param(3, -10, id="further west than any zone"),
        pytest.param(-2, 13, id="further east than any zone"),
        pytest.param(30, 2, id="more than a day"),
    ],
)
def test_a_clock_that_no_zone_explains_is_to_be_set(behind_h: float, offset_h: float) -> None:
    behind_s = behind_h * 3600
    found = judge(seen(behind_s, behind_s, behind_s), timedelta(hours=offset_h))
    assert found == Skew(behind_s)
    assert found.text.endswith(
        "behind: set the clock of the ECU" if behind_h > 0 else "ahead: set the clock of the ECU"
    )


def test_the_finding_says_which_way_and_how_far() -> None:
    assert Skew(5400).text.startswith("its clock is 1 h 30 min behind")
    assert Skew(-3600, ("Etc/GMT-2",)).text.startswith("its clock is 1 h 0 min ahead")


def shows(zone: str, day: str) -> list[tuple[int, float]]:
    """Live records of a gateway whose clock is in a zone, read as UTC."""
    begin = utc(f"{day}T12:00:00Z")
    ahead_s = stamps.offset_of(begin, ZoneInfo(zone)).total_seconds()
    return [(stamps.to_ns(begin) + 300 * position * NS, 30 * position + 5 - ahead_s) for position in range(4)]


def season(zone: str, day: str) -> zones.Shown:
    """The same a season ago."""
    own = [(at, f"{datetime.fromtimestamp(at / NS - skew_s, UTC):%Y%m%d%H%M%S}") for at, skew_s in shows(zone, day)]
    found = skew.shown(own)
    assert found is not None
    return found


def known(zone: str, day: str, *seasons: str, is_zone_known: bool = True) -> Skew:
    found = judge(
        shows(zone, day),
        timedelta(0),
        is_zone_known=is_zone_known,
        earlier=lambda: [season(zone, earlier) for earlier in seasons],
    )
    assert found is not None
    return found


@pytest.mark.parametrize("day", ["2026-01-10", "2026-06-21"])
@pytest.mark.parametrize(
    "zone",
    [
        *("Australia/Adelaide", "Asia/Kathmandu", "Asia/Kolkata", "America/St_Johns", "Pacific/Chatham", "Asia/Yangon"),
        *("Europe/Amsterdam", "America/New_York", "Australia/Eucla", "Australia/Lord_Howe", "Pacific/Marquesas"),
    ],
)
def test_where_no_zone_is_configured_the_sites_is_to_be_set_whatever_its_minutes(zone: str, day: str) -> None:
    found = known(zone, day, is_zone_known=False)
    assert zone in found.zones
    assert found.zone == found.zones[0]
    assert f'no time zone is configured, set site.timezone; "{found.zone}"' in found.text
    assert "set the clock" not in found.text


def test_where_no_zone_is_configured_and_none_fits_that_comes_before_the_clock() -> None:
    found = judge(seen(1000, 1000, 1000), timedelta(0), is_zone_known=False)
    assert found == Skew(1000, (), is_zone_known=False)
    assert found.text.endswith("no time zone is configured, set site.timezone, and then the clock of the ECU")


def test_a_clock_of_which_one_season_is_known_may_or_may_not_know_summer_time() -> None:
    assert known("Etc/GMT-2", "2026-06-21").text.endswith(
        'timezone = "Etc/GMT-2" (or "Europe/Amsterdam" if it knows summer time) under its [[ecu]] would fit'
    )
    assert known("Europe/Amsterdam", "2026-06-21").zones == known("Etc/GMT-2", "2026-06-21").zones


@pytest.mark.parametrize("seasons", [("2025-12-21",), ("2026-03-20", "2025-12-21"), ("2025-12-21", "2025-09-20")])
def test_another_season_tells_whether_a_clock_knows_summer_time(seasons: tuple[str, ...]) -> None:
    assert known("Europe/Amsterdam", "2026-06-21", *seasons).zones == ("Europe/Amsterdam",)
    assert known("Etc/GMT-2", "2026-06-21", *seasons).zones == ("Etc/GMT-2",)
    assert known("Etc/GMT-2", "2026-06-21", *seasons, is_zone_known=False).zones == ("Africa/Johannesburg", "Etc/GMT-2")
    assert known("Australia/Adelaide", "2026-06-21", *seasons).zones == ("Australia/Adelaide",)
    assert known("Australia/Darwin", "2026-06-21", *seasons).zones == ("Australia/Darwin",)


def test_a_season_that_no_zone_fits_as_well_says_nothing() -> None:
    found = judge(
        shows("Asia/Kolkata", "2026-06-21"), timedelta(0), earlier=lambda: [(utc("2025-12-21T12:00:00Z"), 99)]
    )
    assert found is not None
    assert found.zones == ("Asia/Kolkata",)


def test_other_seasons_are_only_asked_for_when_a_clock_is_wrong() -> None:
    assert judge(seen(20, 280, 45), timedelta(0), earlier=lambda: pytest.fail("asked")) is None


def test_what_a_clock_shows_is_known_from_enough_records_of_which_some_may_be_late() -> None:
    begin = ns("2026-06-21T10:00:00Z")
    records = [
        (begin, "20260621100000"),
        (begin + 300 * NS, "20260621120459"),
        (begin + 600 * NS, "2026062112xx00"),
        (begin + 900 * NS, "20260621121000"),
    ]
    assert skew.shown(records) == (utc("2026-06-21T10:05:00Z"), 7199)
    assert skew.shown(records[1:]) is None
    assert skew.shown([(begin + position, f"2026062112000{position}") for position in range(9)]) is None


@pytest.mark.parametrize("month", [1, 4, 7, 10])
def test_whatever_zone_of_the_world_a_clock_is_in_some_zone_is_named(month: int) -> None:
    instant = datetime(2026, month, 21, 12, tzinfo=UTC)
    for name in sorted(zoneinfo.available_timezones()):
        seconds = stamps.offset_of(instant, ZoneInfo(name)).total_seconds()
        found = judge(
            [(stamps.to_ns(instant) + 300 * position * NS, 30 * 3600 - seconds) for position in range(4)],
            timedelta(hours=30),
        )
        assert found is not None, name
        assert found.zones, name
        assert len(found.zones) <= zones.MOST_NAMED + 1


@pytest.mark.parametrize("month", [1, 4, 7, 10])
def test_two_seasons_find_a_zone_of_the_same_rules(month: int) -> None:
    instant = datetime(2026, month, 21, 12, tzinfo=UTC)
    # Nobody else goes from UTC to two hours ahead.
    for name in sorted(zoneinfo.available_timezones() - {"Antarctica/Troll"}):
        moments = [instant, instant - timedelta(days=182)]
        seen = [(moment, stamps.offset_of(moment, ZoneInfo(name)).total_seconds()) for moment in moments]
        assert zones.named(seen, 60) or zones.fixed(seen, 60), name


def test_a_backlog_in_one_burst_is_no_finding() -> None:
    hours_late = [8 * 3600 - 300 * position for position in range(90)]
    assert judge(seen(*hours_late, every_s=0.2), timedelta(hours=2)) is None


def test_a_backlog_over_many_minutes_is_none_once_a_live_record_came() -> None:
    assert judge(seen(8 * 3600, 4 * 3600, 3600, 40), timedelta(hours=2)) is None


def test_two_records_are_no_ground_for_a_judgement() -> None:
    assert judge(seen(3600, 3600, every_s=3000), timedelta(hours=2)) is None
    assert judge([], timedelta(hours=2)) is None


def test_rfc3339_has_no_more_digits_than_it_needs() -> None:
    at = int(datetime(2026, 6, 21, tzinfo=UTC).timestamp()) * 10**9
    assert [rfc3339(at), rfc3339(at + 1)] == ["2026-06-21T00:00:00Z", "2026-06-21T00:00:00.000000001Z"]
