"""The command line: exit codes, one clear line for every mistake, and never a traceback."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import IO, Any

import pytest
import trio

from collector import __version__
from collector.__main__ import entry
from collector.commands import _jobs, status
from collector.commands.exit_codes import FINDING, FINE, USAGE
from collector.journal.state import RUN_STATE
from collector.journal.writing import Journal
from tests.program import Run, without_settings
from tests.running import Collector, own_environ, run_command
from tests.samples import ECU, arrival, frame, ns, yc600

COMMANDS = (
    *("run", "check-config", "status", "doctor", "decode", "replay", "rollup", "export", "backup", "restore"),
    *("provision", "simulate", "verify", "compare", "import", "ledger", "analyse"),
    *("mqtt", "homeassistant", "pvoutput", "mirror"),
)
INFLUXDB = '[influxdb]\nurl = "http://127.0.0.1:9"\norg = "home"\ntoken = "very-secret-token"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of its own, with nothing in it and nothing in the environment."""
    monkeypatch.chdir(tmp_path)
    without_settings(monkeypatch)
    return tmp_path


def journal_with(*frames: bytes, run_state: dict[str, object] | None = None) -> None:
    journal = Journal(Path("data/journal.db"))
    journal.open()
    if frames:
        journal.append([arrival(raw, ns("2026-06-21T10:40:00Z")) for raw in frames])
    if run_state:
        journal.put_state(RUN_STATE, run_state)
    journal.close()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run: Run, command: str) -> None:
    code, out, err = run(command, "--help")
    assert (code, err) == (FINE, "")
    assert f"usage: collector {command}" in out
    assert "--config FILE" in out
    _, description, _ = out.split("\n\n", 2)
    assert description.endswith(".")


def test_the_help_names_every_command(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == FINE
    assert all(command in out for command in COMMANDS)
    assert "Exit codes: 0 fine, 1 a finding" in out


def test_the_version_is_that_of_the_package(run: Run) -> None:
    assert run("--version") == (FINE, f"collector {__version__}\n", "")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("walk",),
        ("run", "--port", "5"),
        ("status", "more"),
        ("decode", "one", "two"),
        ("decode", "--record", "1", "--refused"),
        ("replay",),
        ("replay", "--all", "--ecu", ECU),
        ("replay", "--all", "--from", "2026-06-21"),
        ("replay", "--from", "yesterday"),
        ("replay", "--from", "2026-06-31"),
        ("replay", "--from", "0001-01-01"),
        ("replay", "--to", "9999-12-31"),
        ("replay", "--from", "2026-06-22", "--to", "2026-06-21"),
    ],
)
def test_a_command_that_makes_no_sense_is_a_usage_error(run: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (USAGE, "")
    assert "usage: collector" in err


@pytest.mark.parametrize("arguments", [("simulate", "--frm"), ("decode", "one", "two"), ("run", "more")])
def test_an_argument_too_much_is_told_with_the_usage_of_its_command(run: Run, arguments: tuple[str, ...]) -> None:
    code, _, err = run(*arguments)
    assert (code, err.splitlines()[0].startswith(f"usage: collector {arguments[0]}")) == (USAGE, True)
    assert f"collector {arguments[0]}: error: unrecognized arguments: {arguments[-1]}\n" in err


def test_a_wrong_value_is_told_in_a_few_lines_however_many_options_there_are(run: Run) -> None:
    assert len(run("simulate", "--every", "x")[2].splitlines()) <= 3


def test_a_day_that_is_none_shows_what_one_looks_like(run: Run) -> None:
    assert "'21.6.2026' is no day; expected one as 2026-03-29" in run("replay", "--from", "21.6.2026")[2]


def test_a_configuration_without_faults_is_told_with_what_matters(run: Run, folder: Path) -> None:
    tariff = "[[tariff]]\nfrom = 2026-02-01\nprice_per_kwh = 31\nfeed_in_per_kwh = 0.08\n"
    (folder / "config.toml").write_text(f"{INFLUXDB}\n{tariff}")
    code, out, err = run("check-config")
    assert (code, err) == (FINE, "")
    said = "a kWh costs 31, earns 0.08 (prices are in whole units of your money: are these cents?)"
    assert f"  tariff from 2026-02-01: {said}\n" in out
    assert out.startswith("config.toml: no faults\n")
    assert "8995, 8996, 8997" in out
    assert "http://127.0.0.1:9" in out
    assert "very-secret-token" not in out


def test_no_configuration_at_all_is_fine_and_said(run: Run) -> None:
    code, out, _ = run("check-config")
    assert code == FINE
    assert out.startswith("built-in values: no faults\n")
    assert "the journal alone" in out


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({}, "no time zone is configured, so the site is taken to be in UTC"),
        ({"TZ": "Foo/Bar"}, "TZ is 'Foo/Bar', which is the name of no time zone, so the site is taken to be in UTC"),
    ],
)
def test_a_site_in_utc_because_nobody_said_where_it_is_is_told_when_it_is_checked_and_started(
    folder: Path, environ: dict[str, str], told: str
) -> None:
    assert f"  time zone UTC: {told}\n" in run_command("check-config", folder=folder, environ=environ).stdout
    with Collector(folder, environ=environ) as collector:
        (line,) = collector.wait_for("WARNING")
        assert told in line


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "UTC"])
def test_a_zone_that_was_chosen_is_shown_without_a_warning(folder: Path, zone: str) -> None:
    for settings, environ in ((f'[site]\ntimezone = "{zone}"\n', {"TZ": "Foo/Bar"}), ("", {"TZ": zone})):
        (folder / "config.toml").write_text(settings)
        assert f"  time zone {zone}\n" in run_command("check-config", folder=folder, environ=environ).stdout
        with Collector(folder, settings, environ=environ) as collector:
            assert f" timezone={zone} " in collector.log[0]
            assert not [line for line in collector.log if "WARNING" in line]


