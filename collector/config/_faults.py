"""What pydantic finds wrong with a configuration, in the words of whoever wrote the file. Pure."""

import difflib
from collections.abc import Mapping

from pydantic_core import ErrorDetails

from collector.config import characters
from collector.config._conflicts import shown
from collector.config.model import (
    Analysis,
    Collector,
    Config,
    Ecu,
    Grafana,
    Grid,
    HomeAssistant,
    InfluxDB,
    Inverter,
    Journal,
    Ledger,
    Listen,
    Metrics,
    Mirror,
    Mqtt,
    Panel,
    PvOutput,
    Section,
    Site,
    Tariff,
)

Location = tuple[str | int, ...]

VARIABLES = {
    "url": "INFLUXDB_URL",
    "org": "INFLUXDB_ORG",
    "token": "INFLUXDB_TOKEN",
    "token_file": "INFLUXDB_TOKEN_FILE",
    "ca_file": "INFLUXDB_CA_FILE",
}


_MODELS: Mapping[tuple[str, ...], type[Section]] = {
    (): Config,
    ("site",): Site,
    ("grid",): Grid,
    ("listen",): Listen,
    ("collector",): Collector,
    ("journal",): Journal,
    ("influxdb",): InfluxDB,
    ("ledger",): Ledger,
    ("analysis",): Analysis,
    ("grafana",): Grafana,
    ("metrics",): Metrics,
    ("mqtt",): Mqtt,
    ("homeassistant",): HomeAssistant,
    ("pvoutput",): PvOutput,
    ("mirror",): Mirror,
    ("ecu",): Ecu,
    ("inverter",): Inverter,
    ("inverter", "panels"): Panel,
    ("tariff",): Tariff,
}


# What pydantic's kinds of error say was wanted; any other kind is shown in pydantic's own words.
_WANTED = {
    "expected": "{what}",
    "string_type": "text in quotes",
    "path_type": "text in quotes",
    "literal_error": "{expected}",
    "string_pattern_mismatch": "12 digits in quotes",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number from {ge:g} up",
    "less_than_equal": "a number up to {le:g}",
    "tuple_type": "a list",
    "model_type": "a table of keys and values",
}


def told_fault(error: ErrorDetails, given: Mapping[Location, str]) -> str:
    """One line for one of pydantic's findings, in the words of whoever wrote the file."""
    location, value = error["loc"], error["input"]
    where = given.get(location) or _dotted(location)
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown key{_did_you_mean(location)}"
    if error["type"] == "missing":
        if location == ("influxdb", "token"):
            return f"{where}: missing (or set token_file, INFLUXDB_TOKEN or INFLUXDB_TOKEN_FILE)"
        variable = VARIABLES.get(str(location[-1])) if location[0] == "influxdb" else None
        return f"{where}: missing" + (f" (or set {variable})" if variable else "")
    section, key = location[0], location[-1]
    is_key = (section, key) == ("pvoutput", "key")
    secret = is_key or (section in ("influxdb", "grafana") and (key in ("influxdb", "token") or "@" in str(value)))
    return f"{where}: expected {_wanted(error)}{'' if secret else f', got {shown(value)}'}{characters.told(value)}"


def _dotted(location: Location) -> str:
    # A key in quotes may hold a line break.
    steps = (step if isinstance(step, int) or step.isprintable() else repr(step) for step in location)
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def _did_you_mean(location: Location) -> str:
    section = tuple(step for step in location[:-1] if isinstance(step, str))
    fields = _MODELS[section].model_fields
    known = [*(field.alias or name for name, field in fields.items()), *(["token_file"] if "token" in fields else [])]
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f" (did you mean '{close[0]}'?)" if close else f" (known here: {', '.join(known)})"


def _wanted(error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "tuple_type" and error["loc"] in (("pvoutput",), ("ecu",), ("inverter",), ("tariff",)):
        return f"tables, each headed [[{error['loc'][0]}]]"
    return _WANTED[kind].format(**context) if kind in _WANTED else f"something else ({error['msg']})"
