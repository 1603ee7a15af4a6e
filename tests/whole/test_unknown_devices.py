"""More devices than any owner adds, and times that no record can have: over TCP, with a real InfluxDB behind it."""

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from collector.newcomers import MOST_GATEWAYS_A_DAY, MOST_INVERTERS_OF_A_GATEWAY
from collector.protocol.blocks import Inverter
from collector.protocol.upload import LateGroup
from tests.conftest import Influx
from tests.running import Collector
from tests.samples import ECU, frame, yc600
from tests.whole.test_end_to_end import acknowledgement, send, settings, values, wait_for_delivery, wait_until

HONEST = "216000111111"
FLOOD = [f"2160{number:08d}" for number in range(40)]
NAMED = f'\n[[ecu]]\nid = "{HONEST}"\nname = "Roof"\n'


def now(ago: timedelta = timedelta()) -> str:
    """A time stamp of this moment in Amsterdam."""
    instant = datetime.fromtimestamp(time.time(), UTC) - ago
    return f"{instant.astimezone(ZONE):%Y%m%d%H%M%S}"


ZONE = ZoneInfo("Europe/Amsterdam")


def flood(collector: Collector, records: Sequence[bytes]) -> None:
    """All on one connection, each acknowledged."""
    with collector.connect() as connection:
        for record in records:
            connection.sendall(record + b"\n")
            assert connection.recv(65_536) == acknowledgement(record)


def series(influx: Influx) -> int:
    rows = influx.query(
        f'import "influxdata/influxdb" influxdb.cardinality(bucket: "{influx.bucket}", start: 2000-01-01T00:00:00Z)'
    )
    return int(rows[0]["_value"]) if rows else 0


def gateways(influx: Influx) -> set[str]:
    rows = influx.query(
        f'import "influxdata/influxdb/schema" schema.tagValues(bucket: "{influx.bucket}", tag: "ecu",'
        " start: 2000-01-01T00:00:00Z)"
    )
    return {row["_value"] for row in rows}


@pytest.fixture
def collector(influx: Influx, tmp_path: Path) -> Iterator[Collector]:
    with Collector(tmp_path, settings(influx) + NAMED) as running:
        yield running


def test_a_flood_of_gateways_is_stored_and_answered_and_only_a_few_come_through_until_the_owner_says_yes(
    collector: Collector, influx: Influx
) -> None:
    flood(collector, [frame(now(), yc600(), ecu=ecu) for ecu in FLOOD])
    send(collector, frame(now(), yc600(), ecu=HONEST))
    wait_for_delivery(collector)
    wait_until(lambda: "unknown" in gateways(influx), "the event is there")
    assert gateways(influx) == {HONEST, "unknown", *FLOOD[:MOST_GATEWAYS_A_DAY]}
    assert series(influx) < 1000

    beyond = FLOOD[MOST_GATEWAYS_A_DAY:]
    code, told = collector.status()
    assert code == 0
    assert (told["gateways_waiting"], told["held"], told["pending"]) == (len(beyond), len(beyond), 0)
    assert told["waiting"] == beyond[:5]
    assert {ecu["id"] for ecu in told["ecus"]} == {HONEST, *FLOOD[:MOST_GATEWAYS_A_DAY]}
    (warning,) = [line for line in told["warnings"] if "collector accept" in line]
    assert warning.startswith(f"{len(beyond)} gateways ({', '.join(beyond[:5])}, …) wait with {len(beyond)} records")
    (line,) = [line for line in collector.log if "WARNING" in line]
    assert f"gateway {beyond[0]} waits" in line

    done = collector.run("accept", beyond[0])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"accepted: gateway {beyond[0]} with all inverters that it has reported so far; 1 record follows\n"
    )
    wait_until(lambda: bool(values(influx, "channel", "power_w", beyond[0])), "what was accepted is there")
    send(collector, frame(now(), yc600(), ecu=beyond[1]))
    assert gateways(influx) == {HONEST, "unknown", *FLOOD[: MOST_GATEWAYS_A_DAY + 1]}

    done = collector.run("accept", HONEST)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"collector: nothing of {HONEST} waits to be accepted; what waits: ")

    done = collector.run("accept", "--all")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"; {len(beyond)} records follow" in done.stdout
    wait_until(lambda: gateways(influx) == {HONEST, "unknown", *FLOOD}, "all that was accepted is there")
    wait_for_delivery(collector)
    told = collector.status()[1]
    assert (told["held"], told["gateways_waiting"], told["waiting"]) == (0, 0, [])


