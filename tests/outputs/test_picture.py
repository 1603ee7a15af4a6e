"""What a broker is to hold, at chosen instants: states by day and night, and what Home Assistant is told of devices."""

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from collector.analysis.results import ANALYSIS_STATE
from collector.clock.stamps import NS, digits
from collector.config.model import Config
from collector.config.names import Names
from collector.journal.reading import JournalReader
from collector.journal.rounds import rounds_between
from collector.journal.writing import Journal
from collector.ledger.wanted import wanted
from collector.outputs.mqtt._latest import Latest
from collector.outputs.mqtt._published import FORGOTTEN_STATE, STATE
from collector.outputs.mqtt._watch import Watch, options_of
from collector.outputs.mqtt.by_hand import messages
from collector.points.record_decoder import RecordDecoder
from collector.protocol.blocks import Inverter
from collector.protocol.models import OPTIMIZER
from tests.ledger.books import Books
from tests.outputs.home_assistant import faults
from tests.samples import ECU, UID, arrival, config, frame, ns, optimizer, qs1, yc250, yc600, yc1000

QS1 = "806000000202"
NOON = ns("2026-06-21T10:40:00Z")
ROUND_NS = 300 * NS
UTRECHT = {"name": "Home", "timezone": "Europe/Amsterdam", "latitude": 52.09, "longitude": 5.12}
GATEWAY, INVERTER = f"apsystems/home/ecu/{ECU}", f"apsystems/home/inverter/{UID}"


@dataclass
class Home:
    """A journal, and what is configured; clocks show summer time in Amsterdam."""

    path: Path
    sections: dict[str, object]

    @property
    def config(self) -> Config:
        sections = {"site": UTRECHT, "mqtt": {"host": "broker"}, **self.sections}
        return config(self.path, **sections)

    def round(self, at: int, *inverters: Inverter, ecu: str = ECU, received_at: int | None = None) -> None:
        """Store a round of an instant (ns), which comes a minute later."""
        local = at + 2 * 3600 * NS
        version = 16 if any(inverter.model == OPTIMIZER for inverter in inverters) else 18
        raw = frame(digits(local), *inverters, ecu=ecu, version=version)
        with contextlib.closing(Journal(self.path)) as journal:
            journal.append([arrival(raw, at + 60 * NS if received_at is None else received_at)])

    def count(self) -> None:
        """Have the ledger count what is stored."""
        Books(self.path, inverters=tuple(self.sections.get("inverter", ()))).count()  # type: ignore[arg-type]

    def sent(self, at: int) -> dict[str, bytes]:
        return {message.topic: message.payload for message in messages(self.config, at)}

    def state(self, topic: str, at: int) -> dict[str, Any]:
        values = json.loads(self.sent(at)[topic])
        assert isinstance(values, dict)
        return values

    def looks(self) -> Callable[[int], dict[str, dict[str, Any]]]:
        """Asks a service that goes on, each time for the states of its devices by their topics."""
        options = options_of(self.config)
        assert options is not None
        watch = Watch(self.config, Names(self.config), options, 0)

        def look(at: int) -> dict[str, dict[str, Any]]:
            with JournalReader(self.path) as reader:
                sent = [wanted.message for wanted in watch.look(reader, frozenset(), at).messages]
            return {one.topic: json.loads(one.payload) for one in sent if one.topic in (GATEWAY, INVERTER)}

        return look

    def device(self, root: str, at: int = NOON) -> dict[str, Any]:
        values = json.loads(self.sent(at)[f"homeassistant/device/apsystems_{root}/config"])
        assert isinstance(values, dict)
        return values


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "journal.db", {})


def test_by_day_everything_is_told_as_it_was_measured(home: Home) -> None:
    home.round(NOON, yc600(), qs1())
    home.count()
    found = home.state(INVERTER, NOON + 120 * NS)
    assert found == {
        "time": "2026-06-21T12:40:00+02:00",
        "ac_power_w": 45.12,
        "energy_kwh": 0.004,
        "temperature_c": 42,
        "grid_voltage_v": 231,
        "grid_frequency_hz": 49.9,
        "reporting": "ON",
        "panels": {
            "1": {"power_w": 24.0, "voltage_v": 34.1, "current_a": 0.7, "energy_kwh": 0.002},
            "2": {"power_w": 23.0, "voltage_v": 34.2, "current_a": 0.7, "energy_kwh": 0.002},
        },
    }
    assert home.state(GATEWAY, NOON + 120 * NS) == {
        "time": "2026-06-21T12:40:00+02:00",
        "power_w": 190.82,
        "energy_kwh": 0.016,
        "energy_today_kwh": 0.016,
        "midnight": "2026-06-21T00:00:00+02:00",
        "lifetime_kwh": 12345.6,
        "inverters_reporting": 2,
        "inverters_known": 2,
        "reporting": "ON",
        "problem": "OFF",
        "problem_text": "",
    }


