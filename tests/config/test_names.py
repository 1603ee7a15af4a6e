"""What the owner calls things: names where there are some, ids where there are none, and a print of all tags."""

import tracemalloc
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from collector.clock.sun import Place
from collector.config.model import Config
from collector.config.names import Names, Panel
from tests.samples import ECU, UID, config, ns

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


# What took the place of something else

OLD, NEW, NEWEST = "408000000011", "408000000012", "408000000013"
OLD_ECU, NEW_ECU, NEWEST_ECU = "216000000011", "216000000012", "216000000013"
AFTER = {OLD: {}, NEW: {"replaces": OLD}, NEWEST: {"replaces": NEW}}
ECUS_AFTER = {OLD_ECU: {}, NEW_ECU: {"replaces": OLD_ECU}, NEWEST_ECU: {"replaces": NEW_ECU}}


def inverter_chain(**entries: Mapping[str, object]) -> Names:
    """Three inverters, each with what is given for `old`, `new` and `newest`."""
    given = zip(AFTER.items(), ("old", "new", "newest"), strict=True)
    return Names(config(inverter=[{"id": uid, **after, **entries.get(which, {})} for (uid, after), which in given]))


def inverter_names(names: Names) -> list[str]:
    return [names.ecu(ECU).inverter_name(uid) for uid in (OLD, NEW, NEWEST)]


def panel_names(names: Names, channel: int = 1) -> list[str]:
    return [names.ecu(ECU).panel(uid, channel).name for uid in (OLD, NEW, NEWEST)]


def on(channel: int, name: str | None = None, **more: object) -> dict[str, object]:
    return {"channel": channel, **({"name": name} if name else {}), **more}


@pytest.mark.parametrize(
    ("entries", "called"),
    [
        ({}, [NEWEST] * 3),
        ({"newest": {"name": "Garage"}}, ["Garage"] * 3),
        ({"old": {"name": "Garage"}}, ["Garage"] * 3),
        ({"old": {"name": "Carport"}, "newest": {"name": "Garage"}}, ["Carport", "Garage", "Garage"]),
        # Of those that came after, the next one; only then those before.
        ({"old": {"name": "Carport"}, "new": {"name": "Garage"}}, ["Carport", "Garage", "Garage"]),
    ],
)
def test_an_inverter_without_a_name_has_that_of_its_place(
    entries: dict[str, dict[str, object]], called: list[str]
) -> None:
    assert inverter_names(inverter_chain(**entries)) == called


def test_a_gateway_without_a_name_has_that_of_its_site() -> None:
    def called(**names: str) -> list[str]:
        ecus = [
            {"id": ecu, **after, **({"name": names[which]} if which in names else {})}
            for (ecu, after), which in zip(ECUS_AFTER.items(), ("old", "new", "newest"), strict=True)
        ]
        built = Names(config(ecu=ecus))
        return [built.ecu(ecu).name for ecu in (OLD_ECU, NEW_ECU, NEWEST_ECU)]

    assert called() == [NEWEST_ECU] * 3
    assert called(newest="Roof") == ["Roof"] * 3
    assert called(old="Roof") == ["Roof"] * 3
    assert called(new="Roof", newest="House") == ["Roof", "Roof", "House"]


def test_an_old_gateway_that_has_no_entry_is_named_all_the_same() -> None:
    names = Names(config(ecu=[{"id": NEW_ECU, "name": "Roof", "replaces": OLD_ECU}]))
    assert names.ecu(OLD_ECU).name == "Roof"
    # Panels without an array belong to the site's, which is called like it.
    assert names.ecu(OLD_ECU).panel(UID, 1).array == "Roof"


def test_a_clock_is_no_name_and_is_each_gateways_own() -> None:
    ecus = [{"id": NEW_ECU, "timezone": "Etc/GMT-1", "replaces": OLD_ECU}]
    names = Names(config(ecu=ecus))
    assert [str(names.ecu(ecu).zone) for ecu in (OLD_ECU, NEW_ECU)] == ["Europe/Amsterdam", "Etc/GMT-1"]


def test_a_channel_without_a_panel_has_that_of_its_place() -> None:
    panels = [on(1, "South 1", array="South", peak_w=400.0), on(2, "South 2", array="South")]
    for whose in ("old", "new", "newest"):
        names = inverter_chain(**{whose: {"panels": panels}})
        assert [names.ecu(ECU).panel(uid, 1) for uid in (OLD, NEW, NEWEST)] == [Panel("South 1", "South", 400)] * 3
        assert panel_names(names, 2) == ["South 2"] * 3
        # Nobody has named this one; it is one panel nevertheless.
        assert panel_names(names, 3) == [f"{NEWEST}-3"] * 3


