"""Reads `config.toml` and the environment into one frozen `Config`, or raises one `ConfigError` that names every fault.

Promises: nothing is guessed from a mistyped key or a value of another type; secrets are in no message and no `repr`; a
`Config` needs no further check. Refuses: to look at anything but the file, the environment, the files with a token or
an authority's certificate, and the time zone database; whether a host answers or a folder can be written is for those
to find out who use it.

Which file: `$COLLECTOR_CONFIG`, else `./config.toml`, else none, and then all is at its default (`find`).
The environment has the last word on the database, so that one file serves a bare machine and a container:

- `INFLUXDB_URL`, `INFLUXDB_ORG`, `INFLUXDB_CA_FILE` and `INFLUXDB_TOKEN` or `INFLUXDB_TOKEN_FILE` replace the file's
  values. They count when the file has an `[influxdb]` section or `INFLUXDB_URL` is set, which stands for the section.
- `PVOUTPUT_KEY` is the key of each `[[pvoutput]]` that names no file.
- `TZ` is the site's zone when the file names none and `TZ` names an IANA zone.
- `COLLECTOR_BOARDS`, `COLLECTOR_DASHBOARDS` and `GRAFANA_URL` replace `grafana.boards`, `.dashboards` and `.url`, since
  where a folder or another service is depends on the container and not on the roof.
- A variable that is set to nothing counts as not set.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic_core import PydanticCustomError

from collector.config import authority, characters
from collector.config._conflicts import of_broker, of_devices, of_place, of_systems, table, tables
from collector.config._faults import VARIABLES, Location, told_fault
from collector.config._tariff_faults import of_tariffs
from collector.config.document import find, read
from collector.config.model import Config, InfluxDB, Listen
from collector.config.values import is_zone, token_in, zone_of
from collector.errors import ConfigError

_KEY = "PVOUTPUT_KEY"
_OF_GRAFANA = {"boards": "COLLECTOR_BOARDS", "dashboards": "COLLECTOR_DASHBOARDS", "url": "GRAFANA_URL"}


def load(path: Path | None, environ: Mapping[str, str] = os.environ, *, needs_token: bool = True) -> Config:
    """The configuration from `path`, or from the file that `find` names, and the environment.

    Whoever never asks InfluxDB need not be trusted with its token, nor have it at hand: without `needs_token` one that
    is none stands in its place, and `ca_file` is not looked at. Raises ConfigError with every fault: a file that can't
    be read or parsed is the only one then.
    """
    if not needs_token:
        kept = {name: value for name, value in environ.items() if not name.startswith("INFLUXDB_TOKEN")}
        environ = {**kept, "INFLUXDB_TOKEN": "none"}
    if path is None:
        path = find(environ)
    document = {} if path is None else read(path)
    given = _merge_environment(document, environ)
    faults = [*_resolve_token(document, given), *(_authority_faults(document, given) if needs_token else ())]
    faults += _fill_keys(document, given, environ, needs_key=needs_token)
    try:
        config = Config.model_validate(document)
    except ValidationError as exc:
        faults += [told_fault(error, given) for error in exc.errors(include_url=False)]
        config = None
    faults += _conflicts(document)
    if faults or config is None:
        raise ConfigError(faults, path)
    return config


def _merge_environment(document: dict[str, Any], environ: Mapping[str, str]) -> dict[Location, str]:
    """Puts the environment's values into the document; says which key got its value from which variable."""
    site = document.setdefault("site", {})
    zone = zone_of(environ)
    if isinstance(site, dict) and is_zone(zone):
        site.setdefault("timezone", zone)

    given: dict[Location, str] = {}
    grafana = document.setdefault("grafana", {})
    for key, variable in _OF_GRAFANA.items():
        if isinstance(grafana, dict) and (value := environ.get(variable)):
            grafana[key] = value
            given["grafana", key] = variable

    values = {key: environ[variable] for key, variable in VARIABLES.items() if environ.get(variable)}
    if "url" in values:
        document.setdefault("influxdb", {})
    section = document.get("influxdb")
    if not isinstance(section, dict):
        return given
    if "token" in values or "token_file" in values:
        section.pop("token", None)
        section.pop("token_file", None)
    section.update(values)
    return given | {("influxdb", key): VARIABLES[key] for key in values}


