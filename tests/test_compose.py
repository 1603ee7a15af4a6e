"""The containers' files: valid, closed down, free of secrets, and at one with the package they run."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

import collector
from collector.alerts import contacts
from collector.alerts import rules as alerts
from collector.config.load import load
from collector.config.model import Config
from collector.journal.writing import _PATIENCE_S as JOURNAL_PATIENCE_S
from collector.provision import make_broker_secrets, make_secrets
from collector.service import service as app

ROOT = Path(__file__).parents[1]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "Dockerfile"

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
ONCE = {"secrets", "accounts", "alerting", "mqtt-secrets", "demo-secrets", "demo-accounts", "demo-boards"}
DEMO = {name for name, service in SERVICES.items() if service.get("profiles") == ["demo"]}

# Tells nobody of its health: it has no work that anything waits for.
WITHOUT_HEALTH = ONCE | {"demo"}

# Where a gateway would fetch firmware, which nothing here may ever offer.
FIRMWARE_PORTS = {21, 9219, 9220, 9222}

every_service = pytest.mark.parametrize("name", SERVICES)


def mounts(name: str) -> dict[str, tuple[str, bool]]:
    """What a service sees where: by the path in the container, the volume or file and whether it is read only."""
    seen = {}
    for volume in SERVICES[name].get("volumes", []):
        if isinstance(volume, str):
            source, target, *mode = volume.split(":")
            seen[target] = (source, mode == ["ro"])
        else:
            seen[volume["target"]] = (volume["source"], volume["read_only"])
    return seen


def instructions(stage: int) -> list[tuple[str, str]]:
    """The Dockerfile's instructions from its nth FROM to the next, each with its arguments in one line."""
    text = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE))
    lines = [line.partition(" ") for line in text.splitlines() if line]
    starts = [number for number, line in enumerate(lines) if line[0] == "FROM"]
    return [(word, rest) for word, _, rest in lines[starts[stage] : [*starts, len(lines)][stage + 1]]]


def last(word: str) -> str:
    return [rest for found, rest in instructions(1) if found == word][-1]


def test_the_file_is_valid() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@every_service
def test_an_image_is_of_one_version(name: str) -> None:
    assert re.search(r":\d+\.\d+\.\d+(-[a-z]+)?$", SERVICES[name]["image"])


def test_the_collectors_image_is_of_the_packages_version() -> None:
    images = {service["image"] for service in SERVICES.values() if "build" in service}
    assert images == {f"apsystems-collector:{collector.__version__}"}


@every_service
def test_a_service_may_do_as_little_as_possible(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["user"].split(":")[0]) > 0
    assert not {"cap_add", "privileged", "devices", "pid", "ipc"} & service.keys()
    assert service.get("network_mode", "none") == "none"
    assert "/var/run/docker.sock" not in str(service)


@every_service
def test_a_service_cannot_fill_the_machine(name: str) -> None:
    service = SERVICES[name]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert all("size=" in tmpfs for tmpfs in service["tmpfs"])


