"""Energies that can't be, in days that a real InfluxDB adds up."""

import itertools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.clock.stamps import NS
from collector.delivery.influx import InfluxSink
from collector.points.lines import LineWriter
from collector.points.schema import ANALYSED_FIELDS, Point
from collector.protocol.blocks import Inverter
from collector.protocol.upload import LateGroup
from collector.rollup._queries import either, tagged
from tests.rolling import Yard, span
from tests.samples import ECU, UID, day_times, fill_up, frame, ns, optimizer, qs1, yc500, yc600

DAY = date(2026, 6, 21)
MIDNIGHT = ns("2026-06-20T22:00:00Z")
OF_YC600 = (ECU, UID, UID, "YC600")
FIRST = (*OF_YC600, "1", f"{UID}-1", ECU)


def sunny(*wh: float, watts: float = 280.0, uid: str = UID) -> Inverter:
    """Both inputs at full sun; 23.3 Wh in five minutes unless something else is given."""
    return yc600(uid, watts=(watts, watts), wh=wh or (23.3, 23.3), ac_power_w=2 * watts * 0.95)


# A restart of the gateway at 13:00, and a gap of four hours whose energy has a digit too many.
RESTART_AND_CUT = (
    *(frame(time, sunny()) for time in day_times(DAY, first="120000", last="125500")),
    frame("20260621130000", sunny(900.0, 900.0, watts=150)),
    frame("20260621130500", sunny()),
    frame("20260621170500", sunny(112.0, 112.0)),
)


def events(yard: Yard, kind: str = "implausible_energy") -> dict[str, str]:
    """Texts of events by their time."""
    rows = yard.influx.query(
        f'from(bucket: "{yard.influx.bucket}") |> range(start: 2000-01-01T00:00:00Z, stop: 2100-01-01T00:00:00Z)'
        f' |> filter(fn: (r) => r._measurement == "event" and r.kind == "{kind}" and r._field == "text")'
    )
    return {row["_time"]: row["_value"] for row in rows}


def test_a_restart_and_a_lost_digit_are_put_right_counted_and_told(yard: Yard) -> None:
    yard.deliver(*RESTART_AND_CUT)
    yard.roll_up()
    found = yard.daily()
    stands_in = 215 / 12
    assert found["channel_day", FIRST, MIDNIGHT] == {
        "energy_wh": round(13 * 23.3 + stands_in + 1120, 3),
        "energy_refused_wh": 900.0,
        "energy_mended_wh": round(stands_in + 9 * 112, 3),
        "peak_power_w": 280.0,
    }
    day = found["inverter_day", OF_YC600, MIDNIGHT]
    assert (day["energy_wh"], day["energy_refused_wh"]) == (round(2 * (13 * 23.3 + stands_in + 1120), 3), 1800.0)
    assert day["energy_wh"] < day["records"] * 2 * 1120
    assert found["ecu_day", (ECU, ECU), MIDNIGHT]["energy_wh"] == day["energy_wh"]
    assert found["ecu_day", (ECU, ECU), MIDNIGHT]["ac_energy_wh"] == day["ac_energy_wh"]
    # By the powers of the records, since what these inverters tell of their AC energy does not fit.
    assert day["ac_energy_wh"] == pytest.approx(0.95 * day["energy_wh"], abs=0.01)
    assert found == yard.expected(RESTART_AND_CUT)
    told = events(yard)
    assert set(told) == {"2026-06-21T11:00:00Z", "2026-06-21T15:05:00Z"}
    assert told["2026-06-21T11:00:00Z"] == (
        f"inverter {UID}, panel {UID}-1: 900.000 Wh sent, 17.917 Wh counted: an input of 300 W can't make it in 5 min,"
        f" its power tells the energy; inverter {UID}, panel {UID}-2: 900.000 Wh sent, 17.917 Wh counted: an input of"
        " 300 W can't make it in 5 min, its power tells the energy"
    )
    assert "112.000 Wh sent, 1120.000 Wh counted" in told["2026-06-21T15:05:00Z"]


def test_the_points_stay_as_they_came(yard: Yard) -> None:
    yard.deliver(*RESTART_AND_CUT)

    def points() -> list[dict[str, str]]:
        return yard.influx.query(
            f'from(bucket: "{yard.influx.bucket}")'
            " |> range(start: 2026-01-01T00:00:00Z, stop: 2027-01-01T00:00:00Z)"
            ' |> filter(fn: (r) => r._measurement != "event")'
        )

    before = points()
    yard.replace()
    assert points() == before


