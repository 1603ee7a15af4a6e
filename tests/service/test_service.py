"""The service as a whole, within this process: what it wires together, how it begins and how it ends.

Real sockets, threads and files, and so the real clock; `test_crash` does the same to a process of its own.
"""

import contextlib
import logging
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from collector import __version__
from collector.clock.stamps import NS, digits
from collector.config.load import load
from collector.config.model import Config
from collector.config.names import Names
from collector.delivery import writer
from collector.delivery.influx import InfluxSink
from collector.errors import JournalError, StartError
from collector.journal._purge import DAY_NS
from collector.journal.job_writing import Jobs
from collector.journal.jobs import EVERY_ECU, ROLLUP, Job, Phase, Request, StaleDay, open_jobs
from collector.journal.reading import JournalReader
from collector.journal.state import NAMES_STATE, TARIFFS_STATE, RunState
from collector.journal.threaded import ThreadedJournal
from collector.journal.writing import Journal
from collector.ledger import keeping
from collector.ledger.reading import Layout, Ledger
from collector.protocol.messages import read
from collector.record import Arrival
from collector.service import _heartbeat
from collector.service import service as app
from collector.service.service import GRACE_S, Service
from collector.status.health import DECODING_CHANGED, NAMES_CHANGED
from tests.fake_influx import Answer, FakeInflux
from tests.protocol.helpers import ECU, POLL, TIME, YC600, control, record
from tests.running import write_config

RECORD = record(YC600).encode()
ACKNOWLEDGED = f"101{TIME}".encode()
# For a machine that has much else to do.
DEADLINE_S = 60


def configured(folder: Path, settings: str = "", listen: str = "") -> Config:
    """Ports of the system's choice, and a journal in the folder."""
    journal = f'[journal]\npath = "{folder}/journal.db"\n'
    return load(write_config(folder, journal + settings, listen=listen), {})


def with_influxdb(influx: FakeInflux) -> str:
    return f'[influxdb]\nurl = "{influx.url}"\norg = "home"\ntoken = "secret"\n'


@contextlib.asynccontextmanager
async def running(config: Config) -> AsyncIterator[list[int]]:
    """Run a service while the block runs, and stop it in order; the value is its ports."""
    service = Service(config)
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            ports = await nursery.start(service.run)
            yield ports
            service.stop()


async def ask(port: int, message: bytes, host: str = "127.0.0.1") -> bytes:
    """Send a message and wait for the answer."""
    async with await trio.open_tcp_stream(host, port) as stream:
        await stream.send_all(message + b"\n")
        return bytes(await stream.receive_some())


async def until(true: Callable[[], bool]) -> None:
    """Wait for what threads do."""
    while not true():  # noqa: ASYNC110 (nothing in this process tells of it)
        await trio.sleep(0.01)


def run_state(config: Config) -> RunState:
    with JournalReader(config.journal.path) as reader:
        return reader.run_state()


@pytest.fixture
def influx() -> Iterator[FakeInflux]:
    with FakeInflux() as influx:
        yield influx


async def test_started_means_that_every_port_answers(tmp_path: Path) -> None:
    async with running(configured(tmp_path)) as ports:
        assert len(set(ports)) == 3
        assert [await ask(port, RECORD) for port in ports] == [ACKNOWLEDGED] * 3