@every_service
def test_a_service_is_kept_running_or_runs_once(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == ("no" if name in ONCE else "unless-stopped")
    assert service["stop_grace_period"] == "30s"
    assert ("test" in service["healthcheck"]) is (name not in WITHOUT_HEALTH)


def test_an_end_has_the_time_that_it_may_take() -> None:
    stop_s = int(SERVICES["collector"]["stop_grace_period"].removesuffix("s"))
    # Requests to InfluxDB are broken off; what is left is the journal's sign of the end and its close.
    assert stop_s > app.GRACE_S + 2 * JOURNAL_PATIENCE_S


def test_each_waits_for_what_it_needs() -> None:
    order = {name: service.get("depends_on", {}) for name, service in SERVICES.items()}
    done, healthy = {"condition": "service_completed_successfully"}, {"condition": "service_healthy"}
    assert order == {
        "secrets": {},
        "influxdb": {"secrets": done},
        "accounts": {"influxdb": healthy},
        "alerting": {},
        "collector": {"accounts": done},
        "grafana": {"accounts": done, "alerting": done},
        "mqtt-secrets": {},
        "mosquitto": {"mqtt-secrets": done},
        "demo-secrets": {},
        "demo-accounts": {"influxdb": healthy},
        "demo-boards": {},
        "demo-collector": {"demo-accounts": done},
        "demo": {"demo-collector": {"condition": "service_started"}},
        "demo-grafana": {"demo-secrets": done, "demo-accounts": done, "demo-boards": done},
    }


@every_service
def test_no_secret_is_in_the_file_and_none_has_a_default(name: str) -> None:
    for key, value in SERVICES[name].get("environment", {}).items():
        if re.search("PASSWORD|TOKEN|SECRET|_KEY(_|$)", key) and "PUBLIC_KEY" not in key:
            # The owner's own, for alerts, come from where the file is used, or not at all.
            if value in (f"${{{key}:-}}", ""):
                continue
            assert key.endswith("_FILE"), key
            assert re.match("/(run/)?secrets/", value), key


def test_a_secret_is_seen_by_those_who_need_it() -> None:
    seen = {
        name: {source: read_only for source, read_only in mounts(name).values() if "secrets-" in source}
        for name in SERVICES
    }
    assert seen == {
        "secrets": {"secrets-influxdb": False, "secrets-grafana": False},
        "influxdb": {"secrets-influxdb": True},
        "accounts": {"secrets-influxdb": True, "secrets-grafana": False, "secrets-collector": False},
        "alerting": {},
        "collector": {"secrets-collector": True},
        "grafana": {"secrets-grafana": True},
        "mqtt-secrets": {"secrets-collector": False, "secrets-mqtt": False},
        "mosquitto": {"secrets-mqtt": True},
        "demo-secrets": {"demo-secrets-grafana": False},
        "demo-accounts": {
            "secrets-influxdb": True,
            "demo-secrets-grafana": False,
            "demo-secrets-collector": False,
        },
        "demo-boards": {},
        "demo-collector": {"demo-secrets-collector": True},
        "demo": {},
        "demo-grafana": {"demo-secrets-grafana": True},
    }


def test_the_steps_make_the_files_that_the_services_read(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    made = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    wanted = set()
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            if key.endswith("_FILE"):
                folder, _, file = value.rpartition("/")
                wanted.add(f"{mounts(name)[folder][0].removeprefix('demo-').removeprefix('secrets-')}/{file}")
    # The tokens are made by InfluxDB; Grafana's is named in the file of its data source.
    assert wanted == made | {"collector/influxdb_token"}


def test_the_steps_write_where_the_image_has_folders_of_its_user() -> None:
    uid, gid = last("USER").split(":")
    (created,) = (rest for word, rest in instructions(1) if word == "RUN")
    owned = {
        folder
        for folders in re.findall(rf"install -d -o {uid} -g {gid} -m \d+ ([^&]+)", created)
        for folder in folders.split()
    }
    for name, service in SERVICES.items():
        if "build" in service:
            assert service["user"] == f"{uid}:{gid}"
            written = {target for target, (_, read_only) in mounts(name).items() if not read_only}
            assert written <= owned


def test_only_the_gateway_and_people_are_let_in() -> None:
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
        "influxdb": ["127.0.0.1:8086:8086"],
        "collector": ["8995-8997:8995-8997"],
        "grafana": ["${GRAFANA_PORT:-3000}:3000"],
        "mosquitto": ["${MQTT_PORT:-1883}:1883"],
        "demo-grafana": ["${GRAFANA_DEMO_PORT:-3001}:3000"],
    }
    listen = Config().listen
    ports = {*listen.data_ports, listen.control_port}
    assert ports == {8995, 8996, 8997} == {int(port) for port in last("EXPOSE").split()}
    assert not ports & FIRMWARE_PORTS


def test_the_sites_time_zone_is_one_variable() -> None:
    # The collector is told that nobody chose one, which is UTC as well.
    assert SERVICES["collector"]["environment"]["TZ"] == "${SOLAR_TIMEZONE-}"
    assert SERVICES["grafana"]["environment"]["GF_DATE_FORMATS_DEFAULT_TIMEZONE"] == "${SOLAR_TIMEZONE:-UTC}"


def test_the_settings_at_the_top_are_those_there_are() -> None:
    text = COMPOSE.read_text()
    explained = dict(re.findall(r"^#   ([A-Z_]+)  .*\((\w+)\)$", text, flags=re.MULTILINE))
    assert explained == dict(re.findall(r"\$\{(\w+):-(\w+)\}", text))


def test_a_setting_without_a_default_is_explained_at_the_top() -> None:
    text = COMPOSE.read_text()
    explained = set(re.findall(r"^#   ([A-Z_]+)\b(?!.*\(\w+\)$)", text, flags=re.MULTILINE))
    assert explained == set(re.findall(r"\$\{(\w+):-\}", text))


def test_where_alerts_are_sent_is_seen_by_grafana_alone() -> None:
    seen = {name: dict(mounts(name).values()) for name in SERVICES}
    sees = {name: "alerting" in volumes for name, volumes in seen.items()}
    assert {name for name in sees if sees[name]} == {"alerting", "grafana"}
    assert seen["alerting"]["alerting"] is False
    assert seen["grafana"]["alerting"] is True


@pytest.mark.parametrize(("step", "grafana"), [("alerting", "grafana"), ("demo-boards", "demo-grafana")])
def test_grafana_reads_the_alerts_that_a_step_writes(step: str, grafana: str) -> None:
    command = SERVICES[step]["command"]
    volume, read_only = mounts(step)[command[command.index("--alerting") + 1]]
    assert not read_only
    assert mounts(grafana)["/etc/grafana/provisioning/alerting"] == (volume, True)


def test_the_step_of_the_alerts_gets_every_setting_that_it_knows() -> None:
    given = {name for name in SERVICES["alerting"]["environment"] if name.startswith("SOLAR_")}
    assert given == {*contacts.VARIABLES, *alerts.VARIABLES}


def test_the_demonstration_sends_nothing() -> None:
    assert not [name for name in SERVICES["demo-boards"]["environment"] if name.startswith("SOLAR_")]
    assert SERVICES["demo-grafana"]["environment"]["GF_SMTP_ENABLED"] == "false"


def test_grafana_lets_nobody_in_unasked_and_calls_nobody() -> None:
    environment = SERVICES["grafana"]["environment"]
    for key in (
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES",
        "GF_ANALYTICS_CHECK_FOR_UPDATES",
        "GF_ANALYTICS_REPORTING_ENABLED",
        "GF_AUTH_ANONYMOUS_ENABLED",
        "GF_NEWS_NEWS_FEED_ENABLED",
        "GF_PLUGINS_PLUGIN_ADMIN_ENABLED",
        "GF_SNAPSHOTS_EXTERNAL_ENABLED",
        "GF_USERS_ALLOW_SIGN_UP",
    ):
        assert environment[key] == "false"
    assert environment["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
    assert environment["GF_SECURITY_DISABLE_GRAVATAR"] == "true"


def test_what_is_mounted_from_here_is_here_and_cannot_be_changed() -> None:
    files = [
        (source, read_only) for name in SERVICES for source, read_only in mounts(name).values() if source[0] == "."
    ]
    assert files
    for source, read_only in files:
        assert (ROOT / source).exists(), source
        assert read_only, source


def providers() -> dict[str, str]:
    """Where Grafana looks for boards, by the provider's name."""
    (file,) = (ROOT / "grafana" / "provisioning" / "dashboards").iterdir()
    return {entry["name"]: entry["options"]["path"] for entry in yaml.safe_load(file.read_text())["providers"]}


def test_grafana_finds_its_boards_where_they_are_mounted() -> None:
    boards = providers()["solar"]
    source, _ = mounts("grafana")[boards]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    folder, _, file = home.rpartition("/")
    assert folder == boards
    assert (ROOT / source / file).exists()


def test_the_collector_sees_the_boards_that_grafana_reads() -> None:
    folder = SERVICES["collector"]["environment"]["COLLECTOR_DASHBOARDS"]
    assert mounts("collector")[folder] == mounts("grafana")[providers()["solar"]] == ("./grafana/dashboards", True)


@pytest.mark.parametrize("prefix", ["", "demo-"])
def test_grafana_reads_the_roof_where_the_collector_writes_it(prefix: str) -> None:
    written = SERVICES[f"{prefix}collector"]["environment"]["COLLECTOR_BOARDS"]
    assert mounts(f"{prefix}collector")[written] == (f"{prefix}roof", False)
    assert mounts(f"{prefix}grafana")[providers()["solar-roof"]] == (f"{prefix}roof", True)


def test_the_folder_of_the_boards_is_one_that_other_users_read() -> None:
    (created,) = (rest for word, rest in instructions(1) if word == "RUN")
    for name in ("collector", "demo-collector", "demo-boards"):
        (folder,) = (target for target in mounts(name) if target.endswith("/boards"))
        assert re.search(rf"-m 0755 ([^&]+ )?{folder}( |$)", created)


def test_the_demonstrations_boards_are_written_into_the_volume_that_its_grafana_reads() -> None:
    command = SERVICES["demo-boards"]["command"]
    source, read_only = mounts("demo-boards")[command[command.index("--dashboards") + 1]]
    assert not read_only
    assert mounts("demo-grafana")[providers()["solar"]] == (source, True)


def test_the_journal_is_in_a_volume_by_default() -> None:
    journal = Path(last("WORKDIR")) / Config().journal.path
    source, read_only = mounts("collector")[str(journal.parent)]
    assert (source, read_only) == ("journal", False)
    assert last("VOLUME") == str(journal.parent)


def test_the_image_runs_the_collector_as_its_own_user_and_asks_it_for_its_health() -> None:
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", last("USER"))
    assert last("ENTRYPOINT") == '["collector"]'
    assert last("CMD") == '["run"]'
    assert last("HEALTHCHECK").endswith('CMD ["collector", "status", "--brief"]')


def test_what_builds_the_image_is_not_in_it() -> None:
    bases = [rest for stage in (0, 1) for word, rest in instructions(stage) if word == "FROM"]
    assert [base.removesuffix(" AS build") for base in bases] == ["python:3.13-slim-trixie"] * 2
    assert [rest for word, rest in instructions(1) if word == "COPY"] == ["--from=build /opt/collector /opt/collector"]
    assert not re.search(r"\b(apt-get|pip)\b", str(instructions(1)))
    assert "--require-hashes --no-deps --requirement requirements.lock" in str(instructions(0))


def test_the_build_gets_every_file_it_needs() -> None:
    copied = {source for word, rest in instructions(0) if word == "COPY" for source in rest.split()[:-1]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert copied >= {
        "pyproject.toml",
        "requirements.lock",
        "collector",
        *project["license-files"],
        project.get("readme", "README.md"),
    }
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert let_through == copied
    assert [source for source in sorted(copied) if not (ROOT / source).exists()] == []


def test_nothing_of_the_demonstration_and_no_broker_starts_unasked() -> None:
    assert {name for name in SERVICES if name.startswith("demo")} == DEMO
    assert DEMO
    broker = {name for name, service in SERVICES.items() if service.get("profiles") == ["mqtt"]}
    assert broker == {"mqtt-secrets", "mosquitto"}
    for name in SERVICES.keys() - DEMO - broker:
        assert "profiles" not in SERVICES[name]
        assert not (DEMO | broker) & SERVICES[name].get("depends_on", {}).keys()


def test_the_broker_and_the_collector_read_what_the_step_makes(tmp_path: Path) -> None:
    made = {str(tmp_path / name) for name in make_broker_secrets(tmp_path)}
    text = (ROOT / mounts("mosquitto")["/mosquitto/config/mosquitto.conf"][0]).read_text()
    (listed,) = re.findall(r"^password_file /run/secrets/(\w+)$", text, flags=re.MULTILINE)
    shown = re.findall(r"/run/secrets/(mqtt_password|home_password)", COMPOSE.read_text())
    assert {str(tmp_path / "mqtt" / listed)} < made
    assert {str(tmp_path / ("collector" if "mqtt" in name else "mqtt") / name) for name in shown} < made
    assert "allow_anonymous false" in text


def test_the_demonstration_shares_no_volume_with_a_real_site_but_the_token_that_makes_its_own() -> None:
    def volumes(names: Iterable[str]) -> set[str]:
        return {source for name in names for source, _ in mounts(name).values() if source[0] != "."}

    assert volumes(DEMO) & volumes(SERVICES.keys() - DEMO) == {"secrets-influxdb"}
    assert [name for name in DEMO if "secrets-influxdb" in volumes([name])] == ["demo-accounts"]


def test_the_demonstrations_gateway_reaches_its_own_collector_and_nothing_else() -> None:
    networks = yaml.safe_load(COMPOSE.read_text())["networks"]
    assert SERVICES["demo"]["networks"] == ["demo"]
    assert networks["demo"] == {"internal": True}
    assert [name for name, service in SERVICES.items() if "demo" in service.get("networks", [])] == [
        "demo-collector",
        "demo",
    ]
    assert "ports" not in SERVICES["demo-collector"]


def test_the_demonstrations_gateway_sees_the_journal_of_its_collector_and_cannot_change_it() -> None:
    config = load(ROOT / "demo.toml", {"INFLUXDB_TOKEN": "none"})
    folder = str((Path(last("WORKDIR")) / config.journal.path).parent)
    assert mounts("demo-collector")[folder] == ("demo-journal", False)
    assert mounts("demo")[folder] == ("demo-journal", True)


def test_both_of_the_demonstrations_processes_have_its_configuration() -> None:
    for name in ("demo-accounts", "demo-boards", "demo-collector", "demo"):
        path = SERVICES[name]["environment"]["COLLECTOR_CONFIG"]
        assert mounts(name)[path] == ("./demo.toml", True)