def test_what_is_sent_less_what_is_refused_and_with_what_is_mended_is_the_energy(yard: Yard) -> None:
    yard.deliver(*RESTART_AND_CUT)
    yard.roll_up()
    day = yard.daily()["inverter_day", OF_YC600, MIDNIGHT]
    sent_wh = 2 * (13 * 23.3 + 900 + 112)
    assert day["energy_wh"] == pytest.approx(sent_wh - day["energy_refused_wh"] + day["energy_mended_wh"], abs=0.001)


def test_a_lost_round_on_a_sunny_day_is_no_reason_to_put_anything_right(yard: Yard) -> None:
    yard.deliver(
        frame("20260621120000", sunny()),
        frame("20260621121000", sunny(46.6, 46.6)),
        frame("20260621140000", sunny(99.0, 99.0)),
    )
    yard.roll_up()
    assert yard.energies() == {f"{UID}-1": 168.9, f"{UID}-2": 168.9}
    assert events(yard) == {}


def test_the_configured_power_decides_where_there_is_one(yard: Yard) -> None:
    frames = [frame(f"202606211200{second}", sunny()) for second in ("00",)]
    frames.append(frame("20260621120500", sunny(40.0, 40.0)))
    panels = ({"channel": 1, "name": "Big", "peak_w": 450.0}, {"channel": 2, "name": "Small", "peak_w": 200.0})
    yard.inverters = ({"id": UID, "panels": panels},)
    yard.deliver(*frames)
    yard.roll_up()
    assert yard.energies() == {"Big": 63.3, "Small": round(2 * 23.3 + 0.033, 3) + 0.0}
    assert list(events(yard).values()) == [
        f"inverter {UID}, panel Small: 40.000 Wh sent, 23.333 Wh counted: an input of 200 W can't make it in 5 min, its"
        " power tells the energy"
    ]


def test_the_highest_power_that_an_input_showed_on_any_day_decides_else(yard: Yard) -> None:
    yard.deliver(frame("20260521120000", yc600(watts=(400, 100), wh=(1, 1))))
    yard.roll_up()
    yard.deliver(frame("20260621120000", sunny()), frame("20260621120500", sunny(40.0, 40.0)))
    yard.roll_up()
    assert yard.energies() == {f"{UID}-1": 64.3, f"{UID}-2": round(1 + 23.3 + 280 / 12, 3)}


def test_the_reading_before_midnight_counts_for_the_first_one_of_a_day(yard: Yard) -> None:
    frames = [frame("20260621235500", sunny()), frame("20260622000000", sunny(900.0, 23.3))]
    yard.deliver(*frames)
    yard.roll_up()
    assert yard.energies()[f"{UID}-1"] == round(23.3 + 280 / 12, 3)
    assert yard.daily() == yard.expected(frames)


def test_models_that_count_their_ac_side_are_put_right_in_proportion(yard: Yard) -> None:
    quiet, restarted = yc500(), yc500()
    channels = tuple(channel._replace(energy_wh=500.0) for channel in restarted.channels)
    restarted = restarted._replace(channels=channels, energy_wh=940.0, ac_energy_wh=940.0)
    frames = [frame("20260621120000", quiet), frame("20260621120500", restarted)]
    yard.deliver(*frames)
    yard.roll_up()
    found = yard.daily()
    (day,) = [fields for (name, _, _), fields in found.items() if name == "inverter_day"]
    assert day["energy_wh"] == day["ac_energy_wh"] == round(18.643 + 0.94 * (120 + 118) / 12, 3)
    assert day["energy_refused_wh"] == 940.0
    assert found == yard.expected(frames)


@pytest.mark.parametrize("wh", [(600.0, 600.0), (600.0, 650.0)])
def test_an_energy_that_an_inverter_counts_by_itself_may_be_cut_alone(yard: Yard, wh: tuple[float, float]) -> None:
    sample = yc500()
    channels = tuple(one._replace(energy_wh=own, power_w=250.0) for one, own in zip(sample.channels, wh, strict=True))
    whole_wh = 0.94 * sum(wh)
    shown = round(whole_wh / 10, 3)
    cut = sample._replace(channels=channels, energy_wh=shown, ac_energy_wh=shown, ac_power_w=470.0)
    frames = [frame("20260621120000", yc500()), frame("20260621143500", cut)]
    yard.deliver(*frames)
    yard.roll_up()
    found = yard.daily()
    (day,) = [fields for (name, _, _), fields in found.items() if name == "inverter_day"]
    assert day["energy_wh"] == day["ac_energy_wh"] == pytest.approx(18.643 + whole_wh, abs=0.01)
    assert day["energy_mended_wh"] == pytest.approx(9 * shown)
    assert found == yard.expected(frames)
    (told,) = events(yard).values()
    assert "it is that of its inputs only with the digit that did not fit its field" in told


