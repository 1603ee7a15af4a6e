"""Records as points: every measurement, tag and field against values worked out by hand, and the lines they become."""

from collections.abc import Mapping
from dataclasses import replace
from math import inf, nan

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.clock.skew import Skew
from collector.clock.stamps import NS
from collector.config.model import Config
from collector.config.names import Names
from collector.delivery.influx import InfluxSink
from collector.points.decoding import Decoded, FirstSeen, clock_event, decode, unknown_device_event
from collector.points.lines import LineWriter, as_json, tag_value
from collector.points.schema import SCHEMA, Point
from collector.protocol.upload import LateGroup
from tests.conftest import Influx
from tests.protocol.test_roundtrip import damaged
from tests.samples import (
    ECU,
    TIME,
    TIME_UTC,
    UID,
    config,
    control,
    fill_up,
    frame,
    ns,
    optimizer,
    qs1,
    stored,
    versions,
    yc250,
    yc500,
    yc600,
    yc1000,
)

AT = ns(TIME_UTC)
RECEIVED = AT + 90 * NS
OF_INVERTER = ("ecu", "inverter", "inverter_name", "model")

NAMED = config(
    ecu=({"id": ECU, "name": "Roof"},),
    inverter=(
        {
            "id": UID,
            "name": "Attic",
            "panels": (
                {"channel": 1, "name": "South 1", "array": "South", "peak_w": 400.0},
                {"channel": 2, "name": "South 2"},
            ),
        },
    ),
)


def decoded(
    raw: bytes,
    *,
    at: int = RECEIVED,
    settings: Config = NAMED,
    first_seen: FirstSeen | None = None,
    identity: int = 1,
    newest: bool = False,
) -> Decoded:
    return decode(stored(raw, at, identity=identity, newest=newest), Names(settings), first_seen)


def points(raw: bytes, measurement: str = "", **how: int | bool | Config) -> list[Point]:
    """The points of one measurement, or of all."""
    found = decoded(raw, **how)  # type: ignore[arg-type]
    assert found.problems == ()
    assert found.unreadable is None
    return [point for point in found.points if not measurement or point.measurement == measurement]


def events(found: Decoded) -> list[tuple[tuple[str, ...], int, Mapping[str, object]]]:
    """Tags, time and fields of the events, without fields that are absent."""
    return [
        (point.tags, point.time, {name: value for name, value in point.fields.items() if value is not None})
        for point in found.points
        if point.measurement == "event"
    ]


# The promise to everybody's queries, written out a second time on purpose: whoever changes one must mean it.
TABLE = """
ecu        ecu ecu_name
           power_w ac_power_w energy_wh ac_energy_wh lifetime_kwh inverters_reporting:int clock_skew_s
           imported:int import_factor
inverter   ecu inverter inverter_name model
           dc_power_w ac_power_w reactive_power_var energy_wh ac_energy_wh grid_voltage_v grid_frequency_hz
           temperature_c status:int
channel    ecu inverter inverter_name model channel panel array
           power_w voltage_v current_a energy_wh peak_w
phase      ecu inverter inverter_name model phase
           grid_voltage_v ac_power_w reactive_power_var energy_wh
optimizer  ecu inverter inverter_name model
           output_voltage_v output_current_a output_power_w output_energy_wh temperature_c
event      ecu source kind
           text:str inverter:str version:str zone:str skew_s
collector  instance
           records_received:int records_acknowledged:int records_pending:int records_set_aside:int write_errors:int
           connections:int journal_bytes:int disk_free_bytes:int fsync_ms sun_elevation_deg replaced:str
           currency:str voltage_min_v voltage_max_v frequency_min_hz frequency_max_hz price_per_kwh feed_in_per_kwh
           co2_g_per_kwh
output     instance output
           connected:int waiting:int waiting_age_s refused:int commands_refused:int
           last_sent_age_s last_error:str remedy:str
site       ecu
           latitude longitude purchase_price
ecu_day    ecu ecu_name
           energy_wh ac_energy_wh peak_power_w ac_peak_power_w records:int first_s:int last_s:int lifetime_kwh
           counter_wh inverters:int price_per_kwh feed_in_per_kwh imported:int import_factor
inverter_day ecu inverter inverter_name model
           energy_wh ac_energy_wh energy_refused_wh energy_mended_wh peak_power_w records:int rounds:int
           temperature_max_c grid_voltage_max_v grid_voltage_min_v
channel_day ecu inverter inverter_name model channel panel array
           energy_wh energy_refused_wh energy_mended_wh peak_power_w peak_w expected_wh unshaded_wh loss_shade_wh
           loss_fault_wh loss_outage_wh loss_clip_wh
ageing ecu array panel
           rate_percent low_percent high_percent years
shade ecu inverter inverter_name model channel panel array azimuth elevation
           factor
finding ecu inverter inverter_name model channel panel array cause
           lost_percent lost_wh days:int text:str
"""