def invented(count: int, first: int = 0) -> list[Inverter]:
    return [yc600(f"4080{number:08d}") for number in range(first, first + count)]


def inverters(influx: Influx, ecu: str = ECU) -> set[str]:
    return {where.partition("-")[0] for _, where, _ in values(influx, "inverter", "dc_power_w", ecu)}


@pytest.mark.slow
def test_of_hundreds_of_unknown_inverters_a_few_are_let_in_and_the_others_when_they_are_accepted(
    collector: Collector, influx: Influx
) -> None:
    whole = invented(400)
    send(collector, frame(now(), *whole))
    wait_for_delivery(collector)
    known = {inverter.uid for inverter in whole[:MOST_INVERTERS_OF_A_GATEWAY]}
    assert inverters(influx) == known
    assert series(influx) < 4000
    told = collector.status()[1]
    assert (told["inverters_waiting"], told["held"]) == (250, 1)
    assert {inverter["id"] for inverter in told["ecus"][0]["inverters"]} == known
    collector.wait_for(f"inverter {whole[MOST_INVERTERS_OF_A_GATEWAY].uid} and 249 more of gateway {ECU} wait")

    # What is known comes through, in a record with any number of others.
    send(collector, frame(now(timedelta(minutes=5)), *whole[:3], *invented(100, first=5000)))
    wait_for_delivery(collector)
    assert len(values(influx, "inverter", "dc_power_w")) == len(known) + 3
    # After a start as well, and on a replay of all.
    assert collector.run("replay", "--all").returncode == 0
    assert inverters(influx) == known

    accepted = whole[-1].uid
    done = collector.run("accept", accepted)
    assert (done.returncode, done.stdout) == (0, f"accepted: inverter {accepted}; 2 records follow\n")
    wait_until(lambda: inverters(influx) == {*known, accepted}, "the accepted one is there")
    wait_for_delivery(collector)
    assert collector.status()[1]["held"] == 2

    assert collector.run("accept", ECU).returncode == 0
    wait_until(lambda: len(inverters(influx)) == 500, "all are there")
    wait_for_delivery(collector)
    told = collector.status()[1]
    assert (told["held"], told["inverters_waiting"]) == (0, 0)


def test_a_first_day_of_a_large_roof_needs_nothing(collector: Collector, influx: Influx) -> None:
    send(collector, frame(now(), *invented(120)))
    wait_for_delivery(collector)
    assert len(inverters(influx)) == 120
    assert not [line for line in collector.log if "WARNING" in line]
    assert collector.status()[1]["waiting"] == []


def test_a_fleet_accepts_all(influx: Influx, tmp_path: Path) -> None:
    with Collector(tmp_path, settings(influx) + '\n[collector]\naccept = "all"\n') as collector:
        flood(collector, [frame(now(), yc600(), ecu=ecu) for ecu in FLOOD])
        send(collector, frame(now(), *invented(200)))
        wait_for_delivery(collector)
        assert gateways(influx) == {ECU, *FLOOD}
        assert len(inverters(influx)) == 200


def test_what_waits_comes_in_by_a_start_with_a_configuration_that_names_it(influx: Influx, tmp_path: Path) -> None:
    with Collector(tmp_path, settings(influx)) as collector:
        flood(collector, [frame(now(), yc600(), ecu=ecu) for ecu in FLOOD[:30]])
        wait_for_delivery(collector)
        collector.stop()
    named = FLOOD[25]
    with Collector(tmp_path, f'{settings(influx)}\n[[ecu]]\nid = "{named}"\n') as collector:
        wait_until(lambda: named in gateways(influx), "what is named is there")
        assert gateways(influx) == {"unknown", named, *FLOOD[:MOST_GATEWAYS_A_DAY]}
        collector.stop()
    with Collector(tmp_path, settings(influx) + '\n[collector]\naccept = "all"\n'):
        wait_until(lambda: gateways(influx) == {"unknown", *FLOOD[:30]}, "all are there")


