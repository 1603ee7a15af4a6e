"""Reads `config.toml` and the environment into one frozen `Config`, or raises one `ConfigError` that names every fault.

Promises: nothing is guessed from a mistyped key or a value of another type; secrets are in no message and no `repr`; a
`Config` needs no further check. Refuses: to look at anything but the file, the environment, the files with a token or
an authority's certificate, and the time zone database; whether a host answers or a folder can be written is for those
to find out who use it.

Which file: `$COLLECTOR_CONFIG`, else `./config.toml`, else none, and then all is at its default (`find`).
The environment has the last word on the database, so that one file serves a bare machine and a container:

- `INFLUXDB_URL`, `INFLUXDB_ORG`, `INFLUXDB_CA_FILE` and `INFLUXDB_TOKEN` or `INFLUXDB_TOKEN_FILE` replace the file's
  values. They count when the file has an `[influxdb]` section or `INFLUXDB_URL` is set, which stands for the section.
- `TZ` is the site's zone when the file names none and `TZ` names an IANA zone.
- `COLLECTOR_BOARDS`, `COLLECTOR_DASHBOARDS` and `GRAFANA_URL` replace `grafana.boards`, `.dashboards` and `.url`, since
  where a folder or another service is depends on the container and not on the roof.
- A variable that is set to nothing counts as not set.

tomli on every Python: its errors know their line, which tomllib's do not before 3.14.
"""

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from collector import authority, characters
from collector.conflicts import of_devices, shown, table
from collector.errors import ConfigError
from collector.values import (
    Bucket,
    Day,
    DeviceId,
    FilePath,
    Host,
    Hosts,
    KeptDays,
    List,
    Name,
    Port,
    Ports,
    Positive,
    Token,
    Url,
    Zone,
    is_zone,
    token_in,
    zone_of,
)

FILE_NAME = Path("config.toml")

_Location = tuple[str | int, ...]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True)


class Site(_Section):
    """Where the panels are; `latitude` and `longitude` in degrees, north and east positive, both given or neither."""

    name: Name = "Home"
    timezone: Zone = "UTC"
    latitude: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)] | None = None
    longitude: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)] | None = None


class Listen(_Section):
    """The addresses and ports to listen on; port 0 asks the system for any free one."""

    host: Hosts = ("0.0.0.0",)  # noqa: S104 - the ECU is another machine on the owner's network
    data_ports: Ports = (8995, 8996)
    control_port: Port = 8997
    max_connections: Positive = 4096
    max_connections_per_address: Positive = 256


class Collector(_Section):
    """How its own reports are tagged, in a `Config` the site's name by default, and whether to `accept` any device."""

    instance: Name = ""
    accept: Literal["all"] | None = None


class Journal(_Section):
    """The file of records, relative to the working directory, and the days to keep what is delivered (0: for ever)."""

    path: FilePath = Path("data/journal.db")
    retain_days: KeptDays = 0


class InfluxDB(_Section):
    """The database and the two buckets in it; `token` is already resolved from wherever it was given, and `ca_file`
    stands in for the authorities that the system trusts.
    """

    url: Url
    org: Name
    token: Token
    bucket: Bucket = "solar"
    rollup_bucket: Bucket = "solar_daily"
    ca_file: FilePath | None = None


class Grafana(_Section):
    """The folder for the board that is made from `row` and `column`, which Grafana reads; without it none is made.

    The rest is for a look at whether Grafana works: the folder of its other boards, its address, and a token or a user
    with a password, each in a file that is read when it is needed.
    """

    boards: FilePath | None = None
    dashboards: FilePath | None = None
    url: Url | None = None
    token_file: FilePath | None = None
    user: Name = "admin"
    password_file: FilePath | None = None


class Metrics(_Section):
    """Where to serve `/metrics` and `/health`: nowhere without a port, and for this machine only by default."""

    host: Host = "127.0.0.1"
    port: Port | None = None


class Ecu(_Section):
    """A gateway that has a name, or a clock in another zone than the site's, or that took the place of another."""

    id: DeviceId
    name: Name | None = None
    timezone: Zone | None = None
    replaces: DeviceId | None = None
    since: Day | None = Field(default=None, alias="from")