def _resolve_token(document: dict[str, Any], given: Mapping[Location, str]) -> Iterator[str]:
    """Replaces `token_file` by the token in it. No fault shows its name, which may be a token in the wrong place."""
    section = document.get("influxdb")
    if not isinstance(section, dict) or "token_file" not in section:
        return
    where = given.get(("influxdb", "token_file"), "influxdb.token_file")
    name = section.pop("token_file")
    if "token" in section:
        other = given.get(("influxdb", "token"), "token")
        yield f"{where}: given besides {other}, one of them is wanted"
        return
    # Stands in for what can't be had, so that the fault found below is not followed by one about a missing token.
    section["token"] = "unknown"  # noqa: S105
    if not isinstance(name, str):
        yield f"{where}: expected the name of a file, in quotes"
        return
    try:
        section["token"] = token_in(Path(name))
    except OSError as exc:
        yield f"{where}: the file cannot be read: {exc.strerror}{characters.told(name)}"
    except PydanticCustomError as exc:
        yield f"{where}: {exc.message()}"


def _fill_keys(
    document: Mapping[str, Any], given: dict[Location, str], environ: Mapping[str, str], *, needs_key: bool
) -> Iterator[str]:
    """Gives the environment's key to each system of PVOutput without a file of its own. No fault shows a key."""
    for index, (where, system) in enumerate(tables("pvoutput", document.get("pvoutput"))):
        if system.pop("key", None) is not None:
            yield f"{where}.key: a secret does not belong here: name a file with it as key_file, or set {_KEY}"
        elif "key_file" not in system and environ.get(_KEY):
            system["key"] = SecretStr(environ[_KEY])
            given["pvoutput", index, "key"] = _KEY
        elif "key_file" not in system and needs_key:
            yield f"{where}.key_file: missing (or set {_KEY})"


def _authority_faults(document: Mapping[str, Any], given: Mapping[Location, str]) -> Iterator[str]:
    name = table(document.get("influxdb")).get("ca_file")
    # What is no path at all is told of with the other values.
    if isinstance(name, str) and name and not characters.told(name) and (fault := authority.fault(Path(name))):
        yield f"{given.get(('influxdb', 'ca_file'), 'influxdb.ca_file')}: {fault}"


def _limits_crossed(grid: Mapping[str, Any]) -> Iterator[str]:
    for lower, upper in (("voltage_min_v", "voltage_max_v"), ("frequency_min_hz", "frequency_max_hz")):
        least, most = grid.get(lower), grid.get(upper)
        if isinstance(least, int | float) and isinstance(most, int | float) and least >= most:
            yield f"grid.{upper}: expected more than grid.{lower}, which is {least:g}"


def _conflicts(document: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong between values that may each be right; on the raw document, so that no other fault hides it."""
    site, listen, influxdb = (table(document.get(key)) for key in ("site", "listen", "influxdb"))
    yield from of_place("site", site)
    yield from _limits_crossed(table(document.get("grid")))

    data_ports = listen.get("data_ports", Listen().data_ports)
    control_port = listen.get("control_port", Listen().control_port)
    ports = [*data_ports, control_port] if isinstance(data_ports, list | tuple) else [control_port]
    fixed = [port for port in ports if isinstance(port, int) and port != 0]
    yield from (f"listen: port {port} is given twice" for port in sorted({p for p in fixed if fixed.count(p) > 1}))

    if table(document.get("metrics")).get("port") in fixed:
        yield "metrics.port: is one of those that gateways use, another one is wanted"

    fields = InfluxDB.model_fields
    bucket, rollup_bucket = (influxdb.get(key, fields[key].default) for key in ("bucket", "rollup_bucket"))
    if bucket == rollup_bucket:
        yield "influxdb.rollup_bucket: is the same as influxdb.bucket, two buckets are wanted"

    instance = table(document.get("collector")).get("instance") or site.get("name")
    if "mqtt" in document:
        yield from of_broker(table(document["mqtt"]), instance)
    yield from of_systems(document.get("pvoutput"), document.get("ecu"), document.get("inverter"))
    yield from of_devices(document.get("ecu"), document.get("inverter"))
    yield from of_tariffs(document.get("tariff"))
