"""`collector rollup`, and what `collector replay` does to roll-ups, with a real InfluxDB; and both beside a service."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import trio

from collector import rollup_loop, writer
from collector.app import Service
from collector.cli import FINDING, FINE, USAGE, main
from collector.config import load
from collector.influx import InfluxSink
from collector.journal_reader import JournalReader
from collector.replay import Outcome
from collector.replay_command import replay
from collector.rollup import Ledger, Rollups
from tests.commands import Answer, Run, outcome
from tests.conftest import Influx
from tests.fake_influx import FakeInflux, error
from tests.rolling import Yard, span
from tests.running import run_command, write_config
from tests.samples import ECU, UID, day_times, frame, ns, yc600

DAY = date(2026, 6, 21)
OTHER = "216000999999"


@pytest.fixture
def yard(influx: Influx, tmp_path: Path) -> Iterator[Yard]:
    sink = InfluxSink(influx.url, influx.org, influx.token, influx.bucket, influx.rollup_bucket)
    sink.connect()
    yield Yard(influx, tmp_path / "journal.db", sink)
    sink.close()


def settings(yard: Yard, url: str = "") -> str:
    """The rest of a configuration file for this yard."""
    return (
        f'[site]\ntimezone = "{yard.zone}"\n[journal]\npath = "{yard.path}"\n'
        f'[influxdb]\nurl = "{url or yard.influx.url}"\n'
        f'org = "{yard.influx.org}"\ntoken = "{yard.influx.token}"\nbucket = "{yard.influx.bucket}"\n'
        f'rollup_bucket = "{yard.influx.rollup_bucket}"\n'
    )


@pytest.fixture
def run(yard: Yard, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `collector rollup`; its exit code, output and errors."""

    def run(*arguments: str, url: str = "") -> Answer:
        path = write_config(tmp_path, settings(yard, url))
        code, out, err = outcome(capsys, "rollup", "--config", str(path), *arguments)
        assert yard.influx.token not in err
        return code, out, err

    return run


def replayed(yard: Yard, first: date | None = None, last: date | None = None) -> Outcome:
    return replay(yard.config, ecu=None, first=first, last=last, everything=not (first or last))


def test_everything_that_influxdb_holds_is_rolled_up_also_what_the_journal_never_saw(yard: Yard, run: Run) -> None:
    yard.deliver(*(frame(f"{day:%Y%m%d}120000", yc600(), ecu=ecu) for day in span(DAY, 3) for ecu in (ECU, OTHER)))
    yard.path.unlink()
    assert run() == (FINE, "6 days, 24 points written\n", "")
    assert yard.energies("ecu", "ecu_day") == {ECU: 12.108, OTHER: 12.108}
    assert yard.stale() == []
    before = yard.daily()
    assert run() == (FINE, "6 days, 24 points written\n", "")
    assert yard.daily() == before


def test_only_what_was_asked_for_is_touched(yard: Yard, run: Run) -> None:
    yard.deliver(*(frame(f"{day:%Y%m%d}120000", yc600(), ecu=ecu) for day in span(DAY, 3) for ecu in (ECU, OTHER)))
    assert run("--ecu", ECU, "--from", "2026-06-22", "--to", "2026-06-22") == (FINE, "1 days, 4 points written\n", "")
    assert {(tags[0], at) for _, tags, at in yard.daily()} == {(ECU, ns("2026-06-21T22:00:00Z"))}
    # Those that were not asked for are still to be done.
    assert (ECU, "2026-06-21") in yard.stale()
    assert (OTHER, "2026-06-22") in yard.stale()
    assert (ECU, "2026-06-22") not in yard.stale()


def test_roll_ups_of_what_is_no_more_go_and_other_days_keep_theirs(yard: Yard, run: Run) -> None:
    yard.deliver(*(frame(f"{day:%Y%m%d}120000", yc600()) for day in span(DAY, 3)))
    yard.roll_up()
    for measurement in ("ecu", "inverter", "channel"):
        start, stop = "2026-06-21T22:00:00+00:00", "2026-06-23T00:00:00+00:00"
        predicate = f'_measurement="{measurement}"'
        yard.influx.api.call(
            "POST",
            "/api/v2/delete",
            {"start": start, "stop": stop, "predicate": predicate},
            org=yard.influx.org,
            bucket=yard.influx.bucket,
        )
    assert run("--from", "2026-06-22", "--to", "2026-06-22")[0] == FINE
    midnights = {at for name, _, at in yard.daily() if name == "ecu_day"}
    assert midnights == {ns("2026-06-20T22:00:00Z"), ns("2026-06-22T22:00:00Z")}