def written_out() -> dict[str, tuple[tuple[str, ...], dict[str, type]]]:
    kinds = {"": float, "int": int, "str": str}
    found: dict[str, tuple[tuple[str, ...], dict[str, type]]] = {}
    name = ""
    for line in TABLE.strip().splitlines():
        words = line.split()
        if not line.startswith(" "):
            name = words[0]
            found[name] = (tuple(words[1:]), {})
        else:
            found[name][1].update({word.partition(":")[0]: kinds[word.partition(":")[2]] for word in words})
    return found


def test_measurements_tags_fields_and_types_are_those_that_were_promised() -> None:
    assert {name: (found.tags, dict(found.fields)) for name, found in SCHEMA.items()} == written_out()


def test_a_record_gives_its_gateway_inverters_and_channels_at_its_own_time() -> None:
    assert points(frame(TIME, yc600(), qs1())) == [
        # 24 + 23 + 29 + 38 + 45 + 43 W; 4.036 + 12.385 Wh
        Point(
            "ecu",
            (ECU, "Roof"),
            {
                "power_w": 202,
                "ac_power_w": 190.82,
                "energy_wh": 16.421,
                # 3.76 of 4.036 Wh was sent, and so was nearly all of 12.385.
                "ac_energy_wh": 16.105,
                "lifetime_kwh": 12345.6,
                "inverters_reporting": 2,
                "clock_skew_s": None,
            },
            AT,
        ),
        Point(
            "inverter",
            (ECU, UID, "Attic", "YC600"),
            {
                "dc_power_w": 47,
                "ac_power_w": 45.12,
                "reactive_power_var": 1.5,
                "energy_wh": 4.036,
                "ac_energy_wh": 3.76,
                "grid_voltage_v": 231,
                "grid_frequency_hz": 49.9,
                "temperature_c": 42,
                "status": None,
            },
            AT,
        ),
        *(
            Point(
                "channel",
                (ECU, UID, "Attic", "YC600", str(number), f"South {number}", array),
                {"power_w": power, "voltage_v": voltage, "current_a": 0.7, "energy_wh": energy, "peak_w": peak},
                AT,
            )
            for number, array, power, voltage, energy, peak in (
                (1, "South", 24, 34.1, 2.041, 400),
                (2, "Roof", 23, 34.2, 1.995, None),
            )
        ),
        Point(
            "inverter",
            (ECU, "806000000202", "806000000202", "QS1"),
            {
                "dc_power_w": 155,
                "ac_power_w": 145.7,
                "reactive_power_var": 1.2,
                "energy_wh": 12.385,
                "ac_energy_wh": 12.345,
                "grid_voltage_v": 228,
                "grid_frequency_hz": 50,
                "temperature_c": 15,
                "status": None,
            },
            AT,
        ),
        *(
            Point(
                "channel",
                (ECU, "806000000202", "806000000202", "QS1", str(number), f"806000000202-{number}", "Roof"),
                {"power_w": power, "voltage_v": voltage, "current_a": current, "energy_wh": energy, "peak_w": None},
                AT,
            )
            for number, power, voltage, current, energy in (
                (1, 29, 31.0, 1.0, 2.309),
                (2, 38, 34.2, 1.2, 3.070),
                (3, 45, 33.4, 1.4, 3.569),
                (4, 43, 32.9, 1.4, 3.437),
            )
        ),
    ]