def test_where_else_data_go_is_told_with_the_files_that_this_needs(run: Run, folder: Path) -> None:
    (folder / "empty").touch()
    (folder / "token").write_text("a-token")
    (folder / "config.toml").write_text(
        '[mqtt]\nhost = "broker"\nuser = "me"\npassword_file = "nothing"\n'
        '[homeassistant]\nurl = "http://home:8123"\ntoken_file = "token"\n'
        '[[pvoutput]]\nsystem_id = 12345\nkey_file = "empty"\n'
    )
    code, out, err = run("check-config")
    assert (code, err) == (FINE, "")
    assert out.splitlines()[-4:] == [
        "  MQTT to broker, under apsystems/home (password_file: the file cannot be read: No such file or directory)",
        "  Home Assistant's statistics to http://home:8123",
        "  PVOutput system 12345 (key_file: the file is empty)",
        "  the ledger of energies is kept",
    ]


def test_which_of_several_tables_a_fault_is_in_is_told(run: Run, folder: Path) -> None:
    (folder / "config.toml").write_text("[[ecu]]\nid = '216000000001'\n[[ecu]]\nid = '1'\n")
    code, _, err = run("check-config")
    assert (code, err.splitlines()) == (
        USAGE,
        [
            "ecu[1].id: expected 12 digits in quotes, got '1'",
            "(the keys are those of config.toml)",
            "(tables are counted from 0: ecu[0] is the first [[ecu]] of the file)",
        ],
    )


@pytest.mark.parametrize(
    ("price", "currency", "is_told"), [(31, "EUR", True), (31, "JPY", False), (0.31, "EUR", False)]
)
def test_a_price_in_cents_is_doubted(run: Run, folder: Path, price: float, currency: str, is_told: bool) -> None:
    tariff = f"[[tariff]]\nfrom = 2026-02-01\nprice_per_kwh = {price}\ncurrency = '{currency}'\n"
    (folder / "config.toml").write_text(tariff)
    code, out, _ = run("check-config")
    assert code == FINE
    assert ("(prices are in EUR: are these cents?)" in out) is is_told


def test_a_mirror_that_is_switched_on_is_told(run: Run, folder: Path) -> None:
    (folder / "config.toml").write_text("[mirror]\nenabled = true\n")
    told = "  the vendor's cloud gets the same records, by ecu.apsystemsema.com\n"
    assert told in run("check-config")[1]
    (folder / "config.toml").write_text("[mirror]\n")
    assert told not in run("check-config")[1]


def test_every_fault_of_a_configuration_is_told_at_once(run: Run, folder: Path) -> None:
    (folder / "config.toml").write_text(
        '[site]\ntimezone = "Europe/Amsterdm"\n[listen]\ndata_ports = ["a"]\n[jurnal]\npath = "x"\n'
    )
    code, out, err = run("check-config")
    assert (code, out) == (USAGE, "")
    *faults, of_which = err.splitlines()
    assert len(faults) == 3
    assert of_which == "(the keys are those of config.toml)"
    assert "site.timezone" in err
    assert "did you mean" in err
    assert "listen.data_ports" in err
    assert "jurnal" in err