async def test_it_listens_on_every_host_of_the_list(tmp_path: Path) -> None:
    write_config(tmp_path)
    text = (tmp_path / "config.toml").read_text().replace('"127.0.0.1"', '["127.0.0.1", "127.0.0.2"]')
    (tmp_path / "config.toml").write_text(f'{text}[journal]\npath = "{tmp_path}/journal.db"\n')
    async with running(load(tmp_path / "config.toml", {})) as ports:
        assert len(ports) == 6
        for number, port in enumerate(ports):
            assert await ask(port, RECORD, ("127.0.0.1", "127.0.0.2")[number % 2]) == ACKNOWLEDGED


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("host", ['"::"', '"0::0"', '["::", "0.0.0.0"]', '["0.0.0.0", "::"]'])
async def test_all_addresses_of_ipv6_are_those_of_ipv4_as_well(
    tmp_path: Path, host: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    settings = f'[journal]\npath = "{tmp_path}/journal.db"\n[metrics]\nport = 0\n'
    file = write_config(tmp_path, settings)
    file.write_text(file.read_text().replace('"127.0.0.1"', host))
    async with running(load(file, {})) as ports:
        assert len(ports) == 6
        hosts = ("127.0.0.1", "::1") if host.startswith('["0') else ("::1", "127.0.0.1")
        for number, port in enumerate(ports):
            assert await ask(port, RECORD, hosts[number % 2]) == ACKNOWLEDGED
    told = [message for message in caplog.messages if message.startswith("listening")]
    for shown in ("::", "0.0.0.0"):  # noqa: S104
        assert len([line for line in told if f"host={shown} port=" in line]) == 3


async def test_the_journal_alone_is_enough(tmp_path: Path) -> None:
    config = configured(tmp_path)
    async with running(config) as ports:
        await ask(ports[0], RECORD)
    with JournalReader(config.journal.path) as reader:
        assert [kept.raw for kept in reader.pending(10)] == [RECORD]


async def test_the_ledger_is_kept_up_where_it_is_wanted_and_only_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "LINGER_S", 0.01)

    def counted(config: Config) -> tuple[int, int]:
        with JournalReader(config.journal.path) as reader:
            state = Ledger(reader, Layout(config)).state()
            return state.records_waiting, len(Ledger(reader, Layout(config)).gateways())

    without = configured(tmp_path)
    async with running(without) as ports:
        assert await ask(ports[0], RECORD) == ACKNOWLEDGED
    assert counted(without) == (1, 0)
    wanted = configured(tmp_path, "[ledger]\nenabled = true\n")
    async with running(wanted) as ports:
        await until(lambda: counted(wanted) == (0, 1))
        assert await ask(ports[0], record(YC600, time="20260621124500").encode()) == b"10120260621124500"
        await until(lambda: counted(wanted) == (0, 1))


async def test_an_inverter_that_two_gateways_report_is_told_in_the_log(
    tmp_path: Path, influx: FakeInflux, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(app, "SHARED_S", 0.05)
    midnight = time.time_ns() // DAY_NS * DAY_NS
    times = [f"{datetime.fromtimestamp(midnight // NS + number, UTC):%Y%m%d%H%M%S}" for number in range(2)]
    with caplog.at_level(logging.WARNING):
        async with running(configured(tmp_path, with_influxdb(influx))) as ports:
            for stamp in times:
                for ecu in (ECU, "216000999999"):
                    await ask(ports[0], record(YC600).replace(TIME, stamp).replace(ECU, ecu).encode())
            await until(lambda: any("is reported by 2 gateways" in line for line in caplog.messages))


async def test_a_question_for_stored_records_is_answered_from_the_journal(tmp_path: Path) -> None:
    status_record = control("A123", f"0001{TIME}END{'4080000000010700000'}END", sequence="AAA1", version="15")
    question = control("A123", "0" * 18, sequence="AAA0")
    async with running(configured(tmp_path)) as (*_, port):
        assert await ask(port, question) == b"APS13AAA24A123AAA0000END"
        await ask(port, status_record)
        assert await ask(port, question) == f"APS13AAA38A123AAA0101{TIME}END".encode()


async def test_a_port_that_is_taken_is_named_and_the_others_are_given_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        write_config(tmp_path, f'[journal]\npath = "{tmp_path}/journal.db"\n', ports=(0, port, 0))
        service = Service(load(tmp_path / "config.toml", {}))
        with pytest.raises(StartError, match=f"cannot listen on 127.0.0.1 port {port}: another program uses it"):
            await service.run()
    opened = int(caplog.messages[0].partition("port=")[2].split()[0])
    with socket.create_server(("127.0.0.1", opened)):
        pass


async def test_an_address_that_this_machine_does_not_have_is_named(tmp_path: Path) -> None:
    for host in ("192.0.2.1", "no-such-host.invalid", "a..b"):
        text = write_config(tmp_path).read_text().replace("127.0.0.1", host)
        (tmp_path / "config.toml").write_text(f'{text}[journal]\npath = "{tmp_path}/journal.db"\n')
        with pytest.raises(StartError, match=f"cannot listen on {host} port 0: this machine has no such address"):
            await Service(load(tmp_path / "config.toml", {})).run()


async def test_a_journal_that_cannot_be_opened_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"my shopping list\n" * 1000)
    with pytest.raises(JournalError, match="is no journal"):
        await Service(configured(tmp_path)).run()