def test_a_gateway_with_optimizers_tells_no_ac_energy_and_loses_what_it_told_before(yard: Yard) -> None:
    yard.deliver(frame("20260621120000", yc600(), qs1()))
    yard.roll_up()
    before = yard.daily()
    assert before["ecu_day", (ECU, ECU), MIDNIGHT]["ac_energy_wh"] > 0
    yard.deliver(frame("20260621120500", optimizer(), version=16))
    yard.roll_up()
    after = yard.daily()
    assert "ac_energy_wh" not in after["ecu_day", (ECU, ECU), MIDNIGHT]
    assert after["ecu_day", (ECU, ECU), MIDNIGHT]["records"] == 2
    assert after["inverter_day", OF_YC600, MIDNIGHT]["ac_energy_wh"] > 0


def test_a_day_of_which_a_part_was_written_before_ac_energy_was_told_has_none(yard: Yard) -> None:
    yard.deliver(frame("20260621120000", yc600()))
    at = ns("2026-06-21T09:55:00Z")
    yard.write(Point("inverter", OF_YC600, {"dc_power_w": 47.0, "energy_wh": 4.0}, at))
    yard.roll_up()
    found = yard.daily()
    assert found["inverter_day", OF_YC600, MIDNIGHT]["energy_wh"] == 8.036
    assert all("ac_energy_wh" not in fields for (_, _, begin), fields in found.items() if begin == MIDNIGHT)
    yard.deliver(frame("20260621115500", yc600(wh=(2.0, 2.0))))
    yard.roll_up()
    assert yard.daily()["ecu_day", (ECU, ECU), MIDNIGHT]["ac_energy_wh"] == 3.76 + 3.76


def test_hundreds_of_inputs_can_be_asked_for_at_once(yard: Yard) -> None:
    yard.deliver(frame("20260621120000", yc600()))
    some = either(tagged(inverter=f"{number:012d}") for number in range(3000))
    other = either([some, tagged(inverter=UID)])
    start = f'from(bucket: "{yard.influx.bucket}") |> range(start: 2026-06-21T00:00:00Z, stop: 2026-06-22T00:00:00Z)'
    assert yard.influx.query(f"{start} |> filter(fn: (r) => {some})") == []
    assert yard.influx.query(f"{start} |> filter(fn: (r) => {other})")


def test_what_is_no_longer_found_leaves_neither_an_event_nor_a_correction(yard: Yard) -> None:
    yard.deliver(*RESTART_AND_CUT)
    yard.roll_up()
    panels = tuple({"channel": number, "peak_w": 9000.0} for number in (1, 2))
    other = replace(yard, inverters=({"id": UID, "panels": panels},))
    other.replace(DAY)
    found = other.daily()
    assert found["channel_day", FIRST, MIDNIGHT] == {
        "energy_wh": round(13 * 23.3 + 900 + 1120, 3),
        "energy_mended_wh": 1008.0,
        "peak_power_w": 280.0,
    }
    assert set(events(other)) == {"2026-06-21T15:05:00Z"}


def test_of_several_inverters_at_one_time_there_is_one_event(yard: Yard) -> None:
    uids = [f"40800000{number:04d}" for number in range(12)]
    yard.deliver(
        frame("20260621120000", *(sunny(uid=uid) for uid in uids)),
        frame("20260621120500", *(sunny(900.0, 23.3, uid=uid) for uid in uids)),
    )
    yard.roll_up()
    (text,) = events(yard).values()
    assert text.count("inverter") == 10
    assert text.endswith("; and 2 more")


def test_a_replay_doubles_no_event_and_loses_none(yard: Yard) -> None:
    yard.deliver(*RESTART_AND_CUT)
    yard.roll_up()
    before = events(yard), yard.daily()
    # What a replay does: points of records go and come again, then all days are computed.
    for measurement in ("ecu", "inverter", "channel"):
        yard.sink.delete(
            datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), f'_measurement="{measurement}"'
        )
    again = replace(yard, path=yard.path.with_name("again.db"))
    again.deliver(*RESTART_AND_CUT)
    again.replace()
    assert (events(again), again.daily()) == before