def test_a_three_phase_inverter_gives_a_point_a_phase_and_the_mean_of_their_voltages() -> None:
    found = points(frame(TIME, yc1000()))
    assert [point.measurement for point in found] == ["ecu", "inverter", *["channel"] * 4, *["phase"] * 3]
    tags = (ECU, "502000000303", "502000000303", "YC1000")
    assert found[1] == Point(
        "inverter",
        tags,
        {
            "dc_power_w": 848,
            "ac_power_w": 797.4,
            "reactive_power_var": 0.6,
            "energy_wh": 70.832,
            "ac_energy_wh": 66.585,
            "grid_voltage_v": 231,
            "grid_frequency_hz": 50,
            "temperature_c": 47,
            "status": None,
        },
        AT,
    )
    assert [point.tags[4] for point in found[2:6]] == ["1", "2", "3", "4"]
    assert [point.fields["voltage_v"] for point in found[2:6]] == [36.2] * 4
    assert found[6:] == [
        Point(
            "phase",
            (*tags, str(number)),
            {"grid_voltage_v": volts, "ac_power_w": watts, "reactive_power_var": var, "energy_wh": energy},
            AT,
        )
        for number, volts, watts, var, energy in (
            (1, 231, 265.7, 0.1, 22.194),
            (2, 230, 265.8, 0.2, 22.195),
            (3, 232, 265.9, 0.3, 22.196),
        )
    ]


def test_an_optimizer_has_its_output_beside_its_inputs_and_the_header_counts_the_inputs() -> None:
    found = points(frame(TIME, optimizer(), version=16, lifetime_kwh=None))
    tags = (ECU, "601000000707", "601000000707", "OPT")
    # 113.82 + 110.28 W; 9.485 + 9.19 Wh; no lifetime in this header.
    assert found[0].fields == {
        "power_w": 224.1,
        "ac_power_w": None,
        "energy_wh": 18.675,
        "ac_energy_wh": None,
        "lifetime_kwh": None,
        "inverters_reporting": 1,
        "clock_skew_s": None,
    }
    assert [point.measurement for point in found] == ["ecu", "inverter", "channel", "channel", "optimizer"]
    assert {name: value for name, value in found[1].fields.items() if value is not None} == {
        "dc_power_w": 224.1,
        "energy_wh": 18.675,
        "temperature_c": 41,
    }
    assert found[4] == Point(
        "optimizer",
        tags,
        {
            "output_voltage_v": 48.4,
            "output_current_a": 4.5,
            "output_power_w": 217.8,
            "output_energy_wh": 18.15,
            "temperature_c": 41,
        },
        AT,
    )


def test_yc500_and_yc250_count_their_ac_energy_and_the_channels_their_own() -> None:
    found = points(frame(TIME, yc500(), yc250()))
    assert found[0].fields["energy_wh"] == 28.043
    inverters = [point for point in found if point.measurement == "inverter"]
    assert [(point.tags[3], point.fields["energy_wh"]) for point in inverters] == [("YC500", 18.643), ("YC250", 9.4)]
    assert [point.fields["energy_wh"] for point in found if point.measurement == "channel"] == [10.0, 9.834, 10.0]
    # Flags 0 and 7; flags 1 and 9. Minus five degrees.
    assert [point.fields["status"] for point in inverters] == [129, 514]
    assert [point.fields["temperature_c"] for point in inverters] == [38, -5]


def test_plc_blocks_are_a_yc500_with_two_channels_and_a_yc250_with_one() -> None:
    a = "102000000606" + "A" + "00322" + "038" + "12000" + "00500" + "AB3" + "229" + "01000000000" + "010000"
    b = "102000000606" + "B" + "00321" + "037" + "11800" + "00500" + "AB3" + "229" + "00000000010" + "009834"
    zero = "102000000505" + "0" + "00327" + "037" + "12000" + "00500" + "A31" + "230" + "00000000000" + "010000"
    raw = frame(TIME, version=13, broken=(a, b, zero)).replace(b"AA0000000END", b"AA2000000END")
    found = decoded(raw).points
    assert [point.tags[3:5] for point in found if point.measurement == "channel"] == [
        ("YC500", "1"),
        ("YC500", "2"),
        ("YC250", "1"),
    ]
    assert [point.fields["energy_wh"] for point in found if point.measurement == "inverter"] == [19.834, 10.0]


def test_an_unknown_type_is_called_by_its_number() -> None:
    raw = frame(TIME, yc600()).replace(b"40800000000107", b"70300000000117")
    (inverter,) = points(raw, "inverter")
    assert inverter.tags == (ECU, "703000000001", "703000000001", "type 17")
    assert (inverter.fields["dc_power_w"], inverter.fields["ac_power_w"]) == (47, 45.12)


