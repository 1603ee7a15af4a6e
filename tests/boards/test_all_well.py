"""Whether all is well, as the first panel of two boards tells it, on made-up sites and worked out in Python."""

import statistics
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from collector.boards.kit.health import PLACES, gateway_states
from collector.boards.kit.queries import LIVING, imports
from collector.boards.write import bucket_names, with_buckets
from collector.clock import stamps
from collector.clock.stamps import to_ns
from collector.clock.sun import Place
from collector.condition import Habit, Heard, State, states
from collector.points.schema import Point
from tests.alerts.test_rules import asked
from tests.boards.conftest import Site, fill
from tests.boards.figures import Sample
from tests.boards.files import boards
from tests.boards.screen import Row, Screen, rfc3339, when
from tests.boards.sites import AMSTERDAM, BARN, DEAD_SINCE, NOW, ROOF, ROOF_2, SHED, ZONES
from tests.conftest import Influx

DAY, HOUR, MINUTE, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
BOARDS = ("solar-now", "solar-fleet")


def told(screen: Screen, board: str = "solar-now", **choice: str) -> list[Row]:
    return screen.look(boards()[board], choice).panel("Is all well?")


def own_day(sample: Sample) -> date:
    return sample.time.astimezone(ZONES[sample.tags["ecu"]]).date()


def of_neighbours(mixed: Site) -> tuple[dict[str, float], dict[str, float]]:
    """What each panel of the roof gave in its last seven whole days by the median of its array, and the median's mean
    day in Wh for a panel of its size.
    """
    today = NOW.astimezone(AMSTERDAM).date()
    energies: dict[tuple[str, date], list[float]] = defaultdict(list)
    own: dict[str, list[tuple[str, date, float, float]]] = defaultdict(list)
    peaks = mixed.figures.grouped("channel_day", "peak_w", "panel", how=max, ecu=ROOF)
    for sample in mixed.figures.samples("channel_day", "energy_wh", ecu=ROOF):
        if today - 7 * DAY <= own_day(sample) < today:
            array, panel = sample.tags["array"], sample.tags["panel"]
            energies[array, own_day(sample)].append(sample.value / peaks[panel,])
            own[panel].append((array, own_day(sample), sample.value, peaks[panel,]))
    shares, middles = {}, {}
    for panel, days in own.items():
        middle = [statistics.median(energies[array, day]) * peak_w for array, day, _, peak_w in days]
        shares[panel] = sum(energy for _, _, energy, _ in days) / sum(middle)
        middles[panel] = statistics.mean(middle)
    return shares, middles


@pytest.mark.parametrize("board", BOARDS)
def test_what_needs_a_look_is_told_with_its_time_and_its_cost(mixed: Site, board: str) -> None:
    shares, middles = of_neighbours(mixed)
    assert {panel for panel, share in shares.items() if share < 0.7} == {"South 3"}
    verdict, gateway, inverter, panel = told(mixed.screen, board)
    assert (verdict["what"], verdict["site"], verdict["lost_kwh"]) == ("3 need a look", "", "")
    shed = mixed.figures.samples("ecu", "power_w", ecu=SHED)[-1].time
    assert (gateway["what"], gateway["site"], gateway["ecu"]) == ("Gateway silent", "Shed", SHED)
    assert shed <= when(gateway, "since") < shed + 5 * MINUTE
    roof_2 = mixed.figures.samples("inverter", "energy_wh", inverter=ROOF_2)[-1].time
    assert (inverter["what"], inverter["site"]) == ("Inverter Roof 2 silent", "Roof")
    assert when(inverter, "since") == roof_2
    assert float(inverter["lost_kwh"]) == pytest.approx((middles["South 3"] + middles["South 4"]) / 1000)
    assert (panel["what"], panel["board"], panel["panel"]) == ("Panel South 3 gives nothing", "solar-panel", "South 3")
    assert when(panel, "since") == datetime(DEAD_SINCE.year, DEAD_SINCE.month, DEAD_SINCE.day, tzinfo=AMSTERDAM)
    assert float(panel["lost_kwh"]) == pytest.approx(middles["South 3"] / 1000)


def test_a_site_of_which_nothing_is_amiss_is_well(mixed: Site) -> None:
    (row,) = told(mixed.screen, site=BARN)
    assert row["what"] == "All well"


def test_on_the_first_day_nothing_is_claimed(empty_screen: Screen, first_record: Site) -> None:
    assert [row["what"] for row in told(empty_screen)] == ["No records yet"]
    assert [row["what"] for row in told(first_record.screen)] == ["All well"]


@pytest.mark.parametrize("board", BOARDS)
def test_boards_and_alerts_name_the_same_as_silent(mixed: Site, board: str) -> None:
    for now in (NOW, NOW + 12 * HOUR):
        screen = Screen(mixed.screen.influx, now)
        look = screen.look(boards()["solar-now"])
        rows = told(screen, board)
        gateways = {alert["ecu"] for alert in asked(screen.influx, now, "solar-gateway-silent")}
        assert gateways == {row["ecu"] for row in rows if row["what"] == "Gateway silent"}
        assert gateways == {row["ecu"] for row in look.panel("Last heard") if row["state"] == "Silent"} - {"$__all"}
        inverters = {alert["inverter"] for alert in asked(screen.influx, now, "solar-inverter-silent")}
        assert inverters == {row["inverter"] for row in rows if row["what"].startswith("Inverter")}
        assert inverters == {row["inverter"] for row in look.panel("Silent inverters")} == {"Roof 2"}
        assert gateways == ({SHED} if now == NOW else set())