def test_what_the_owner_says_of_a_channel_counts_before_what_is_inherited() -> None:
    names = inverter_chain(
        old={"panels": [on(1, "P1", array="South", peak_w=300.0), on(2, array="West")]},
        new={"panels": [on(1, peak_w=400.0), on(2, "P2", array="South")]},
    )
    assert names.ecu(ECU).panel(NEW, 1) == Panel("P1", "South", 400)
    assert names.ecu(ECU).panel(OLD, 2) == Panel("P2", "West", None)
    # The panels were plugged in the other way round.
    crossed = inverter_chain(
        old={"panels": [on(1, "P1"), on(2, "P2")]},
        new={"panels": [on(1, "P2")]},
        newest={"panels": [on(1, "P2"), on(2, "P1")]},
    )
    assert panel_names(crossed, 1) == ["P1", "P2", "P2"]
    assert panel_names(crossed, 2) == ["P2", "P1", "P1"]


def test_a_panel_that_is_on_another_channel_now_is_not_inherited_as_well() -> None:
    names = inverter_chain(old={"panels": [on(1, "P1"), on(2, "P2")]}, new={"panels": [on(1, "P2")]})
    assert panel_names(names, 2)[1] == f"{NEWEST}-2"


def test_a_replacement_that_renames_changes_the_print() -> None:
    garage = {"id": OLD, "name": "Garage", "panels": [on(1, "P1")]}
    prints = [
        Names(config(inverter=inverters)).fingerprint()
        for inverters in (
            [garage],
            [garage, {"id": NEW}],
            [garage, {"id": NEW, "replaces": OLD}],
            [garage, {"id": NEW, "name": "New", "replaces": OLD}],
            [{"id": OLD}, {"id": NEW}],
            [{"id": OLD}, {"id": NEW, "replaces": OLD}],
        )
    ]
    assert prints[0] == prints[1]
    assert prints[-2] == Names(config()).fingerprint()
    assert len(set(prints)) == 5
    sites = [
        Names(config(ecu=ecus)).fingerprint()
        for ecus in (
            [{"id": OLD_ECU, "name": "Roof"}, {"id": NEW_ECU}],
            [{"id": OLD_ECU, "name": "Roof"}, {"id": NEW_ECU, "replaces": OLD_ECU}],
            [{"id": OLD_ECU, "name": "Roof"}, {"id": NEW_ECU, "replaces": OLD_ECU, "from": date(2026, 3, 29)}],
        )
    ]
    assert sites[0] != sites[1] == sites[2]


def test_a_gateway_is_at_its_own_place_or_at_that_of_the_site_if_its_clock_fits() -> None:
    at, site = ns("2026-06-21T12:00:00Z"), {"name": "Home", "timezone": "Europe/Amsterdam"}
    utrecht, lisbon = {"latitude": 52.09, "longitude": 5.12}, {"latitude": 38.7, "longitude": -9.1}
    gateways = (
        {"id": ECU, **lisbon},
        {"id": OLD_ECU, "timezone": "America/Phoenix"},
        {"id": NEW_ECU, "replaces": ECU},
    )
    names = Names(config(site={**site, **utrecht}, ecu=gateways))
    assert names.place(ECU, at) == names.place(NEW_ECU, at) == Place(38.7, -9.1)
    assert names.place(OLD_ECU, at) is None
    assert names.place("216000999999", at) == Place(52.09, 5.12)
    assert Names(config(site=site, ecu=gateways)).place("216000999999", at) is None


@pytest.mark.parametrize(
    ("today", "successors"),
    [
        (date(2026, 3, 28), [None, None]),
        (date(2026, 3, 29), [NEW, None]),
        (date(2026, 4, 30), [NEW, None]),
        (date(2026, 5, 1), [NEWEST, NEWEST]),
    ],
)
def test_a_device_is_retired_from_its_day_on(today: date, successors: list[str | None]) -> None:
    chain = inverter_chain(new={"from": date(2026, 3, 29)}, newest={"from": "2026-05-01"}).inverters
    assert [chain.successor(uid, today) for uid in (OLD, NEW)] == successors
    assert chain.successor(NEWEST, today) is None
    assert inverter_chain().inverters.successor(OLD, today) == NEWEST
    assert chain.chain(NEW) == (OLD, NEW, NEWEST)
    assert chain.chain(UID) == (UID,)


def test_who_is_retired_is_told_by_the_day_of_its_own_clock() -> None:
    names = Names(
        config(
            ecu=[
                {"id": OLD_ECU, "timezone": "Pacific/Auckland"},
                {"id": NEW_ECU, "replaces": OLD_ECU, "from": date(2026, 3, 29)},
            ],
            inverter=[{"id": NEW, "replaces": OLD, "from": date(2026, 3, 29)}],
        )
    )
    told = {
        instant: (names.successor(OLD_ECU, ns(instant)), names.replaced(ns(instant)))
        for instant in ("2026-03-28T10:59:59Z", "2026-03-28T11:00:00Z", "2026-03-28T23:00:00Z")
    }
    assert list(told.values()) == [
        (None, []),
        (NEW_ECU, [(OLD_ECU, NEW_ECU)]),
        (NEW_ECU, [(OLD_ECU, NEW_ECU), (OLD, NEW)]),
    ]