@pytest.mark.parametrize("command", ["run", "check-config", "status", "replay --all"])
@pytest.mark.parametrize("fault", ["missing", "folder", "bytes", "syntax"])
def test_a_configuration_that_cannot_be_read_is_one_line(run: Run, folder: Path, command: str, fault: str) -> None:
    path = folder / "site.toml"
    match fault:
        case "folder":
            path.mkdir()
        case "bytes":
            path.write_bytes(b"\xff\xfe\x00")
        case "syntax":
            path.write_text("[site\n")
    code, out, err = run(*command.split(), "--config", str(path))
    assert (code, out) == (USAGE, "")
    assert len(err.splitlines()) == 1
    assert str(path) in err


def test_a_configuration_named_by_the_environment_counts(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "other.toml").write_text('[journal]\npath = "elsewhere.db"\n')
    monkeypatch.setenv("COLLECTOR_CONFIG", "other.toml")
    assert "journal elsewhere.db" in run("check-config")[1]


def test_the_status_of_a_healthy_service(run: Run) -> None:
    journal_with(frame("20260621104000", yc600()), run_state={"stopped_at": 1})
    code, out, err = run("status")
    assert (code, err) == (FINE, "")
    assert out.startswith("healthy, stopped 1970-01-01T00:00:00Z\n")
    assert ECU in out


def test_the_status_as_json(run: Run) -> None:
    journal_with(frame("20260621104000", yc600()))
    code, out, _ = run("status", "--json")
    said: dict[str, Any] = json.loads(out)
    assert (code, said["healthy"], said["pending"]) == (FINE, True, 1)
    assert said["ecus"][0]["last_record"] == "2026-06-21T10:40:00Z"
    code, out, _ = run("status", "--json", "--brief")
    assert (code, json.loads(out)["ecus"]) == (FINE, [])


@pytest.mark.parametrize("arguments", [("status",), ("status", "--json"), ("status", "--brief")])
def test_a_finding_of_status_is_its_exit_code(run: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = run(*arguments)
    assert (code, err) == (FINDING, "")
    assert "there is no journal at data/journal.db" in out.replace("\n", "")
    journal_with(run_state={"started_at": 1, "beat_at": 2})
    assert run(*arguments)[0] == FINDING


def test_a_replay_without_an_influxdb_has_nowhere_to_go(run: Run) -> None:
    code, out, err = run("replay", "--all")
    assert (code, out) == (USAGE, "")
    assert err == "collector: no [influxdb] is configured, so there is nothing to replay into\n"


@pytest.mark.parametrize("command", [("replay",), ("rollup",), ("redate", "--received")])
@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (("--ecu", ""), "argument --ecu: the id is empty"),
        (("--ecu", ECU, "--ecu", ECU), "argument --ecu: takes one gateway: run the command once for each"),
    ],
)
def test_one_gateway_is_named_or_none(run: Run, command: tuple[str, ...], ids: tuple[str, ...], said: str) -> None:
    code, out, err = run(*command, *ids)
    assert (code, out) == (USAGE, "")
    assert said in err


@pytest.mark.parametrize("arguments", [("replay", "--all"), ("rollup",)])
def test_what_goes_to_an_influxdb_that_is_away_says_what_to_look_at_and_gives_up(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setattr(_jobs, "PATIENCE_S", 0.1)
    (folder / "config.toml").write_text(INFLUXDB)
    journal_with(frame("20260621104000", yc600()))
    code, out, err = run(*arguments)
    assert (code, out) == (FINDING, "")
    waits, gives_up = (line for line in err.splitlines() if line.startswith("collector:"))
    assert waits.startswith("collector: InfluxDB at http://127.0.0.1:9: ")
    assert "is it running" in waits
    assert waits.endswith("; waiting for up to 0 s")
    assert gives_up.endswith("; what is left is done by the service, or by the same command again")
    assert "very-secret-token" not in err


def test_a_journal_that_cannot_be_opened_stops_the_service_with_one_line(folder: Path) -> None:
    (folder / "config.toml").write_text('site.timezone = "UTC"\n[journal]\npath = "file/journal.db"\n')
    (folder / "file").write_text("not a folder")
    done = run_command("run", folder=folder)
    assert (done.returncode, done.stdout) == (FINDING, "")
    (started, reason) = done.stderr.splitlines()
    assert "starting" in started
    assert reason.startswith("collector: ")
    assert "file" in reason


def test_a_journal_from_a_newer_collector_is_left_alone(folder: Path) -> None:
    (folder / "data").mkdir()
    with sqlite3.connect(folder / "data" / "journal.db") as db:
        db.execute("pragma user_version = 99")
    db.close()
    for command in ("run", "status"):
        done = run_command(command, folder=folder)
        assert done.returncode == FINDING
        assert "newer collector" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def run_elsewhere(folder: Path, arguments: Sequence[str], *, stdout: IO[bytes]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "collector", *arguments],
        cwd=folder,
        # Buffered, as it is for everybody who does not ask for something else.
        env=own_environ({"PYTHONUNBUFFERED": ""}),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments", [("check-config",), ("status", "--json"), ("status",), ("doctor", "--config", "none.toml")]
)
def test_output_that_nobody_reads_is_no_error(folder: Path, arguments: tuple[str, ...]) -> None:
    journal_with(frame("20260621104000", yc600()))
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = run_elsewhere(folder, arguments, stdout=pipe)
    assert (done.returncode, done.stderr) == (FINE, "")


