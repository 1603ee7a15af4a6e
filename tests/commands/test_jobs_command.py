"""`collector rollup`, and what `collector replay` does to roll-ups, with a real InfluxDB; and both beside a service."""

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
import trio

from collector.cli import main
from collector.commands import _jobs
from collector.commands.exit_codes import FINDING, FINE, USAGE
from collector.config.load import load
from collector.delivery import writer
from collector.journal import jobs as journal_jobs
from collector.journal.job_writing import Jobs
from collector.journal.jobs import EVERY_ECU, Job, Request
from collector.journal.lock import START, is_taken, locked
from collector.journal.reading import JournalReader
from collector.journal.state import RUN_STATE
from collector.rollup import loop
from collector.service.service import Service
from tests.conftest import Influx
from tests.fake_influx import FakeInflux, error
from tests.program import Answer, Run, outcome
from tests.rolling import Yard, empty_yard, span
from tests.running import Collector, own_environ, run_command, write_config
from tests.samples import ECU, UID, day_times, frame, ns, purge_before, yc600

DAY = date(2026, 6, 21)
OTHER = "216000999999"


@pytest.fixture
def yard(influx: Influx, tmp_path: Path) -> Iterator[Yard]:
    with empty_yard(influx, tmp_path) as found:
        yield found


def settings(yard: Yard, url: str = "") -> str:
    """The rest of a configuration file for this yard."""
    tariffs = [[f"{name} = {json.dumps(value)}" for name, value in tariff.items()] for tariff in yard.tariffs]
    return (
        f'[site]\nname = "Home"\ntimezone = "{yard.zone}"\n[journal]\npath = "{yard.path}"\n'
        f'[influxdb]\nurl = "{url or yard.influx.url}"\n'
        f'org = "{yard.influx.org}"\ntoken = "{yard.influx.token}"\nbucket = "{yard.influx.bucket}"\n'
        f'rollup_bucket = "{yard.influx.rollup_bucket}"\n'
    ) + "".join("\n".join(["[[tariff]]", *lines, ""]) for lines in tariffs)


