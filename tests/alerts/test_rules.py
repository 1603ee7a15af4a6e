"""The alert rules: each fires when it should and is quiet when it should, on the data of made-up roofs.

What is asked is the query in the committed file, on a real InfluxDB; what is made of the answer is what Grafana makes
of it by the rule's own threshold. The time of day is whatever a test says.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
import yaml

from collector.alerts import contacts
from collector.alerts import rules as alerts
from collector.boards.write import BOARDS, bucket_names, with_buckets
from collector.clock.sun import Place
from collector.errors import ConfigError
from collector.journal.mirroring import VendorCommand
from collector.points.schema import Point, Value
from collector.service._report import vendor_point
from tests.boards.commands import boards_command
from tests.boards.conftest import fill
from tests.boards.files import ROOT, RULES, Json, rules
from tests.boards.screen import rfc3339
from tests.conftest import Influx

NOON = datetime(2026, 6, 13, 11, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ECU, OTHER = "216000000001", "216000000002"
ZONE = "Europe/Amsterdam"
NAMES = {ECU: "Roof", OTHER: "Barn"}

HOME = Place(52.37, 4.9)


def with_noon_sun(height_deg: float) -> Place:
    """A place in the south, where it is winter, with its noon at NOON, at which the sun is so high."""
    return Place(height_deg + 23.2 - 90, 15.0)


# The columns of an answer that are neither label nor value.
_FORMAL = {"", "result", "table", "_value"}


def ns(at: datetime) -> int:
    return int(at.timestamp()) * 10**9


class Roof:
    """Gathers points, as the collector would have written them up to a moment."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now
        self.points: list[Point] = []
        self.roll_ups: list[Point] = []

    def steps(self, since: timedelta, until: timedelta = timedelta(0), every: timedelta = 5 * MINUTE) -> list[datetime]:
        """The moments from `since` ago up to `until` ago."""
        return [self.now - since + number * every for number in range((since - until) // every + 1)]

    def gateway(
        self, moments: Iterable[datetime], power_w: float = 3000.0, skew_s: float = 60.0, ecu: str = ECU
    ) -> None:
        """Records that were received at these moments; their own time is off by the skew."""
        for at in moments:
            fields = {"power_w": power_w, "energy_wh": power_w / 12, "clock_skew_s": skew_s}
            self.points.append(Point("ecu", (ecu, NAMES[ecu]), fields, ns(at) - int(skew_s) * 10**9))

    def inverter(
        self,
        moments: Iterable[datetime],
        name: str,
        voltage_v: float = 235.0,
        temperature_c: float = 40.0,
        ecu: str = ECU,
        shown: str | None = None,
    ) -> None:
        for at in moments:
            fields = {"energy_wh": 20.0, "grid_voltage_v": voltage_v, "temperature_c": temperature_c}
            self.points.append(Point("inverter", (ecu, name, shown or name, "YC600"), fields, ns(at)))

    def collector(
        self,
        since: timedelta,
        place: Place | None,
        *,
        until: timedelta = timedelta(0),
        polls: bool = False,
        every: timedelta = MINUTE,
        instance: str = "home",
        **figures: float,
    ) -> None:
        """Reports of every minute, and where it is; with `polls` a gateway asks for work every quarter of an hour."""
        for number, at in enumerate(self.steps(since, until, every)):
            fields = {"records_pending": 0, "records_set_aside": 0, "disk_free_bytes": 10**12, **figures}
            fields["records_received"] = 100 + (number // 15 if polls else 0)
            self.points.append(Point("collector", (instance,), fields, ns(at)))
        if place is not None:
            self.place(place, ECU, OTHER)

    def place(self, place: Place, *ecus: str) -> None:
        """Where gateways are."""
        where = {"latitude": place.latitude, "longitude": place.longitude}
        hours = [self.now - MINUTE - number * HOUR for number in range(0, 37, 6)]
        self.points += [Point("site", (ecu,), where, ns(at)) for ecu in ecus for at in hours]

    def day(
        self,
        ago: int,
        share: float,
        panels: dict[str, float],
        peak_w: float | dict[str, float] | None = 400.0,
        array: str = "South",
        ecu: str = ECU,
    ) -> None:
        """A local day (Amsterdam's summer) of a site at a share of its best, and what of it each panel has."""
        midnight = datetime(2026, 6, 12, 22, 0, tzinfo=UTC) + (self.now - NOON) - ago * DAY
        self.roll_ups.append(Point("ecu_day", (ecu, NAMES[ecu]), {"energy_wh": 20_000.0 * share}, ns(midnight)))
        for name, part in panels.items():
            tags = (ecu, f"4{name}", f"inverter of {name}", "YC600", "1", name, array)
            peak = peak_w[name] if isinstance(peak_w, dict) else peak_w
            fields = {"energy_wh": 2000.0 * share * part, "peak_w": peak}
            self.roll_ups.append(Point("channel_day", tags, fields, ns(midnight)))


def rule(uid: str) -> Json:
    (found,) = (rule for rule in rules() if rule["uid"] == uid)
    return found


def firing(influx: Influx, roof: Roof, uid: str, later: timedelta = timedelta(0)) -> list[dict[str, str]]:
    """The labels of each alert that a rule would raise; what Grafana could not evaluate is an AssertionError."""
    fill(influx, roof.points, roof.roll_ups)
    return asked(influx, roof.now + later, uid)


def asked(influx: Influx, now: datetime, uid: str) -> list[dict[str, str]]:
    query, threshold = rule(uid)["data"]
    names = bucket_names(influx.bucket, influx.rollup_bucket)
    rows = influx.api.query(with_buckets(query["model"]["query"], names), now=rfc3339(now))
    found = []
    for row in rows:
        assert "error" not in row, row
        labels = {name: value for name, value in row.items() if name not in _FORMAL}
        # A column of times would make it a series that has to be reduced first, and one of numbers another value.
        assert not [name for name in labels if name.startswith("_") or name in ("seen", "day", "median", "age")]
        if holds(threshold["model"]["conditions"][0]["evaluator"], float(row["_value"])):
            found.append(labels)
    assert len({tuple(sorted(labels.items())) for labels in found}) == len(found), "two alerts of the same labels"
    return found


def holds(evaluator: Json, value: float) -> bool:
    (limit,) = evaluator["params"]
    return bool(value > limit if evaluator["type"] == "gt" else value < limit)


def subjects(found: list[dict[str, str]], label: str) -> list[str]:
    return sorted(labels[label] for labels in found)


EVERY = [rule["uid"] for rule in rules()]
every_rule = pytest.mark.parametrize("uid", EVERY)


# What every rule has.


def test_the_committed_rules_are_what_is_built(tmp_path: Path) -> None:
    environ = {"SOLAR_ALERT_MAIL": "a@b.example"}
    assert boards_command(environ, "write", "--builtin", "--alerting", str(tmp_path))[0] == 0
    assert [file.name for file in tmp_path.iterdir()] == [alerts.FILE_NAME]
    assert (tmp_path / alerts.FILE_NAME).read_text(encoding="utf-8") == RULES.read_text(encoding="utf-8")


@every_rule
def test_no_rule_fires_on_a_fresh_installation(influx: Influx, uid: str) -> None:
    assert firing(influx, Roof(), uid) == []


@every_rule
def test_no_rule_fires_after_the_first_record(influx: Influx, uid: str) -> None:
    roof = Roof()
    roof.gateway([NOON - MINUTE])
    roof.inverter([NOON - MINUTE], "1")
    roof.collector(3 * MINUTE, HOME)
    roof.day(0, 0.1, {"1": 1.0, "2": 0.1, "3": 1.0})
    assert firing(influx, roof, uid) == []


@every_rule
def test_one_outage_of_the_database_is_one_message(uid: str) -> None:
    built = rule(uid)
    assert built["noDataState"] == "OK"
    assert built["execErrState"] == ("Alerting" if uid == "solar-database-silent" else "KeepLast")


def test_what_is_said_of_the_database_needs_no_answer_of_it() -> None:
    assert "{{" not in str(rule("solar-database-silent")["annotations"])


@every_rule
def test_a_message_names_its_subject_by_labels_that_the_query_gives(uid: str) -> None:
    built = rule(uid)
    told = " ".join(built["annotations"].values())
    assert "$$" not in told
    used = set(re.findall(r"\$labels\.(\w+)", told))
    query = built["data"][0]["model"]["query"]
    assert all(re.search(rf"\b{label}\b", query) for label in used)


@every_rule
def test_a_text_can_be_filled_in_where_there_is_no_row(uid: str) -> None:
    # There `$values` has no A, and `$labels` no subject: printing that is no error for Grafana, but using it is.
    for text in rule(uid)["annotations"].values():
        assert text.count("$values") == text.count('(index $values "A").Value')
        assert not re.search(r"(match|eq|printf|humanize\w*)[^{}]*\$labels\.", text)


def test_no_message_says_inverter_or_panel_twice() -> None:
    for uid, word in (
        ("solar-inverter-silent", "inverter"),
        ("solar-inverter-hot", "inverter"),
        ("solar-panel-weak", "panel"),
    ):
        summary = rule(uid)["annotations"]["summary"]
        own = '{{ if not (match "(?i)word" (index $labels "word")) }}word {{ end }}{{ $labels.word }}'
        assert own.replace("word", word) in summary
        assert f": {word}" not in summary


@every_rule
def test_a_link_leads_to_a_board_that_has_the_variables_in_it(uid: str) -> None:
    boards = {board["uid"]: board for board in (build() for build in BOARDS)}
    link = rule(uid)["annotations"].get("link")
    if uid == "solar-database-silent":
        assert link is None
        return
    address = urlsplit(re.sub(r"\{\{ externalURL \}\}", "http://x/", re.sub(r"\{\{[^}]*\$[^}]*\}\}", "x", link)))
    board = boards[address.path.removeprefix("/d/")]
    given = {name.removeprefix("var-") for name in parse_qs(address.query)}
    assert given <= {variable["name"] for variable in board["templating"]["list"]}


def test_a_rule_waits_longer_than_grafana_needs_to_know_a_new_contact_point() -> None:
    # It takes a minute, in which alerts would go to the address that Grafana has by default.
    assert {built["for"] for built in rules()} <= {"5m", "10m", "30m", "1h"}


def test_only_a_rule_with_a_contact_point_says_how_it_is_told() -> None:
    built = alerts.build(alerts.Limits(), "Solar")
    told = [rule["notification_settings"] for group in built["groups"] for rule in group["rules"]]
    assert {settings["receiver"] for settings in told} == {"Solar"}
    # Grafana forgets after five days that it has sent something.
    assert {settings["repeat_interval"] for settings in told} <= {"1d", "3d", "4d"}
    assert not any("notification_settings" in built for built in rules())


DOCUMENT = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")


def test_the_document_tells_of_every_rule_and_of_no_other() -> None:
    table = re.findall(r"^\| ([A-Z][^|]+?) \| [^|]+ \| [^|]*\|$", DOCUMENT, re.MULTILINE)
    assert table == [built["title"] for built in sorted(rules(), key=lambda built: table.index(built["title"]))]
    critical = re.search(r"^(\*.+) are critical", DOCUMENT, re.MULTILINE)
    assert critical
    told = {built["title"] for built in rules() if built["labels"]["severity"] == "critical"}
    assert set(re.findall(r"\*([^*]+)\*", critical[1])) == told


def test_the_document_names_every_setting_and_its_default() -> None:
    assert not [name for name in (*contacts.VARIABLES, *alerts.VARIABLES) if f"`{name}`" not in DOCUMENT]
    limits = alerts.Limits()
    assert "(253, in grids of 60 Hz 132 or 264)" in DOCUMENT
    assert f"({limits.inverter_temperature_c:g})" in DOCUMENT


# A gateway falls silent.


def test_a_gateway_that_is_silent_by_day_is_told(influx: Influx) -> None:
    roof = Roof()
    roof.gateway(roof.steps(6 * HOUR, 50 * MINUTE))
    roof.collector(HOUR, HOME)
    assert firing(influx, roof, "solar-gateway-silent") == [{"ecu": ECU, "site": "Roof"}]


def test_of_two_gateways_the_silent_one_is_told(influx: Influx) -> None:
    roof = Roof()
    roof.gateway(roof.steps(6 * HOUR))
    roof.gateway(roof.steps(6 * HOUR, 2 * HOUR), ecu=OTHER)
    # The polls of the one that works say nothing of the other.
    roof.collector(HOUR, HOME, polls=True)
    assert subjects(firing(influx, roof, "solar-gateway-silent"), "site") == ["Barn"]


def test_a_gateway_that_died_at_noon_is_told_all_night_until_it_reports(influx: Influx) -> None:
    roof = Roof(NOON + 23 * HOUR)
    roof.gateway(roof.steps(30 * HOUR, 23 * HOUR))
    roof.collector(40 * HOUR, HOME)
    fill(influx, roof.points, roof.roll_ups)
    for hours in (1, 8, 12, 17, 22):
        assert asked(influx, NOON + hours * HOUR, "solar-gateway-silent") == [{"ecu": ECU, "site": "Roof"}], hours
    roof.gateway([roof.now - MINUTE])
    assert firing(influx, roof, "solar-gateway-silent") == []


def test_a_gateway_that_reported_until_its_sun_was_low_is_left_alone_all_night(influx: Influx) -> None:
    roof = Roof(NOON + 23 * HOUR)
    roof.gateway(roof.steps(30 * HOUR, 23 * HOUR - 7 * HOUR - 30 * MINUTE))
    roof.collector(40 * HOUR, HOME)
    fill(influx, roof.points, roof.roll_ups)
    # In June it is low from 19:00 to 4:20 of this clock.
    for hours in (9, 12, 17):
        assert asked(influx, NOON + hours * HOUR, "solar-gateway-silent") == [], hours
    assert subjects(asked(influx, NOON + 19 * HOUR, "solar-gateway-silent"), "site") == ["Roof"]


def test_a_gateway_is_left_alone_in_the_low_sun_of_winter(influx: Influx) -> None:
    roof = Roof()
    roof.gateway(roof.steps(46 * HOUR, 42 * HOUR))
    roof.collector(40 * HOUR, with_noon_sun(7.5))
    assert firing(influx, roof, "solar-gateway-silent") == []


def test_a_gateway_is_not_called_silent_at_sunrise_for_the_night(influx: Influx) -> None:
    roof = Roof()
    roof.gateway(roof.steps(18 * HOUR, 10 * HOUR))
    # The sun has risen above eight degrees twenty minutes ago.
    near = Place(30.0, -75.0)
    begun_s, _ = near.light_s(roof.now.timestamp(), 8.0)
    early_s = begun_s - (roof.now - 20 * MINUTE).timestamp()
    roof.collector(HOUR, Place(30.0, near.longitude + early_s / 240))
    assert firing(influx, roof, "solar-gateway-silent") == []


def test_a_gateway_under_snow_that_still_asks_for_work_is_left_alone(influx: Influx) -> None:
    roof = Roof()
    roof.gateway(roof.steps(2 * DAY, DAY))
    roof.collector(4 * HOUR, with_noon_sun(15.0), polls=True)
    assert firing(influx, roof, "solar-gateway-silent") == []
    assert asked(influx, roof.now, "solar-roof-silent") == []


def test_a_gateway_is_not_blamed_for_a_collector_that_was_away(influx: Influx) -> None:
    roof = Roof()
    roof.gateway(roof.steps(6 * HOUR, 2 * HOUR))
    roof.collector(6 * HOUR, HOME, until=2 * HOUR)
    roof.collector(10 * MINUTE, HOME)
    assert firing(influx, roof, "solar-gateway-silent") == []


@pytest.mark.parametrize("skew_s", [7200.0, -7200.0])
def test_a_gateway_with_a_wrong_clock_is_not_silent(influx: Influx, skew_s: float) -> None:
    roof = Roof()
    roof.gateway(roof.steps(6 * HOUR), skew_s=skew_s)
    roof.collector(HOUR, HOME)
    assert firing(influx, roof, "solar-gateway-silent") == []


def test_a_gateway_that_is_gone_for_good_is_forgotten(influx: Influx) -> None:
    roof = Roof()
    roof.gateway(roof.steps(20 * DAY, 15 * DAY))
    roof.collector(HOUR, HOME)
    assert firing(influx, roof, "solar-gateway-silent") == []


def habit(roof: Roof, first: timedelta, last: timedelta) -> None:
    """A week of records from `first` after the present time of day up to `last` after it, today excepted."""
    for days in range(1, 9):
        roof.gateway([at - days * DAY for at in roof.steps(-first, -last)])
        own_days(roof, days, roof.now + first, roof.now + last)


def own_days(roof: Roof, ago: int, first: datetime, last: datetime, ecu: str = ECU, zone: str = ZONE) -> None:
    """The roll-up of a gateway's day, which began with a record at the one and ended with one at the other."""
    local = (roof.now.astimezone(ZoneInfo(zone)) - ago * DAY).date()
    midnight = datetime(local.year, local.month, local.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    fields = {
        name: int((at - ago * DAY - midnight) / timedelta(seconds=1))
        for name, at in (("first_s", first), ("last_s", last))
    }
    roof.roll_ups.append(Point("ecu_day", (ecu, NAMES[ecu]), {"records": 100, **fields}, ns(midnight)))


def test_where_the_place_is_unknown_the_habit_of_the_week_tells_the_day(influx: Influx) -> None:
    roof = Roof()
    habit(roof, -6 * HOUR, 6 * HOUR)
    roof.gateway(roof.steps(6 * HOUR, HOUR))
    roof.collector(HOUR, None)
    assert firing(influx, roof, "solar-gateway-silent") == [{"ecu": ECU, "site": "Roof"}]


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (-6 * HOUR, -5 * MINUTE),  # it is dusk: on other days it fell silent five minutes ago
        (-30 * MINUTE, 6 * HOUR),  # it is dawn: on other days it began half an hour ago
        (-12 * HOUR, -8 * HOUR),  # it is night
    ],
)
def test_where_the_place_is_unknown_dusk_dawn_and_night_are_quiet(
    influx: Influx, first: timedelta, last: timedelta
) -> None:
    roof = Roof()
    habit(roof, first, last)
    if last < timedelta(0):
        roof.gateway(roof.steps(-first, -last))
    roof.collector(HOUR, None)
    assert firing(influx, roof, "solar-gateway-silent") == []


def test_a_gateway_that_was_silent_for_a_day_is_told_by_night_too(influx: Influx) -> None:
    roof = Roof()
    habit(roof, -12 * HOUR, -8 * HOUR)
    roof.collector(HOUR, None)
    assert subjects(firing(influx, roof, "solar-gateway-silent"), "site") == ["Roof"]


def test_where_the_place_is_unknown_two_days_are_no_habit(influx: Influx) -> None:
    roof = Roof()
    roof.gateway([at - days * DAY for days in (1, 2) for at in roof.steps(6 * HOUR, -6 * HOUR)])
    for days in (1, 2):
        own_days(roof, days, roof.now - 6 * HOUR, roof.now + 6 * HOUR)
    roof.collector(HOUR, None)
    assert firing(influx, roof, "solar-gateway-silent") == []


# Of the gateways one is in Amsterdam; of the other only the habit is known.


def elsewhere(zone: str, now: datetime, silent_for: timedelta) -> Roof:
    """The gateway at home does what it does; another in this zone reports from 7 to 19 of its own clock, not today."""
    roof = Roof(now)
    midnight = now.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0)
    at_home = now.astimezone(ZoneInfo(ZONE)).replace(hour=0, minute=0)
    for ago in range(1, 9):
        own_days(roof, ago, at_home + 7 * HOUR, at_home + 19 * HOUR)
        own_days(roof, ago, midnight + 7 * HOUR, midnight + 19 * HOUR, OTHER, zone)
    roof.gateway([now - silent_for], ecu=OTHER)
    roof.collector(30 * HOUR, None, polls=True)
    roof.place(HOME, ECU)
    return roof


def test_a_gateway_that_sleeps_in_another_zone_is_left_alone_while_it_is_day_here(influx: Influx) -> None:
    roof = elsewhere("Asia/Tokyo", NOON + 2 * HOUR, 4 * HOUR)
    roof.gateway(roof.steps(6 * HOUR))
    assert firing(influx, roof, "solar-gateway-silent") == []


@pytest.mark.parametrize("silent_for", [3 * HOUR, 4 * DAY])
def test_a_gateway_that_is_silent_in_another_zone_is_told_while_it_is_night_here(
    influx: Influx, silent_for: timedelta
) -> None:
    roof = elsewhere("America/Phoenix", datetime(2026, 6, 13, 20, 30, tzinfo=UTC), silent_for)
    # That here asleep still asks for work, which says nothing of the other.
    roof.gateway([roof.now - 4 * HOUR])
    assert subjects(firing(influx, roof, "solar-gateway-silent"), "site") == ["Barn"]


# The gateway is there, the inverters are not.


def test_a_roof_without_grid_is_told_when_the_sun_is_high(influx: Influx) -> None:
    roof = Roof()
    roof.gateway(roof.steps(8 * HOUR, 200 * MINUTE))
    roof.collector(4 * HOUR, HOME, polls=True)
    assert firing(influx, roof, "solar-roof-silent") == [{"ecu": ECU, "site": "Roof"}]
    assert asked(influx, roof.now, "solar-gateway-silent") == []


def test_a_roof_is_not_called_dead_while_one_gateway_reports(influx: Influx) -> None:
    roof = Roof()
    roof.gateway(roof.steps(8 * HOUR))
    roof.gateway(roof.steps(8 * HOUR, 4 * HOUR), ecu=OTHER)
    roof.collector(4 * HOUR, HOME, polls=True)
    assert firing(influx, roof, "solar-roof-silent") == []


def idle(days: float, place: Place | None, now: datetime = NOON) -> Roof:
    """A roof that was last heard of so many days ago, whose gateway goes on asking for work."""
    roof = Roof(now)
    roof.gateway(roof.steps(days * DAY + HOUR, days * DAY))
    roof.collector(8 * DAY, place, polls=True)
    return roof


@pytest.mark.parametrize("days", [7.1, 13.0, 90.0])
@pytest.mark.parametrize("hour", [0, 12])
def test_a_roof_that_is_silent_for_a_week_is_told_all_winter_by_day_and_by_night(
    influx: Influx, days: float, hour: int
) -> None:
    roof = idle(days, with_noon_sun(14.5), NOON + hour * HOUR)
    assert firing(influx, roof, "solar-roof-silent") == [{"ecu": ECU, "site": "Roof"}]
    assert asked(influx, roof.now, "solar-gateway-silent") == []


def test_a_roof_that_is_silent_for_a_week_is_told_where_the_place_is_unknown(influx: Influx) -> None:
    assert subjects(firing(influx, idle(8.0, None), "solar-roof-silent"), "site") == ["Roof"]


def test_a_roof_under_the_snow_of_some_days_is_left_alone(influx: Influx) -> None:
    assert firing(influx, idle(6.9, with_noon_sun(14.5)), "solar-roof-silent") == []


def test_a_roof_in_a_polar_night_is_left_alone(influx: Influx) -> None:
    assert firing(influx, idle(30.0, with_noon_sun(-2.0)), "solar-roof-silent") == []


@pytest.mark.parametrize("polls", [True, False])
def test_a_roof_is_not_told_for_a_week_in_which_collector_or_gateway_was_away(influx: Influx, polls: bool) -> None:
    roof = Roof(NOON + 12 * HOUR)
    roof.gateway(roof.steps(9 * DAY, 8 * DAY))
    if not polls:
        # The collector was there all the time, but nobody asked it for work until now.
        roof.collector(8 * DAY, with_noon_sun(14.5), until=4 * HOUR)
    roof.collector(4 * HOUR, with_noon_sun(14.5), polls=True)
    assert firing(influx, roof, "solar-roof-silent") == []


def test_a_gateway_that_was_gone_long_before_the_others_fell_silent_is_not_told_with_them(influx: Influx) -> None:
    roof = idle(10.0, with_noon_sun(14.5))
    roof.gateway(roof.steps(60 * DAY, 59 * DAY), ecu=OTHER)
    assert subjects(firing(influx, roof, "solar-roof-silent"), "site") == ["Roof"]


# An inverter falls silent.


def test_an_inverter_that_is_silent_while_others_report_is_told(influx: Influx) -> None:
    roof = Roof()
    roof.gateway(roof.steps(5 * HOUR))
    roof.inverter(roof.steps(5 * HOUR), "1")
    roof.inverter(roof.steps(5 * HOUR, 130 * MINUTE), "2", shown="South 2")
    assert firing(influx, roof, "solar-inverter-silent") == [
        {"ecu": ECU, "site": "Roof", "inverter": "South 2", "inverter_id": "2"}
    ]


def test_a_renamed_inverter_is_not_silent_under_its_former_name(influx: Influx) -> None:
    roof = Roof()
    roof.gateway(roof.steps(5 * HOUR))
    roof.inverter(roof.steps(5 * HOUR, 3 * HOUR), "1", shown="old")
    roof.inverter(roof.steps(3 * HOUR), "1", shown="new")
    assert firing(influx, roof, "solar-inverter-silent") == []


def test_an_inverter_that_wakes_later_than_others_is_left_alone(influx: Influx) -> None:
    roof = Roof()
    roof.gateway(roof.steps(20 * HOUR, 10 * HOUR))
    roof.inverter(roof.steps(20 * HOUR, 10 * HOUR), "2")
    # Dawn: others have reported for an hour.
    roof.gateway(roof.steps(HOUR), power_w=900.0)
    roof.inverter(roof.steps(HOUR), "1")
    assert firing(influx, roof, "solar-inverter-silent") == []


def test_an_inverter_under_snow_or_thick_cloud_is_left_alone(influx: Influx) -> None:
    roof = Roof()
    roof.gateway(roof.steps(28 * HOUR, 24 * HOUR))
    roof.gateway(roof.steps(4 * HOUR), power_w=200.0)
    roof.inverter(roof.steps(4 * HOUR), "1")
    roof.inverter(roof.steps(28 * HOUR, 24 * HOUR), "2")
    assert firing(influx, roof, "solar-inverter-silent") == []


def test_no_inverter_is_called_silent_by_night_or_when_all_are(influx: Influx) -> None:
    roof = Roof()
    roof.gateway(roof.steps(10 * HOUR, 3 * HOUR))
    for name in "12":
        roof.inverter(roof.steps(10 * HOUR, 3 * HOUR), name)
    assert firing(influx, roof, "solar-inverter-silent") == []


def test_an_inverter_that_fell_silent_by_day_is_told_all_night(influx: Influx) -> None:
    roof = Roof()
    roof.gateway(roof.steps(10 * HOUR, 3 * HOUR))
    roof.inverter(roof.steps(10 * HOUR, 3 * HOUR), "1")
    roof.inverter(roof.steps(10 * HOUR, 6 * HOUR), "2")
    assert subjects(firing(influx, roof, "solar-inverter-silent"), "inverter") == ["2"]


def test_an_inverter_that_was_taken_down_weeks_ago_is_forgotten(influx: Influx) -> None:
    roof = Roof()
    roof.gateway(roof.steps(5 * HOUR))
    roof.inverter(roof.steps(5 * HOUR), "1")
    roof.inverter(roof.steps(16 * DAY, 15 * DAY, HOUR), "2")
    assert firing(influx, roof, "solar-inverter-silent") == []


# A panel gives less than its neighbours.


def weeks(roof: Roof, shares: Iterable[float], panels: dict[str, float], **more: object) -> Roof:
    """Yesterday and the days before it, at these shares of the best day of the year, which was two months ago."""
    roof.day(60, 1.0, dict.fromkeys(panels, 1.0))
    for ago, share in enumerate(shares, start=1):
        roof.day(ago, share, panels, **more)  # type: ignore[arg-type] # those of `day`
    return roof


SUNNY = (0.8, 0.9, 0.3, 0.7, 0.8)
WEAK = {"S1": 1.0, "S2": 0.98, "S3": 0.5, "S4": 1.02}


def test_a_weak_panel_is_told_after_three_sunny_days(influx: Influx) -> None:
    assert firing(influx, weeks(Roof(), SUNNY, WEAK), "solar-panel-weak") == [
        {"ecu": ECU, "site": "Roof", "array": "South", "inverter": "inverter of S3", "panel": "S3"}
    ]


def test_two_weak_days_are_not_enough(influx: Influx) -> None:
    roof = weeks(Roof(), (0.8, 0.9), WEAK)
    for ago in (3, 4, 5):
        roof.day(ago, 0.8, dict.fromkeys(WEAK, 1.0))
    assert firing(influx, roof, "solar-panel-weak") == []


@pytest.mark.parametrize("share", [0.02, 0.25, 0.49])
def test_on_days_of_snow_and_of_winter_no_panel_is_compared(influx: Influx, share: float) -> None:
    assert firing(influx, weeks(Roof(), [share] * 14, WEAK), "solar-panel-weak") == []


def test_a_panel_of_lower_rated_power_is_not_weak(influx: Influx) -> None:
    peaks = {"S1": 400.0, "S2": 400.0, "S3": 200.0, "S4": 400.0}
    assert firing(influx, weeks(Roof(), SUNNY, WEAK, peak_w=peaks), "solar-panel-weak") == []


def test_where_no_rated_power_is_known_energies_are_compared(influx: Influx) -> None:
    found = firing(influx, weeks(Roof(), SUNNY, WEAK, peak_w=None), "solar-panel-weak")
    assert subjects(found, "panel") == ["S3"]


@pytest.mark.parametrize(
    ("panels", "weak"),
    [
        ({"S1": 0.1}, []),
        ({"S1": 1.0, "S2": 0.76}, []),
        ({"S1": 1.0, "S2": 0.71}, ["S2"]),
        ({"S1": 1.0, "S2": 0.0}, ["S2"]),
        ({"S1": 0.0, "S2": 0.0}, []),
        ({"S1": 1.0, "S2": 0.9, "S3": 0.62, "S4": 0.0}, ["S3", "S4"]),
    ],
)
def test_of_two_panels_in_the_middle_of_an_array_the_better_one_is_the_measure(
    influx: Influx, panels: dict[str, float], weak: list[str]
) -> None:
    assert subjects(firing(influx, weeks(Roof(), SUNNY, panels), "solar-panel-weak"), "panel") == weak


def test_a_panel_is_compared_with_those_of_its_own_array(influx: Influx) -> None:
    roof = weeks(Roof(), SUNNY, {"S1": 1.0, "S2": 1.0, "S3": 1.0, "S4": 1.0})
    for ago in range(1, 6):
        roof.day(ago, 0.8, {"N1": 0.4, "N2": 0.4, "N3": 0.4}, array="North")
    assert firing(influx, roof, "solar-panel-weak") == []


def test_a_dead_panel_is_weak_and_today_does_not_count_yet(influx: Influx) -> None:
    roof = weeks(Roof(), SUNNY, {**WEAK, "S3": 0.0})
    roof.day(0, 0.9, {"S1": 0.1, "S2": 1.0, "S3": 1.0, "S4": 1.0})
    assert subjects(firing(influx, roof, "solar-panel-weak"), "panel") == ["S3"]


def analysed(roof: Roof, *panels: str, days_ago: int = 1, finding: bool = False) -> Roof:
    """The analysis said of these panels what they should have made, and found something on a day."""
    midnight = datetime(2026, 6, 12, 22, 0, tzinfo=UTC) - days_ago * DAY
    for name in panels:
        tags = (ECU, f"of {name}", f"inverter of {name}", "YC600", "1", name, "South")
        roof.roll_ups.append(Point("channel_day", tags, {"expected_wh": 1000.0}, ns(midnight)))
        if finding:
            fields: dict[str, Value | None] = {"lost_percent": 31.0, "lost_wh": 310.0, "days": 9, "text": "makes less"}
            roof.roll_ups.append(Point("finding", (*tags, "dirt"), fields, ns(midnight)))
    return roof


def test_what_the_analysis_found_is_told_with_its_day_and_its_cause_and_no_longer_by_the_share(influx: Influx) -> None:
    roof = analysed(weeks(Roof(), SUNNY, WEAK), "S3", finding=True)
    roof.gateway(roof.steps(HOUR))
    labels = {"ecu": ECU, "site": "Roof", "array": "South", "inverter": "inverter of S3", "panel": "S3"}
    assert firing(influx, roof, "solar-panel-under") == [{**labels, "cause": "dirt", "since": "2026-06-04"}]
    assert asked(influx, roof.now, "solar-panel-weak") == []


def test_a_panel_that_is_not_analysed_is_still_held_against_the_median(influx: Influx) -> None:
    roof = analysed(weeks(Roof(), SUNNY, WEAK), "S1", "S2")
    roof.gateway(roof.steps(HOUR))
    assert subjects(firing(influx, roof, "solar-panel-weak"), "panel") == ["S3"]
    assert asked(influx, roof.now, "solar-panel-under") == []


def test_what_was_found_days_ago_is_over(influx: Influx) -> None:
    roof = analysed(weeks(Roof(), SUNNY, WEAK), "S3", days_ago=3, finding=True)
    roof.gateway(roof.steps(HOUR))
    assert firing(influx, roof, "solar-panel-under") == []


# Grid and heat.


def test_a_grid_above_the_limit_is_told_once_for_the_site(influx: Influx) -> None:
    roof = Roof()
    roof.gateway(roof.steps(HOUR))
    for name in "12":
        roof.inverter(roof.steps(HOUR), name, voltage_v=253.5)
    assert firing(influx, roof, "solar-grid-voltage") == [{"ecu": ECU, "site": "Roof"}]


def test_a_single_phase_above_the_limit_is_enough(influx: Influx) -> None:
    roof = Roof()
    roof.gateway(roof.steps(HOUR))
    roof.inverter(roof.steps(HOUR), "1", voltage_v=245.0)
    for at in roof.steps(HOUR):
        roof.points.append(Point("phase", (ECU, "1", "1", "YC1000", "2"), {"grid_voltage_v": 254.0}, ns(at)))
    assert subjects(firing(influx, roof, "solar-grid-voltage"), "site") == ["Roof"]


@pytest.mark.parametrize(
    ("voltage_v", "is_told"), [(255.0, False), (263.5, False), (265.0, True), (131.0, False), (133.0, True)]
)
def test_a_grid_of_60_hz_has_limits_of_its_own(influx: Influx, voltage_v: float, *, is_told: bool) -> None:
    roof = Roof()
    roof.gateway(roof.steps(HOUR))
    roof.inverter(roof.steps(HOUR), "1", voltage_v=voltage_v)
    for at in roof.steps(HOUR):
        roof.points.append(Point("inverter", (ECU, "1", "1", "YC600"), {"grid_frequency_hz": 59.9}, ns(at)))
    assert subjects(firing(influx, roof, "solar-grid-voltage"), "site") == ["Roof"] * is_told


@pytest.mark.parametrize("voltages", [(253.0, 253.0, 253.0), (255.0, 250.0, 255.0), (255.0,)])
def test_a_grid_at_the_limit_or_above_it_for_a_moment_is_left_alone(
    influx: Influx, voltages: tuple[float, ...]
) -> None:
    roof = Roof()
    roof.gateway(roof.steps(HOUR))
    for number, voltage_v in enumerate(voltages):
        roof.inverter([roof.now - MINUTE - number * 5 * MINUTE], "1", voltage_v=voltage_v)
    assert firing(influx, roof, "solar-grid-voltage") == []


def test_a_hot_inverter_is_told_and_a_warm_one_is_not(influx: Influx) -> None:
    roof = Roof()
    roof.gateway(roof.steps(HOUR))
    roof.inverter(roof.steps(HOUR), "1", temperature_c=75.0)
    roof.inverter(roof.steps(HOUR), "2", temperature_c=76.0)
    assert subjects(firing(influx, roof, "solar-inverter-hot"), "inverter") == ["2"]


# Clock and data.


@pytest.mark.parametrize(("skew_s", "side"), [(3600.0, "behind"), (-3600.0, "ahead"), (700.0, "behind")])
def test_a_wrong_clock_is_told_also_by_night(influx: Influx, skew_s: float, side: str) -> None:
    roof = Roof()
    roof.gateway(roof.steps(16 * HOUR, 8 * HOUR), skew_s=skew_s)
    assert firing(influx, roof, "solar-clock-wrong") == [{"ecu": ECU, "site": "Roof", "side": side}]


@pytest.mark.parametrize("skew_s", [0.0, 250.0, -500.0])
def test_a_clock_that_is_a_few_minutes_off_is_left_alone(influx: Influx, skew_s: float) -> None:
    roof = Roof()
    roof.gateway(roof.steps(8 * HOUR), skew_s=skew_s)
    assert firing(influx, roof, "solar-clock-wrong") == []


def test_what_is_delivered_late_is_no_wrong_clock(influx: Influx) -> None:
    roof = Roof()
    for at in roof.steps(8 * HOUR, 4 * HOUR):
        # All of it was received an hour ago.
        skew_s = (roof.now - HOUR - at) / timedelta(seconds=1)
        roof.points.append(Point("ecu", (ECU, "Roof"), {"power_w": 1.0, "clock_skew_s": skew_s}, ns(at)))
    assert firing(influx, roof, "solar-clock-wrong") == []


def test_what_was_not_understood_is_told_for_a_day(influx: Influx) -> None:
    roof = Roof()
    roof.gateway(roof.steps(HOUR))
    for at in roof.steps(23 * HOUR, 22 * HOUR):
        roof.points.append(Point("event", (ECU, "data", "undecodable_block"), {"text": "type 99"}, ns(at)))
    assert firing(influx, roof, "solar-not-understood") == [{"ecu": ECU, "site": "Roof"}]
    assert asked(influx, roof.now + DAY, "solar-not-understood") == []


def test_other_events_are_no_trouble(influx: Influx) -> None:
    roof = Roof()
    roof.gateway(roof.steps(HOUR))
    roof.points.append(Point("event", (ECU, "data", "new_inverter"), {"text": "new"}, ns(roof.now - HOUR)))
    assert firing(influx, roof, "solar-not-understood") == []
    assert asked(influx, roof.now, "solar-unknown-devices") == []


# The collector.


def test_a_collector_that_no_longer_reports_is_told_by_night_too(influx: Influx) -> None:
    roof = Roof()
    roof.collector(HOUR, None, until=11 * MINUTE)
    roof.collector(HOUR, None, instance="other")
    assert firing(influx, roof, "solar-collector-silent") == [{"instance": "home"}]
    assert asked(influx, roof.now + 15 * DAY, "solar-collector-silent") == []


def test_a_backlog_that_stays_is_told_and_one_that_shrinks_away_is_not(influx: Influx) -> None:
    roof = Roof()
    roof.collector(HOUR, None, records_pending=150)
    roof.collector(HOUR, None, instance="other", until=5 * MINUTE, records_pending=5000)
    roof.collector(4 * MINUTE, None, instance="other", records_pending=3)
    assert firing(influx, roof, "solar-backlog") == [{"instance": "home"}]


def test_records_that_are_set_aside_are_told_and_those_of_long_ago_are_not(influx: Influx) -> None:
    roof = Roof()
    roof.collector(3 * HOUR, None, until=2 * HOUR, records_set_aside=4)
    roof.collector(HOUR, None, records_set_aside=7)
    roof.collector(3 * HOUR, None, instance="other", records_set_aside=9)
    assert firing(influx, roof, "solar-set-aside") == [{"instance": "home"}]


def test_unknown_devices_that_wait_are_told_for_a_day_each_gateway_once(influx: Influx) -> None:
    roof = Roof()
    for ecu, ago in (("unknown", 25 * HOUR), (ECU, 2 * HOUR), (ECU, HOUR)):
        tags = (ecu, "collector", "unknown_device")
        roof.points.append(Point("event", tags, {"text": "waits"}, ns(roof.now - ago)))
    assert subjects(firing(influx, roof, "solar-unknown-devices"), "ecu") == [ECU, "unknown"]
    assert asked(influx, roof.now + 26 * HOUR, "solar-unknown-devices") == []


def test_what_the_vendor_tried_is_told_for_a_day_each_command_of_a_gateway_once(influx: Influx) -> None:
    roof = Roof()
    for command, ago in (("A110", 3 * HOUR), ("A110", 2 * HOUR), ("A105", HOUR)):
        came = VendorCommand(ECU, 8995, command, b"APS13 (and more)", 0, ns(roof.now - ago), 1)
        roof.points.append(vendor_point(came))
    found = firing(influx, roof, "solar-vendor-command")
    assert sorted((one["ecu"], one["what"]) for one in found) == [
        (ECU, "limit the power of inverters"),
        (ECU, "set the gateway's time zone and restart it"),
    ]
    assert asked(influx, roof.now + 26 * HOUR, "solar-vendor-command") == []


def test_a_disk_with_less_than_a_gigabyte_is_told(influx: Influx) -> None:
    roof = Roof()
    roof.collector(HOUR, None, disk_free_bytes=900_000_000)
    roof.collector(HOUR, None, instance="other", disk_free_bytes=1_100_000_000)
    assert firing(influx, roof, "solar-disk-full") == [{"instance": "home"}]


def shrinking(roof: Roof, span: timedelta, a_day: float, instance: str = "home", left: float = 20e9) -> Roof:
    for at in roof.steps(span, every=30 * MINUTE):
        free = left + a_day * ((roof.now - at) / DAY)
        fields = {"records_pending": 0, "disk_free_bytes": int(free)}
        roof.points.append(Point("collector", (instance,), fields, ns(at)))
    return roof


def test_a_disk_that_is_full_within_a_fortnight_is_told(influx: Influx) -> None:
    roof = shrinking(Roof(), 7 * DAY, 2e9)
    shrinking(roof, 7 * DAY, 1e9, "slow")
    shrinking(roof, 7 * DAY, -1e9, "growing")
    shrinking(roof, 2 * DAY, 5e9, "new")
    assert firing(influx, roof, "solar-disk-fills") == [{"instance": "home"}]


# Limits.


def test_limits_come_from_the_environment_and_stand_in_the_query_the_threshold_and_the_text(tmp_path: Path) -> None:
    environ = {"SOLAR_GRID_VOLTAGE_MAX_V": "127.5", "SOLAR_INVERTER_TEMPERATURE_MAX_C": "60"}
    assert boards_command({**environ, "COLLECTOR_CONFIG": ""}, "write", "--alerting", str(tmp_path))[0] == 0
    groups = yaml.safe_load((tmp_path / alerts.FILE_NAME).read_text(encoding="utf-8"))["groups"]
    built = {rule["uid"]: rule for group in groups for rule in group["rules"]}
    for uid, limit in (("solar-grid-voltage", 127.5), ("solar-inverter-hot", 60.0)):
        query, threshold = built[uid]["data"]
        assert f"most = {limit}\n" in query["model"]["query"]
        assert threshold["model"]["conditions"][0]["evaluator"]["params"] == [limit]
        assert f"{limit:g} " in built[uid]["annotations"]["description"]


@pytest.mark.parametrize("text", ["253,5", "high", "nan", "-1", "25", "1e9"])
def test_a_limit_that_cannot_be_one_is_a_fault(text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        alerts.read_limits({"SOLAR_GRID_VOLTAGE_MAX_V": text})
    assert raised.value.faults == ("SOLAR_GRID_VOLTAGE_MAX_V: expected a number from 90 to 500",)


def test_rules_ask_for_the_configured_buckets(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[influxdb]\nurl = "http://x"\norg = "home"\ntoken_file = "/not/here"\nbucket = "mine"\n')
    assert boards_command({}, "write", "--config", str(config), "--alerting", str(tmp_path))[0] == 0
    text = (tmp_path / alerts.FILE_NAME).read_text(encoding="utf-8")
    assert 'bucket: "mine"' in text
    assert 'bucket: "solar"' not in text
    assert 'bucket: "solar_daily"' in text