@pytest.mark.parametrize("arguments", [("check-config",), ("status",), ("status", "--json")])
def test_a_disk_without_room_for_the_output_is_told(folder: Path, arguments: tuple[str, ...]) -> None:
    journal_with(frame("20260621104000", yc600()))
    with Path("/dev/full").open("wb") as full:
        done = run_elsewhere(folder, arguments, stdout=full)
    assert (done.returncode, done.stderr) == (FINDING, "collector: standard output: No space left on device\n")


@pytest.mark.parametrize("arguments", [("check-config",), ("status",), ("status", "--json")])
def test_closed_output_is_no_error(folder: Path, arguments: tuple[str, ...]) -> None:
    journal_with(frame("20260621104000", yc600()))
    closing = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "collector", *arguments]
    done = subprocess.run(closing, cwd=folder, env=own_environ(), capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (FINE, b"")


def test_a_name_that_the_terminal_has_no_letters_for_is_shown_all_the_same(folder: Path) -> None:
    journal_with(frame("20260621104000", yc600()))
    Path("config.toml").write_text(f'[[ecu]]\nid = "{ECU}"\nname = "Süd ☀"\n', encoding="utf-8")
    done = run_command("status", folder=folder, environ={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (FINE, "")
    assert r"S\xfcd \u2600" in done.stdout


class Interruption(MetaPathFinder):
    """Ctrl-C at the moment when the program itself is looked for."""

    def find_spec(self, fullname: str, *_more: object) -> None:
        if fullname == "collector.cli":
            raise KeyboardInterrupt


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def interrupted_in_a_task(*_: object) -> None:
    async def run() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            raise KeyboardInterrupt

    trio.run(run)


@pytest.mark.usefixtures("own_signals")
@pytest.mark.parametrize("running", [None, interrupted, interrupted_in_a_task])
def test_an_interruption_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], running: Callable[..., None] | None
) -> None:
    monkeypatch.setattr(sys, "argv", ["collector", "status"])
    if running:
        monkeypatch.setattr(status, "run", running)
    else:
        monkeypatch.delitem(sys.modules, "collector.cli")
        monkeypatch.setattr(sys, "meta_path", [Interruption(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        entry()
    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("own_signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_as_an_interruption_does(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    tidied: list[bool] = []

    def ended(*_: object) -> None:
        try:
            signal.raise_signal(number)
        finally:
            # `timeout` sends a second one.
            signal.raise_signal(number)
            tidied.append(True)

    monkeypatch.setattr(sys, "argv", ["collector", "status"])
    monkeypatch.setattr(status, "run", ended)
    with pytest.raises(SystemExit) as end:
        entry()
    assert (end.value.code, tidied) == (128 + number, [True])


@pytest.mark.usefixtures("own_signals")
def test_a_signal_that_is_ignored_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> int:
        signal.raise_signal(signal.SIGHUP)
        return FINE

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    monkeypatch.setattr(sys, "argv", ["collector", "status"])
    monkeypatch.setattr(status, "run", lost)
    with pytest.raises(SystemExit) as end:
        entry()
    assert end.value.code == FINE


def test_the_module_is_the_same_program(folder: Path) -> None:
    done = run_command("--version", folder=folder)
    assert (done.returncode, done.stdout, done.stderr) == (FINE, f"collector {__version__}\n", "")
    done = run_command("status", folder=folder)
    assert (done.returncode, done.stderr) == (FINDING, "")