@pytest.fixture
def run(yard: Yard, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `collector rollup`; its exit code, output and errors."""

    def run(*arguments: str, url: str = "") -> Answer:
        path = write_config(tmp_path, settings(yard, url))
        code, out, err = outcome(capsys, "rollup", "--config", str(path), *arguments)
        assert yard.influx.token not in err
        return code, out, err

    return run


def replayed(yard: Yard, first: date | None = None, last: date | None = None) -> int:
    """Replay all; how many days were computed."""
    return sum(job.days for job in _jobs.replay(yard.config, ecu=None, first=first, last=last))


def deliver_days(yard: Yard, *days: date, ecus: tuple[str, ...] = (ECU,)) -> None:
    yard.deliver(*(frame(f"{day:%Y%m%d}120000", yc600(), ecu=ecu) for day in days for ecu in ecus))


def test_everything_that_influxdb_holds_is_rolled_up_also_what_the_journal_never_saw(yard: Yard, run: Run) -> None:
    deliver_days(yard, *span(DAY, 3), ecus=(ECU, OTHER))
    yard.path.unlink()
    with yard.journal():
        pass
    assert run() == (FINE, "6 days computed\n", "")
    assert yard.energies("ecu", "ecu_day") == {ECU: 12.108, OTHER: 12.108}
    assert yard.stale() == []
    before = yard.daily()
    assert run() == (FINE, "6 days computed\n", "")
    assert yard.daily() == before


def test_only_what_was_asked_for_is_counted_and_loses_what_it_no_longer_has(yard: Yard, run: Run) -> None:
    deliver_days(yard, *span(DAY, 3), ecus=(ECU, OTHER))
    yard.roll_up()
    yard.delete("2026-06-20T00:00:00Z", "2026-06-25T00:00:00Z")
    named = replace(yard, path=yard.path.with_name("other.db"), ecus=({"id": ECU, "name": "Barn"},))
    deliver_days(named, *span(DAY, 3))
    assert run("--ecu", ECU, "--from", "2026-06-22", "--to", "2026-06-22") == (FINE, "1 days computed\n", "")
    names = {at: tags[1] for name, tags, at in yard.daily([ECU]) if name == "ecu_day"}
    assert [names[at] for at in sorted(names)] == [ECU, "Barn", ECU]
    assert len(yard.daily([OTHER])) == 3 * 4


def test_days_without_points_keep_their_roll_ups_and_are_told(yard: Yard, run: Run) -> None:
    deliver_days(yard, *span(DAY, 3))
    yard.roll_up()
    before = yard.daily()
    yard.delete("2026-06-21T22:00:00Z", "2026-06-23T00:00:00Z")
    told = (
        "1 days computed\n1 days keep the roll-up that they have: InfluxDB has no points of them any more, or not all\n"
    )
    assert run("--to", "2026-06-22") == (FINE, told, "")
    assert yard.daily() == before
    yard.zone = "UTC"
    assert run()[0] == FINE
    assert yard.midnights() == [f"{day}T00:00:00Z" for day in span(DAY, 3)]
    assert yard.energies("ecu", "ecu_day") == {ECU: 12.108}


def test_an_empty_database_is_no_error(yard: Yard, run: Run) -> None:
    with yard.journal():
        pass
    assert run() == (FINE, "0 days computed\n", "")


def test_a_gateway_of_which_influxdb_knows_nothing_is_a_finding(yard: Yard, run: Run) -> None:
    deliver_days(yard, DAY)
    assert run("--ecu", OTHER) == (FINDING, "", f"collector: InfluxDB has nothing of an ECU {OTHER}\n")
    code, _, err = run("--ecu", ECU, "--to", "2026-06-01")
    assert (code, err) == (FINDING, f"collector: InfluxDB has nothing of an ECU {ECU} in these days\n")


def test_a_span_that_ends_before_it_begins_is_a_usage_error(run: Run) -> None:
    code, _, err = run("--from", "2026-06-22", "--to", "2026-06-21")
    assert (code, "--to 2026-06-21 is before --from 2026-06-22" in err) == (USAGE, True)


def test_without_an_influxdb_there_is_nothing_to_roll_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rollup", "--config", str(write_config(tmp_path))]) == USAGE
    assert capsys.readouterr().err == "influxdb: missing, so there is nothing to write to\n"


def test_an_influxdb_that_is_away_is_waited_for_and_then_left_to_the_service(
    yard: Yard, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver_days(yard, DAY)
    monkeypatch.setattr(_jobs, "PATIENCE_S", 0.2)
    monkeypatch.setattr(_jobs, "LOOK_S", 0.05)
    code, out, err = run(url="http://127.0.0.1:9")
    assert (code, out, err.count("\n")) == (FINDING, "", 2)
    assert "no connection" in err
    assert err.endswith("what is left is done by the service, or by the same command again\n")
    assert [job.kind for job in open_jobs(yard)] == ["rollup"]
    # The same command goes on with that job.
    assert run() == (FINE, "1 days computed\n", "")
    assert open_jobs(yard) == []


@pytest.mark.parametrize("looks", [0, 1], ids=["while it waits for others", "while it works itself"])
def test_who_breaks_a_command_off_is_told_that_its_work_goes_on(
    yard: Yard, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    deliver_days(yard, DAY)
    answers = iter([journal_jobs.jobs] * looks)

    def broken_off(reader: JournalReader, ids: Sequence[int]) -> list[Job]:
        if look := next(answers, None):
            return look(reader, ids)
        raise KeyboardInterrupt

    monkeypatch.setattr(_jobs, "jobs", broken_off)
    with pytest.raises((KeyboardInterrupt, BaseExceptionGroup)):
        main(["rollup", "--config", str(write_config(tmp_path, settings(yard)))])
    said = "collector: the service does the rest; the same command again goes on watching\n"
    assert capsys.readouterr().err == said
    assert [job.kind for job in open_jobs(yard)] == ["rollup"]


def open_jobs(yard: Yard) -> list[Job]:
    with JournalReader(yard.path) as reader:
        return journal_jobs.open_jobs(reader)


def test_an_influxdb_that_refuses_to_look_is_told_and_ends_the_job(yard: Yard, run: Run) -> None:
    with yard.journal():
        pass
    with FakeInflux() as fake:
        fake.answers["/api/v2/query"] = error(400, "this is no Flux", code="invalid")
        code, out, err = run(url=fake.url)
    assert (code, out) == (FINDING, "0 days computed\n")
    assert "InfluxDB refused what was sent (HTTP 400: this is no Flux)" in err
    assert open_jobs(yard) == []


def test_a_day_that_influxdb_refuses_is_told_and_costs_no_other(yard: Yard, run: Run) -> None:
    deliver_days(yard, *span(DAY, 2), date(2015, 1, 2))
    # Someone has written the field with another type into the shard.
    at = ns("2026-06-20T22:00:00Z")
    yard.influx.api.write(yard.influx.rollup_bucket, f"ecu_day,ecu=x,ecu_name=x energy_wh=5i {at}")
    code, out, err = run("--ecu", ECU)
    assert (code, out) == (FINDING, "1 days computed\n")
    assert f"refused: 2 of ECU {ECU}, the last one because: InfluxDB holds points of another program" in err
    assert yard.stale() == [(ECU, "2026-06-22"), (ECU, "2026-06-21")]


def test_a_foreign_point_costs_neither_a_roll_up_nor_a_replay(yard: Yard, run: Run) -> None:
    deliver_days(yard, DAY)
    at = ns("2026-06-21T10:00:00Z")
    lines = (f"ecu,ecu={ECU} energy_wh=1.5,power_w=300 {at}", f"inverter,serial=1 energy_wh=1.5 {at}")
    yard.influx.api.write(yard.influx.bucket, "\n".join(lines))
    assert run() == (FINE, "1 days computed\n", "")
    yard.zone = "UTC"
    assert replayed(yard) == 1
    assert yard.energies("ecu", "ecu_day") == {ECU: 4.036}


def test_a_replay_after_renaming_leaves_neither_old_names_nor_anything_twice(yard: Yard) -> None:
    def named(*names: str) -> Yard:
        panels = tuple({"channel": number, "name": name} for number, name in enumerate(names, 1))
        return replace(yard, inverters=({"id": UID, "panels": panels},))

    old, new = named("East 1", "East 2"), named("Barn (A/B)", 'Barn "x" $2')
    deliver_days(old, DAY - timedelta(days=200), DAY)
    old.roll_up()
    assert old.energies() == {"East 1": 4.082, "East 2": 3.99}
    assert replayed(new) == 2
    assert new.energies() == {"Barn (A/B)": 4.082, 'Barn "x" $2': 3.99}
    assert new.stale() == []
    # A part of it gets other names again.
    third = named("North", "South")
    assert replayed(third, DAY, DAY) == 1
    assert third.energies() == {"Barn (A/B)": 2.041, 'Barn "x" $2': 1.995, "North": 2.041, "South": 1.995}


def test_a_replay_in_another_zone_moves_the_roll_ups(yard: Yard) -> None:
    early = replace(yard, zone="UTC")
    early.deliver(frame("20260621233000", yc600()))
    early.roll_up()
    assert early.midnights() == ["2026-06-21T00:00:00Z"]
    assert replayed(yard) == 1
    assert yard.midnights() == ["2026-06-20T22:00:00Z"]


def test_a_replay_brings_back_a_lost_bucket_of_roll_ups(yard: Yard) -> None:
    deliver_days(yard, *span(DAY, 3))
    yard.roll_up()
    before = yard.daily()
    yard.influx.api.drop_bucket(yard.influx.rollup_bucket)
    replayed(yard)
    assert yard.daily() == before


def test_what_was_purged_from_the_journal_keeps_its_roll_ups(yard: Yard) -> None:
    deliver_days(yard, DAY)
    yard.roll_up()
    with yard.journal() as journal:
        purge_before(journal, ns("2027-02-01T00:00:00Z"))
    deliver_days(yard, DAY + timedelta(days=1))
    replayed(yard)
    assert yard.energies("ecu", "ecu_day") == {ECU: 8.072}


async def with_service(
    yard: Yard, folder: Path, monkeypatch: pytest.MonkeyPatch, *act: Callable[[int], object]
) -> None:
    """Run the service, act beside it in a thread, with its data port, and wait until all is done."""
    monkeypatch.setattr(writer, "LINGER_S", 0.01)
    monkeypatch.setattr(loop, "QUIET_S", 0.05)
    monkeypatch.setattr(loop, "LOOK_S", 0.05)
    service = Service(load(write_config(folder, settings(yard)), {}))
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            ports = await nursery.start(service.run)
            for step in act:
                await trio.to_thread.run_sync(step, ports[0])
            while yard.stale() or pending(yard) or open_jobs(yard):  # noqa: ASYNC110 (another process's data)
                await trio.sleep(0.02)
            service.stop()


def pending(yard: Yard) -> int:
    with JournalReader(yard.path) as reader:
        return reader.pending_count()


async def test_the_service_rolls_up_what_it_delivers(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LINGER_S", 0.01)
    monkeypatch.setattr(loop, "QUIET_S", 0.05)
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


async def test_the_service_does_the_jobs_that_it_finds_at_its_start(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver_days(yard, *span(date(2025, 1, 1), 100))
    yard.path.unlink()
    with yard.journal() as journal:
        Jobs(journal).ask([Request("rollup", EVERY_ECU)], 1)
    await with_service(yard, tmp_path, monkeypatch)
    assert len(yard.daily()) == 100 * 4
    assert yard.energies("ecu", "ecu_day") == {ECU: 403.6}


def of_days(yard: Yard) -> list[float | None]:
    """What a kWh costs on each day."""
    found = sorted((at, fields) for (name, _, at), fields in yard.daily().items() if name == "ecu_day")
    return [fields.get("price_per_kwh") for _, fields in found]


async def test_when_tariffs_changed_the_service_has_the_days_concerned_computed_again_by_itself(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver_days(yard, *span(DAY, 3))
    yard.roll_up()
    yard.tariffs = ({"from": "2026-06-22", "price_per_kwh": 0.25},)
    await with_service(yard, tmp_path, monkeypatch)
    assert of_days(yard) == [None, 0.25, 0.25]
    yard.tariffs += ({"from": "2026-06-23", "price_per_kwh": 0.3},)
    await with_service(yard, tmp_path, monkeypatch)
    assert of_days(yard) == [None, 0.25, 0.3]
    yard.tariffs = ()
    await with_service(yard, tmp_path, monkeypatch)
    assert of_days(yard) == [None, None, None]


def test_where_no_service_runs_a_roll_up_brings_the_prices_of_changed_tariffs(yard: Yard, run: Run) -> None:
    deliver_days(yard, *span(DAY, 3))
    yard.roll_up()
    yard.tariffs = ({"from": "2026-06-22", "price_per_kwh": 0.25},)
    assert run() == (FINE, "3 days computed\n", "")
    assert of_days(yard) == [None, 0.25, 0.25]


async def test_a_roll_up_beside_a_service_is_done_by_it(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver_days(yard, *span(DAY, 3), ecus=(ECU, OTHER))
    done: list[list[Job]] = []

    def command(_port: int) -> None:
        async def never(*_arguments: object) -> None:
            raise AssertionError

        monkeypatch.setattr(_jobs, "_do", never)
        config = load(tmp_path / "config.toml", {})
        done.append(_jobs.rollup(config, ecu=ECU, first=None, last=None))

    await with_service(yard, tmp_path, monkeypatch, command)
    assert [(job.ecu, job.days, job.ended) for job in done[0]] == [(ECU, 3, 1)]
    assert yard.energies("ecu", "ecu_day") == {ECU: 12.108, OTHER: 12.108}


def test_a_command_goes_on_by_itself_where_the_service_ends(
    yard: Yard, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver_days(yard, *span(DAY, 3))
    with yard.journal() as journal:
        journal.put_state(RUN_STATE, {"names": yard.names.fingerprint(), "beat_at": time.time_ns()})
    with ExitStack() as service:
        service.enter_context(locked(yard.path, "run"))
        look = _jobs._Watch.look
        looks = []

        def ends_after_some(watch: object, *arguments: object) -> bool:
            looks.append(open_jobs(yard))
            if len(looks) == 3:
                service.close()
            return look(watch, *arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(_jobs._Watch, "look", ends_after_some)
        monkeypatch.setattr(_jobs, "LOOK_S", 0.02)
        assert run() == (FINE, "3 days computed\n", "")
    assert [len(jobs) for jobs in looks[:3]] == [1, 1, 1]
    assert yard.energies("ecu", "ecu_day") == {ECU: 12.108}


def test_a_service_that_starts_gets_the_journal_from_a_command_that_works_in_its_place(
    yard: Yard, tmp_path: Path
) -> None:
    deliver_days(yard, *span(DAY, 3))
    influx = yard.influx.settings
    # Nobody answers there, so that the command has its work to do for as long as it takes.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        lines = [f'{key} = "{value}"' for key, value in influx.items()]
        away = [*lines[1:], f'url = "http://127.0.0.1:{silent.getsockname()[1]}"']
        table = "\n".join(["[site]", f'timezone = "{yard.zone}"', "[influxdb]", *away])
        (tmp_path / "data").mkdir()
        shutil.copy(yard.path, tmp_path / "data" / "journal.db")
        config = write_config(tmp_path, table)
        command = subprocess.Popen(
            [sys.executable, "-m", "collector", "replay", "--all", "--config", str(config)],
            cwd=tmp_path,
            env=own_environ(),
            stderr=subprocess.PIPE,
        )
        try:
            journal = tmp_path / "data" / "journal.db"
            silent.settimeout(30)
            silent.accept()[0].close()
            with Collector(tmp_path, table) as collector:
                collector.wait_for("waiting until a command hands over the journal")
                assert collector.send(frame("20260701120000", yc600()) + b"\n") == b"10120260701120000"
                assert command.poll() is None, "it goes on watching"
                assert not is_taken(journal, START)
        finally:
            command.kill()
            command.communicate()


@pytest.mark.parametrize(
    ("names", "told"), [(None, "without [influxdb]"), ("others", "with other names or time zones")]
)
def test_a_service_that_would_do_it_otherwise_is_to_be_restarted_first(
    yard: Yard, run: Run, names: str | None, told: str
) -> None:
    deliver_days(yard, DAY)
    with yard.journal() as journal:
        journal.put_state(RUN_STATE, {"names": names, "beat_at": time.time_ns()})
    with locked(yard.path, "run"):
        code, out, err = run()
    assert (code, out) == (FINDING, "")
    assert told in err
    assert "restart it" in err
    assert open_jobs(yard) == []


def test_a_command_tells_when_the_service_that_started_meanwhile_does_otherwise(
    yard: Yard, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver_days(yard, DAY)
    with yard.journal() as journal:
        journal.put_state(RUN_STATE, {"names": yard.names.fingerprint(), "beat_at": time.time_ns()})
    look = _jobs._Watch.look
    looks = []

    def another_starts(watch: object, *arguments: object) -> bool:
        looks.append(1)
        assert len(looks) < 100, "it would watch for ever"
        if len(looks) == 3:
            with yard.journal() as journal:
                journal.put_state(RUN_STATE, {"names": None, "beat_at": time.time_ns()})
        return look(watch, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(_jobs._Watch, "look", another_starts)
    monkeypatch.setattr(_jobs, "LOOK_S", 0.02)
    with locked(yard.path, "run"):
        code, out, err = run()
    assert (code, out) == (FINDING, "")
    assert "without [influxdb]" in err


@pytest.mark.slow
async def test_a_service_replays_and_roll_ups_at_once_agree_in_the_end(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LINGER_S", 0.01)
    monkeypatch.setattr(loop, "QUIET_S", 0.02)
    config = write_config(tmp_path, settings(yard))
    frames = [frame(time, yc600(wh=(number, 0.1 * number))) for number, time in enumerate(day_times(DAY, minutes=15))]
    frames += [frame(f"{day:%Y%m%d}120000", yc600()) for day in span(DAY - timedelta(days=60), 60)]
    service = Service(load(config, {}))

    async def command(*arguments: str) -> None:
        def run() -> None:
            done = run_command(*arguments, "--config", str(config), folder=tmp_path)
            assert (done.returncode, done.stderr) == (0, "")

        await trio.to_thread.run_sync(run)

    with trio.fail_after(90):
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
            while yard.stale() or pending(yard) or open_jobs(yard):  # noqa: ASYNC110 (another process's data)
                await trio.sleep(0.05)
            service.stop()
    assert yard.daily() == yard.expected(frames)
