"""Commands of the collector in this process: what a user would get to see, and an environment without settings."""

from collections.abc import Callable

import pytest

from collector.cli import main

# All of the environment that configures a collector.
SETTINGS = (
    "COLLECTOR_CONFIG",
    "TZ",
    "INFLUXDB_URL",
    "INFLUXDB_ORG",
    "INFLUXDB_TOKEN",
    "INFLUXDB_TOKEN_FILE",
    "PVOUTPUT_KEY",
)

Answer = tuple[int, str, str]
Run = Callable[..., Answer]


def outcome(capture: pytest.CaptureFixture[str], *arguments: str) -> Answer:
    """The exit code of a command, what it printed and what it said of errors, which never is a traceback."""
    try:
        code = main(arguments)
    except SystemExit as exc:
        code = int(exc.code or 0)
    out, err = capture.readouterr()
    assert "Traceback" not in err
    return code, out, err


def without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take what would configure a collector out of the environment until the end of the test."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