def test_an_empty_database_is_no_error(run: Run) -> None:
    assert run() == (FINE, "0 days, 0 points written\n", "")


def test_a_gateway_of_which_influxdb_knows_nothing_is_a_finding(yard: Yard, run: Run) -> None:
    yard.deliver(frame("20260621120000", yc600()))
    assert run("--ecu", OTHER) == (FINDING, "", f"collector: InfluxDB has nothing of an ECU {OTHER}\n")


def test_a_span_that_ends_before_it_begins_is_a_usage_error(run: Run) -> None:
    code, _, err = run("--from", "2026-06-22", "--to", "2026-06-21")
    assert (code, "--to 2026-06-21 is before --from 2026-06-22" in err) == (USAGE, True)


def test_without_an_influxdb_there_is_nothing_to_roll_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rollup", "--config", str(write_config(tmp_path))]) == USAGE
    assert capsys.readouterr().err == "influxdb: missing, so there is nothing to roll up\n"


def test_an_influxdb_that_is_away_is_one_line(run: Run) -> None:
    code, out, err = run(url="http://127.0.0.1:9")
    assert (code, out, err.count("\n")) == (FINDING, "", 1)
    assert "no connection" in err


def test_an_influxdb_that_refuses_is_one_line(run: Run) -> None:
    with FakeInflux() as fake:
        fake.answers["/api/v2/query"] = error(400, "this is no Flux", code="invalid")
        code, _, err = run(url=fake.url)
    assert (code, err) == (FINDING, "collector: InfluxDB refused what was sent (HTTP 400: this is no Flux)\n")


def test_days_that_influxdb_refuses_are_named(yard: Yard, run: Run) -> None:
    yard.deliver(*(frame(f"{day:%Y%m%d}120000", yc600()) for day in span(DAY, 2)))
    # Someone has written the field with another type into the shard.
    at = ns("2026-06-20T22:00:00Z")
    yard.influx.api.write(yard.influx.rollup_bucket, f"ecu_day,ecu=x,ecu_name=x energy_wh=5i {at}")
    code, out, err = run("--ecu", ECU)
    assert (code, out) == (FINDING, "0 days, 0 points written\n")
    assert f"refused: {ECU} 2026-06-21: InfluxDB refused what was sent" in err
    assert {(ECU, "2026-06-21"), (ECU, "2026-06-22")} <= set(yard.stale())


def test_a_replay_after_renaming_leaves_neither_old_names_nor_anything_twice(yard: Yard) -> None:
    def named(*names: str) -> Yard:
        panels = tuple({"channel": number, "name": name} for number, name in enumerate(names, 1))
        return replace(yard, inverters=({"id": UID, "panels": panels},))

    old, new = named("East 1", "East 2"), named("Barn (A/B)", 'Barn "x" $2')
    old.deliver(*(frame(f"{day:%Y%m%d}120000", yc600()) for day in (DAY - timedelta(days=200), DAY)))
    old.roll_up()
    assert old.energies() == {"East 1": 4.082, "East 2": 3.99}
    assert replayed(new).days == 2
    assert new.energies() == {"Barn (A/B)": 4.082, 'Barn "x" $2': 3.99}
    assert new.stale() == []
    # A part of it gets other names again.
    third = named("North", "South")
    assert replayed(third, DAY, DAY).days == 1
    assert third.energies() == {"Barn (A/B)": 2.041, 'Barn "x" $2': 1.995, "North": 2.041, "South": 1.995}


def test_a_replay_in_another_zone_moves_the_roll_ups(yard: Yard) -> None:
    early = replace(yard, zone="UTC")
    early.deliver(frame("20260621233000", yc600()))
    early.roll_up()
    assert {at for _, _, at in early.daily()} == {ns("2026-06-21T00:00:00Z")}
    assert replayed(yard).days == 1
    assert {at for _, _, at in yard.daily()} == {ns("2026-06-20T22:00:00Z")}
    assert yard.zones()[ECU] == "Europe/Amsterdam"


def test_a_replay_brings_back_a_lost_bucket_of_roll_ups(yard: Yard) -> None:
    yard.deliver(*(frame(f"{day:%Y%m%d}120000", yc600()) for day in span(DAY, 3)))
    yard.roll_up()
    before = yard.daily()
    yard.influx.api.drop_bucket(yard.influx.rollup_bucket)
    replayed(yard)
    assert yard.daily() == before


def test_what_was_purged_from_the_journal_keeps_its_roll_ups(yard: Yard) -> None:
    yard.deliver(frame("20260621120000", yc600()))
    yard.roll_up()
    with yard.journal() as journal:
        journal.purge(2**62)
    yard.deliver(frame("20260622120000", yc600()))
    replayed(yard)
    assert yard.energies("ecu", "ecu_day") == {ECU: 8.072}


