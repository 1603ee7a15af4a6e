"""Systems of PVOutput in the configuration: what they are made of, and a key that is in no file and no fault."""

from datetime import date
from pathlib import Path

import pytest

from collector.config.load import load
from collector.errors import ConfigError

ONE = '[[pvoutput]]\nsystem_id = 12345\nkey_file = "key"\n'


def loaded(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    """The faults of a configuration."""
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    try:
        load(path, environ or {})
    except ConfigError as exc:
        return list(exc.faults)
    return []


def test_a_system_has_all_gateways_and_sends_the_voltage_unless_it_says_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        f'{ONE}[[pvoutput]]\nsystem_id = 6\nkey_file = "key"\nfrom = 2026-01-01\ntemperature = "inverter"\n'
    )
    one, other = load(path, {}).pvoutput
    assert (one.ecus, one.array, one.since, one.temperature, one.voltage) == ((), None, None, "", True)
    assert one.url == "https://pvoutput.org/service/r2"
    assert (other.since, other.temperature) == (date(2026, 1, 1), "inverter")


def test_a_key_from_the_environment_is_for_systems_without_a_file_and_shown_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"{ONE}[[pvoutput]]\nsystem_id = 6\n")
    one, other = load(path, {"PVOUTPUT_KEY": "correct-horse"}).pvoutput
    assert one.key is None
    assert other.key is not None
    assert other.key.get_secret_value() == "correct-horse"
    assert "correct-horse" not in repr(other)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("[[pvoutput]]\nkey_file = 'key'", ["pvoutput[0].system_id: missing"]),
        (ONE.replace("12345", "0"), ["pvoutput[0].system_id: expected a number from 1 up, got 0"]),
        (
            "[pvoutput]\nsystem_id = 1\nkey_file = 'key'",
            ["pvoutput: expected tables, each headed [[pvoutput]], got a table"],
        ),
        ("[[pvoutput]]\nsystem_id = 1", ["pvoutput[0].key_file: missing (or set PVOUTPUT_KEY)"]),
        (
            "[[pvoutput]]\nsystem_id = 1\nkey = 'correct-horse'",
            ["pvoutput[0].key: a secret does not belong here: name a file with it as key_file, or set PVOUTPUT_KEY"],
        ),
        (ONE + ONE, ["pvoutput[1].system_id: 12345 is already that of pvoutput[0]"]),
        (
            f"{ONE}ecus = ['216000000001']\n[[ecu]]\nid = '216000000002'",
            ["pvoutput[0].ecus: '216000000001' is no [[ecu]] of this file"],
        ),
        (f"{ONE}ecus = ['216000000001']\n[[ecu]]\nid = '216000000002'\nreplaces = '216000000001'", []),
        (f"{ONE}ecus = ['216000000001']", []),
        (f"{ONE}array = 'South'", ["pvoutput[0].array: 'South' is that of no panel in this file"]),
        (
            f"{ONE}array = 'South'\n[[inverter]]\nid = '408000000001'\npanels = [{{channel = 1, array = 'South'}}]",
            [],
        ),
        (f"{ONE}array = 'Roof'\n[[ecu]]\nid = '216000000002'\nname = 'Roof'", []),
        (
            f"{ONE}ecus = ['216000000002']\narray = 'Roof'\n[[ecu]]\nid = '216000000002'\nname = 'Roof'",
            ["pvoutput[0].array: given besides ecus, one of them is wanted"],
        ),
        (f"{ONE}temperature = 'air'", ["pvoutput[0].temperature: expected 'inverter' or '', got 'air'"]),
    ],
)
def test_faults_are_told(tmp_path: Path, text: str, faults: list[str]) -> None:
    assert loaded(tmp_path, text) == faults


def test_a_bad_key_of_the_environment_is_told_by_its_variable_and_not_shown(tmp_path: Path) -> None:
    (fault,) = loaded(tmp_path, "[[pvoutput]]\nsystem_id = 1", {"PVOUTPUT_KEY": "correct horse"})
    assert fault.startswith("PVOUTPUT_KEY: expected a token")
    assert "horse" not in fault