def test_no_energy_is_told_before_the_ledger_has_caught_up(home: Home) -> None:
    home.round(NOON, yc600())
    assert wanted(home.config)
    assert home.state(INVERTER, NOON)["energy_kwh"] is None
    assert home.state(GATEWAY, NOON)["energy_kwh"] is None
    home.count()
    assert home.state(INVERTER, NOON)["energy_kwh"] == 0.004


def test_of_a_gateway_that_is_silent_by_day_no_power_is_told_and_its_energies_stay(home: Home) -> None:
    home.round(NOON, yc600())
    home.count()
    for late_s, is_silent in ((950, False), (961, True)):
        at = NOON + late_s * NS
        assert home.state(GATEWAY, at)["reporting"] == ("OFF" if is_silent else "ON")
        assert (home.state(GATEWAY, at)["power_w"] is None) is is_silent
        assert (home.state(INVERTER, at)["temperature_c"] is None) is is_silent
        assert home.state(INVERTER, at)["reporting"] == ("OFF" if is_silent else "ON")
    at = NOON + 3600 * NS
    assert home.state(GATEWAY, at)["energy_kwh"] == 0.004
    assert home.state(INVERTER, at)["panels"]["1"] == {
        "power_w": None,
        "voltage_v": None,
        "current_a": None,
        "energy_kwh": 0.002,
    }
    assert home.state(GATEWAY, at)["problem"] == "ON"
    assert home.state(GATEWAY, at)["problem_text"] == "no record since 2026-06-21T10:40:00Z"


def test_in_the_dark_silence_is_zero_watts_and_nothing_is_wrong(home: Home) -> None:
    evening, night = ns("2026-06-21T19:30:00Z"), ns("2026-06-21T22:30:00Z")
    home.round(evening, yc600())
    home.count()
    found = home.state(GATEWAY, night)
    assert (found["power_w"], found["reporting"], found["problem"]) == (0.0, "ON", "OFF")
    inverter = home.state(INVERTER, night)
    assert (inverter["ac_power_w"], inverter["panels"]["1"]["power_w"], inverter["reporting"]) == (0.0, 0.0, "ON")
    assert inverter["temperature_c"] is None
    assert home.state(GATEWAY, ns("2026-06-22T00:30:00Z"))["energy_today_kwh"] == 0.0


def test_at_dusk_and_where_no_place_is_known_a_silent_power_is_unknown(home: Home) -> None:
    evening = ns("2026-06-21T19:00:00Z")
    home.round(evening, yc600())
    # The sun is 2° above the horizon.
    assert home.state(GATEWAY, ns("2026-06-21T19:45:00Z"))["power_w"] is None
    assert home.state(GATEWAY, ns("2026-06-21T19:45:00Z"))["reporting"] == "ON"
    home.sections["site"] = {"name": "Home", "timezone": "Europe/Amsterdam"}
    assert home.state(GATEWAY, ns("2026-06-21T22:30:00Z"))["power_w"] is None


def test_an_inverter_that_missed_three_rounds_of_its_gateway_does_not_report(home: Home) -> None:
    home.round(NOON, yc600(), qs1())
    for number in (1, 2, 3):
        at = NOON + number * ROUND_NS
        home.round(at, qs1())
        found = home.state(INVERTER, at + 60 * NS)
        assert (found["reporting"], found["ac_power_w"]) == (("OFF", None) if number == 3 else ("ON", 45.12))
    of_gateway = home.state(GATEWAY, NOON + 3 * ROUND_NS + 60 * NS)
    assert (of_gateway["reporting"], of_gateway["problem"]) == ("ON", "OFF")


