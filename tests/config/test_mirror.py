"""The mirror in the configuration: off by default, and what is refused with its reason."""

from datetime import date
from pathlib import Path

import pytest

from collector.config.load import load
from collector.errors import ConfigError


def loaded(folder: Path, text: str) -> list[str]:
    path = folder / "config.toml"
    path.write_text(f"[mirror]\n{text}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    return list(caught.value.faults)


def test_it_is_off_and_leads_to_the_vendors_cloud(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("")
    mirror = load(tmp_path / "config.toml", {}).mirror
    assert mirror.enabled is False
    assert (mirror.data_host, mirror.data_ports, mirror.control_port) == ("ecu.apsystemsema.com", (8995, 8996), 8997)
    assert (mirror.control, mirror.resolver, mirror.address, mirror.since) == ("pushes", "1.1.1.1", None, "now")


@pytest.mark.parametrize("since", ["2026-01-01", '"2026-01-01"'])
def test_a_day_is_a_day_however_it_is_written(tmp_path: Path, since: str) -> None:
    (tmp_path / "config.toml").write_text(f'[mirror]\nsince = {since}\necus = ["216000000001"]\n')
    mirror = load(tmp_path / "config.toml", {}).mirror
    assert (mirror.since, mirror.ecus) == (date(2026, 1, 1), ("216000000001",))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            'control = "poll"',
            "mirror.control: expected 'pushes' or 'none': a poll asks the vendor for commands, and no gateway would"
            " ever get them, got 'poll'",
        ),
        ('control = "all"', "mirror.control: expected 'pushes' or 'none', got 'all'"),
        (
            "data_ports = [8995, 9220]",
            "mirror.data_ports[1]: expected no port by which gateways get updates: to 21, 9219, 9220 and 9222 nothing"
            " is ever sent, got 9220",
        ),
        ("data_ports = []", "mirror.data_ports: expected at least one, got an empty list"),
        ('resolver = "dns.example"', "mirror.resolver: expected an address alone, as 192.0.2.10, got 'dns.example'"),
        ('address = "0.0.0.0"', "mirror.address: expected the address of one machine, got '0.0.0.0'"),
        ('since = "then"', "mirror.since: expected 'now' or a day, as 2026-03-29, got 'then'"),
        ("enabld = true", "mirror.enabld: unknown key (did you mean 'enabled'?)"),
    ],
)
def test_what_can_not_be_is_told(tmp_path: Path, text: str, fault: str) -> None:
    assert loaded(tmp_path, text) == [fault]


@pytest.mark.parametrize("port", [21, 9219, 9220, 9222])
def test_no_port_of_updates_is_ever_sent_to(tmp_path: Path, port: int) -> None:
    (fault,) = loaded(tmp_path, f"control_port = {port}")
    assert fault.startswith("mirror.control_port: expected no port by which gateways get updates")
