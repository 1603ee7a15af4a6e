"""The documents say what the program does: commands, keys, names and queries in them are tried here."""

import re
import shlex
import time
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import certifi
import pytest

from collector import cli
from collector.boards.write import bucket_names, with_buckets
from collector.clock.stamps import NS
from collector.config.load import load
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
    Site,
    Tariff,
)
from collector.config.names import Names
from collector.points.lines import LineWriter
from collector.points.schema import SCHEMA, Point
from tests.conftest import Influx

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def _keys() -> Iterator[str]:
    sections = (
        *(Site, Grid, Listen, Collector, Journal, Ledger, Analysis, InfluxDB),
        *(Grafana, Metrics, Mqtt, HomeAssistant, PvOutput, Mirror, Ecu, Inverter, Tariff),
    )
    for section in sections:
        for name, field in section.model_fields.items():
            # No key stands in the file.
            if (section, name) != (PvOutput, "key"):
                yield f"{section.__name__.lower()}.{field.alias or name}"
    yield from (f"inverter.{name}" for name in Panel.model_fields)


def test_the_shipped_configuration_loads_on_a_fresh_machine_without_a_database() -> None:
    config = load(ROOT / "config.toml", {})
    assert config.influxdb is None
    assert (*config.listen.data_ports, config.listen.control_port) == (8995, 8996, 8997)


def test_every_example_in_the_shipped_configuration_is_valid_when_it_is_switched_on(tmp_path: Path) -> None:
    lines = (ROOT / "config.toml").read_text(encoding="utf-8").splitlines()
    examples = [re.sub(r"^# ?(?=\w+ = |\[|\]|  \{)", "", line) for line in lines]
    token = tmp_path / "token"
    token.write_text("secret", encoding="utf-8")
    text = "\n".join(examples).replace("/run/secrets/influxdb_token", str(token))
    text = text.replace("/etc/collector/authority.pem", certifi.where())
    assert "influxdb" in tomllib.loads(text)
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    config = load(path, {})
    assert config.influxdb is not None
    assert config.inverter[0].panels[1].peak_w == 400


@pytest.mark.parametrize("key", list(_keys()))
def test_the_readme_names_every_configuration_key(key: str) -> None:
    section, _, name = key.partition(".")
    table = [line for line in README.splitlines() if line.startswith("| `")]
    assert any(f"`{key}`" in row or (f"`[[{section}]]`" in row and f"`{name}`" in row) for row in table)


def _section(heading: str) -> str:
    return README.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_the_readme_tells_of_every_kind_of_gateway_that_the_protocol_knows() -> None:
    protocol = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    known = re.findall(r"^\| ([0-9, ]+) \| [^|]*(?:ECU|optimizers)[^|]* \| \{", protocol, re.MULTILINE)
    rows = re.findall(r"^\| [^|]+ \| ([0-9, ]+) \|", _section("Which ECUs"), re.MULTILINE)
    assert set(re.findall(r"[0-9]+", " ".join(rows))) == set(re.findall(r"[0-9]+", " ".join(known)))


def test_the_readme_asks_the_owners_of_gateways_that_another_project_calls_incompatible_for_a_report() -> None:
    (asked,) = re.findall(r"\*\*Do you have (.+?)\? Please report how it goes\*\*", _section("Which ECUs"))
    assert re.findall(r"\(([0-9]+)\)", asked) == ["215", "2162", "2160"]


def test_32_bit_arm_is_ruled_out_where_one_starts_and_for_the_reason_that_is_told() -> None:
    assert "**32-bit ARM**" in _section("Start")
    # Compiled for each kind of machine, so none of its packages is for all of them.
    assert "Root-Is-Purelib: false" in str(distribution("psutil").read_text("WHEEL"))