def test_a_service_that_is_quicker_than_a_replay_deletes_costs_no_day(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard.deliver(frame("20260621120000", yc600()))
    yard.roll_up()
    before = yard.daily()
    forget = Rollups.forget

    def slow(rollups: Rollups, ecu: str, start: datetime, stop: datetime, ledger: Ledger) -> None:
        # One more day comes and is worked off, of which the replay has not known.
        yard.deliver(frame("20260625120000", yc600()))
        yard.roll_up()
        assert yard.stale() == []
        forget(rollups, ecu, start, stop, ledger)

    monkeypatch.setattr(Rollups, "forget", slow)
    assert replayed(yard).days == 2
    assert {key: fields for key, fields in yard.daily().items() if key in before} == before
    assert len(yard.daily()) == 2 * len(before)


def test_a_replay_that_was_cut_off_leaves_its_days_to_the_service(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    yard.deliver(frame("20260621120000", yc600()))
    yard.roll_up()

    def cut_off(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Rollups, "forget", cut_off)
        with pytest.raises(KeyboardInterrupt):
            replayed(yard)
    assert yard.stale() == [(ECU, "2026-06-21")]


async def test_the_service_rolls_up_what_it_delivers_and_says_what_waits(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LINGER_S", 0.01)
    monkeypatch.setattr(rollup_loop, "QUIET_S", 0.05)
    service = Service(load(write_config(tmp_path, settings(yard)), {}))
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            ports = await nursery.start(service.run)
            for time in ("20260620120000", "20150102030405"):
                async with await trio.open_tcp_stream("127.0.0.1", ports[0]) as stream:
                    await stream.send_all(frame(time, yc600()) + b"\n")
                    assert await stream.receive_some() == f"101{time}".encode()
            while len(yard.daily()) < 2 * 4 or yard.stale():  # noqa: ASYNC110 (another process's data)
                await trio.sleep(0.02)
            service.stop()
    assert yard.energies("ecu", "ecu_day") == {ECU: 8.072}
    assert yard.zones() == {ECU: yard.zone, "unknown": yard.zone}


async def test_a_service_without_roll_ups_of_its_gateways_computes_all_that_influxdb_has(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard.deliver(*(frame(f"{day:%Y%m%d}120000", yc600()) for day in span(date(2025, 1, 1), 100)))
    with yard.journal() as journal, JournalReader(yard.path) as reader:
        journal.clear_days([mark.id for mark in reader.stale_days()])
    monkeypatch.setattr(rollup_loop, "QUIET_S", 0.05)
    service = Service(load(write_config(tmp_path, settings(yard)), {}))
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            await nursery.start(service.run)
            while len(yard.daily()) < 100 * 4 or yard.stale():  # noqa: ASYNC110 (another process's data)
                await trio.sleep(0.02)
            service.stop()
    assert yard.energies("ecu", "ecu_day") == {ECU: 403.6}


async def test_a_service_a_replay_and_a_roll_up_at_once_agree_in_the_end(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LINGER_S", 0.01)
    monkeypatch.setattr(rollup_loop, "QUIET_S", 0.02)
    monkeypatch.setattr(rollup_loop, "BUSY_S", 0.1)
    config = write_config(tmp_path, settings(yard))
    frames = [frame(time, yc600(wh=(number, 0.1 * number))) for number, time in enumerate(day_times(DAY, minutes=15))]
    frames += [frame(f"{day:%Y%m%d}120000", yc600()) for day in span(DAY - timedelta(days=60), 60)]
    service = Service(load(config, {}))

    async def command(*arguments: str) -> None:
        def run() -> None:
            done = run_command(*arguments, "--config", str(config), folder=tmp_path)
            assert (done.returncode, done.stderr) == (0, "")

        await trio.to_thread.run_sync(run)

    with trio.fail_after(60):
        async with trio.open_nursery() as running:
            ports = await running.start(service.run)
            async with trio.open_nursery() as nursery:
                for _ in range(2):
                    nursery.start_soon(command, "replay", "--all")
                    nursery.start_soon(command, "rollup")
                async with await trio.open_tcp_stream("127.0.0.1", ports[0]) as stream:
                    for raw in frames:
                        await stream.send_all(raw + b"\n")
                        assert (await stream.receive_some()).startswith(b"101")
                        await trio.sleep(0.02)
            while yard.stale() or pending(yard):  # noqa: ASYNC110 (another process's data)
                await trio.sleep(0.05)
            service.stop()
    assert yard.daily() == yard.expected(frames)


def pending(yard: Yard) -> int:
    with JournalReader(yard.path) as reader:
        return reader.pending_count()
