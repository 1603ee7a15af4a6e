"""Whether all is well, as the first panel of two boards tells it, on made-up sites and worked out in Python."""

import random
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
        middle = [statistics.median_high(energies[array, day]) * peak_w for array, day, _, peak_w in days]
        shares[panel] = sum(energy for _, _, energy, _ in days) / sum(middle)
        middles[panel] = statistics.mean(middle)
    return shares, middles


@pytest.mark.parametrize("board", BOARDS)
def test_what_needs_a_look_is_told_with_its_time_and_its_cost(mixed: Site, board: str) -> None:
    shares, middles = of_neighbours(mixed)
    assert {panel for panel, share in shares.items() if share < 0.75} == {"South 3"}
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
        # Half a day later the collector is away, and of gateways nothing is said: one fault, one message.
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
        fields = {"records_pending": 0, "records_set_aside": 0, "records_received": 5000 - minutes // 15}
        points.append(Point("collector", ("home",), fields, stamps.to_ns(at)))
    points.append(Point("site", (ROOF,), {"latitude": 52.09, "longitude": 5.12}, stamps.to_ns(now - HOUR)))
    fill(influx, points, roll_ups)
    screen = Screen(influx, now)
    assert [(row["what"], row["site"]) for row in told(screen)[1:]] == [("Gateway silent", "Phoenix")]
    states = {row["name"]: row["state"] for row in screen.look(boards()["solar-now"]).panel("Last heard")}
    assert states == {"Utrecht": "Night", "Phoenix": "Silent", "Tokyo": "Night", "Collector home": "Reports"}


def test_a_gateway_that_died_at_noon_is_silent_until_it_reports(influx: Influx) -> None:
    noon, points, roll_ups = datetime(2026, 6, 13, 10, 0, tzinfo=UTC), [], []
    for ecu, name, heard in (
        (ROOF, "Roof", (timedelta(0),)),
        (BARN, "Barn", (timedelta(0), 7 * HOUR, 17 * HOUR, 22 * HOUR)),
    ):
        _, days = reporting(ecu, name, AMSTERDAM, noon, timedelta(0))
        roll_ups += days
        points += [Point("ecu", (ecu, name), {"power_w": 900.0}, to_ns(noon + after)) for after in heard]
    for minutes in range(-60, 24 * 60):
        at = to_ns(noon + minutes * MINUTE)
        fields = {"records_pending": 0, "records_set_aside": 0, "records_received": 5000}
        points.append(Point("collector", ("home",), fields, at))
        if minutes % 60 == 0:
            where = {"latitude": 52.09, "longitude": 5.12}
            points += [Point("site", (ecu,), where, at) for ecu in (ROOF, BARN)]
    fill(influx, points, roll_ups)
    # At dusk, by night, at dawn, when light has just begun, and by day.
    for after, of_barn in ((8, "Night"), (13, "Night"), (19.2, "Night"), (22.1, "Reports"), (23.5, "Silent")):
        screen = Screen(influx, noon + after * HOUR)
        states = {row["name"]: row["state"] for row in screen.look(boards()["solar-now"]).panel("Last heard")}
        assert states == {"Roof": "Silent", "Barn": of_barn, "Collector home": "Reports"}, after
        silent = [name for name in ("Barn", "Roof") if states[name] == "Silent"]
        assert sorted(row["site"] for row in told(screen)[1:]) == silent
        assert sorted(row["site"] for row in asked(influx, screen.now, "solar-gateway-silent")) == silent


PLACES_ON_EARTH = [
    Place(52.09, 5.12),
    Place(33.45, -112.07),
    Place(69.65, 18.96),
    Place(-33.9, 151.2),
    Place(0.0, 179.9),
    Place(82.5, -62.3),
    Place(-54.8, -68.3),
]


def test_the_light_of_a_day_in_flux_is_that_of_python(influx: Influx) -> None:
    fill(influx, (), ())
    hours = [datetime(2026, month, 7, hour, 20, tzinfo=UTC) for month in (3, 6, 12) for hour in range(0, 24, 3)]
    rows = ", ".join(
        f"{{latitude: {place.latitude}, longitude: {place.longitude}, at: {at.timestamp()}}}"
        for place in PLACES_ON_EARTH
        for at in hours
    )
    light = "sunlit(latitude: r.latitude, longitude: r.longitude, at: r.at, above: 8.0)"
    query = (
        imports("array", "math", "strings")
        + LIVING
        + PLACES
        + f"array.from(rows: [{rows}]) |> map(fn: (r) => {{\n  light = {light}\n\n"
        + "  return {r with begins: light.begins, ends: light.ends}\n})"
    )
    found = influx.api.query(with_buckets(query, bucket_names(influx.bucket, influx.rollup_bucket)))
    assert len(found) == len(PLACES_ON_EARTH) * len(hours)
    for row in found:
        place = Place(float(row["latitude"]), float(row["longitude"]))
        expected = place.light_s(float(row["at"]), 8.0)
        assert (float(row["begins"]), float(row["ends"])) == pytest.approx(expected, abs=0.01)


ZONES_ON_EARTH = [ZoneInfo(name) for name in ("Europe/Amsterdam", "Pacific/Auckland", "America/St_Johns", "Etc/GMT+11")]


def anybody(chance: random.Random, now: datetime) -> tuple[Heard, list[tuple[int, int, int]]]:
    """A gateway somewhere, and the midnights, begins and ends of its past days (ns)."""
    place = None if chance.random() < 0.3 else Place(chance.uniform(-85, 85), chance.uniform(-180, 180))
    zone = chance.choice(ZONES_ON_EARTH)
    begin_h, length_h = chance.uniform(0, 12), chance.uniform(2, 22)
    days = []
    for ago in range(chance.choice((0, 4, 5, 9, 16)), 0, -1):
        midnight = (now.astimezone(zone) - ago * DAY).replace(hour=0, minute=0, second=0, microsecond=0)
        since = midnight.astimezone(UTC)
        begin = since + timedelta(seconds=round(begin_h * 3600 + chance.uniform(-900, 900)))
        end = begin + timedelta(seconds=round(length_h * 3600))
        if chance.random() < 0.9:
            days.append((to_ns(since), to_ns(begin), to_ns(end)))
    if place and days and chance.random() < 0.8:
        # Where the sun is highest when its days are at their middle.
        middle_h = (days[-1][1] + days[-1][2]) / 2 / 3.6e12 % 24
        place = Place(place.latitude, (12 - middle_h) * 15)
    known = [day for day in days if now - 15 * DAY <= datetime.fromtimestamp(day[0] / 1e9, UTC) < now - DAY]
    seen = now - timedelta(minutes=chance.choice((20, chance.uniform(44, 240), chance.uniform(0, 1800), 4000)))
    return Heard(to_ns(seen), place, Habit.of(known)), days


@pytest.mark.parametrize("month", range(1, 13))
def test_flux_says_of_every_gateway_what_python_says(influx: Influx, month: int) -> None:
    """Eighty gateways anywhere on earth, at one time of a day about which some clocks are put forward or back, with a
    collector that may have been away.
    """
    chance = random.Random(month)  # noqa: S311 (no secrets)
    now = datetime(2026, month, chance.choice((5, 28)), chance.randrange(24), chance.randrange(60), tzinfo=UTC)
    away = chance.choice((None, 30, 200, 900))
    points, roll_ups, heard = [], [], {}
    for number in range(80):
        ecu = f"21600000{number:04}"
        heard[ecu], days = anybody(chance, now)
        points.append(Point("ecu", (ecu, ecu), {"power_w": 900.0}, heard[ecu].seen_at))
        for midnight, begin, end in days:
            fields = {"first_s": (begin - midnight) // 10**9, "last_s": (end - midnight) // 10**9}
            roll_ups.append(Point("ecu_day", (ecu, ecu), {"energy_wh": 5000.0, **fields}, midnight))
        if place := heard[ecu].place:
            where = {"latitude": place.latitude, "longitude": place.longitude}
            points.append(Point("site", (ecu,), where, to_ns(now - HOUR)))
    for minutes in range(60 * 60):
        if away is None or not away < minutes < away + 10:
            report = {"records_pending": 0, "records_set_aside": 0, "records_received": 5000}
            points.append(Point("collector", ("home",), report, to_ns(now - minutes * MINUTE)))
    fill(influx, points, roll_ups)
    query = imports("array", "math", "strings") + gateway_states("-30d") + "gateways"
    text = with_buckets(query, bucket_names(influx.bucket, influx.rollup_bucket))
    answer = {row["ecu"]: row["state"] for row in influx.api.query(text, now=rfc3339(now))}
    since = 0 if away is None else to_ns(now - away * MINUTE)
    expected = states(heard, to_ns(now), watched_since=since, is_asked=False)
    differ = {ecu: (answer[ecu], expected[ecu], heard[ecu]) for ecu in heard if answer[ecu] != expected[ecu]}
    assert differ == {}
    assert set(expected.values()) == set(State) - ({State.SILENT} if away == 30 else set())


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


@pytest.mark.parametrize(
    ("shares", "told_of"),
    [
        ((1.0, 0.71), ["Panel South 2 at 71 % of its neighbours"]),
        ((1.0, 0.76), []),
        ((0.0, 1.0), ["Panel South 1 gives nothing"]),
        ((0.0, 0.0), []),
        ((0.3,), []),
    ],
)
def test_a_panel_of_a_pair_is_held_against_the_better_one(
    influx: Influx, shares: tuple[float, ...], told_of: list[str]
) -> None:
    points, roll_ups = reporting(ROOF, "Roof", AMSTERDAM, NOW, timedelta(0))
    today = NOW.astimezone(AMSTERDAM).replace(hour=0, minute=0, second=0, microsecond=0)
    for ago in range(1, 8):
        for number, share in enumerate(shares, 1):
            tags = (ROOF, ROOF_2, "Roof 2", "QS1", str(number), f"South {number}", "South")
            fields = {"energy_wh": 1000.0 * share, "peak_w": 400.0}
            roll_ups.append(Point("channel_day", tags, fields, stamps.to_ns(today - ago * DAY)))
    fill(influx, points, roll_ups)
    screen = Screen(influx, NOW)
    assert [row["what"] for row in told(screen) if row.get("panel")] == told_of
    start, stop = NOW - 7 * DAY, NOW
    rows = screen.look(boards()["solar-panels"], start=start, stop=stop).panel("Energy of each panel", "C")
    if best := max(shares):
        expected = {f"South {number}": share / best for number, share in enumerate(shares, 1)}
        assert {row["panel"]: float(row["lately"]) for row in rows} == pytest.approx(expected)