class Panel(_Section):
    """What is plugged into one channel of an inverter; `row` and `column`, from 1, place it on the roof board."""

    channel: Positive
    name: Name | None = None
    array: Name | None = None
    peak_w: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    row: Positive | None = None
    column: Positive | None = None


class Inverter(_Section):
    """An inverter that has a name, or panels that have one, or that took the place of another."""

    id: DeviceId
    name: Name | None = None
    replaces: DeviceId | None = None
    since: Day | None = Field(default=None, alias="from")
    panels: Annotated[tuple[Panel, ...], List] = ()


class Config(_Section):
    """All settings; `influxdb` is None when the collector runs on its journal alone."""

    site: Site = Site()
    listen: Listen = Listen()
    collector: Annotated[Collector, Field(validate_default=True)] = Collector()
    journal: Journal = Journal()
    influxdb: InfluxDB | None = None
    grafana: Grafana = Grafana()
    metrics: Metrics = Metrics()
    ecu: Annotated[tuple[Ecu, ...], List] = ()
    inverter: Annotated[tuple[Inverter, ...], List] = ()

    @field_validator("collector", mode="after")
    @classmethod
    def _named_after_the_site(cls, value: Collector, info: ValidationInfo) -> Collector:
        site: Site | None = info.data.get("site")
        return value if value.instance or site is None else value.model_copy(update={"instance": site.name})


