"""A collector as its owner runs it, between a gateway's TCP connection and a real InfluxDB."""

import http.server
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
import urllib3

from collector.delivery.influx import ROLLUP_SHARD_GROUP_S, SHARD_GROUP_S
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from tests.conftest import Influx
from tests.influxdb_server import Api, InfluxServer
from tests.protocol.helpers import captured
from tests.running import Collector
from tests.samples import ECU, arrival, day_times, frame, ns, utc, yc600

# Delivery lingers for a second, and looks again after ten; the rest is for a machine that is busy.
DELIVERY_S = 40.0
POLL_S = 0.05
OTHER = "216000999999"
SITE = '[site]\ntimezone = "Europe/Amsterdam"\n'


def settings(influx: Influx, *, token: str = "", url: str = "") -> str:
    return (
        f'{SITE}[influxdb]\nurl = "{url or influx.url}"\norg = "{influx.org}"\ntoken = "{token or influx.token}"\n'
        f'bucket = "{influx.bucket}"\nrollup_bucket = "{influx.rollup_bucket}"\n'
    )


def wait_until(holds: Callable[[], bool], what: str, within_s: float = DELIVERY_S) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        threading.Event().wait(POLL_S)


def wait_for_delivery(collector: Collector) -> None:
    wait_until(lambda: collector.look().pending == 0, "every record delivered")


def acknowledgement(record: bytes) -> bytes:
    return b"101" + (record[70:84] if record[3:5] == b"16" else record[60:74])


def send(collector: Collector, *records: bytes) -> None:
    """Each on a connection of its own, each acknowledged."""
    for position, record in enumerate(records):
        assert collector.send(record + b"\n", port_index=position % 2) == acknowledgement(record)


def values(influx: Influx, measurement: str, field: str, ecu: str = ECU) -> list[tuple[str, str, float]]:
    """Time, inverter and channel (where there are some) and value of every point there is, by time."""
    rows = influx.query(
        f'from(bucket: "{influx.bucket}") |> range(start: 2000-01-01T00:00:00Z)'
        f' |> filter(fn: (r) => r._measurement == "{measurement}" and r._field == "{field}" and r.ecu == "{ecu}")'
    )
    found = [
        (row["_time"], f"{row.get('inverter', '')}-{row.get('channel', '')}", float(row["_value"])) for row in rows
    ]
    return sorted(found)


def count_between(influx: Influx, start: str, stop: str, ecu: str = ECU) -> int:
    return sum(utc(start) <= utc(at) < utc(stop) for at, _, _ in values(influx, "ecu", "power_w", ecu))


@pytest.fixture
def collector(influx: Influx, tmp_path: Path) -> Iterator[Collector]:
    with Collector(tmp_path, settings(influx)) as running:
        yield running


def test_captured_records_are_acknowledged_and_found_in_influxdb(collector: Collector, influx: Influx) -> None:
    records = [raw.encode() for _, raw in captured("upload.txt")]
    send(collector, *records)
    wait_for_delivery(collector)
    ecu = "216000064136"
    powers = [(at, where[-1], value) for at, where, value in values(influx, "channel", "power_w", ecu)]
    energies = [value for _, _, value in values(influx, "channel", "energy_wh", ecu)]
    at = "2024-02-06T10:22:14Z"
    assert powers == [(at, "1", 17), (at, "2", 18), (at, "1", 29), (at, "2", 38), (at, "3", 45), (at, "4", 43)]
    assert energies == [1.409, 1.419, 2.309, 3.07, 3.569, 3.437]
    assert [value for _, _, value in values(influx, "inverter", "ac_power_w", ecu)] == [32.9, 145.7]
    assert values(influx, "ecu", "power_w", ecu) == [(at, "-", 190)]

    for record in records[1:]:
        time = record[70:84].decode()
        # Central European summer time.
        at = f"2016-09-22T{int(time[8:10]) - 2:02d}:{time[10:12]}:{time[12:]}Z"
        inputs = [value for when, _, value in values(influx, "channel", "power_w", "224000003029") if when == at]
        assert len(inputs) == 2 * 58
        assert sum(inputs) == pytest.approx(int(record[30:40]) / 1000, abs=0.01)
        outputs = [
            value for when, _, value in values(influx, "optimizer", "output_power_w", "224000003029") if when == at
        ]
        assert len(outputs) == 58
        assert sum(outputs) == pytest.approx(int(record[40:50]) / 1000, abs=0.01)