async def test_while_it_runs_it_gives_a_sign_of_life_and_at_the_end_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_heartbeat, "BEAT_S", 0.02)
    config = configured(tmp_path)
    began = time.time_ns()
    async with running(config):
        started = run_state(config)
        assert started.version == __version__
        assert began <= started.started_at <= started.beat_at
        assert started.is_alive(time.time_ns())
        await until(lambda: run_state(config).beat_at > started.beat_at)
    ended = run_state(config)
    assert ended.beat_at == 0
    assert ended.stopped_at > started.beat_at


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_is_an_orderly_end(tmp_path: Path, number: signal.Signals) -> None:
    config = configured(tmp_path)
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(Service(config).run)
            signal.raise_signal(number)
    assert run_state(config).stopped_at


async def test_a_second_signal_does_not_cut_an_end_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    close = Journal.close

    def slow(journal: Journal) -> None:
        # The last thing that an end waits for.
        os.kill(os.getpid(), signal.SIGTERM)
        close(journal)

    monkeypatch.setattr(Journal, "close", slow)
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(Service(configured(tmp_path)).run)
            signal.raise_signal(signal.SIGTERM)
    assert "stopping signal=SIGTERM" in caplog.messages
    assert caplog.messages[-1] == "stopped"


async def test_at_the_end_no_connection_is_accepted_and_open_ones_get_a_moment(tmp_path: Path) -> None:
    service = Service(configured(tmp_path))
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            ports = await nursery.start(service.run)
            async with await trio.open_tcp_stream("127.0.0.1", ports[0]) as idle:
                await idle.send_all(RECORD + b"\n")
                assert await idle.receive_some() == ACKNOWLEDGED
                began = trio.current_time()
                service.stop()
                await wait_all_tasks_blocked(0.05)
                with pytest.raises(OSError, match=r"failed|refused"):
                    await trio.open_tcp_stream("127.0.0.1", ports[0])
                await idle.send_all(record(YC600, time="20260621124500").encode() + b"\n")
                assert await idle.receive_some() == b"10120260621124500"
                assert await idle.receive_some() == b""
                assert GRACE_S - 0.1 < trio.current_time() - began < GRACE_S + 3


async def test_records_and_the_collectors_own_reports_reach_influxdb(tmp_path: Path, influx: FakeInflux) -> None:
    config = configured(tmp_path, with_influxdb(influx))
    async with running(config) as ports:
        await ask(ports[0], RECORD)
        await until(lambda: any(b"\ninverter," in b"\n" + body for body in influx.writes))
        await until(lambda: any(b"collector,instance=Home" in body for body in influx.writes))
        with JournalReader(config.journal.path) as reader:
            await until(lambda: reader.pending_count() == 0)


async def test_reports_say_what_was_replaced(tmp_path: Path, influx: FakeInflux) -> None:
    replaced = '[[ecu]]\nid = "216000000002"\nreplaces = "216000000001"\n'
    async with running(configured(tmp_path, with_influxdb(influx) + replaced)):
        await until(lambda: any(b'replaced="216000000001>216000000002"' in body for body in influx.writes))


async def test_reports_say_what_the_money_is_called(tmp_path: Path, influx: FakeInflux) -> None:
    async with running(configured(tmp_path, with_influxdb(influx) + TARIFF)):
        await until(lambda: any(b'currency="EUR"' in body for body in influx.writes))


async def test_an_end_during_an_outage_of_influxdb_is_quick_and_keeps_the_records(tmp_path: Path) -> None:
    with FakeInflux() as influx:
        config = configured(tmp_path, with_influxdb(influx))
    async with running(config) as ports:
        assert await ask(ports[0], RECORD) == ACKNOWLEDGED
        began = trio.current_time()
    assert trio.current_time() - began < GRACE_S + 3
    with JournalReader(config.journal.path) as reader:
        assert reader.pending_count() == 1


async def test_an_end_waits_for_no_influxdb_that_hangs_when_it_is_greeted(tmp_path: Path, influx: FakeInflux) -> None:
    influx.answers["/health"] = Answer(hang=True)
    async with running(configured(tmp_path, with_influxdb(influx))):
        # The writer's and the roll-ups'.
        await until(lambda: len(influx.requests) == 2)
        began = trio.current_time()
    assert trio.current_time() - began < GRACE_S