def test_an_ac_power_that_was_not_measured_is_absent_and_one_of_zero_by_night_is_not() -> None:
    (by_day,) = points(frame(TIME, yc600(ac_power_w=None)), "inverter")
    assert by_day.fields["ac_power_w"] is None
    (by_night,) = points(frame(TIME, yc600(watts=(0, 0), wh=(0, 0), ac_power_w=0)), "inverter")
    assert (by_night.fields["dc_power_w"], by_night.fields["ac_power_w"]) == (0, 0)


def test_a_lifetime_of_zero_is_absent() -> None:
    (ecu,) = points(frame(TIME, yc600(), lifetime_kwh=None), "ecu")
    assert ecu.fields["lifetime_kwh"] is None


def test_clock_skew_stands_only_on_a_record_that_was_the_newest() -> None:
    (ecu,) = points(frame(TIME, yc600()), "ecu", newest=True)
    assert ecu.fields["clock_skew_s"] == 90
    (ecu,) = points(frame(TIME, yc600()), "ecu", newest=True, at=AT - 30 * NS)
    assert ecu.fields["clock_skew_s"] == -30
    (ecu,) = points(frame(TIME, yc600()), "ecu")
    assert ecu.fields["clock_skew_s"] is None


def test_a_gateway_with_a_zone_of_its_own_is_read_by_it() -> None:
    fixed = config(ecu=({"id": ECU, "timezone": "Etc/GMT-1"},))
    assert {point.time for point in points(frame(TIME, yc600()), settings=fixed)} == {ns("2026-06-21T11:40:00Z")}


def test_the_same_time_stamp_in_both_hours_of_autumn_is_two_points() -> None:
    raw = frame("20261025023000", yc600())
    times = {points(raw, "ecu", at=ns(at))[0].time for at in ("2026-10-25T00:31:00Z", "2026-10-25T01:31:00Z")}
    assert times == {ns("2026-10-25T00:30:00Z"), ns("2026-10-25T01:30:00Z")}


LATE = (
    LateGroup("20260621115500", (yc600(watts=(11, 12), wh=(0.9, 1.0), ac_power_w=21.62),)),
    LateGroup("20260621120000", (yc600(watts=(13, 14), wh=(1.1, 1.2), ac_power_w=25.38), qs1())),
)


def test_late_groups_give_inverters_and_channels_at_their_own_time_and_no_gateway() -> None:
    found = points(frame(TIME, yc600(), late=LATE))
    assert [point.time for point in found if point.measurement == "ecu"] == [AT]
    assert [(point.tags[1], point.time) for point in found if point.measurement == "inverter"] == [
        (UID, AT),
        (UID, ns("2026-06-21T09:55:00Z")),
        (UID, ns("2026-06-21T10:00:00Z")),
        ("806000000202", ns("2026-06-21T10:00:00Z")),
    ]
    powers = [point.fields["power_w"] for point in found if point.measurement == "channel" and point.tags[1] == UID]
    assert powers == [24, 23, 11, 12, 13, 14]


def test_a_fill_up_message_has_nothing_but_its_late_groups() -> None:
    found = points(fill_up("30260622010512", *LATE))
    assert {point.measurement for point in found} == {"inverter", "channel"}
    assert {point.time for point in found} == {ns("2026-06-21T09:55:00Z"), ns("2026-06-21T10:00:00Z")}


def known(point: Point) -> dict[str, float | int | str]:
    """The fields that are not absent."""
    return {name: value for name, value in point.fields.items() if value is not None}


def test_a_block_that_is_not_understood_leaves_no_sum_of_the_others_but_the_power_of_the_header() -> None:
    part = frame(TIME, yc600(), broken=("odd",)).replace(b"001000000END", b"002000000END")
    told = decoded(part[:30] + b"0000000202" + part[40:])
    assert known(told.points[0]) == {"power_w": 202, "lifetime_kwh": 12345.6, "inverters_reporting": 2}