@pytest.mark.parametrize("page", ["README.md", "docs/backup.md"])
def test_an_upgrade_with_docker_makes_the_image_anew(page: str) -> None:
    assert "docker compose up -d --build" in (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("example", _blocks("toml"))
def test_every_example_of_a_configuration_in_the_readme_is_valid(tmp_path: Path, example: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(example, encoding="utf-8")
    load(path, {})


@pytest.mark.parametrize("measurement", SCHEMA)
def test_the_readme_names_every_tag_and_field_of_a_measurement(measurement: str) -> None:
    row = next(line for line in README.splitlines() if line.startswith(f"| `{measurement}` |"))
    _, _, tags, fields, _ = row.split("|")
    assert re.findall(r"`(\w+)`", fields) == list(SCHEMA[measurement].fields)
    named = re.findall(r"`(\w+)`", tags)
    if "as `inverter`" in tags:
        named = [*SCHEMA["inverter"].tags, *(name for name in named if name != "inverter")]
    assert named == list(SCHEMA[measurement].tags)


def test_every_command_line_in_the_readme_is_one_the_program_takes(capsys: pytest.CaptureFixture[str]) -> None:
    commands = [shlex.split(line, comments=True) for block in _blocks("sh") for line in block.splitlines()]
    ours = [
        words[words.index("collector") + 1 :] for words in commands if "collector" in words and words[0] != "docker"
    ]
    ours += [words[1:] for words in (c.split() for c in re.findall(r"`collector ([a-z-]+)", README)) if words]
    names = {words[0] for words in ours if words} | set(re.findall(r"`collector ([a-z-]+)", README))
    assert {"run", "check-config", "status", "decode", "replay"} <= names
    for name in sorted(names):
        with pytest.raises(SystemExit) as exits:
            cli.main([name, "--help"])
        assert exits.value.code == 0, name
    capsys.readouterr()


def test_ci_runs_the_test_command_of_the_readme() -> None:
    command = next(line for block in _blocks("sh") for line in block.splitlines() if line.endswith("pytest"))
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("path", sorted({*re.findall(r"\]\((?!http|#)([^)]+)\)", README)}))
def test_every_link_into_the_repository_leads_somewhere(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("anchor", sorted({*re.findall(r"\]\(#([^)]+)\)", README)}))
def test_every_link_within_the_readme_leads_to_a_heading(anchor: str) -> None:
    headings = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    assert anchor in {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.fixture
def site(influx: Influx) -> Influx:
    """Two hours of two panels of one array, one of them at half power, and an event."""
    names = Names(Config()).ecu("216000000001")
    now = time.time_ns()
    written = LineWriter()
    lines = []
    for step in range(24):
        at = now - (300 * step + 60) * NS
        tags = (names.id, "408000000001", "408000000001", "YC600")
        lines.append(written.line(Point("ecu", (names.id, names.name), {"power_w": 300.0, "energy_wh": 25.0}, at)))
        lines.append(written.line(Point("inverter", tags, {"temperature_c": 20.0 + step}, at)))
        for channel, power_w in ((1, 200.0), (2, 100.0)):
            panel = names.panel("408000000001", channel)
            place = (*tags, str(channel), panel.name, panel.array)
            fields = {"power_w": power_w, "energy_wh": power_w / 12}
            lines.append(written.line(Point("channel", place, fields, at)))
    days = [
        written.line(Point("ecu_day", (names.id, names.name), {"energy_wh": 1000.0, **more}, now - age * 86400 * NS))
        for age, more in enumerate(({"ac_energy_wh": 940.0}, {}), 1)
    ]
    lines.append(written.line(Point("event", (names.id, "data", "new_inverter"), {"text": "first seen"}, now - NS)))
    influx.api.create_bucket(influx.bucket)
    influx.api.write(influx.bucket, "\n".join(lines))
    influx.api.create_bucket(influx.rollup_bucket)
    influx.api.write(influx.rollup_bucket, "\n".join(days))
    return influx


def asked(site: Influx, query: str) -> list[dict[str, str]]:
    return site.query(with_buckets(query, bucket_names(site.bucket, site.rollup_bucket)))


@pytest.mark.parametrize("query", _blocks("flux"))
def test_every_flux_example_finds_what_it_is_about(site: Influx, query: str) -> None:
    assert asked(site, query)


def test_the_energy_of_days_is_ac_where_it_is_told(site: Influx) -> None:
    query = next(block for block in _blocks("flux") if "ecu_day" in block)
    assert [float(row["_value"]) for row in asked(site, query)] == [1000, 940]


def test_the_comparison_of_panels_gives_the_ratio_to_the_middle_of_the_array(site: Influx) -> None:
    query = next(block for block in _blocks("flux") if "quantile(q: 0.501" in block)
    rows = asked(site, query)
    ratios = {row["panel"]: float(row["ratio"]) for row in rows}
    assert ratios == pytest.approx({"408000000001-1": 1, "408000000001-2": 1 / 2})