def find(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The file that counts when none is named: `$COLLECTOR_CONFIG`, else `./config.toml` if it exists, else None."""
    if named := environ.get("COLLECTOR_CONFIG"):
        return Path(named)
    # Not `exists`, which raises in a folder that this user may not look into.
    return FILE_NAME if os.path.exists(FILE_NAME) else None  # noqa: PTH110


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
    document = {} if path is None else _read(path)
    given = _merge_environment(document, environ)
    faults = [*_resolve_token(document, given), *(_authority_faults(document, given) if needs_token else ())]
    try:
        config = Config.model_validate(document)
    except ValidationError as exc:
        faults += [_fault(error, given) for error in exc.errors(include_url=False)]
        config = None
    faults += _conflicts(document)
    if faults or config is None:
        raise ConfigError(faults)
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        # With or without the mark that some editors put first.
        return parse(path.read_text(encoding="utf-8-sig"))
    except IsADirectoryError:
        # The usual way to get one: a container engine makes a folder where the file that it should mount is missing.
        raise ConfigError([f"{path}: is a folder, a file is wanted"]) from None
    except OSError as exc:
        raise ConfigError([f"{path}: cannot be read: {exc.strerror}"]) from None
    except UnicodeDecodeError as exc:
        raise ConfigError([f"{path}: is not UTF-8 text (at byte {exc.start})"]) from None
    except tomli.TOMLDecodeError as exc:
        there = characters.foreign(exc.doc, exc.pos)
        raise ConfigError([f"{path}, line {exc.lineno}, column {exc.colno}: {exc.msg}{there}"]) from None


def parse(text: str) -> dict[str, Any]:
    """A configuration's TOML, not yet checked. Raises tomli.TOMLDecodeError, which is a ValueError."""
    try:
        return tomli.loads(text)
    except RecursionError as exc:
        raise tomli.TOMLDecodeError(str(exc), text, 0) from None


_VARIABLES = {
    "url": "INFLUXDB_URL",
    "org": "INFLUXDB_ORG",
    "token": "INFLUXDB_TOKEN",
    "token_file": "INFLUXDB_TOKEN_FILE",
    "ca_file": "INFLUXDB_CA_FILE",
}
_OF_GRAFANA = {"boards": "COLLECTOR_BOARDS", "dashboards": "COLLECTOR_DASHBOARDS", "url": "GRAFANA_URL"}


def _merge_environment(document: dict[str, Any], environ: Mapping[str, str]) -> dict[_Location, str]:
    """Puts the environment's values into the document; says which key got its value from which variable."""
    site = document.setdefault("site", {})
    zone = zone_of(environ)
    if isinstance(site, dict) and is_zone(zone):
        site.setdefault("timezone", zone)

    given: dict[_Location, str] = {}
    grafana = document.setdefault("grafana", {})
    for key, variable in _OF_GRAFANA.items():
        if isinstance(grafana, dict) and (value := environ.get(variable)):
            grafana[key] = value
            given["grafana", key] = variable

    values = {key: environ[variable] for key, variable in _VARIABLES.items() if environ.get(variable)}
    if "url" in values:
        document.setdefault("influxdb", {})
    section = document.get("influxdb")
    if not isinstance(section, dict):
        return given
    if "token" in values or "token_file" in values:
        section.pop("token", None)
        section.pop("token_file", None)
    section.update(values)
    return given | {("influxdb", key): _VARIABLES[key] for key in values}


def _resolve_token(document: dict[str, Any], given: Mapping[_Location, str]) -> Iterator[str]:
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


def _authority_faults(document: Mapping[str, Any], given: Mapping[_Location, str]) -> Iterator[str]:
    name = table(document.get("influxdb")).get("ca_file")
    # What is no path at all is told of with the other values.
    if isinstance(name, str) and name and not characters.told(name) and (fault := authority.fault(Path(name))):
        yield f"{given.get(('influxdb', 'ca_file'), 'influxdb.ca_file')}: {fault}"


_MODELS: Mapping[tuple[str, ...], type[_Section]] = {
    (): Config,
    ("site",): Site,
    ("listen",): Listen,
    ("collector",): Collector,
    ("journal",): Journal,
    ("influxdb",): InfluxDB,
    ("grafana",): Grafana,
    ("metrics",): Metrics,
    ("ecu",): Ecu,
    ("inverter",): Inverter,
    ("inverter", "panels"): Panel,
}


# What pydantic's kinds of error say was wanted; any other kind is shown in pydantic's own words.
_WANTED = {
    "expected": "{what}",
    "string_type": "text in quotes",
    "path_type": "text in quotes",
    "literal_error": "{expected}",
    "string_pattern_mismatch": "12 digits in quotes",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number from {ge:g} up",
    "less_than_equal": "a number up to {le:g}",
    "tuple_type": "a list",
    "model_type": "a table of keys and values",
}


def _fault(error: ErrorDetails, given: Mapping[_Location, str]) -> str:
    """One line for one of pydantic's findings, in the words of whoever wrote the file."""
    location, value = error["loc"], error["input"]
    where = given.get(location) or _dotted(location)
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown key{_did_you_mean(location)}"
    if error["type"] == "missing":
        if location == ("influxdb", "token"):
            return f"{where}: missing (or set token_file, INFLUXDB_TOKEN or INFLUXDB_TOKEN_FILE)"
        variable = _VARIABLES.get(str(location[-1])) if location[0] == "influxdb" else None
        return f"{where}: missing" + (f" (or set {variable})" if variable else "")
    section, key = location[0], location[-1]
    secret = section in ("influxdb", "grafana") and (key in ("influxdb", "token") or "@" in str(value))
    return f"{where}: expected {_wanted(error)}{'' if secret else f', got {shown(value)}'}{characters.told(value)}"


def _dotted(location: _Location) -> str:
    # A key in quotes may hold a line break.
    steps = (step if isinstance(step, int) or step.isprintable() else repr(step) for step in location)
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def _did_you_mean(location: _Location) -> str:
    section = tuple(step for step in location[:-1] if isinstance(step, str))
    fields = _MODELS[section].model_fields
    known = [*(field.alias or name for name, field in fields.items()), *(["token_file"] if "token" in fields else [])]
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f" (did you mean '{close[0]}'?)" if close else f" (known here: {', '.join(known)})"


def _wanted(error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "tuple_type" and error["loc"] in (("ecu",), ("inverter",)):
        return f"tables, each headed [[{error['loc'][0]}]]"
    return _WANTED[kind].format(**context) if kind in _WANTED else f"something else ({error['msg']})"


def _conflicts(document: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong between values that may each be right; on the raw document, so that no other fault hides it."""
    site, listen, influxdb = (table(document.get(key)) for key in ("site", "listen", "influxdb"))
    for one, other in (("latitude", "longitude"), ("longitude", "latitude")):
        if one in site and other not in site:
            yield f"site.{other}: missing, since site.{one} is given"

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

    yield from of_devices(document.get("ecu"), document.get("inverter"))
