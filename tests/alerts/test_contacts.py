"""Contact points: only what is set is written, what was set before goes away, and no address is told to the log."""

import logging
from pathlib import Path
from typing import Any

import pytest
import yaml

from collector.alerts import contacts
from collector.alerts.rules import FILE_NAME as RULES
from collector.errors import ConfigError
from tests.boards.commands import boards_command

MAIL = {"SOLAR_ALERT_MAIL": "me@example.org, you@example.org"}
NTFY = {"SOLAR_ALERT_NTFY": "https://ntfy.example/my_secret-topic"}
WEBHOOK = {"SOLAR_ALERT_WEBHOOK": "https://hooks.example/in?key=secret"}
SECRETS = {
    "SOLAR_ALERT_NTFY_TOKEN": "tk_secret",
    "SOLAR_ALERT_WEBHOOK_USER": "someone",
    "SOLAR_ALERT_WEBHOOK_PASSWORD": "secret$HOME",
}


def written(folder: Path, environ: dict[str, str]) -> dict[str, Any]:
    """The file of the contact points, once it is written. AssertionError when it is not."""
    assert boards_command(environ, "write", "--alerting", str(folder))[0] == 0
    read: dict[str, Any] = yaml.safe_load((folder / contacts.FILE_NAME).read_text(encoding="utf-8"))
    return read