# Times.

LOST, AHEAD = "20000101000500", "22600101000500"


def first_point(influx: Influx) -> str:
    rows = influx.query(
        f'from(bucket: "{influx.bucket}") |> range(start: 1900-01-01T00:00:00Z, stop: 2262-01-01T00:00:00Z)'
        ' |> filter(fn: (r) => r._measurement == "channel") |> group() |> sort(columns: ["_time"]) |> limit(n: 1)'
    )
    return rows[0]["_time"] if rows else ""


@pytest.mark.slow
def test_a_record_of_a_lost_clock_is_kept_and_told_and_comes_in_at_the_time_that_it_is_given(
    collector: Collector, influx: Influx
) -> None:
    send(collector, frame(LOST, yc600()), frame(AHEAD, yc600()), frame(now(), yc600(wh=(1.0, 2.0))))
    wait_for_delivery(collector)
    assert len(values(influx, "ecu", "power_w")) == 1
    code, told = collector.status()
    assert (code, told["misdated"], told["set_aside"]) == (0, 2, 2)
    (warning,) = [line for line in told["warnings"] if "collector redate" in line]
    assert warning == (
        f"2 set aside because of a time that is not believable, the latest as number 2, of {AHEAD} from ECU {ECU}:"
        " `collector redate` brings them in at another"
    )
    shown = json.loads(collector.run("decode", "--record", "1").stdout)
    assert (shown["points"], shown["problems"]) == ([], [f"its time is not believable: '{LOST}'"])
    # The gateway's newest time is that of the record that is right.
    assert told["ecus"][0]["last_record"] != "2000-01-01T00:05:00Z"

    done = collector.run("redate", "--record", "1", "--at", "2026-03-29T12:00")
    assert (done.returncode, done.stdout) == (0, "1 record goes to InfluxDB with the new time\n")
    done = collector.run("redate", "--ecu", ECU, "--received")
    assert (done.returncode, done.stdout) == (0, "1 record goes to InfluxDB with the new time\n")
    wait_until(lambda: len(values(influx, "ecu", "power_w")) == 3, "all are there")
    assert first_point(influx) == "2026-03-29T10:00:00Z"
    told = collector.status()[1]
    assert (told["misdated"], told["set_aside"]) == (0, 0)
    shown = json.loads(collector.run("decode", "--record", "1").stdout)
    assert {point["time"] for point in shown["points"]} == {"2026-03-29T10:00:00Z"}

    # A replay of that day finds the record by its new time.
    before = values(influx, "channel", "energy_wh")
    assert collector.run("replay", "--ecu", ECU, "--from", "2026-03-29", "--to", "2026-03-29").returncode == 0
    assert collector.run("replay", "--all").returncode == 0
    assert values(influx, "channel", "energy_wh") == before


def test_late_groups_of_lost_times_cost_themselves_alone(collector: Collector, influx: Influx) -> None:
    send(collector, frame(now(), yc600(), late=(LateGroup(LOST, (yc600(),)),)))
    wait_for_delivery(collector)
    assert len(values(influx, "inverter", "dc_power_w")) == 1
    (problem,) = collector.status()[1]["understood_in_part"]
    assert problem["reason"].startswith("late group: its time is not believable")


def test_hundreds_of_years_make_no_shard(collector: Collector, influx: Influx) -> None:
    flood(collector, [frame(f"{year}0101000500", yc600()) for year in (*range(1680, 2009), *range(2030, 2261))])
    wait_for_delivery(collector)
    assert first_point(influx) == ""
    assert collector.status()[1]["misdated"] == 560
    # They are one kind of trouble to whoever looks, not 560.
    assert len(collector.status()[1]["warnings"]) <= 2
