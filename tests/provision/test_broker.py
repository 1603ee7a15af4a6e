"""The passwords of the broker that comes with the containers, before a real mosquitto."""

import stat
from pathlib import Path

from collector.commands.exit_codes import FINDING, FINE
from tests.mosquitto_server import Listener, Mosquitto
from tests.program import Run
from tests.provision.conftest import contents, provision
from tests.running import write_config


def test_the_collector_and_all_else_at_home_are_let_in_and_nobody_else(tmp_path: Path, folder: Path, run: Run) -> None:
    assert provision("broker", folder) == 0
    home = (folder / "mqtt" / "home_password").read_text().strip()
    lines = ("allow_anonymous false", f"password_file {folder / 'mqtt' / 'passwords'}")
    with Mosquitto(tmp_path, lines) as broker:
        password = folder / "collector" / "mqtt_password"
        settings = f'{broker.settings}user = "collector"\npassword_file = "{password}"\n'
        code, _, err = run("mqtt", "--check", "--config", str(write_config(tmp_path, settings)))
        assert (code, err) == (FINE, "")
        code, _, _ = run("mqtt", "--check", "--config", str(write_config(tmp_path, broker.settings)))
        assert code == FINDING
        with Listener(broker.port, "home", home):
            pass


def test_what_is_there_stays_and_what_is_missing_is_made(folder: Path) -> None:
    assert provision("broker", folder) == 0
    before = contents(folder)
    assert set(before) == {"collector/mqtt_password", "mqtt/home_password", "mqtt/passwords"}
    assert not any(secret.strip() in before["mqtt/passwords"] for name, secret in before.items() if "_password" in name)
    assert stat.S_IMODE((folder / "collector" / "mqtt_password").stat().st_mode) == 0o400
    assert provision("broker", folder) == 0
    assert contents(folder) == before
    (folder / "mqtt" / "passwords").unlink()
    assert provision("broker", folder) == 0
    after = contents(folder)
    assert after.keys() == before.keys()
    assert after["collector/mqtt_password"] == before["collector/mqtt_password"]
