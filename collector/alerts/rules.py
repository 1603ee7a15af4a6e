"""The alert rules, as the YAML that Grafana reads: what deserves an owner's attention, and what it says then.

Promises: a message says what happened, to what, what to do, and where to look; a rule is quiet when its query finds
nothing, and keeps its state while the database does not answer, for which one rule alone speaks up; rules touch nothing
of what an owner has set up in Grafana. Refuses: a limit that is no number.

Rules send to the contact point they are given, and else to whatever Grafana's own default policy says.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from collector.alerts import _analysis_queries, _collector_queries, _queries
from collector.boards.kit import health
from collector.boards.kit.board import PROVISIONED_SOURCE
from collector.boards.kit.parts import Json
from collector.boards.write import replace, with_buckets
from collector.condition import COLLECTOR_SILENT_S, SILENT_S, WEAK_SHARE
from collector.errors import ConfigError

FILE_NAME = "rules.yaml"
# One of their own: Grafana sets up alerts before boards, and would make a second folder of the same name for these.
FOLDER = "Solar alerts"

# What a limit may be at all: beyond it is a slip of the keyboard, as a comma for a point.
_VOLTAGE = "SOLAR_GRID_VOLTAGE_MAX_V"
_TEMPERATURE = "SOLAR_INVERTER_TEMPERATURE_MAX_C"
_BELIEVABLE: Mapping[str, tuple[float, float]] = {_VOLTAGE: (90.0, 500.0), _TEMPERATURE: (30.0, 150.0)}
VARIABLES = tuple(_BELIEVABLE)

# Of the three, trouble is for today, a warning for this week, and a notice for some time. Grafana forgets after five
# days what it has sent, so no pause is longer.
_REPEATED_AFTER: Mapping[str, str] = {"critical": "1d", "warning": "3d", "info": "4d"}


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that differ from place to place; without one the voltage of each grid is held against its nominal."""

    grid_voltage_v: float | None = None
    inverter_temperature_c: float = 75.0


def _limit_of(limits: Limits) -> str:
    return "more than 10 % above nominal" if limits.grid_voltage_v is None else f"above {limits.grid_voltage_v:g} V"


