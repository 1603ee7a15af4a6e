"""What the owner calls things: names where there are some, ids where there are none, and a print of all tags."""

import tracemalloc
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from collector.config import Config
from collector.names import Names, Panel
from tests.samples import ECU, UID, config

PANELS = (
    {"channel": 1, "name": "South 1", "array": "South", "peak_w": 400.0},
    {"channel": 3},
    {"channel": 2, "array": "West"},
)


def named(**changes: object) -> Config:
    ecu = {"id": ECU, "name": "Roof", "timezone": "Etc/GMT-1"}
    sections = {"ecu": (ecu,), "inverter": ({"id": UID, "name": "Attic", "panels": PANELS},), **changes}
    return config(Path("journal.db"), **sections)


def test_what_has_no_name_is_called_by_its_id() -> None:
    ecu = Names(config()).ecu(ECU)
    assert (ecu.id, ecu.name, ecu.zone) == (ECU, ECU, ZoneInfo("Europe/Amsterdam"))
    assert ecu.inverter_name(UID) == UID
    assert ecu.panel(UID, 2) == Panel(f"{UID}-2", ECU, None)


def test_names_zone_and_peak_power_come_from_the_configuration() -> None:
    ecu = Names(named()).ecu(ECU)
    assert (ecu.name, ecu.zone, ecu.inverter_name(UID)) == ("Roof", ZoneInfo("Etc/GMT-1"), "Attic")
    assert ecu.panel(UID, 1) == Panel("South 1", "South", 400)
    # Half an entry is completed like none.
    assert ecu.panel(UID, 2) == Panel(f"{UID}-2", "West", None)
    assert ecu.panel(UID, 3) == Panel(f"{UID}-3", "Roof", None)
    assert ecu.panel(UID, 4) == Panel(f"{UID}-4", "Roof", None)


def test_a_panel_without_an_array_belongs_to_that_of_its_own_gateway() -> None:
    names = Names(named())
    assert names.ecu(ECU).panel(UID, 3).array == "Roof"
    assert names.ecu("216000999999").panel(UID, 3).array == "216000999999"


def test_a_gateway_without_a_zone_shows_that_of_the_site() -> None:
    assert Names(named(ecu=({"id": ECU, "name": "Roof"},))).ecu(ECU).zone == ZoneInfo("Europe/Amsterdam")
    assert Names(named()).ecu("216000999999").zone == ZoneInfo("Europe/Amsterdam")


@pytest.mark.parametrize(
    "changes",
    [
        {"ecu": ({"id": ECU, "name": "Shed"},)},
        {"ecu": ()},
        {"inverter": ({"id": UID, "name": "Cellar", "panels": PANELS},)},
        {"inverter": ({"id": UID, "name": "Attic", "panels": PANELS[:1]},)},
        {"inverter": ({"id": UID, "name": "Attic", "panels": ({"channel": 1, "name": "South 1"}, *PANELS[1:])},)},
        {"inverter": ({"id": UID, "name": "Attic", "panels": ({"channel": 1, "array": "South"}, *PANELS[1:])},)},
        {"inverter": ({"id": "408000000009", "name": "Attic", "panels": PANELS},)},
        {"ecu": ({"id": ECU, "name": "Roof", "timezone": "Europe/Berlin"},)},
        {"ecu": ({"id": ECU, "name": "Roof"},)},
        {"site": {"name": "Home", "timezone": "UTC"}},
    ],
)
def test_a_name_that_is_a_tag_or_a_time_zone_changes_the_print(changes: dict[str, object]) -> None:
    assert Names(named(**changes)).fingerprint() != Names(named()).fingerprint()


@pytest.mark.parametrize(
    "changes",
    [
        {"ecu": ({"id": "216000999999"}, {"id": ECU, "name": "Roof", "timezone": "Etc/GMT-1"})},
        {"inverter": ({"id": UID, "name": "Attic", "panels": ({**PANELS[0], "peak_w": 380.0}, *PANELS[1:])},)},
        {"inverter": ({"id": UID, "name": "Attic", "panels": PANELS[::-1]},)},
        {"site": {"name": "Elsewhere", "timezone": "Europe/Amsterdam"}},
    ],
)
def test_what_is_neither_does_not(changes: dict[str, object]) -> None:
    assert Names(named(**changes)).fingerprint() == Names(named()).fingerprint()


def test_the_print_of_earlier_collectors_is_known_by_its_value() -> None:
    # As version 0.1.0 has computed and kept them.
    assert Names(config()).fingerprint_of_before() == "8b9ceec9d051dafc"
    assert Names(named()).fingerprint_of_before() == "29ab25b78f423af9"


def test_a_thousand_gateways_share_what_the_configuration_calls_their_panels() -> None:
    inverters = [
        {
            "id": f"408{number:09d}",
            "panels": [{"channel": channel, "name": f"{number} {channel}"} for channel in (1, 2)],
        }
        for number in range(1000)
    ]
    names = Names(config(inverter=inverters))
    tracemalloc.start()
    try:
        panels = [names.ecu(f"216{number:09d}").panel(f"408{number:09d}", 2).name for number in range(1000)]
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert panels == [f"{number} 2" for number in range(1000)]
    # With a copy for each of them it would be more than a hundred.
    assert held < 2_000_000