def test_a_record_of_which_no_block_is_understood_still_tells_of_its_gateway() -> None:
    text = (
        "90100000007705003960030100500130100123400000071000000000001000050020582350000007100000000019000228003002236"
        "000000710000000000030000400400200030000400"
    )
    raw = f"APS18AA238AAAAAAA1{ECU}{241:010d}{0:010d}{123456:010d}{TIME}001000000END{text}END".encode()
    found = decoded(raw)
    ecu, event = found.points
    assert (ecu.measurement, event.measurement) == ("ecu", "event")
    assert known(ecu) == {"power_w": 241, "lifetime_kwh": 12345.6}
    assert found.problems == (f"block not understood (type '05' with 149 characters): {text!r}",)


def test_a_field_that_cannot_be_read_is_absent_and_so_are_the_sums_it_is_a_part_of() -> None:
    raw = frame(TIME, yc600()).replace(b"00199502300", b"0019x502300")
    ecu, inverter, first, second, event = decoded(raw).points
    assert [point.fields["energy_wh"] for point in (ecu, inverter, first, second)] == [None, None, 2.041, None]
    assert [point.fields["ac_energy_wh"] for point in (ecu, inverter)] == [None, None]
    assert [point.fields.get("power_w") for point in (ecu, first, second)] == [47, 24, 23]
    assert ecu.fields["inverters_reporting"] == 1
    assert "(energy_wh of channel 2)" in str(event.fields["text"])


def test_what_late_rounds_are_known_to_have_in_their_header_is_told_but_is_no_event() -> None:
    text = frame(TIME, yc600(), lifetime_kwh=None).decode()
    raw = f"{text[:14]}0001{text[18:30]}0470004337{text[40:]}".encode()
    found = decoded(raw)
    assert [point.measurement for point in found.points] == ["ecu", "inverter", "channel", "channel"]
    assert found.points[0].fields["power_w"] == 47
    assert len(found.problems) == 1


@given(damaged())
def test_no_damage_to_a_record_makes_its_points_fail_or_a_part_count_as_the_sum(text: str) -> None:
    found = decoded(text.encode("utf-8", "replace"), first_seen={})
    writer = LineWriter()
    for point in found.points:
        writer.line(point)
    for ecu in (point for point in found.points if point.measurement == "ecu"):
        if "ADD" not in text and any(problem.startswith("block not understood") for problem in found.problems):
            assert (ecu.fields["ac_power_w"], ecu.fields["ac_energy_wh"]) == (None, None)


def test_an_undecodable_block_is_an_event_and_the_rest_is_there() -> None:
    found = decoded(frame(TIME, yc600(), broken=('40800000000107"odd\\',)))
    assert [point.measurement for point in found.points] == ["ecu", "inverter", "channel", "channel", "event"]
    ((tags, at, fields),) = events(found)
    assert (tags, at) == ((ECU, "data", "undecodable_block"), AT)
    assert "40800000000107" in str(fields["text"])
    assert found.problems
    assert found.unreadable is None


def test_a_late_group_without_a_date_costs_itself_alone() -> None:
    odd = LateGroup("20260230000000", (qs1(),))
    found = decoded(frame(TIME, yc600(), late=(odd, LATE[0])))
    assert [point.time for point in found.points if point.measurement == "inverter"] == [AT, ns("2026-06-21T09:55:00Z")]
    assert [tags for tags, _, _ in events(found)] == [(ECU, "data", "undecodable_block")]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (frame("20260230120000", yc600()), "is not a date"),
        (b'{"F":"0","EST":"20260621124000","SG001":{"EID":"216000123456","D":[]}}', "another maker"),
        (b"APS18 is no record", "not understood"),
    ],
)
def test_what_gives_nothing_says_why(raw: bytes, reason: str) -> None:
    found = decoded(raw)
    assert found.points == ()
    assert reason in (found.unreadable or "")


def test_a_record_without_a_readable_gateway_goes_to_an_unknown_one() -> None:
    inner = frame(TIME, optimizer(), version=16, lifetime_kwh=None, ecu="A--218ECU_R_")
    raw = b'{"F":"0","EST":"20260621124000","APS":"' + inner + b'"}'
    assert {point.tags[0] for point in decoded(raw).points} == {"unknown"}


