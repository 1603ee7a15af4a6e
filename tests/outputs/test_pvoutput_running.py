"""The service with a system at PVOutput, by its command and in full: what owners see, and gateways do not notice."""

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from collector.config.load import load
from collector.config.model import Config
from collector.journal.state import OutputHealth
from collector.outputs.pvoutput import _http, _sender, output
from collector.service import _heartbeat
from tests.ledger.books import Books
from tests.outputs.running import record_of_now
from tests.program import Run, without_settings
from tests.pvoutput_server import Answer, Fault, PVOutputServer
from tests.pvoutput_service import System
from tests.running import write_config
from tests.samples import frame, yc600
from tests.service.test_service import ask, run_state, running
from tests.service.test_service import until as true

KEY = "correct-horse"
ROOF = System(1234, KEY, name="Roof of tests")
GARAGE = System(77, KEY)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(_heartbeat, "BEAT_S", 0.02)
    monkeypatch.setattr(_sender, "PAUSE_S", 0.0)
    monkeypatch.setattr(_sender, "LOOK_S", 0.05)
    monkeypatch.setattr(_sender, "TODAY_S", 0.0)
    monkeypatch.setattr(_sender, "FIRST_DELAY_S", 0.05)
    monkeypatch.setattr(_sender, "LONGEST_DELAY_S", 0.1)
    monkeypatch.setattr(output, "_LINGER_S", 0.05)


@pytest.fixture
def server() -> Iterator[PVOutputServer]:
    with PVOutputServer([ROOF, GARAGE], time.time) as server:
        yield server


def configured(folder: Path, server: PVOutputServer, *systems: int) -> Config:
    """A collector with a journal in the folder, and these systems, or the one."""
    key = folder / "key"
    key.write_text(f"{KEY}\n")
    tables = "".join(
        f'[[pvoutput]]\nsystem_id = {system}\nkey_file = "{key}"\nurl = "{server.url}"\n'
        for system in systems or (1234,)
    )
    return load(write_config(folder, f'[journal]\npath = "{folder}/journal.db"\n{tables}'), {})


def health(config: Config) -> OutputHealth:
    """What the service says of its output; nothing before its first sign of life."""
    return next(iter(run_state(config).outputs), OutputHealth(name="pvoutput"))


def energies(server: PVOutputServer, system: int = 1234) -> list[int]:
    """The sums of days that the stand-in holds."""
    return [one.energy_wh for one in server.outputs(system).values()]


async def test_a_record_reaches_pvoutput_and_the_owner_sees_it(tmp_path: Path, server: PVOutputServer) -> None:
    config = configured(tmp_path, server)
    async with running(config) as ports:
        await ask(ports[0], record_of_now(yc600()))
        await true(lambda: energies(server) == [4])
        await true(lambda: health(config).connected and health(config).waiting == 0)
        found = health(config)
    assert (found.name, found.connected, found.last_error) == ("pvoutput", True, "")
    assert server.breaches == {}


async def test_several_systems_of_a_key_have_their_own_names(tmp_path: Path, server: PVOutputServer) -> None:
    config = configured(tmp_path, server, 1234, 77)
    async with running(config) as ports:
        await ask(ports[0], record_of_now(yc600()))
        await true(lambda: energies(server, 1234) == energies(server, 77) == [4])
        await true(lambda: [one.connected for one in run_state(config).outputs] == [True, True])
        assert [one.name for one in run_state(config).outputs] == ["pvoutput-1234", "pvoutput-77"]


async def test_a_service_that_hangs_delays_no_gateway_and_no_end(tmp_path: Path, server: PVOutputServer) -> None:
    server.fault = Fault.HANG
    config = configured(tmp_path, server)
    async with running(config) as ports:
        await ask(ports[0], record_of_now(yc600(), ago_s=900))
        await true(lambda: bool(server.requests))
        for ago_s in range(600, 0, -300):
            with trio.fail_after(5):
                await ask(ports[0], record_of_now(yc600(), ago_s=ago_s))
        began = trio.current_time()
    assert trio.current_time() - began < 5
    assert server.answers == []


async def test_a_service_that_hangs_is_given_up_and_asked_again(
    tmp_path: Path, server: PVOutputServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_http, "DEADLINE_S", 0.2)
    server.fault = Fault.HANG
    config = configured(tmp_path, server)
    async with running(config) as ports:
        await ask(ports[0], record_of_now(yc600()))
        await true(lambda: "no complete answer within" in health(config).last_error)
        server.fault = None
        await true(lambda: energies(server) == [4])
        await true(lambda: health(config).last_error == "")