def test_an_inverter_that_missed_two_hours_of_good_light_is_a_problem(home: Home) -> None:
    home.sections["inverter"] = [{"id": UID, "name": "South"}]
    home.round(NOON, yc600(), qs1())
    for number in range(1, 26):
        home.round(NOON + number * ROUND_NS, qs1())
    found = home.state(GATEWAY, NOON + 25 * ROUND_NS + 60 * NS)
    assert (found["problem"], found["problem_text"]) == ("ON", "silent: South")


def test_after_both_clocks_were_ahead_the_present_is_told_at_once(home: Home) -> None:
    look, ahead = home.looks(), ns("2028-06-21T10:40:00Z")
    home.round(NOON, yc600())
    assert look(NOON + 60 * NS)[GATEWAY]["power_w"] == 45.12
    home.round(ahead, yc600(ac_power_w=99.0))
    assert look(ahead + 60 * NS)[GATEWAY]["power_w"] == 99.0
    for number, power_w in ((1, 50.0), (2, 60.0)):
        home.round(NOON + number * ROUND_NS, yc600(ac_power_w=power_w))
        assert look(NOON + number * ROUND_NS + 60 * NS)[GATEWAY]["power_w"] == power_w
    assert look(NOON + 2 * ROUND_NS + 60 * NS)[GATEWAY]["time"] == "2026-06-21T12:50:00+02:00"


@pytest.mark.parametrize(("gateway_ahead_s", "own_ahead_s"), [(36_000, 0), (0, 360 * 86_400), (360 * 86_400,) * 2])
def test_a_clock_that_was_ahead_keeps_no_silence_from_being_told(
    home: Home, gateway_ahead_s: int, own_ahead_s: int
) -> None:
    home.round(NOON + gateway_ahead_s * NS, yc600(), received_at=NOON + own_ahead_s * NS)
    found = home.state(GATEWAY, NOON + 3600 * NS)
    assert (found["power_w"], found["reporting"], found["problem"]) == (None, "OFF", "ON")


def test_of_two_gateways_of_one_place_the_newer_round_is_told(home: Home) -> None:
    old, new = ECU, "216000099999"
    home.sections["ecu"] = [{"id": old}, {"id": new, "replaces": old}]
    look, ahead = home.looks(), ns("2028-06-21T10:40:00Z")
    home.round(NOON, yc600(ac_power_w=50.0), ecu=new)
    home.round(NOON - 3600 * NS, yc600(ac_power_w=40.0), ecu=old, received_at=NOON + 60 * NS)
    assert look(NOON + 120 * NS)[GATEWAY]["power_w"] == 50.0
    home.round(ahead, yc600(ac_power_w=99.0), ecu=old)
    look(ahead + 60 * NS)
    home.round(NOON + ROUND_NS, yc600(ac_power_w=60.0), ecu=new)
    assert look(NOON + ROUND_NS + 60 * NS)[GATEWAY]["power_w"] == 60.0


def test_by_night_and_at_dusk_inverters_sleep_though_their_gateway_goes_on(home: Home) -> None:
    look, last = home.looks(), ns("2026-06-21T19:15:00Z")
    home.round(last, yc600())
    home.count()
    assert look(last + 60 * NS)[INVERTER]["reporting"] == "ON"
    for number in range(1, 60):
        at = last + number * ROUND_NS
        home.round(at)
        if number not in (4, 59):
            continue
        found = look(at + 60 * NS)
        gateway, inverter = found[GATEWAY], found[INVERTER]
        assert (gateway["reporting"], gateway["problem"], gateway["inverters_reporting"]) == ("ON", "OFF", 0)
        # Nobody knows what the last light gives.
        power_w = None if number == 4 else 0.0
        assert (inverter["reporting"], inverter["ac_power_w"]) == ("ON", power_w)
        assert inverter["panels"]["1"]["power_w"] == power_w


def test_late_data_change_energies_and_no_power(home: Home) -> None:
    home.round(NOON, yc600())
    late = yc600(watts=(300.0, 300.0), wh=(25.0, 25.0), ac_power_w=570.0)
    home.round(NOON - 3600 * NS, late, received_at=NOON + 90 * NS)
    home.count()
    assert home.state(GATEWAY, NOON + 120 * NS)["power_w"] == 45.12
    found = home.state(INVERTER, NOON + 120 * NS)
    assert found["ac_power_w"] == 45.12
    assert found["panels"]["1"]["energy_kwh"] == 0.027