def test_an_inverter_is_new_once_and_again_when_its_record_is_decoded_again() -> None:
    first = decoded(frame(TIME, yc600(), qs1()), first_seen={}, identity=7)
    assert events(first) == [
        (
            (ECU, "data", "new_inverter"),
            AT,
            {"text": f"inverter {UID} (YC600) reported for the first time", "inverter": UID},
        ),
        (
            (ECU, "data", "new_inverter"),
            # One nanosecond on, since an event with the same tags and time would take the other's place.
            AT + 1,
            {"text": "inverter 806000000202 (QS1) reported for the first time", "inverter": "806000000202"},
        ),
    ]
    known = dict.fromkeys(first.novelties, 7)
    assert set(known) == {(ECU, "inverter", UID), (ECU, "inverter", "806000000202")}
    assert events(decoded(frame("20260621124500", yc600(), qs1()), first_seen=known, identity=8)) == []
    assert decoded(frame(TIME, yc600(), qs1()), first_seen=known, identity=7).points == first.points
    assert events(decoded(frame(TIME, yc600(), qs1()), first_seen=None, identity=7)) == []


def test_an_inverter_that_came_late_is_new_as_well() -> None:
    found = decoded(frame(TIME, yc600(), late=LATE), first_seen={}, identity=7)
    assert [fields["inverter"] for _, _, fields in events(found)] == [UID, "806000000202"]


def test_a_firmware_version_is_new_once() -> None:
    raw = versions("ECU_R_1.2.22")
    first = decoded(raw, first_seen={}, identity=3)
    (report, novelty) = events(first)
    assert report[:2] == ((ECU, "A102", "report"), RECEIVED)
    assert report[2]["version"] == "ECU_R_1.2.22"
    assert novelty == (
        (ECU, "A102", "firmware"),
        RECEIVED,
        {"text": "firmware ECU_R_1.2.22 reported for the first time", "version": "ECU_R_1.2.22"},
    )
    known = {(ECU, "version", "ECU_R_1.2.22"): 3}
    assert len(events(decoded(raw, first_seen=known, identity=4))) == 1
    assert len(events(decoded(versions("ECU_R_1.3"), first_seen=known, identity=5))) == 2
    assert decoded(raw, first_seen=known, identity=3).points == first.points


def test_bytes_of_a_report_that_are_no_text_are_written_out_in_its_event() -> None:
    found = decoded(versions("R1.2.3SAA~--3").replace(b"~", b"\xff"))
    ((_, _, fields),) = events(found)
    assert fields["version"] == r"R1.2.3SAA\xff--3"
    assert LineWriter().line(found.points[0]).isascii()
    assert r'version="R1.2.3SAA\\xff--3"' in LineWriter().line(found.points[0])


def test_an_updates_result_stands_at_its_own_time_however_often_it_comes() -> None:
    raw = control("A147", f"0001{TIME}END40800000000100005203{TIME}")
    first, again = decoded(raw), decoded(raw, at=RECEIVED + 900 * NS, identity=2)
    assert events(first) == events(again)
    assert [(*tags, at) for tags, at, _ in events(first)] == [(ECU, "A147", "report", AT)]


@pytest.mark.parametrize("time", ["20091231225959", "20000101000500", "20260623125000", "22600101000000"])
def test_a_time_that_cannot_be_right_gives_nothing_and_is_named(time: str) -> None:
    received = ns("2026-06-21T10:49:00Z")
    found = decoded(frame(time, yc600()), at=received)
    assert found == Decoded((), unreadable=f"its time is not believable: '{time}'")


@pytest.mark.parametrize("time", ["20100101010000", "20260623124900"])
def test_the_first_and_the_last_time_that_can_be_right(time: str) -> None:
    received = ns("2026-06-21T10:49:00Z")
    assert len(points(frame(time, yc600()), "ecu", at=received)) == 1


def test_a_late_group_of_a_time_that_cannot_be_right_costs_itself_alone() -> None:
    odd = LateGroup("20000101000500", (qs1(),))
    found = decoded(frame(TIME, yc600(), late=(odd, LATE[0])))
    assert [point.time for point in found.points if point.measurement == "inverter"] == [AT, ns("2026-06-21T09:55:00Z")]
    assert found.problems == ("late group: its time is not believable: '20000101000500'",)


def test_a_date_of_the_owner_s_stands_for_the_time_of_the_record_and_says_nothing_about_the_clock() -> None:
    dated = replace(stored(frame("20000101000500", yc600()), RECEIVED, newest=True), dated=AT)
    found = decode(dated, Names(NAMED), None)
    assert {point.time for point in found.points} == {AT}
    assert found.points[0].fields["clock_skew_s"] is None


