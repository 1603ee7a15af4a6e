"""Recorded messages of real gateways, where they are at hand: the figures worked out on them must come out."""

import pytest

from collector.protocol.answers import answer
from collector.protocol.blocks import Inverter
from collector.protocol.fields import total
from collector.protocol.kinds import Kind
from collector.protocol.messages import read
from collector.protocol.upload import Upload, decode, encode
from tests.protocol.helpers import captured, three_ways
from tests.samples import known


def uploads() -> dict[str, str]:
    """The frames of the data ports by their time stamp."""
    frames = [frame for _, frame in captured("upload.txt")]
    assert len(frames) == 6
    return {read(frame.encode()).time: frame for frame in frames}


def yc600_and_qs1() -> tuple[str, Upload]:
    frame = uploads()["20240206112214"]
    return frame, decode(frame)


def seconds_that_fit(inverter: Inverter) -> list[int]:
    """Lengths of the interval for which every channel's power is its energy over that time, cut to whole watts."""
    return [
        seconds
        for seconds in range(1, 1801)
        if all(
            round(known(channel.energy_wh) * 1000) * 3600 // (1000 * seconds) == channel.power_w
            for channel in inverter.channels
        )
    ]


def test_every_recorded_upload_is_a_record_however_it_arrives_and_is_answered_with_its_own_time() -> None:
    for time, frame in uploads().items():
        message = three_ways(frame.encode())
        assert message.kind is Kind.RECORD
        assert answer(message) == f"101{time}".encode()
        assert decode(frame).problems == ()


def test_the_record_of_2024_has_its_known_values() -> None:
    _, upload = yc600_and_qs1()
    assert (upload.version, upload.ecu, upload.time) == (18, "216000064136", "20240206112214")
    assert (upload.power_w, upload.lifetime_kwh) == (190, 2127.9)
    two, four = upload.inverters
    assert (two.model, four.model) == ("YC600", "QS1")
    assert [(c.power_w, c.energy_wh) for c in two.channels] == [(17, 1.409), (18, 1.419)]
    assert [(c.power_w, c.energy_wh) for c in four.channels] == [(29, 2.309), (38, 3.07), (45, 3.569), (43, 3.437)]
    volt_amperes = [round((c.voltage_v or 0) * (c.current_a or 0), 2) for i in upload.inverters for c in i.channels]
    assert volt_amperes == [16.9, 16.95, 31.1, 41.04, 46.76, 46.06]
    assert (two.temperature_c, four.temperature_c) == (13, 15)


def test_the_header_of_2024_counts_watts_and_ac_power_is_94_percent_in_each_types_own_scale() -> None:
    _, upload = yc600_and_qs1()
    assert upload.power_w == total(known(inverter.dc_power_w) for inverter in upload.inverters) == 35 + 155
    assert [inverter.ac_power_w for inverter in upload.inverters] == [32.9, 145.7]
    assert [round(0.94 * known(inverter.dc_power_w), 1) for inverter in upload.inverters] == [32.9, 145.7]


def test_energy_over_time_gives_the_power_of_every_channel_for_the_seconds_known() -> None:
    _, upload = yc600_and_qs1()
    assert [seconds_that_fit(inverter) for inverter in upload.inverters] == [[282, 283], [284, 285]]


def test_writing_the_record_of_2024_gives_the_same_bytes() -> None:
    frame, upload = yc600_and_qs1()
    assert encode(upload, length_pad="A", interval_energy=False) == frame


@pytest.mark.parametrize(
    ("time", "power_w", "pv_w", "output_w"),
    [
        ("20160922191704", 18079.202, 18079.2, 17446.5),
        ("20160922192704", 18152.296, 18152.299, 17430.1),
        ("20160922200206", 17938.3, 17938.296, 17271.298),
    ],
)
def test_the_optimizers_of_2016_add_up_to_their_headers(
    time: str, power_w: float, pv_w: float, output_w: float
) -> None:
    frame = uploads()[time]
    upload = decode(frame)
    assert len(upload.inverters) == 58
    assert upload.power_w == power_w
    assert total(known(inverter.dc_power_w) for inverter in upload.inverters) == pytest.approx(pv_w, abs=0.0005)
    outputs_w = total(known(inverter.output.power_w) for inverter in upload.inverters if inverter.output)
    assert outputs_w == pytest.approx(output_w, abs=0.003)
    assert outputs_w == pytest.approx(int(frame[40:50]) / 1000, abs=0.005)


@pytest.mark.parametrize(
    ("before", "time", "grown_wh", "pv_wh"),
    [
        ("20160922191704", "20160922192704", 3022.036, 3022.01),
        ("20160922195206", "20160922200206", 2868.94, 2868.909),
    ],
)
def test_the_running_total_of_2016_grows_by_the_energies_of_the_inputs(
    before: str, time: str, grown_wh: float, pv_wh: float
) -> None:
    frames = uploads()
    grown = (int(frames[time][60:70]) - int(frames[before][60:70])) / 1000
    assert (grown, decode(frames[time]).energy_wh) == (grown_wh, pv_wh)


@pytest.mark.parametrize(
    ("time", "kept"),
    [
        ("20160922190704", 0),
        ("20160922191704", 57),
        ("20160922192704", 58),
        ("20160922195206", 0),
        ("20160922200206", 58),
    ],
)
def test_an_output_energy_of_2016_is_kept_only_where_it_is_that_of_the_interval(time: str, kept: int) -> None:
    """In two of the records the inputs have produced nothing, and the output energy is a running total."""
    energies_wh = [inverter.output.energy_wh for inverter in decode(uploads()[time]).inverters if inverter.output]
    assert len(energies_wh) == 58
    assert sum(1 for energy_wh in energies_wh if energy_wh) == kept
    assert max((energy_wh for energy_wh in energies_wh if energy_wh), default=0) < 100


def test_what_was_no_measurement_in_2016_is_left_out() -> None:
    for time in ("20160922190704", "20160922200206"):
        for inverter in decode(uploads()[time]).inverters:
            assert inverter.model == "OPT"
            assert inverter.temperature_c is None
            assert [channel.current_a for channel in inverter.channels] == [None, None]


def test_every_recorded_control_message_has_its_kind_and_its_answer_or_none() -> None:
    seen = dict.fromkeys(Kind, 0)
    done = b""
    for comment, line in captured("control.txt"):
        message = three_ways(line.encode())
        seen[message.kind] += 1
        reply = answer(message)
        if "; poll" in comment:
            assert message.kind is Kind.POLL
            assert reply is not None
            done = reply
        elif "NOTHING TO DO" in comment:
            assert message.kind is Kind.REPORT
            assert line.encode() == done
        elif "; SET " in comment:
            assert message.kind is Kind.REFUSED
        elif "report request" in comment:
            assert message.kind is Kind.UNKNOWN
        else:
            assert "acknowledge of" in comment or "report: " in comment
            assert message.kind is Kind.REPORT
            assert message.ecu == ("" if "ECU id field garbled" in comment else "213000000017")
        assert (reply is None) == (message.kind is not Kind.POLL)
    assert sum(seen.values()) == 49
    assert (seen[Kind.POLL], seen[Kind.REFUSED], seen[Kind.UNKNOWN]) == (12, 9, 1)