def test_a_record_changes_nothing_that_is_not_newest_or_of_no_gateway_or_without_a_round(home: Home) -> None:
    home.round(NOON, yc600())
    with JournalReader(home.path) as reader:
        (record,) = rounds_between(reader, ECU, "20260621", "20260622")
    decoded = RecordDecoder(Names(home.config), {}).decode(record, frozenset())
    for others in (replace(record, newest=False), replace(record, ecu="")):
        latest = Latest(Names(home.config))
        assert not latest.take(others, decoded)
        assert (latest.gateways, latest.inverters) == ({}, {})
    assert not Latest(Names(home.config)).take(record, replace(decoded, points=()))
    assert Latest(Names(home.config)).take(record, decoded)


def test_a_gateway_of_an_inverter_that_tells_no_ac_power_has_the_usual_share_of_its_dc_power(home: Home) -> None:
    home.round(NOON, yc600(ac_power_w=None), qs1())
    # 24 + 23 + 29 + 38 + 45 + 43 W.
    assert home.state(GATEWAY, NOON)["power_w"] == round(0.94 * 202, 2)
    home.round(NOON + ROUND_NS, optimizer())
    assert home.state(GATEWAY, NOON + ROUND_NS)["power_w"] is None


def test_an_inverter_that_was_forgotten_is_not_counted_any_more(home: Home) -> None:
    look = home.looks()
    home.round(NOON, yc600(), qs1())
    assert look(NOON + 60 * NS)[GATEWAY]["inverters_known"] == 2
    with contextlib.closing(Journal(home.path)) as journal:
        journal.put_state(FORGOTTEN_STATE, {QS1: NOON + 90 * NS})
    assert look(NOON + 120 * NS)[GATEWAY]["inverters_known"] == 1
    assert home.state(GATEWAY, NOON + 120 * NS)["inverters_known"] == 1
    home.round(NOON + ROUND_NS, yc600(), qs1())
    assert look(NOON + ROUND_NS + 60 * NS)[GATEWAY]["inverters_known"] == 2


@pytest.mark.parametrize(
    "inverters", [(yc600(), qs1()), (yc250(), yc1000()), (optimizer(),)], ids=["usual", "others", "optimizers"]
)
def test_home_assistant_takes_every_device(home: Home, inverters: Sequence[Inverter]) -> None:
    home.round(NOON, *inverters)
    sent = home.sent(NOON)
    configs = {topic: payload for topic, payload in sent.items() if topic.startswith("homeassistant/")}
    assert len(configs) == 1 + len(inverters)
    assert {topic: faults(topic, payload) for topic, payload in configs.items()} == {topic: [] for topic in configs}
    for topic, payload in configs.items():
        device = json.loads(payload)
        state = json.loads(sent[device["state_topic"]])
        for key, component in device["components"].items():
            assert value_of(component["value_template"], state) is not MISSING, (topic, key)


MISSING = object()


def value_of(template: str, state: dict[str, Any]) -> object:
    """What a template of ours finds in a state."""
    path = template.removeprefix("{{ value_json.").removesuffix(" }}").replace("['", ".").replace("']", "")
    found: Any = state
    for step in path.split("."):
        found = found.get(step, MISSING)
        if found is MISSING:
            return MISSING
    return found


def test_an_inverter_is_described_as_configured_and_below_its_gateway(home: Home) -> None:
    home.sections["inverter"] = [{"id": UID, "name": "South", "panels": [{"channel": 1, "name": "South 1"}]}]
    home.sections["ecu"] = [{"id": ECU, "name": "Roof"}]
    home.round(NOON, yc600())
    found = home.device(UID)
    assert found["device"] == {
        "identifiers": [f"apsystems_{UID}"],
        "manufacturer": "APsystems",
        "name": "South",
        "model": "YC600",
        "serial_number": UID,
        "via_device": f"apsystems_{ECU}",
    }
    assert found["availability"] == [{"topic": "apsystems/home/status"}]
    assert found["components"]["panel_1_power"] == {
        "platform": "sensor",
        "unique_id": f"{UID}_panel_1_power",
        "name": "South 1 power",
        "device_class": "power",
        "state_class": "measurement",
        "unit_of_measurement": "W",
        "suggested_display_precision": 0,
        "expire_after": 1200,
        "value_template": "{{ value_json.panels['1'].power_w }}",
    }
    assert found["components"]["panel_2_energy"]["name"] == "Panel 2 energy"
    assert home.device(ECU)["device"]["name"] == "Roof"
    today = home.device(ECU)["components"]["energy_today"]
    assert today["last_reset_value_template"] == "{{ value_json.midnight }}"


