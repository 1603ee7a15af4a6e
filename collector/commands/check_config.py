"""`collector check-config`: every fault of the configuration, or what counts."""

import argparse
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from collector.commands.arguments import add_config
from collector.commands.exit_codes import FINE
from collector.config.document import find
from collector.config.load import load
from collector.config.model import Config
from collector.config.tariffs import Tariffs
from collector.config.values import no_zone
from collector.errors import JournalError
from collector.journal.reading import JournalReader
from collector.ledger.wanted import wanted
from collector.status.systems import doubts

# Money of which a kWh costs a fraction everywhere; from here on its price may be one in cents.
_STRONG = frozenset({"", "EUR", "€", "USD", "$", "GBP", "£", "CHF", "AUD", "CAD", "NZD"})
_DEAR = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Reads the configuration as the service would and names every fault with its place; changes nothing. Exit code"
        " 2 when there are any."
    )
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Tell what counts. Raises ConfigError with every fault."""
    config = load(arguments.config)
    chosen = arguments.config or find()
    print(f"{chosen or 'built-in values'}: no faults")
    why = "" if "timezone" in config.site.model_fields_set else f": {no_zone(os.environ)}"
    print(f"  time zone {config.site.timezone}{why}")
    listen = config.listen
    print(f"  listens on {', '.join(listen.host)}: {', '.join(map(str, (*listen.data_ports, listen.control_port)))}")
    print(f"  journal {config.journal.path}")
    print(f"  InfluxDB {config.influxdb.url if config.influxdb else 'none: records are kept in the journal alone'}")
    for output in _outputs(config):
        print(f"  {output}")
    heard = _heard(config)
    for system in config.pvoutput:
        for doubt in doubts(config, system, heard, time.time_ns()):
            print(f"  warning: {doubt}")
    currency = Tariffs(config.tariff).currency
    for tariff in config.tariff:
        prices = {"a kWh costs": tariff.price_per_kwh, "earns": tariff.feed_in_per_kwh}
        told = ", ".join(f"{what} {price:g}" for what, price in prices.items() if price is not None)
        print(f"  tariff from {tariff.since}: {told}{_in_cents(prices.values(), currency)}")
    return FINE


def _outputs(config: Config) -> Iterator[str]:
    """Where else the data go, with what is the matter with the files that each needs; nothing is connected to."""
    if mqtt := config.mqtt:
        files = _unread("password_file", mqtt.password_file) + _unread("ca_file", mqtt.ca_file)
        files += _unread("cert_file", mqtt.cert_file) + _unread("key_file", mqtt.key_file)
        yield f"MQTT to {mqtt.host}, under {mqtt.prefix}{files}"
    if home := config.homeassistant:
        files = _unread("token_file", home.token_file) + _unread("ca_file", home.ca_file)
        yield f"Home Assistant's statistics to {home.url}{files}"
    for system in config.pvoutput:
        yield f"PVOutput system {system.system_id}{_unread('key_file', system.key_file)}"
    if config.mirror.enabled:
        yield f"the vendor's cloud gets the same records, by {config.mirror.address or config.mirror.data_host}"
    if wanted(config):
        yield "the ledger of energies is kept"


def _heard(config: Config) -> list[str]:
    """The gateways that have reported so far; none where there is no journal to be read yet."""
    try:
        with JournalReader(config.journal.path) as reader:
            return [gateway.ecu for gateway in reader.gateways()]
    except JournalError:
        return []


def _unread(key: str, file: Path | None) -> str:
    """What keeps a file from being read, or that it is empty; nothing where all is well, or none is named."""
    try:
        return f" ({key}: the file is empty)" if file is not None and not file.read_bytes().strip() else ""
    except OSError as exc:
        return f" ({key}: the file cannot be read: {exc.strerror})"


def _in_cents(prices: Iterable[float | None], currency: str) -> str:
    if currency.upper() not in _STRONG or max(price or 0.0 for price in prices) < _DEAR:
        return ""
    return f" (prices are in {currency or 'whole units of your money'}: are these cents?)"