def test_in_another_zone_the_events_stand_at_the_new_times_alone(yard: Yard) -> None:
    yard.deliver(*RESTART_AND_CUT)
    yard.roll_up()
    for measurement in ("ecu", "inverter", "channel"):
        yard.sink.delete(
            datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), f'_measurement="{measurement}"'
        )
    again = replace(yard, path=yard.path.with_name("again.db"), zone="Etc/GMT-1")
    again.deliver(*RESTART_AND_CUT)
    again.replace()
    assert set(events(again)) == {"2026-06-21T12:00:00Z", "2026-06-21T16:05:00Z"}


@dataclass
class Counting:
    """An InfluxDB whose questions are counted."""

    sink: InfluxSink
    queries: list[str] = field(default_factory=list)

    def write(self, lines: bytes, *, bucket: str | None = None) -> None:
        self.sink.write(lines, bucket=bucket)

    def delete(self, start: datetime, stop: datetime, predicate: str, *, bucket: str | None = None) -> None:
        self.sink.delete(start, stop, predicate, bucket=bucket)

    def query(self, flux: str) -> list[dict[str, object]]:
        self.queries.append(flux)
        return self.sink.query(flux)

    def retention_s(self, bucket: str) -> int:
        return self.sink.retention_s(bucket)


def test_ordinary_days_cost_one_question(yard: Yard) -> None:
    yard.deliver(*(frame(time, sunny()) for time in day_times(DAY)))
    counting = Counting(yard.sink)
    yard.roll_up(counting)
    assert len(counting.queries) == 1


def test_a_round_of_which_nothing_was_understood_is_a_round_as_well(yard: Yard) -> None:
    yard.deliver(frame("20260621120000", sunny()), frame("20260621121000", sunny(46.6, 46.6)))
    yard.write(
        Point("ecu", (ECU, ECU), {"power_w": 500.0, "lifetime_kwh": 12345.7}, ns("2026-06-21T10:05:00Z")),
        Point("ecu", (ECU, ECU), {"lifetime_kwh": 12345.9}, ns("2026-06-21T10:15:00Z")),
        # And a day of nothing else.
        Point("ecu", (ECU, ECU), {"power_w": 500.0, "lifetime_kwh": 12346.5}, ns("2026-06-22T10:05:00Z")),
    )
    yard.replace(*span(DAY, 2))
    found = yard.daily()
    day = found["ecu_day", (ECU, ECU), MIDNIGHT]
    assert (day["records"], day["first_s"], day["last_s"]) == (4, 12 * 3600, 12 * 3600 + 900)
    assert day["energy_wh"] == 139.8
    assert found["inverter_day", OF_YC600, MIDNIGHT]["rounds"] == 4
    assert found["ecu_day", (ECU, ECU), MIDNIGHT + 24 * 3600 * NS] == {
        "peak_power_w": 500.0,
        "records": 1,
        "first_s": 12 * 3600 + 300,
        "last_s": 12 * 3600 + 300,
        "lifetime_kwh": 12346.5,
        "counter_wh": 600.0,
        "inverters": 0,
    }
    assert yard.rollups().days(ECU, *(DAY + timedelta(days=1),) * 2) == {ECU: {DAY + timedelta(days=1)}}


def counters(yard: Yard) -> list[float | None]:
    """What each day's counter has grown by."""
    days = sorted((at, fields.get("counter_wh")) for (name, _, at), fields in yard.daily().items() if name == "ecu_day")
    return [counter_wh for _, counter_wh in days]


def test_the_growth_of_the_counter_is_since_the_last_day_that_has_one(yard: Yard) -> None:
    readings = (
        ("20260419120000", 1.0),
        ("20260520120000", 2.0),
        ("20260520130000", 2.5),
        ("20260619120000", 9.0),
        ("20260621120000", 9.5),
        ("20260622120000", 9.2),
        ("20260623120000", None),
    )
    frames = [frame(time, yc600(), lifetime_kwh=kwh) for time, kwh in readings]
    yard.deliver(*frames)
    yard.roll_up()
    # Nothing before it; too long before it; 30 days; two days; it fell; unknown.
    assert counters(yard) == [0.0, 500.0, 6500.0, 500.0, None, None]
    assert yard.daily() == yard.expected(frames)


