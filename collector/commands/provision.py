"""`collector provision`: prepares what InfluxDB, Grafana and the collector share before they can work."""

import argparse
import logging
import sys
from pathlib import Path

from collector.commands.arguments import add_config
from collector.commands.exit_codes import FINE
from collector.config.load import load
from collector.errors import CollectorError, ConfigError
from collector.provision import make_accounts, make_broker_secrets, make_secrets

_log = logging.getLogger(__name__)

# Where docker-compose.yml shows Grafana its folder.
_SHOWN_PASSWORD = "/run/secrets/admin_password"  # noqa: S105


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "First `secrets`: makes passwords, a key, and the token that InfluxDB is then set up with. Then, by that token,"
        " `accounts`: makes the buckets, and a token each for the collector and for Grafana. Both do only what is still"
        " to be done, so they may run at every start. So does `broker`, which makes passwords for an MQTT broker and"
        " the list of them that mosquitto reads."
    )
    add_config(parser)
    parser.add_argument("step", choices=("secrets", "accounts", "broker"))
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="has, or gets, a folder for each of them")


def run(arguments: argparse.Namespace) -> int:
    """Do one step and log what was made. Raises ConfigError and CollectorError."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    try:
        if arguments.step == "secrets":
            _secrets(arguments.folder)
        elif arguments.step == "broker":
            _broker(arguments.folder)
        else:
            _accounts(arguments.config, arguments.folder)
    except OSError as exc:
        raise CollectorError(str(exc)) from exc
    return FINE


def _secrets(folder: Path) -> None:
    make_secrets(folder)
    _log.info(
        "the password of Grafana's user admin is in %s (with Docker: docker compose exec grafana cat %s)",
        folder / "grafana" / "admin_password",
        _SHOWN_PASSWORD,
    )


def _broker(folder: Path) -> None:
    make_broker_secrets(folder)
    _log.info(
        "the password of the broker's user home is in %s (with Docker: docker compose exec mosquitto cat %s)",
        folder / "mqtt" / "home_password",
        "/run/secrets/home_password",
    )


def _accounts(config: Path | None, folder: Path) -> None:
    influxdb = load(config).influxdb
    if influxdb is None:
        raise ConfigError(["influxdb: missing (or set INFLUXDB_URL)"])
    make_accounts(influxdb, folder)