PHOENIX, TOKYO = ZoneInfo("America/Phoenix"), ZoneInfo("Asia/Tokyo")


def reporting(
    ecu: str, name: str, zone: ZoneInfo, now: datetime, silent_for: timedelta
) -> tuple[list[Point], list[Point]]:
    """A gateway that reports from 7 to 19 of its own clock, until so long ago: records of two days, and roll-ups."""
    points, roll_ups = [], []
    for ago in range(15):
        midnight = (now.astimezone(zone) - ago * DAY).replace(hour=0, minute=0, second=0, microsecond=0)
        if midnight + 7 * HOUR > now - silent_for:
            continue
        fields = {"energy_wh": 5000.0, "records": 145, "first_s": 7 * 3600, "last_s": 19 * 3600, "inverters": 1}
        roll_ups.append(Point("ecu_day", (ecu, name), fields, stamps.to_ns(midnight)))
        at = midnight + 7 * HOUR
        while ago < 2 and at <= min(midnight + 19 * HOUR, now - silent_for):
            points.append(Point("ecu", (ecu, name), {"power_w": 900.0, "clock_skew_s": 30.0}, stamps.to_ns(at)))
            at += 5 * MINUTE
    return points, roll_ups


def test_each_site_has_the_night_of_its_own_place(influx: Influx) -> None:
    now = datetime(2026, 6, 13, 20, 30, tzinfo=UTC)
    points, roll_ups = [], []
    for ecu, name, zone, silent_for in (
        (ROOF, "Utrecht", AMSTERDAM, timedelta(0)),
        (BARN, "Phoenix", PHOENIX, 3 * HOUR),
        (SHED, "Tokyo", TOKYO, timedelta(0)),
    ):
        some, days = reporting(ecu, name, zone, now, silent_for)
        points += some
        roll_ups += days
    for minutes in range(24 * 60):
        at = now - minutes * MINUTE
        # At the collector's place it is highest at noon and has just gone down.
        sun = {"sun_elevation_deg": 60.0 - abs((at - now.replace(hour=12, minute=0)) / HOUR) * 6.9}
        fields = {"records_pending": 0, "records_set_aside": 0, "records_received": 5000 - minutes // 15, **sun}
        points.append(Point("collector", ("home",), fields, stamps.to_ns(at)))
    fill(influx, points, roll_ups)
    screen = Screen(influx, now)
    assert [(row["what"], row["site"]) for row in told(screen)[1:]] == [("Gateway silent", "Phoenix")]
    states = {row["name"]: row["state"] for row in screen.look(boards()["solar-now"]).panel("Last heard")}
    assert states == {"Utrecht": "Night", "Phoenix": "Silent", "Tokyo": "Night", "Collector home": "Reports"}


# By its id, a gateway's place and how far its clock is ahead of UTC.
ELSEWHERE = {
    "216000000101": (Place(52.09, 5.12), 2 * HOUR),
    "216000000102": (Place(33.45, -112.07), -7 * HOUR),
    "216000000103": (Place(69.65, 18.96), 2 * HOUR),
    "216000000104": (Place(-33.9, 151.2), 10 * HOUR),
    "216000000105": (Place(35.68, 139.69), 9 * HOUR),
}


def test_the_sun_in_flux_is_that_of_python(influx: Influx) -> None:
    fill(influx, (), ())
    hours = [datetime(2026, month, 7, hour, 20, tzinfo=UTC) for month in (3, 6, 12) for hour in range(0, 24, 3)]
    rows = ", ".join(
        f"{{latitude: {place.latitude}, longitude: {place.longitude}, at: {to_ns(at)}}}"
        for place, _ in ELSEWHERE.values()
        for at in hours
    )
    height = "height: sun(latitude: r.latitude, longitude: r.longitude, at: r.at)"
    noon = "noon: noon_sun(latitude: r.latitude, at: r.at)"
    query = (
        imports("array", "math", "strings")
        + LIVING
        + PLACES
        + f"array.from(rows: [{rows}]) |> map(fn: (r) => ({{r with {height}, {noon}}}))"
    )
    found = influx.api.query(with_buckets(query, bucket_names(influx.bucket, influx.rollup_bucket)))
    assert len(found) == len(ELSEWHERE) * len(hours)
    for row in found:
        place = Place(float(row["latitude"]), float(row["longitude"]))
        # Near the horizon the air lifts it by half a degree.
        assert float(row["height"]) == pytest.approx(place.sun_elevation_deg(int(row["at"])), abs=0.6)
        assert float(row["noon"]) == pytest.approx(place.highest_sun_deg(int(row["at"])), abs=0.7)


@pytest.mark.parametrize("silent_for", [50 * MINUTE, 26 * HOUR])
@pytest.mark.parametrize("month", [6, 12])
@pytest.mark.parametrize("days", [0, 10])
def test_flux_says_of_every_gateway_with_a_place_what_python_says(
    influx: Influx, month: int, days: int, silent_for: timedelta
) -> None:
    """Each was heard so long ago, and before it on so many days from 7 to 19 of its own clock; at several hours."""
    begins = datetime(2026, month, 20, tzinfo=UTC)
    points, roll_ups = [], []
    for ecu, (place, ahead) in ELSEWHERE.items():
        for hour in range(0, 30, 5):
            now = begins + hour * HOUR
            fields = {"power_w": 900.0, "clock_skew_s": 0.0}
            points.append(Point("ecu", (f"{ecu[:9]}{hour:02}{ecu[-1]}", ecu), fields, to_ns(now - silent_for)))
        for number in range(2, days + 2):
            # At its midnight, which is of the same date.
            midnight = begins - ahead - number * DAY
            fields = {"energy_wh": 5000.0, "first_s": 7 * 3600, "last_s": 19 * 3600}
            for hour in range(0, 30, 5):
                tags = (f"{ecu[:9]}{hour:02}{ecu[-1]}", ecu)
                roll_ups.append(Point("ecu_day", tags, fields, to_ns(midnight)))
        for hour in range(0, 30, 5):
            where = {"latitude": place.latitude, "longitude": place.longitude}
            points.append(Point("site", (f"{ecu[:9]}{hour:02}{ecu[-1]}",), where, to_ns(begins + (hour - 1) * HOUR)))
    for minutes in range(-60, 30 * 60):
        report = {"records_pending": 0, "records_set_aside": 0, "records_received": 5000}
        points.append(Point("collector", ("home",), report, to_ns(begins + minutes * MINUTE)))
    fill(influx, points, roll_ups)
    query = imports("array", "math", "strings") + gateway_states("-30d") + "gateways"
    text = with_buckets(query, bucket_names(influx.bucket, influx.rollup_bucket))
    seen = set()
    for hour in range(0, 30, 5):
        now = begins + hour * HOUR
        habit = Habit(days, 7 * 3600, 19 * 3600)
        expected = states(
            {
                ecu: Heard(
                    silent_for / timedelta(seconds=1),
                    (now - begins + ahead) / timedelta(seconds=1) % 86_400,
                    place,
                    habit,
                )
                for ecu, (place, ahead) in ELSEWHERE.items()
            },
            to_ns(now),
            is_watched=True,
            is_asked=False,
        )
        answer = {row["ecu"]: row["state"] for row in influx.api.query(text, now=rfc3339(now))}
        assert {ecu: answer[f"{ecu[:9]}{hour:02}{ecu[-1]}"] for ecu in ELSEWHERE} == expected, now
        seen |= set(expected.values())
    # After a day all are, but in the polar night.
    assert seen == {State.SILENT} | ({State.NIGHT} if silent_for < DAY or month == 12 else set())


def test_records_that_wait_or_are_set_aside_are_told(influx: Influx) -> None:
    points, roll_ups = reporting(ROOF, "Roof", AMSTERDAM, NOW, timedelta(0))
    for minutes in range(60):
        fields = {"records_pending": 240, "records_set_aside": 2 if minutes < 20 else 0, "records_received": 9}
        points.append(Point("collector", ("home",), fields, stamps.to_ns(NOW - minutes * MINUTE)))
    fill(influx, points, roll_ups)
    assert [(row["what"], row["site"]) for row in told(Screen(influx, NOW))] == [
        ("2 need a look", ""),
        ("240 records wait", "Collector home"),
        ("2 records set aside", "Collector home"),
    ]


@pytest.mark.parametrize(
    ("share", "days", "is_told"), [(0.6, 7, True), (0.75, 7, False), (0.6, 3, True), (0.6, 2, False)]
)
def test_a_panel_that_is_weak_is_told_once_that_is_no_chance(
    influx: Influx, share: float, days: int, is_told: bool
) -> None:
    """It gives so much of its array's median on the last days, which are all that it and its neighbours have."""
    points, roll_ups = reporting(ROOF, "Roof", AMSTERDAM, NOW, timedelta(0))
    today = NOW.astimezone(AMSTERDAM).replace(hour=0, minute=0, second=0, microsecond=0)
    for ago in range(1, days + 1):
        for number in range(1, 5):
            tags = (ROOF, ROOF_2, "Roof 2", "QS1", str(number), f"South {number}", "South")
            fields = {"energy_wh": 1000.0 * (share if number == 3 else 1), "peak_w": 400.0}
            roll_ups.append(Point("channel_day", tags, fields, stamps.to_ns(today - ago * DAY)))
    fill(influx, points, roll_ups)
    rows = [row for row in told(Screen(influx, NOW)) if row.get("panel")]
    assert [row["what"] for row in rows] == (
        [f"Panel South 3 at {100 * share:.0f} % of its neighbours"] if is_told else []
    )
    assert [float(row["lost_kwh"]) for row in rows] == pytest.approx([1 - share] if is_told else [])