async def test_an_end_waits_for_no_request_of_the_roll_ups(
    tmp_path: Path, influx: FakeInflux, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    answered = threading.Event()

    def slow(_sink: InfluxSink, flux: str) -> list[dict[str, object]]:
        asked.append(flux)
        answered.wait(DEADLINE_S)
        return []

    monkeypatch.setattr(InfluxSink, "query", slow)
    config = configured(tmp_path, with_influxdb(influx))
    with contextlib.closing(Journal(config.journal.path)) as journal:
        Jobs(journal).ask([Request("rollup", EVERY_ECU)], time.time_ns())
    service = Service(config)
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(service.run)
            await until(lambda: len(asked) == 1)
            began = trio.current_time()
            service.stop()
        assert trio.current_time() - began < GRACE_S
    answered.set()
    assert len(asked) == 1


async def test_a_backup_put_in_place_under_way_is_what_is_delivered_and_marked_from_then_on(
    tmp_path: Path, influx: FakeInflux, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LINGER_S", 0.01)
    monkeypatch.setattr(writer, "LOOK_S", 0.05)
    config = configured(tmp_path, with_influxdb(influx))
    path, backup = config.journal.path, tmp_path / "backup.db"
    spare = Journal(backup)
    spare.append([Arrival(time.time_ns(), 8995, "192.0.2.7", read(record(YC600, time="20260101120000").encode()))])
    spare.close()
    async with running(config) as ports:
        for minute in range(3):
            await ask(ports[0], record(YC600, time=f"202606211{minute}0000").encode())
        await until(lambda: any(b"ecu=" in body for body in influx.writes))
        backup.replace(path)
        assert await ask(ports[0], record(YC600, time="20260622120000").encode()) == b"10120260622120000"

        def all_delivered() -> bool:
            with JournalReader(path) as reader:
                return reader.pending_count() == 0

        await until(all_delivered)
    for received in (datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 6, 22, 12, tzinfo=UTC)):
        assert any(f" {received.timestamp():.0f}".encode() in body for body in influx.writes)
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert db.execute("select time from record order by id").fetchall() == [
            ("20260101120000",),
            ("20260622120000",),
        ]


async def test_changed_names_are_warned_of_until_they_are_replayed(
    tmp_path: Path, influx: FakeInflux, caplog: pytest.LogCaptureFixture
) -> None:
    settings = with_influxdb(influx)
    async with running(configured(tmp_path, settings)):
        pass
    assert "names or time zones" not in caplog.text
    async with running(configured(tmp_path, f'{settings}[[ecu]]\nid = "{ECU}"\nname = "Roof"\n')):
        pass
    assert caplog.text.count(NAMES_CHANGED) == 1
    async with running(configured(tmp_path, f'{settings}[[ecu]]\nid = "{ECU}"\ntimezone = "Europe/Amsterdam"\n')):
        pass
    assert caplog.text.count(NAMES_CHANGED) == 2
    # What was configured before is what InfluxDB holds.
    async with running(configured(tmp_path, settings)):
        pass
    assert caplog.text.count(NAMES_CHANGED) == 2


async def test_the_names_that_a_collector_of_before_has_kept_are_no_changed_ones(
    tmp_path: Path, influx: FakeInflux, caplog: pytest.LogCaptureFixture
) -> None:
    settings = f'{with_influxdb(influx)}[[ecu]]\nid = "{ECU}"\nname = "Roof"\n'
    config = configured(tmp_path, settings)
    names = Names(config)
    with contextlib.closing(Journal(config.journal.path)) as journal:
        journal.put_state(NAMES_STATE, {"fingerprint": names.fingerprint_of_before()})
    async with running(config):
        pass
    assert NAMES_CHANGED not in caplog.text
    with JournalReader(config.journal.path) as reader:
        assert reader.state(NAMES_STATE) == {"fingerprint": names.fingerprint("")}


async def test_after_an_update_that_tells_more_a_replay_of_the_past_is_asked_for(
    tmp_path: Path, influx: FakeInflux, caplog: pytest.LogCaptureFixture
) -> None:
    config = configured(tmp_path, with_influxdb(influx))
    with contextlib.closing(Journal(config.journal.path)) as journal:
        journal.append([Arrival(time.time_ns(), 8995, "192.0.2.7", read(RECORD))])
    async with running(config):
        pass
    # Nothing was in InfluxDB before.
    assert DECODING_CHANGED not in caplog.text
    with contextlib.closing(Journal(config.journal.path)) as journal:
        journal.mark_delivered([1], time.time_ns())
        # As version 0.1 has left it, which kept no names at first.
        journal.put_state(NAMES_STATE, {})
    for number in (1, 2):
        async with running(config):
            pass
        assert caplog.text.count(DECODING_CHANGED) == number


TARIFF = '[[tariff]]\nfrom = 2025-01-01\nprice_per_kwh = 0.3\ncurrency = "EUR"\n'


async def rollups_asked_for(folder: Path, settings: str) -> list[Job]:
    """The open jobs of roll-ups that a service with these settings leaves."""
    config = configured(folder, settings)
    async with running(config):
        pass
    with JournalReader(config.journal.path) as reader:
        return [job for job in open_jobs(reader) if job.kind == ROLLUP]


def end(folder: Path, *jobs: Job) -> None:
    with contextlib.closing(Journal(folder / "journal.db")) as journal:
        for job in jobs:
            Jobs(journal).give_up(job.id, "", 1)


async def test_when_tariffs_change_the_days_concerned_are_computed_again_once(tmp_path: Path) -> None:
    with FakeInflux() as influx:
        settings = with_influxdb(influx)
    # InfluxDB is away now, so that jobs stay as they are asked for.
    assert await rollups_asked_for(tmp_path, settings) == []
    # Without InfluxDB there is nothing to compute, but then there will be.
    assert await rollups_asked_for(tmp_path, TARIFF) == []
    (first,) = await rollups_asked_for(tmp_path, settings + TARIFF)
    assert (first.ecu, first.first, first.last) == (EVERY_ECU, "2025-01-01", "")
    assert await rollups_asked_for(tmp_path, settings + TARIFF) == [first]
    end(tmp_path, first)
    assert await rollups_asked_for(tmp_path, settings + TARIFF) == []
    (second,) = await rollups_asked_for(tmp_path, settings + TARIFF + TARIFF.replace("2025", "2026"))
    assert second.first == "2026-01-01"
    end(tmp_path, second)
    (third,) = await rollups_asked_for(tmp_path, settings)
    assert third.first == "2025-01-01"
    end(tmp_path, third)
    # Of the future there are no roll-ups.
    assert await rollups_asked_for(tmp_path, settings + TARIFF.replace("2025", "9999")) == []
    with JournalReader(tmp_path / "journal.db") as reader:
        assert list(reader.state(TARIFFS_STATE)) == ["9999-01-01"]


async def test_roll_ups_half_done_with_tariffs_of_before_are_begun_anew(tmp_path: Path) -> None:
    with FakeInflux() as influx:
        settings = with_influxdb(influx)
    (asked,) = await rollups_asked_for(tmp_path, settings + TARIFF)
    with contextlib.closing(Journal(tmp_path / "journal.db")) as journal:
        Jobs(journal).mark(asked.id, [(ECU, "2026-06-21")], 1)
    (under_way,) = await rollups_asked_for(tmp_path, settings + TARIFF)
    assert (under_way.id, under_way.phase) == (asked.id, Phase.ROLLUP)
    (anew,) = await rollups_asked_for(tmp_path, settings + TARIFF.replace("0.3", "0.4"))
    assert (anew.id, anew.phase) == (asked.id, Phase.DAYS)


PLACED = '[[inverter]]\nid = "408000000001"\npanels = [{ channel = 1, name = "South 1", row = 1, column = 1 }]\n'


async def test_the_board_of_the_roof_is_written_at_the_start(tmp_path: Path, influx: FakeInflux) -> None:
    boards = f'[grafana]\nboards = "{tmp_path}"\n'
    file = tmp_path / "solar-roof.json"
    async with running(configured(tmp_path, with_influxdb(influx) + 'bucket = "other"\n' + boards + PLACED)):
        await until(file.exists)
    text = await trio.Path(file).read_text(encoding="utf-8")
    assert "South 1" in text
    assert 'bucket: \\"other\\"' in text


async def test_without_a_folder_no_board_is_written(tmp_path: Path) -> None:
    async with running(configured(tmp_path, PLACED)):
        pass
    assert not await trio.Path(tmp_path / "solar-roof.json").exists()


async def test_a_folder_that_cannot_be_written_costs_a_warning_and_no_record(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = configured(tmp_path, f'[grafana]\nboards = "{tmp_path}/missing"\n{PLACED}')
    async with running(config) as ports:
        assert await ask(ports[0], RECORD) == ACKNOWLEDGED
        await until(lambda: "the board of the roof" in caplog.text)
    (line,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert line.startswith(f"the board of the roof was not written folder={tmp_path}/missing reason=No such file")
    assert "[grafana] boards" in line


@pytest.mark.parametrize(("days", "left"), [(0, 3), (30, 2)])
async def test_old_delivered_records_are_purged_when_the_owner_wants_it(
    tmp_path: Path, influx: FakeInflux, days: int, left: int
) -> None:
    config = configured(tmp_path, f"retain_days = {days}\n" + with_influxdb(influx))
    journal = Journal(config.journal.path)
    for age in (40, 35, 1):
        received_at = time.time_ns() - age * DAY_NS
        raw = record(YC600, time=digits(received_at)).encode()
        journal.append([Arrival(received_at, 8995, "192.0.2.7", read(raw))])
    journal.mark_delivered([1, 3], time.time_ns())
    journal.set_aside(2, "a reason")
    journal.close()

    def kept() -> int:
        with JournalReader(config.journal.path) as reader:
            return reader.count(ECU)

    async with running(config) as ports:
        await ask(ports[2], POLL)
        await until(lambda: kept() == left + 1)
    assert kept() == left + 1


async def test_a_clock_that_is_two_years_ahead_for_a_while_purges_nothing(
    tmp_path: Path, influx: FakeInflux, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(tmp_path, "retain_days = 365\n" + with_influxdb(influx))
    journal = Journal(config.journal.path)
    now, real = time.time_ns(), time.time_ns
    for age in range(300):
        raw = record(YC600, time=digits(now - age * DAY_NS)).encode()
        journal.append([Arrival(now - age * DAY_NS, 8995, "192.0.2.7", read(raw))])
    journal.mark_delivered(range(1, 301), now)
    journal.close()
    purged = trio.Event()
    purge = ThreadedJournal.purge

    async def told(backlog: ThreadedJournal, *arguments: int, only_counted: bool) -> int | None:
        after = await purge(backlog, *arguments, only_counted=only_counted)
        purged.set()
        return after

    monkeypatch.setattr(ThreadedJournal, "purge", told)
    monkeypatch.setattr(time, "time_ns", lambda: real() + 2 * 365 * DAY_NS)
    async with running(config):
        await purged.wait()
    with JournalReader(config.journal.path) as reader:
        assert reader.count(ECU) == 300


async def test_a_journal_that_fails_is_told_by_the_sign_of_life_once_it_can_be_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_heartbeat, "BEAT_S", 0.02)
    config = configured(tmp_path)
    async with running(config) as ports:
        with contextlib.closing(sqlite3.connect(config.journal.path, isolation_level=None)) as db:
            db.execute("create trigger full before insert on record begin select raise(abort, 'no room'); end")
            assert await ask(ports[0], RECORD) == b""
            await until(lambda: run_state(config).unanswered == 1)
            assert "no room" in run_state(config).journal_error
            db.execute("drop trigger full")
        assert await ask(ports[0], RECORD) == ACKNOWLEDGED
        await until(lambda: not run_state(config).journal_error)


async def test_records_under_way_are_not_marked_in_a_journal_that_took_the_place_of_theirs(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal, spare = Journal(path), Journal(tmp_path / "backup.db")
    for file, own_time in ((journal, TIME), (spare, "20260101120000")):
        file.append([Arrival(time.time_ns(), 8995, "192.0.2.7", read(record(YC600, time=own_time).encode()))])
    spare.close()
    backlog = ThreadedJournal(journal, trio.CapacityLimiter(1))
    (under_way,) = await backlog.pending(10)
    day = StaleDay(ECU, "2026-06-21", 1, 1, 1)
    spare.path.replace(path)
    with pytest.raises(JournalError, match="was replaced while records were under way"):
        await backlog.mark_delivered([under_way.id], 1, [])
    with pytest.raises(JournalError, match="was replaced while records were under way"):
        await backlog.set_aside(under_way.id, "a reason")
    with pytest.raises(JournalError, match="was replaced while records were under way"):
        await backlog.clear_days([day], (), (), 1)
    with pytest.raises(JournalError, match="was replaced while records were under way"):
        await backlog.refuse_day(day, "a reason", 1)
    with pytest.raises(JournalError, match="was replaced while records were under way"):
        await backlog.change_jobs(Jobs.begin, 1, "names")
    (other,) = await backlog.pending(10)
    assert (other.id, other.time) == (under_way.id, "20260101120000")
    await backlog.mark_delivered([other.id], 1, [])
    assert await backlog.pending(10) == []
    await backlog.close()