def receivers(file: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The settings of each contact point by its identity, as Grafana reads them: `$$` is one dollar sign."""
    found = {receiver["uid"]: receiver for point in file["contactPoints"] for receiver in point["receivers"]}
    return {uid: read(receiver["settings"]) for uid, receiver in found.items()}


def read(value: Any) -> Any:  # noqa: ANN401 - YAML
    if isinstance(value, dict):
        return {key: read(part) for key, part in value.items()}
    if isinstance(value, str):
        assert "$" not in value.replace("$$", ""), f"Grafana would look for an environment variable in {value!r}"
        return value.replace("$$", "$")
    return value


def gone(file: dict[str, Any]) -> set[str]:
    return {point["uid"] for point in file["deleteContactPoints"]}


def told(folder: Path) -> set[str | None]:
    """Where the rules send to."""
    groups = yaml.safe_load((folder / RULES).read_text(encoding="utf-8"))["groups"]
    return {rule.get("notification_settings", {}).get("receiver") for group in groups for rule in group["rules"]}


def test_with_nothing_set_there_is_no_contact_point_and_rules_leave_it_to_grafana(tmp_path: Path) -> None:
    file = written(tmp_path, {"SOLAR_ALERT_MAIL": "", "SOLAR_ALERT_NTFY": " "})
    assert file["contactPoints"] == []
    assert gone(file) == {"solar-mail", "solar-ntfy", "solar-webhook"}
    assert told(tmp_path) == {None}


def test_nothing_that_an_owner_has_set_up_in_grafana_is_touched(tmp_path: Path) -> None:
    assert written(tmp_path, {}).keys() == {"apiVersion", "contactPoints", "deleteContactPoints"}
    assert written(tmp_path, MAIL | NTFY).keys() == {"apiVersion", "contactPoints", "deleteContactPoints"}


def test_what_is_set_is_written_and_what_is_no_longer_set_is_deleted(tmp_path: Path) -> None:
    first = written(tmp_path, MAIL | NTFY)
    assert receivers(first).keys() == {"solar-mail", "solar-ntfy"}
    assert gone(first) == {"solar-webhook"}
    assert told(tmp_path) == {contacts.RECEIVER}
    second = written(tmp_path, WEBHOOK)
    assert receivers(second).keys() == {"solar-webhook"}
    assert gone(second) == {"solar-mail", "solar-ntfy"}
    assert told(tmp_path) == {contacts.RECEIVER}
    written(tmp_path, {})
    assert told(tmp_path) == {None}


def test_mail_goes_to_all_addresses(tmp_path: Path) -> None:
    settings = receivers(written(tmp_path, MAIL))["solar-mail"]
    assert settings["addresses"] == "me@example.org;you@example.org"
    assert "Annotations.summary" in settings["subject"]
    assert "Annotations.description" in settings["message"]


def test_ntfy_gets_its_json_at_the_server_with_the_topic_in_it(tmp_path: Path) -> None:
    settings = receivers(written(tmp_path, NTFY))["solar-ntfy"]
    assert settings["url"] == "https://ntfy.example/"
    assert settings["payload"]["vars"]["topic"] == "my_secret-topic"
    assert '"topic" .Vars.topic' in settings["payload"]["template"]
    assert "authorization_credentials" not in settings


def test_secrets_reach_grafana_unchanged(tmp_path: Path) -> None:
    settings = receivers(written(tmp_path, NTFY | WEBHOOK | SECRETS))
    assert settings["solar-ntfy"]["authorization_credentials"] == "tk_secret"
    assert settings["solar-ntfy"]["authorization_scheme"] == "Bearer"
    assert settings["solar-webhook"]["url"] == WEBHOOK["SOLAR_ALERT_WEBHOOK"]
    assert (settings["solar-webhook"]["username"], settings["solar-webhook"]["password"]) == ("someone", "secret$HOME")


@pytest.mark.parametrize(
    "password", ["0123", "1e5", "0o17", ".5", "true", "a: b", "'quoted'", '"', "#x", "é", "two\\n"]
)
def test_a_password_stays_the_text_that_it_is(tmp_path: Path, password: str) -> None:
    environ = {**WEBHOOK, "SOLAR_ALERT_WEBHOOK_USER": "someone", "SOLAR_ALERT_WEBHOOK_PASSWORD": password}
    assert receivers(written(tmp_path, environ))["solar-webhook"]["password"] == password


@pytest.mark.parametrize("password", ["1e5", "0o17", "1_000", ".inf", "-.5"])
def test_a_password_that_grafana_would_take_for_a_number_is_in_quotes(tmp_path: Path, password: str) -> None:
    # Grafana reads a newer YAML, which knows more forms of numbers.
    environ = {**WEBHOOK, "SOLAR_ALERT_WEBHOOK_USER": "someone", "SOLAR_ALERT_WEBHOOK_PASSWORD": password}
    written(tmp_path, environ)
    assert f'password: "{password}"\n' in (tmp_path / contacts.FILE_NAME).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SOLAR_ALERT_MAIL", "nobody"),
        ("SOLAR_ALERT_MAIL", "me@secret.example you@secret.example"),
        ("SOLAR_ALERT_MAIL", ","),
        ("SOLAR_ALERT_NTFY", "https://ntfy.example/"),
        ("SOLAR_ALERT_NTFY", "https://ntfy.example/secret/more"),
        ("SOLAR_ALERT_NTFY", "https://ntfy.example/secret?auth=secret"),
        ("SOLAR_ALERT_NTFY", "secret-topic"),
        ("SOLAR_ALERT_WEBHOOK", "ftp://hooks.example/secret"),
        ("SOLAR_ALERT_WEBHOOK", "https://me:secret@hooks.example/"),
        ("SOLAR_ALERT_WEBHOOK", "https://hooks.example/{{ secret }}"),
        ("SOLAR_ALERT_WEBHOOK", "https://[secret"),
        ("SOLAR_ALERT_WEBHOOK", "https://hooks.example:secret/"),
        ("SOLAR_ALERT_NTFY_TOKEN", "secret"),
        ("SOLAR_ALERT_WEBHOOK_PASSWORD", "secret"),
    ],
)
def test_what_cannot_be_right_is_a_fault_that_names_the_variable_and_not_its_value(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, value: str
) -> None:
    with caplog.at_level(logging.DEBUG):
        code, out, err = boards_command({name: value}, "write", "--alerting", str(tmp_path))
    assert code == 2
    assert f"{name}: " in err
    assert "secret" not in out + err + caplog.text
    assert list(tmp_path.iterdir()) == []


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        contacts.read({"SOLAR_ALERT_MAIL": "x", "SOLAR_ALERT_NTFY": "x", "SOLAR_ALERT_WEBHOOK": "x"})
    assert len(raised.value.faults) == 3


def test_no_address_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    environ = MAIL | NTFY | WEBHOOK | SECRETS
    with caplog.at_level(logging.DEBUG):
        code, out, err = boards_command(environ, "write", "--alerting", str(tmp_path))
    assert (code, err) == (0, "")
    assert "solar-mail, solar-ntfy, solar-webhook" in out
    assert "secret" not in out + caplog.text
    assert "example" not in out + caplog.text


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    code, out, err = boards_command({}, "write", "--alerting", str(tmp_path / "missing"))
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1


def test_something_has_to_be_written() -> None:
    code, _, err = boards_command({}, "write")
    assert code == 2
    assert "--alerting" in err
