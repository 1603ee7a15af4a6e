"""The files for an installation without containers: valid, closed down, and at one with the package they run."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from collector import cli
from collector.journal import writing
from collector.service import service

ROOT = Path(__file__).parents[1]
UNITS = ROOT / "systemd"
PAGE = (ROOT / "docs" / "bare-metal.md").read_text(encoding="utf-8")
SERVICES = ("collector.service", "collector-backup.service")

# Of 10; what is left to object to in a service that has to be reached over the network.
MOST_EXPOSED = 1.5

every_service = pytest.mark.parametrize("name", SERVICES)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze is installed")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)


def settings(name: str) -> list[tuple[str, str]]:
    """Key and value of every line of a unit, in order; keys may come several times."""
    lines = (UNITS / name).read_text(encoding="utf-8").splitlines()
    return [(key, value) for key, equals, value in (line.partition("=") for line in lines) if equals and key[0] != "#"]


def values(name: str, key: str) -> list[str]:
    return [value for found, value in settings(name) if found == key]


@pytest.mark.parametrize("name", [*SERVICES, "collector-backup.timer"])
def test_systemd_understands_every_line(name: str, tmp_path: Path) -> None:
    # What the units start is only there where they are installed.
    for unit in UNITS.glob("collector*.*"):
        text = unit.read_text(encoding="utf-8").replace("/opt/collector/bin/collector", "/bin/true")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    checked = analyze("verify", "--man=no", str(tmp_path / name))
    about_us = [line for line in checked.stderr.splitlines() if "collector" in line]
    assert about_us == []


@every_service
def test_a_service_is_as_closed_as_its_work_allows(name: str) -> None:
    checked = analyze(
        "security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED * 10:.0f}", str(UNITS / name)
    )
    assert "Overall exposure level" in checked.stdout, checked.stderr
    assert checked.returncode == 0, checked.stdout.splitlines()[-1]


@every_service
def test_a_service_has_a_user_without_any_right_of_roots(name: str) -> None:
    assert values(name, "User") == ["collector"]
    assert values(name, "CapabilityBoundingSet") == values(name, "AmbientCapabilities") == [""]
    assert values(name, "NoNewPrivileges") == ["yes"]
    assert values(name, "ProtectSystem") == ["strict"]


def test_the_user_is_the_one_that_is_made() -> None:
    made = [shlex.split(line, comments=True) for line in (UNITS / "collector.sysusers").read_text().splitlines()]
    assert [words[:2] for words in made if words] == [["u", "collector"]]


@every_service
def test_a_service_runs_a_command_that_there_is(name: str) -> None:
    (command,) = values(name, "ExecStart")
    program, *arguments = shlex.split(command)
    assert program == "/opt/collector/bin/collector"
    with pytest.raises(SystemExit) as ended:
        cli.main([*arguments[:1], "--help"])
    assert ended.value.code == 0


def test_an_end_has_the_time_that_it_may_take() -> None:
    (stop_s,) = values("collector.service", "TimeoutStopSec")
    # Requests to InfluxDB are broken off; what is left is the journal's sign of the end and its close.
    assert int(stop_s) > service.GRACE_S + 2 * writing._PATIENCE_S


def test_a_service_is_started_again_unless_its_configuration_is_at_fault() -> None:
    assert values("collector.service", "Restart") == ["always"]
    assert values("collector.service", "RestartPreventExitStatus") == ["2"]
    assert values("collector.service", "StartLimitIntervalSec") == ["0"]


@pytest.mark.parametrize("name", [path.name for path in sorted(UNITS.iterdir())])
def test_the_page_installs_every_file(name: str) -> None:
    assert re.search(rf"^(?:sudo )?install .*systemd/{re.escape(name)}(?: |$)", PAGE.replace("\\\n", ""), re.MULTILINE)


def test_the_token_is_where_the_page_puts_it() -> None:
    places = {value.partition(":")[2] for name in SERVICES for value in values(name, "LoadCredential")}
    places |= set(re.findall(r"LoadCredential=influxdb_token:(\S+)", (UNITS / "collector").read_text()))
    assert places == {"/etc/collector/influxdb_token"}
    assert "/etc/collector/influxdb_token" in PAGE