def test_a_backlog_out_of_order_and_with_repeats_gives_what_the_day_in_order_gives(
    collector: Collector, influx: Influx
) -> None:
    def record(time: str, ecu: str) -> bytes:
        watts = int(time[8:12]) % 300
        return frame(time, yc600(watts=(watts, watts + 1), wh=(watts / 12, watts / 11)), ecu=ecu)

    times = list(day_times(date(2026, 6, 21), minutes=10))
    send(collector, *(record(time, ECU) for time in times))
    mixed = [*times, *times[::3], *times[::7]]
    random.Random(5).shuffle(mixed)  # noqa: S311 (the same order every time)
    send(collector, *(record(time, OTHER) for time in mixed))
    wait_for_delivery(collector)
    for measurement, field in (
        ("ecu", "power_w"),
        ("ecu", "energy_wh"),
        ("inverter", "energy_wh"),
        ("channel", "power_w"),
        ("channel", "energy_wh"),
    ):
        in_order = values(influx, measurement, field)
        assert len(in_order) == len(times) * (2 if measurement == "channel" else 1)
        assert values(influx, measurement, field, OTHER) == in_order


def test_both_days_that_the_clock_is_changed_have_all_their_rounds(influx: Influx, tmp_path: Path) -> None:
    spring = [time for time in day_times(date(2026, 3, 29), first="000000", last="235500") if time[8:10] != "02"]
    autumn = list(day_times(date(2026, 10, 25), first="000000", last="235500"))
    begin, minutes = ns("2026-10-24T22:00:00Z"), 60 * 10**9
    doubled = autumn.index("20261025030000")
    # The hour from two to three comes twice, as it was received: live.
    live = autumn[:doubled] + autumn[doubled - 12 :]
    journal = Journal(tmp_path / "data" / "journal.db")
    journal.append(
        [
            *(arrival(frame(time, yc600()), ns("2026-03-30T08:00:00Z")) for time in spring),
            *(
                # Bytes differ from one hour to the next, as they do where the sun shines.
                arrival(frame(time, yc600(watts=(position, 1))), begin + (5 * position + 1) * minutes)
                for position, time in enumerate(live)
            ),
        ]
    )
    journal.close()
    with Collector(tmp_path, settings(influx)) as collector:
        # A gateway that knows no summer time has 24 hours on either day.
        send(collector, *(frame(time, yc600(), ecu=OTHER) for time in autumn[::12]))
        wait_for_delivery(collector)
    assert count_between(influx, "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z") == 23 * 12
    assert count_between(influx, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z") == 25 * 12
    powers = [
        value for at, where, value in values(influx, "channel", "power_w") if where.endswith("-1") and at > "2026-10"
    ]
    assert powers == list(range(25 * 12))
    assert count_between(influx, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", OTHER) == 24


def test_what_comes_while_influxdb_is_away_is_there_once_it_is_back(
    own_influx_server: InfluxServer, tmp_path: Path
) -> None:
    influx = Influx(own_influx_server.api, "solar", "solar_daily")
    times = list(day_times(date(2026, 6, 21), minutes=10))
    records = [frame(time, yc600()) for time in times]
    with Collector(tmp_path, settings(influx)) as collector:
        send(collector, *records[:20])
        wait_for_delivery(collector)
        send(collector, *records[20:30])
        own_influx_server.stop()
        send(collector, *records[30:60])

        def outage() -> list[str]:
            return [problem for problem in collector.look().problems if influx.url in problem]

        # The service writes down how it is every ten seconds.
        wait_until(lambda: bool(outage()), "the outage in the status")
        code, said = collector.status()
        assert (code, said["healthy"]) == (1, False)
        assert said["pending"] >= 30
        assert "InfluxDB unavailable since" in outage()[0]

        own_influx_server.start()
        send(collector, *records[60:])
        wait_for_delivery(collector)
        wait_until(lambda: collector.look().healthy, "a healthy status")
        assert len(collector.wait_for("InfluxDB unavailable")) == 1
        assert len(collector.wait_for("InfluxDB available again")) == 1
    rows = values(influx, "ecu", "energy_wh")
    assert [value for _, _, value in rows] == [4.036] * len(times)
    assert len({at for at, _, _ in rows}) == len(times)
    assert len(values(influx, "channel", "energy_wh")) == 2 * len(times)


def test_a_wrong_token_costs_no_record_and_the_status_says_what_to_do(influx: Influx, tmp_path: Path) -> None:
    with Collector(tmp_path, settings(influx, token="wrong-token")) as collector:
        send(collector, frame("20260621124000", yc600()))
        collector.wait_for("InfluxDB unavailable")
        wait_until(lambda: not collector.look().healthy, "the fault in the status")
        code, said = collector.status()
        assert (code, said["pending"]) == (1, 1)
        assert "check influxdb.token" in said["problems"][0]
        assert "wrong-token" not in "".join([*said["problems"], *collector.log])
        assert collector.stop() == 0
    with Collector(tmp_path, settings(influx)) as collector:
        wait_for_delivery(collector)
    assert len(values(influx, "ecu", "power_w")) == 1


def test_missing_buckets_are_made_and_made_again(collector: Collector, influx: Influx) -> None:
    send(collector, frame("20260621124000", yc600()))
    wait_for_delivery(collector)
    for name, shard_s in ((influx.bucket, SHARD_GROUP_S), (influx.rollup_bucket, ROLLUP_SHARD_GROUP_S)):
        bucket = influx.api.bucket(name)
        assert bucket is not None
        (rule,) = bucket["retentionRules"]
        assert (rule["everySeconds"], rule["shardGroupDurationSeconds"]) == (0, shard_s)

    influx.api.drop_bucket(influx.bucket)
    send(collector, frame("20260621124500", yc600()))
    wait_for_delivery(collector)
    assert [at for at, _, _ in values(influx, "ecu", "power_w")] == ["2026-06-21T10:45:00Z"]
    # What the bucket held before is a matter for a replay, beside the running service.
    done = collector.run("replay", "--all")
    assert done.returncode == 0
    assert done.stdout.startswith("2 records, 9 points written, ")
    assert len(values(influx, "ecu", "power_w")) == 2


def test_a_hundred_and_twenty_inverters_are_one_record(collector: Collector, influx: Influx) -> None:
    inverters = [yc600(f"40800000{number:04d}") for number in range(120)]
    record = frame("20260621124000", *inverters)
    with collector.connect() as connection:
        # In pieces, as the gateway's buffer has them.
        for start in range(0, len(record), 2700):
            connection.sendall(record[start : start + 2700])
        connection.sendall(b"\n")
        assert connection.recv(100) == b"10120260621124000"
    wait_for_delivery(collector)
    assert len(values(influx, "inverter", "energy_wh")) == 120
    assert len(values(influx, "channel", "energy_wh")) == 240
    assert values(influx, "ecu", "power_w")[0][2] == 120 * 47


@contextmanager
def forwarding(api: Api, after_write: Callable[[], None]) -> Iterator[str]:
    """An address that passes everything on to InfluxDB; a write of records is carried out and never answered."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._forward()

        def do_POST(self) -> None:
            self._forward()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
            pass

        def _forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            with urllib3.PoolManager(retries=False, timeout=10) as pool:
                headers = {"Authorization": self.headers.get("Authorization", ""), "Content-Type": "application/json"}
                answer = pool.request(self.command, api.url + self.path, body=body, headers=headers)
            if b"channel," in body:
                assert answer.status == 204
                after_write()
                return
            self.send_response(answer.status)
            for name in ("Content-Type", "X-Influxdb-Version"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", str(len(answer.data)))
            self.end_headers()
            self.wfile.write(answer.data)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_a_crash_between_writing_and_marking_doubles_nothing(influx: Influx, tmp_path: Path) -> None:
    records: Sequence[bytes] = [frame(time, yc600()) for time in day_times(date(2026, 6, 21), minutes=60)]
    written = threading.Event()
    with forwarding(influx.api, written.set) as url, Collector(tmp_path, settings(influx, url=url)) as collector:
        send(collector, *records)
        assert written.wait(DELIVERY_S)
        collector.kill()
    there = values(influx, "channel", "energy_wh")
    assert there
    with JournalReader(collector.journal) as reader:
        assert reader.pending_count() == len(records)
    with Collector(tmp_path, settings(influx)) as collector:
        wait_for_delivery(collector)
    after = values(influx, "channel", "energy_wh")
    assert set(there) <= set(after)
    assert len(after) == len(set(after)) == 2 * len(records)
    events = influx.query(
        f'from(bucket: "{influx.bucket}") |> range(start: 2000-01-01T00:00:00Z)'
        ' |> filter(fn: (r) => r._measurement == "event" and r._field == "text" and r.kind == "new_inverter")'
    )
    assert len(events) == 1