async def test_a_wrong_key_is_told_and_another_one_in_its_file_is_tried_at_once(
    tmp_path: Path, server: PVOutputServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(output, "_LOOK_S", 0.05)
    config = configured(tmp_path, server)
    (tmp_path / "key").write_text("wrong-horse\n")
    async with running(config) as ports:
        await ask(ports[0], record_of_now(yc600()))
        await true(lambda: "Invalid API Key" in health(config).last_error)
        assert "pvoutput.key_file" in health(config).remedy
        (tmp_path / "key").write_text(f"{KEY}\n")
        await true(lambda: energies(server) == [4])
        await true(lambda: health(config).last_error == "")
    assert len([one for one in server.requests if one.key != KEY]) == 1
    assert "horse" not in caplog.text
    assert "horse" not in json.dumps(run_state(config).values())


async def test_a_key_that_an_answer_repeats_is_in_no_text(
    tmp_path: Path, server: PVOutputServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.fault = Answer(401, f"Unauthorized 401: {KEY} is no key")
    config = configured(tmp_path, server)
    async with running(config) as ports:
        await ask(ports[0], record_of_now(yc600()))
        await true(lambda: "[key] is no key" in health(config).last_error)
    assert KEY not in caplog.text


async def test_a_service_that_is_not_there_is_told_in_plain_words(tmp_path: Path, server: PVOutputServer) -> None:
    config = configured(tmp_path, server)
    server.refuse()
    async with running(config) as ports:
        await ask(ports[0], record_of_now(yc600()))
        await true(lambda: "no connection" in health(config).last_error)
        assert "Max retries" not in health(config).last_error
        assert "refused" in health(config).last_error
        server.listen()
        await true(lambda: energies(server) == [4])


async def test_a_redirection_is_not_followed(tmp_path: Path, server: PVOutputServer) -> None:
    server.fault = Answer(302, "", {"Location": "http://127.0.0.1:9/"})
    config = configured(tmp_path, server)
    async with running(config) as ports:
        await ask(ports[0], record_of_now(yc600()))
        await true(lambda: "HTTP 302" in health(config).last_error)


async def test_a_missing_file_of_the_key_is_told(tmp_path: Path, server: PVOutputServer) -> None:
    config = configured(tmp_path, server)
    (tmp_path / "key").unlink()
    async with running(config) as ports:
        await ask(ports[0], record_of_now(yc600()))
        await true(lambda: "can't be read" in health(config).last_error)
    assert server.requests == []


async def test_a_file_of_the_key_that_cannot_be_read_is_told_before_anything_is_to_be_sent(
    tmp_path: Path, server: PVOutputServer
) -> None:
    config = configured(tmp_path, server)
    (tmp_path / "key").unlink()
    async with running(config):
        await true(lambda: "can't be read" in health(config).last_error)
        assert "pvoutput.key_file" in health(config).remedy
        (tmp_path / "key").write_text(KEY)
        await true(lambda: health(config).last_error == "")
    assert server.requests == []


async def test_a_file_of_the_key_that_was_away_for_a_while_is_taken_as_it_was(
    tmp_path: Path, server: PVOutputServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "_LOOK_S", 0.05)
    config = configured(tmp_path, server)
    async with running(config) as ports:
        await ask(ports[0], record_of_now(yc600(), ago_s=600))
        await true(lambda: energies(server) == [4])
        (tmp_path / "key").rename(tmp_path / "away")
        await ask(ports[0], record_of_now(yc600(), ago_s=300))
        await true(lambda: "can't be read" in health(config).last_error)
        (tmp_path / "away").rename(tmp_path / "key")
        await true(lambda: energies(server) == [8])
        await true(lambda: health(config).last_error == "")


async def test_what_is_set_aside_and_until_when_no_requests_are_left_is_noted(
    tmp_path: Path, server: PVOutputServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_settings(monkeypatch)
    config = configured(tmp_path, server)
    server.faults += [None, Answer(400, "Bad request 400: Moon powered")]
    async with running(config) as ports:
        await ask(ports[0], record_of_now(yc600(), ago_s=600))
        await true(lambda: "1 status set aside, the last: " in health(config).note)
        assert "Moon powered" in health(config).note
        server.use_up(1234)
        await ask(ports[0], record_of_now(yc600(), ago_s=300))
        await true(lambda: "the hour's requests are used up until " in health(config).note)
        _, out, _ = await trio.to_thread.run_sync(
            lambda: run("status", "--brief", "--config", str(tmp_path / "config.toml"))
        )
        assert "the hour's requests are used up until " in out


@pytest.mark.parametrize(
    ("url", "told"),
    [("http://no-such-host.invalid", "resolved"), ("http://127.0.0.1:9", "refused"), ("{}/wrong", "404")],
)
def test_a_check_of_a_wrong_address_of_ones_own_says_so(
    tmp_path: Path, server: PVOutputServer, run: Run, monkeypatch: pytest.MonkeyPatch, url: str, told: str
) -> None:
    without_settings(monkeypatch)
    configured(tmp_path, server)
    path = tmp_path / "config.toml"
    path.write_text(path.read_text().replace(server.url, url.format(server.url)))
    server.fault = Answer(404, "Not found")
    Books(tmp_path / "journal.db").store()
    code, out, _ = run("pvoutput", "--check", "--config", str(path))
    assert code == 1
    assert told in out
    assert "pvoutput.url is right" in out


def test_a_check_warns_of_a_gateway_that_nobody_has_heard_and_of_a_first_day_to_come(
    tmp_path: Path, server: PVOutputServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_settings(monkeypatch)
    configured(tmp_path, server)
    path = tmp_path / "config.toml"
    path.write_text(f'{path.read_text()}ecus = ["216000999999"]\nfrom = 2199-01-01\n')
    Books(tmp_path / "journal.db").store(frame("20260621120000", yc600()))
    for command in ("pvoutput --check", "check-config", "status"):
        _, out, _ = run(*command.split(), "--config", str(path))
        assert "warning: PVOutput system 1234: nothing was ever heard of gateway 216000999999" in out
        assert "warning: PVOutput system 1234: nothing is sent before 2199-01-01" in out


async def test_the_check_says_who_answers_and_what_is_to_be_sent_and_sends_nothing(
    tmp_path: Path, server: PVOutputServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_settings(monkeypatch)
    server.fault = Fault.HANG_UP
    config = configured(tmp_path, server)
    async with running(config) as ports:
        await ask(ports[0], record_of_now(yc600()))
        await true(lambda: bool(server.requests))
    server.fault = None
    path = str(tmp_path / "config.toml")
    code, out, _ = await trio.to_thread.run_sync(lambda: run("pvoutput", "--check", "--config", path))
    assert code == 0
    assert "1234: Roof of tests, 5000 W, intervals of 5 min, whose owner does not donate" in out
    assert "59 of 60 requests are left until" in out
    assert "clocks in UTC" in out
    assert "statuses of 1 day, sums of 0 days" in out
    code, out, _ = await trio.to_thread.run_sync(lambda: run("pvoutput", "--print", "--config", path))
    assert code == 0
    assert "addbatchstatus.jsp data=20" in out
    assert energies(server) == []


def test_a_check_that_is_refused_says_why_and_is_a_finding(
    tmp_path: Path, server: PVOutputServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_settings(monkeypatch)
    server.set_up(System(1234, "another"))
    configured(tmp_path, server)
    Books(tmp_path / "journal.db").store()
    code, out, _ = run("pvoutput", "--check", "--config", str(tmp_path / "config.toml"))
    assert code == 1
    assert "1234: PVOutput answers HTTP 401" in out
    assert KEY not in out


def test_without_a_system_it_says_what_is_missing(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    without_settings(monkeypatch)
    code, _, err = run("pvoutput", "--check", "--config", str(write_config(tmp_path)))
    assert code == 1
    assert "[[pvoutput]]" in err


@pytest.mark.parametrize("reset", ["1782046925000", "9" * 19, "9" * 5000])
def test_a_check_shows_an_end_of_the_hour_that_is_no_time_without_a_traceback(
    tmp_path: Path, server: PVOutputServer, run: Run, monkeypatch: pytest.MonkeyPatch, reset: str
) -> None:
    without_settings(monkeypatch)
    limits = {"X-Rate-Limit-Limit": "60", "X-Rate-Limit-Remaining": "7", "X-Rate-Limit-Reset": reset}
    server.fault = Answer(200, "Roof,5000,,,,,,,,,,,,,,5;;0", limits)
    configured(tmp_path, server)
    Books(tmp_path / "journal.db").store()
    code, out, _ = run("pvoutput", "--check", "--config", str(tmp_path / "config.toml"))
    assert code == 0, out
    assert "1234: Roof" in out