def test_a_day_that_comes_late_takes_its_share_of_the_growth_from_the_next(yard: Yard) -> None:
    def record(day: int, kwh: float) -> bytes:
        return frame(f"202606{day:02d}120000", yc600(), lifetime_kwh=kwh)

    yard.deliver(record(19, 1.0))
    yard.deliver(record(21, 9.0))
    yard.roll_up()
    assert counters(yard) == [0.0, 8000.0]
    yard.deliver(record(20, 4.0))
    yard.roll_up()
    assert counters(yard) == [0.0, 3000.0, 5000.0]


def test_a_renamed_gateway_keeps_what_its_names_have_in_a_day_that_is_put_right(yard: Yard) -> None:
    yard.ecus = ({"id": ECU, "name": "Barn"},)
    yard.deliver(frame("20260621120000", sunny()), frame("20260621120500", sunny(900.0, 23.3)))
    yard.ecus = ({"id": ECU, "name": "Attic"},)
    yard.deliver(frame("20260621121000", sunny()))
    yard.roll_up()
    assert yard.energies("ecu_name", "ecu_day") == {"Barn": round(3 * 23.3 + 280 / 12, 3), "Attic": 46.6}


_gateways = itertools.count(216_200_000_000)
ZONES = ("Europe/Amsterdam", "America/Havana", "Etc/GMT-1")
# Around the changes of the clock, so that days of 23 and of 25 hours are among them.
DAYS = ("20260328", "20260329", "20261024", "20261025")


@st.composite
def rounds(draw: st.DrawFn) -> tuple[str, tuple[float, float], tuple[float, float]]:
    """When, and what both inputs have sent: what five minutes give, a whole counter, or what lost a digit."""
    time = draw(st.sampled_from(DAYS)) + draw(
        st.sampled_from(("000000", "005500", "040000", "040500", "041000", "043000", "080500", "120000", "235500"))
    )
    energies = st.sampled_from((0.0, 8.333, 23.333, 31.0, 47.5, 99.999, 112.0, 123.456, 400.25, 999.999))
    powers = st.sampled_from((0.0, 15.0, 100.0, 280.0, 300.0))
    return time, (draw(powers), draw(powers)), (draw(energies), draw(energies))


@pytest.mark.slow
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(rounds(), min_size=2, max_size=14, unique_by=lambda found: found[0]), st.data())
def test_days_are_right_whatever_came_in_whatever_order_and_after_a_replay(
    yard: Yard, chosen: Sequence[tuple[str, tuple[float, float], tuple[float, float]]], data: st.DataObject
) -> None:
    ecu = str(next(_gateways))
    frames = []
    for time, watts, wh in chosen:
        inverter = yc600(watts=watts, wh=wh, ac_power_w=round(sum(watts) * 0.95, 2))
        if data.draw(st.booleans()):
            frames.append(frame(time, inverter, qs1(), ecu=ecu))
        else:
            frames.append(fill_up(f"3{time[1:]}", LateGroup(time, (inverter,)), ecu=ecu))
    with tempfile.TemporaryDirectory() as folder:
        zone = data.draw(st.sampled_from(ZONES))
        place = replace(yard, path=Path(folder) / "journal.db", ecus=({"id": ecu, "timezone": zone},))
        place.deliver_step_by_step(frames, data)
        step_by_step = place.daily([ecu])
        expected = place.expected(frames)
        assert step_by_step.keys() == expected.keys()
        for key, fields in expected.items():
            # Two ways to add up may round a half to either side.
            assert step_by_step[key] == pytest.approx(fields, abs=0.002)
        told = events(place)
        place.replace(ecu=ecu)
        assert place.daily([ecu]) == step_by_step
        assert events(place) == told


def test_a_day_that_loses_a_field_keeps_what_the_analysis_has_added(yard: Yard) -> None:
    wrong, right = (yc600(watts=(200, 100), wh=(wh, 8.333)) for wh in (900.0, 16.667))
    yard.deliver(frame("20260621120000", yc600(watts=(200, 100), wh=(16.0, 8.0))), frame("20260621120500", wrong))
    yard.roll_up()
    key = ("channel_day", (*OF_YC600, "1", f"{UID}-1", ECU), MIDNIGHT)
    assert "energy_refused_wh" in yard.daily()[key]
    analysed = dict.fromkeys(ANALYSED_FIELDS, 1.5)
    line = LineWriter().line(Point(*key[:2], analysed, MIDNIGHT))
    yard.sink.write(line.encode(), bucket=yard.influx.rollup_bucket)
    yard.deliver(frame("20260621120500", right))
    yard.roll_up()
    found = yard.daily()[key]
    assert "energy_refused_wh" not in found
    assert {name: found[name] for name in ANALYSED_FIELDS} == analysed