def test_inverters_that_are_left_out_are_as_if_the_gateway_had_not_reported_them() -> None:
    raw = frame(TIME, yc600(), qs1(), late=(LateGroup("20260621115500", (qs1(), yc600())),))
    without = decode(stored(raw, RECEIVED), Names(NAMED), {}, {"806000000202"})
    only = frame(TIME, yc600(), late=(LateGroup("20260621115500", (yc600(),)),))
    whole = decode(stored(only, RECEIVED), Names(NAMED), {})
    assert without.novelties == whole.novelties == ((ECU, "inverter", UID),)
    places = [[(point.tags, point.time) for point in found.points] for found in (without, whole)]
    assert places[0] == places[1]
    assert without.points[0].fields["energy_wh"] == whole.points[0].fields["energy_wh"]


def test_reports_of_the_control_port_are_events() -> None:
    zone = decoded(control("A104", "2026062112400020260621120000Etc/GMT-1"))
    ((tags, at, fields),) = events(zone)
    assert (tags, at, fields["zone"]) == ((ECU, "A104", "report"), RECEIVED, "Etc/GMT-1")

    state = decoded(control("A123", f"0001{TIME}END{UID}071000" + "1" + "END"))
    ((tags, at, fields),) = events(state)
    assert (tags, at) == ((ECU, "A123", "inverter_status"), AT)
    assert UID in str(fields["text"])

    refused = decoded(control("A111", "000020260621120000"))
    ((tags, at, fields),) = events(refused)
    assert (tags, at) == ((ECU, "A111", "refused_command"), RECEIVED)
    assert "A111" in str(fields["text"])


def test_an_event_quotes_no_more_of_a_message_than_shows_what_it_is() -> None:
    ((_, _, fields),) = events(decoded(control("A111", "7" * 90_000)))
    text = str(fields["text"])
    assert text.startswith("APS")
    assert (len(text), text[-3:]) == (500, "...")
    ((_, _, fields),) = events(decoded(frame(TIME, yc600(), broken=("9" * 90_000,))))
    assert len(str(fields["text"])) == 500


def test_a_report_without_a_usable_time_happened_when_it_came() -> None:
    for time in ("20260230124000", "20000101000500", "22600101000500"):
        ((_, at, _),) = events(decoded(control("A123", f"0001{time}END{UID}0710001END")))
        assert at == RECEIVED


def test_questions_give_nothing_and_are_no_fault() -> None:
    assert decoded(f"APS13AAA22{ECU}".encode()) == Decoded(())
    assert decoded(f"APS1300051A101AAA0{ECU}A10100000000000000END".encode()) == Decoded(())


def test_a_warning_about_a_clock_is_an_event() -> None:
    point = clock_event(ECU, 5, Skew(3600, ("Etc/GMT-1", "Europe/London")))
    assert (point.tags, point.time) == ((ECU, "collector", "clock_skew"), 5)
    assert (point.fields["skew_s"], point.fields["zone"]) == (3600, "Etc/GMT-1")


def test_devices_that_wait_are_an_event_of_their_gateway_or_of_an_unknown_one() -> None:
    (inverters, gateways) = (unknown_device_event(ecu, 5, "waits") for ecu in (ECU, ""))
    assert (inverters.tags, inverters.time) == ((ECU, "collector", "unknown_device"), 5)
    # A series for each id that waits is what must not be.
    assert gateways.tags == ("unknown", "collector", "unknown_device")


def line(measurement: str, tags: tuple[str, ...], fields: Mapping[str, float | int | str | None], time: int = 5) -> str:
    return LineWriter().line(Point(measurement, tags, fields, time))


def test_a_float_never_looks_like_an_integer_and_an_integer_always_does() -> None:
    fields = {"power_w": 47, "energy_wh": 0.001, "inverters_reporting": 2.0, "lifetime_kwh": 1e16}
    assert line("ecu", (ECU, "Roof"), fields) == (
        f"ecu,ecu={ECU},ecu_name=Roof power_w=47.0,energy_wh=0.001,inverters_reporting=2i,lifetime_kwh=1e+16 5"
    )