def read_limits(environ: Mapping[str, str]) -> Limits:
    """The limits that the environment sets; what is unset or empty has its default. Raises ConfigError."""
    faults = []
    given = {}
    for name, (least, most) in _BELIEVABLE.items():
        if text := environ.get(name, "").strip():
            try:
                given[name] = float(text)
            except ValueError:
                given[name] = math.nan
            if not least <= given[name] <= most:
                faults.append(f"{name}: expected a number from {least:g} to {most:g}")
    if faults:
        raise ConfigError(faults)
    defaults = Limits()
    return Limits(given.get(_VOLTAGE), given.get(_TEMPERATURE, defaults.inverter_temperature_c))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule; it fires for each row of the query whose number is `above` the limit, or else below it.

    `waits` is how long that has to last, `stays` how long it is told after the last time. `link` is the address of the
    board that tells more, below Grafana's own. In `summary` `$number` is the number. `speaks_for_the_database`: fires
    when the query cannot be answered.
    """

    uid: str
    title: str
    query: str
    limit: float
    severity: str
    summary: str
    description: str
    link: str
    above: bool = True
    waits: str = "5m"
    stays: str = "0s"
    speaks_for_the_database: bool = False


# The number of a rule's row, or 0 where it has none: Grafana expands texts then too, and `$values.A` would be an error.
_NUMBER = '(index $values "A").Value'
# Names as they would be spoken: "inverter South A", but "Inverter 6".
_INVERTER = '{{ if not (match "(?i)inverter" (index $labels "inverter")) }}inverter {{ end }}{{ $labels.inverter }}'
_PANEL = '{{ if not (match "(?i)panel" (index $labels "panel")) }}panel {{ end }}{{ $labels.panel }}'

_SITE = "var-site={{ urlquery $labels.ecu }}"
_GATEWAY = f"solar-now?{_SITE}"
_QUALITY = f"solar-quality?{_SITE}"
_COLLECTOR = "solar-quality?var-instance={{ urlquery $labels.instance }}"

_IDLE_S = 10800.0
_TOLERATED_SKEW_S = 600.0


def _gateways(limits: Limits) -> tuple[Rule, ...]:
    return (
        Rule(
            uid="solar-gateway-silent",
            title="Gateway silent",
            query=_queries.gateway_silent(),
            limit=float(SILENT_S),
            severity="critical",
            summary="{{ $labels.site }}: gateway silent for {{ humanizeDuration $number }}",
            description="It is day there, but the ECU {{ $labels.ecu }} sends nothing. Check its power and network,"
            " and that the name of the vendor's cloud still leads to the collector. It keeps its records"
            " and sends them later.",
            link=_GATEWAY,
        ),
        Rule(
            uid="solar-roof-silent",
            title="No inverter reports",
            query=_queries.roof_silent(_IDLE_S),
            limit=_IDLE_S,
            severity="critical",
            summary="{{ $labels.site }}: no inverter has reported for {{ humanizeDuration $number }}",
            description="The gateway is there, but no inverter's data comes, though the sun was high or a week has"
            " passed. Check the circuit breaker of the inverters. Other reasons: a grid outage, deep"
            " snow, closed ports 8995 and 8996.",
            link=_GATEWAY,
        ),
        Rule(
            uid="solar-inverter-silent",
            title="Inverter silent",
            query=_queries.inverter_silent(),
            limit=0.0,
            waits="10m",
            severity="warning",
            summary="{{ $labels.site }}: " + _INVERTER + " silent for {{ humanizeDuration $number }}",
            description="Inverter {{ $labels.inverter_id }} missed two hours in good light in which others of"
            " {{ $labels.site }} reported. If it returns by itself, its radio is weak; if not by tomorrow noon, have"
            " its plug checked. Snow on its panels does the same.",
            link=_QUALITY + "&var-inverter={{ urlquery $labels.inverter }}",
        ),
        Rule(
            uid="solar-grid-voltage",
            title="Grid voltage high",
            query=_queries.grid_voltage_high(limits.grid_voltage_v),
            limit=limits.grid_voltage_v or 0.0,
            stays="30m",
            severity="warning",
            summary='{{ $labels.site }}: grid voltage {{ printf "%.1f" $number }} V',
            description=f"For ten minutes the grid was {_limit_of(limits)}. If it rises further,"
            " inverters switch off. Once is normal. If it comes every sunny day, show the board to the grid"
            " operator, and have the cable measured.",
            link=f"solar-grid?{_SITE}",
        ),
        Rule(
            uid="solar-inverter-hot",
            title="Inverter hot",
            query=_queries.inverter_hot(limits.inverter_temperature_c),
            limit=limits.inverter_temperature_c,
            stays="30m",
            severity="warning",
            summary="{{ $labels.site }}: " + _INVERTER + ' at {{ printf "%.0f" $number }} °C',
            description=f"The inverter was above {limits.inverter_temperature_c:g} °C for ten minutes. Heat"
            " shortens its life and costs energy. Check that air can pass between panels and roof, and compare it with"
            " its neighbours.",
            link=f"solar-day?{_SITE}" + "&var-inverter={{ urlquery $labels.inverter }}",
        ),
        Rule(
            uid="solar-clock-wrong",
            title="Gateway's clock wrong",
            query=_queries.clock_wrong(_TOLERATED_SKEW_S),
            limit=_TOLERATED_SKEW_S,
            waits="30m",
            severity="warning",
            summary="{{ $labels.site }}: the gateway's clock is {{ humanizeDuration $number }} {{ $labels.side }}",
            description="Its records have the wrong time. If it is off by whole hours, the time zone is wrong:"
            " `collector status` names one that fits. Otherwise let the ECU {{ $labels.ecu }} reach a"
            " time server, or set its clock.",
            link=_QUALITY,
        ),
        Rule(
            uid="solar-not-understood",
            title="Data not understood",
            query=_queries.NOT_UNDERSTOOD,
            limit=0.0,
            severity="info",
            summary="{{ $labels.site }}: parts of {{ $number }} records not understood since yesterday",
            description="Nothing is lost: the records are kept. `collector decode` shows the unknown parts; send"
            " that to report a new model. After an update, `collector replay` reads them again.",
            link=_QUALITY,
        ),
    )


def _panels() -> tuple[Rule, ...]:
    return (
        Rule(
            uid="solar-panel-under",
            title="Panel under its expectation",
            query=_analysis_queries.panel_under(),
            limit=0.0,
            severity="warning",
            summary="{{ $labels.site }}: "
            + _PANEL
            + " makes {{ humanizePercentage $number }} less than expected since {{ $labels.since }}",
            description="Its neighbours in array {{ $labels.array }} say what it should have made, with its usual shade"
            " counted in. Probable cause: {{ $labels.cause }}. Look at the panel, its plugs and its inverter; the board"
            " shows what it has lost since.",
            link=f"solar-panel?{_SITE}" + "&var-one_panel={{ urlquery $labels.panel }}",
        ),
        Rule(
            uid="solar-panel-weak",
            title="Panel weak",
            query=_queries.panel_weak(WEAK_SHARE),
            limit=WEAK_SHARE,
            above=False,
            severity="warning",
            summary="{{ $labels.site }}: " + _PANEL + " at {{ humanizePercentage $number }} of its neighbours",
            description="So low on three of the last four sunny days, compared with the median of array"
            " {{ $labels.array }}, for each watt if `peak_w` is known. Look for dirt, shade or a loose plug. The board"
            " shows since when.",
            link=f"solar-panel?{_SITE}" + "&var-one_panel={{ urlquery $labels.panel }}",
        ),
    )


def _collectors() -> tuple[Rule, ...]:
    return (
        Rule(
            uid="solar-database-silent",
            title="Database silent",
            query=_collector_queries.DATABASE,
            limit=0.0,
            severity="critical",
            speaks_for_the_database=True,
            # Grafana fills in nothing when there is no answer.
            summary="InfluxDB does not answer Grafana",
            description="Check that InfluxDB runs, has free space on its disk, and still accepts Grafana's token."
            " The collector keeps every record meanwhile. Until then no other alert can come.",
            link="",
        ),
        Rule(
            uid="solar-collector-silent",
            title="Collector silent",
            query=health.COLLECTOR_SILENT,
            limit=float(COLLECTOR_SILENT_S),
            severity="critical",
            summary="Collector {{ $labels.instance }}: no report for {{ humanizeDuration $number }}",
            description="Check that the collector runs, and read its log. The ECU keeps its records meanwhile and"
            " sends them later. If you removed this collector, the alert ends after two weeks.",
            link=_COLLECTOR,
        ),
        Rule(
            uid="solar-backlog",
            title="Records wait for InfluxDB",
            query=health.PENDING + health.BACKLOG,
            limit=100.0,
            severity="warning",
            summary='Collector {{ $labels.instance }}: {{ printf "%.0f" $number }} records wait for InfluxDB',
            description="They have waited for half an hour or more. None is lost. The collector's log says why"
            " InfluxDB does not take them. After an outage of days, or during a replay, just wait.",
            link=_COLLECTOR,
        ),
        Rule(
            uid="solar-set-aside",
            title="Records set aside",
            query=health.SET_ASIDE,
            limit=0.0,
            severity="info",
            summary='Collector {{ $labels.instance }}: {{ printf "%.0f" $number }} records set aside since yesterday',
            description="They could not be read at all, or InfluxDB refused them. The journal keeps them: `collector"
            " status` names the reason, and `collector replay` tries them again.",
            link=_COLLECTOR,
        ),
        Rule(
            uid="solar-unknown-devices",
            title="Unknown devices wait",
            query=_collector_queries.NEWCOMERS,
            limit=0.0,
            severity="info",
            summary='Unknown {{ if eq (index $labels "ecu") "unknown" }}gateways{{ else }}inverters of gateway '
            "{{ $labels.ecu }}{{ end }} wait to be accepted",
            description="They are more than an owner adds in a day: a faulty device, or somebody who sends false"
            " data. All records are kept. `collector status` names some; if they are yours, run"
            " `collector accept`.",
            link="solar-quality",
        ),
        Rule(
            uid="solar-vendor-command",
            title="Vendor's command refused",
            query=_collector_queries.VENDOR_COMMANDS,
            limit=0.0,
            severity="info",
            summary="The vendor tried to {{ $labels.what }} (gateway {{ $labels.ecu }})",
            description="The vendor's cloud sent this in reply to the mirror. No gateway got it, and none will: the"
            " mirror hands nothing back. Nothing is to be done. `collector mirror --check` shows the bytes.",
            link="solar-quality",
        ),
        Rule(
            uid="solar-disk-full",
            title="Disk full",
            query=_collector_queries.DISK_FULL,
            limit=1_000_000_000.0,
            above=False,
            severity="critical",
            summary="Collector {{ $labels.instance }}: only {{ humanize $number }}B free on the disk",
            description="Make room on the disk of the journal. When it is full, the collector can acknowledge"
            " nothing, and the ECU keeps its records only until its own memory is full.",
            link=_COLLECTOR,
        ),
        Rule(
            uid="solar-disk-fills",
            title="Disk fills up",
            query=_collector_queries.DISK_FILLS,
            limit=14.0,
            above=False,
            waits="1h",
            severity="warning",
            summary='Collector {{ $labels.instance }}: disk full in {{ printf "%.0f" $number }} days',
            description="This is the speed of the past week. Find out what grows: `docker system df`, the"
            " journal, or something else on this disk.",
            link=_COLLECTOR,
        ),
    )


def build(limits: Limits, receiver: str | None) -> Json:
    """All rules in Grafana's form. `receiver` is the contact point that they send to."""
    groups = {
        "Gateways and inverters": ("5m", _gateways(limits)),
        "Panels": ("1h", _panels()),
        "Collector": ("1m", _collectors()),
    }
    return {
        "apiVersion": 1,
        "groups": [
            {
                "orgId": 1,
                "name": name,
                "folder": FOLDER,
                "interval": interval,
                "rules": [_as_grafana(rule, receiver) for rule in rules],
            }
            for name, (interval, rules) in groups.items()
        ],
    }