def test_what_an_inverter_does_not_measure_is_no_entity(home: Home) -> None:
    home.round(NOON, optimizer())
    assert "grid_voltage" not in home.device(optimizer().uid)["components"]


def test_a_replaced_inverter_stays_the_device_that_it_was(home: Home) -> None:
    new = "408000000009"
    home.round(NOON - 3600 * NS, yc600())
    home.count()
    before = home.device(UID)
    home.sections["inverter"] = [{"id": new, "replaces": UID}]
    home.round(NOON, yc600(new))
    home.count()
    after = home.device(UID)
    assert f"homeassistant/device/apsystems_{new}/config" not in home.sent(NOON)
    assert after["device"]["serial_number"] == new
    assert after["device"]["identifiers"] == before["device"]["identifiers"]
    unique = [{one["unique_id"] for one in found["components"].values()} for found in (before, after)]
    assert unique[0] == unique[1]
    assert home.state(INVERTER, NOON)["energy_kwh"] == 0.008


def test_panels_and_discovery_may_be_left_out(home: Home) -> None:
    home.round(NOON, yc600())
    home.sections["mqtt"] = {"host": "broker", "panels": False}
    assert not [key for key in home.device(UID)["components"] if key.startswith("panel_")]
    home.sections["mqtt"] = {"host": "broker", "discovery": False, "prefix": "sun/roof"}
    sent = home.sent(NOON)
    assert {topic for topic, payload in sent.items() if payload} == {
        f"sun/roof/ecu/{ECU}",
        f"sun/roof/inverter/{UID}",
        "sun/roof/status",
    }


def test_what_was_published_and_has_not_reported_of_late_is_there_and_silent(home: Home) -> None:
    home.round(NOON - 86_400 * NS, yc600(), qs1())
    with JournalReader(home.path) as reader:
        options = options_of(home.config)
        assert options is not None
        found = Watch(home.config, Names(home.config), options, 0).look(reader, frozenset(), NOON - 86_400 * NS)
    with contextlib.closing(Journal(home.path)) as journal:
        journal.put_state(STATE, found.published.values())
    home.round(NOON, qs1())
    state = home.state(INVERTER, NOON)
    assert (state["reporting"], state["ac_power_w"], state["time"]) == ("OFF", None, None)
    assert state["panels"].keys() == {"1", "2"}
    assert home.device(UID)["components"].keys() == home.device(UID, NOON - 86_400 * NS)["components"].keys()
    assert home.state(GATEWAY, NOON)["inverters_known"] == 2


def test_a_panel_has_a_problem_once_it_was_analysed(home: Home) -> None:
    home.round(NOON, yc600())
    at = NOON + 60 * NS
    assert "problem" not in home.state(INVERTER, at)["panels"]["1"]
    place = {"ecu": ECU, "inverter": UID, "panel": "South 1", "array": "South"}
    under = {"under_since": "2026-06-01", "under_percent": 33.0, "under_wh": 410.0, "cause": "panel"}
    panels = [{**place, "channel": 1, **under}, {**place, "channel": 2}]
    with contextlib.closing(Journal(home.path)) as journal:
        journal.put_state(ANALYSIS_STATE, {"last": "2026-06-20", "panels": panels})
    found = home.state(INVERTER, at)["panels"]
    assert found["1"]["problem"] == "ON"
    assert found["1"]["problem_text"].startswith("makes 33 % less than its neighbours say that it should")
    assert (found["2"]["problem"], found["2"]["problem_text"]) == ("OFF", "")
    topic = "homeassistant/device/apsystems_408000000001/config"
    entity = home.state(topic, at)["components"]["panel_1_problem"]
    assert (entity["platform"], entity["device_class"]) == ("binary_sensor", "problem")
    assert entity["value_template"] == "{{ value_json.panels['1'].problem }}"
    assert faults(topic, home.sent(at)[topic]) == []