def test_absent_and_impossible_numbers_are_left_out() -> None:
    fields = {"power_w": nan, "energy_wh": inf, "lifetime_kwh": None, "clock_skew_s": -inf, "inverters_reporting": 1}
    assert line("ecu", (ECU, "Roof"), fields) == f"ecu,ecu={ECU},ecu_name=Roof inverters_reporting=1i 5"


def test_a_point_without_a_value_gives_no_line() -> None:
    assert line("ecu", (ECU, "Roof"), {}) == ""
    assert line("ecu", (ECU, "Roof"), {"power_w": None, "energy_wh": nan}) == ""


def test_tags_and_texts_are_escaped() -> None:
    assert line("event", ("a b", "c,d", "e=f"), {"text": 'say "no\\"'}) == (
        'event,ecu=a\\ b,source=c\\,d,kind=e\\=f text="say \\"no\\\\\\"" 5'
    )


@pytest.mark.parametrize(("value", "tag"), [("a\\", "a"), ("a\\\\", "a"), ("\\", "-"), ("", "-"), ("a\\b", "a\\b")])
def test_a_tag_is_never_empty_nor_ends_in_a_backslash(value: str, tag: str) -> None:
    assert tag_value(value) == tag


def test_a_field_that_is_in_no_table_is_a_bug() -> None:
    with pytest.raises(KeyError):
        line("ecu", (ECU, "Roof"), {"watts": 1.0})
    with pytest.raises(ValueError, match="argument"):
        line("ecu", (ECU,), {"power_w": 1.0})


def test_a_point_as_json_has_its_time_in_utc_to_the_nanosecond() -> None:
    found = as_json(Point("ecu", (ECU, "Roof"), {"power_w": 47, "inverters_reporting": 1, "energy_wh": None}, AT + 1))
    assert found == {
        "measurement": "ecu",
        "tags": {"ecu": ECU, "ecu_name": "Roof"},
        "fields": {"power_w": 47.0, "inverters_reporting": 1},
        "time": "2026-06-21T10:40:00.000000001Z",
    }
    assert as_json(Point("ecu", (ECU, "Roof"), {"power_w": 1.0}, AT))["time"] == TIME_UTC
    assert as_json(Point("ecu", (ECU, "Roof"), {"power_w": 1.0}, AT - NS // 2))["time"] == "2026-06-21T10:39:59.5Z"


# What a configuration takes as a name: printable text of one line.
texts = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), min_size=1, max_size=12)
names = texts | st.text("ab \\,=\"'$#{}\t".replace("\t", ""), min_size=1, max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=64) | st.integers(0, 10**15)


def test_odd_names_and_numbers_come_back_from_influxdb_as_they_are(influx: Influx) -> None:
    sink = InfluxSink(influx.url, influx.org, influx.token, influx.bucket, influx.rollup_bucket)
    sink.connect()
    instants = iter(range(AT, AT + 10**6))

    @settings(max_examples=25, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.lists(st.tuples(names, names, numbers), min_size=1, max_size=40), names)
    def comes_back(rows: list[tuple[str, str, float]], text: str) -> None:
        writer = LineWriter()
        wanted = {}
        lines = []
        for inverter, panel, number in rows:
            at = next(instants)
            tags = (ECU, UID, inverter, "YC600", "1", panel, text)
            lines.append(writer.line(Point("channel", tags, {"power_w": number}, at)))
            wanted[at] = (tag_value(inverter), tag_value(panel), tag_value(text), float(number))
        at = next(instants)
        lines.append(writer.line(Point("event", (ECU, "data", "report"), {"text": text}, at)))
        sink.write("\n".join(lines).encode())
        found = sink.query(
            f'from(bucket: "{influx.bucket}") |> range(start: {TIME_UTC})'
            f" |> filter(fn: (r) => int(v: r._time) >= {min(wanted)} and int(v: r._time) <= {at})"
            " |> map(fn: (r) => ({r with ns: int(v: r._time)}))"
        )
        channels = [row for row in found if row["_measurement"] == "channel"]
        assert {
            row["ns"]: (row["inverter_name"], row["panel"], row["array"], row["_value"]) for row in channels
        } == wanted
        assert [row["_value"] for row in found if row["_measurement"] == "event"] == [text]

    comes_back()
    sink.close()