def _as_grafana(rule: Rule, receiver: str | None) -> Json:
    built: Json = {
        "uid": rule.uid,
        "title": rule.title,
        "condition": "B",
        "data": [
            {
                "refId": "A",
                # Not looked at: the query says itself how far back it reads.
                "relativeTimeRange": {"from": 3600, "to": 0},
                "datasourceUid": PROVISIONED_SOURCE,
                "model": {"refId": "A", "query": rule.query},
            },
            {
                "refId": "B",
                "datasourceUid": "__expr__",
                "model": {
                    "refId": "B",
                    "type": "threshold",
                    "expression": "A",
                    "conditions": [
                        {"evaluator": {"type": "gt" if rule.above else "lt", "params": [rule.limit]}},
                    ],
                },
            },
        ],
        "noDataState": "OK",
        "execErrState": "Alerting" if rule.speaks_for_the_database else "KeepLast",
        "for": rule.waits,
        "keepFiringFor": rule.stays,
        "labels": {"severity": rule.severity},
        "annotations": {
            "summary": rule.summary.replace("$number", _NUMBER),
            "description": rule.description,
            **({"link": "{{ externalURL }}d/" + rule.link} if rule.link else {}),
        },
    }
    if receiver is not None:
        built["notification_settings"] = {
            "receiver": receiver,
            "group_wait": "1m",
            "group_interval": "15m",
            "repeat_interval": _REPEATED_AFTER[rule.severity],
        }
    return built


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such, and in quotes what a newer YAML than ours takes for a number, as 1e5."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None if value[:1].isalpha() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def as_yaml(built: Json) -> str:
    """Grafana's YAML, written so that a change can be read."""
    return yaml.dump(built, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def write_rules(folder: Path, names: Mapping[str, str], limits: Limits, receiver: str | None) -> None:
    """Write the rules into a folder that exists, with the buckets of these names. Raises OSError."""
    built = build(limits, receiver)
    for group in built["groups"]:
        for rule in group["rules"]:
            model = rule["data"][0]["model"]
            model["query"] = with_buckets(model["query"], names)
    replace(folder / FILE_NAME, as_yaml(built))
