"""What is written is read back as it was, for every version and type; and no text whatever raises."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.protocol import control
from collector.protocol.answers import answer
from collector.protocol.blocks import Channel, Inverter, Output, Phase, decode_blocks, encode_blocks
from collector.protocol.kinds import Kind
from collector.protocol.messages import read
from collector.protocol.models import dialect
from collector.protocol.upload import Upload, carries_late_data, decode, encode, find_record
from tests.protocol.helpers import ECU, POLL, TIME, YC600, optimizer_record, record
from tests.protocol.strategies import VERSIONS, fill_ups, inverters, uploads
from tests.protocol.test_blocks import OPTIMIZER, PLC_A, PLC_B, QS1, YC250, YC500, YC1000

# The text that the wire is made of, and anything else.
WIRE_TEXT = st.text(st.sampled_from('0123456789ABENDUPS{}":,T²\xff\n'), max_size=300)
ANY_TEXT = WIRE_TEXT | st.text(max_size=300)

FRAMES = [
    record(YC600, QS1, YC1000, power="202"),
    record(PLC_A, PLC_B, version="13", pad="A"),
    record(YC250, YC500, version="14", pad="A"),
    record(YC600, "9" * 149, QS1, power="202", energy="16421", count="003"),
    record(YC600, QS1, lifetime="0", count="001").replace("AAA1", "0001", 1),
    record(YC600, tail="ADD" + TIME + "001UND" + YC600 + "UNDEND"),
    f"APS180000000020001{ECU}3{TIME[1:]}ENDADD{TIME}001UND{YC600}UNDEND",
    optimizer_record(OPTIMIZER),
    '{"F":"0","EST":"' + TIME + '","APS":"' + optimizer_record(OPTIMIZER) + '","SG001":{"EID":"' + ECU + '"}}',
    POLL.decode(),
    f"APS1500068A123AAA1{ECU}0001{TIME}END40800000000107AAAAEND",
    f"APS1300106A102AAA0{ECU}10M1.0SAA--200200000000000000END2017032200010000000END2017031500010000000END",
]


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A sound frame with some characters replaced, removed or put in between."""
    frame = draw(st.sampled_from(FRAMES))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(frame)))
        stop = start + draw(st.integers(0, 20))
        frame = frame[:start] + draw(ANY_TEXT.map(lambda text: text[:12])) + frame[stop:]
    return frame


def understood(frame: str) -> Upload:
    """What a record says, where all of it was understood; drawn figures may well contradict each other."""
    upload = decode(frame)
    assert [problem for problem in upload.problems if "against" not in problem and "implausible" not in problem] == []
    return replace(upload, problems=())


@pytest.mark.parametrize(("version", "system"), VERSIONS)
@settings(max_examples=40)
@given(data=st.data(), hundredths=st.booleans(), length_pad=st.sampled_from("0A"))
def test_every_record_survives_the_wire(
    version: int, system: str, data: st.DataObject, hundredths: bool, length_pad: str
) -> None:
    upload = data.draw(uploads(version, system))
    frame = encode(upload, system=system, hundredths=hundredths, length_pad=length_pad)
    assert re.fullmatch("[-0-9A-Z]+", frame)
    assert understood(frame) == upload
    assert carries_late_data(frame.encode()) == bool(upload.late)
    message = read(frame.encode())
    assert (message.kind, message.ecu, message.time) == (Kind.RECORD, upload.ecu, upload.time)


@settings(max_examples=40)
@given(fill_ups())
def test_every_message_of_late_groups_alone_survives_the_wire(drawn: tuple[Upload, str]) -> None:
    upload, system = drawn
    frame = encode(upload, system=system, sequence="0001")
    assert understood(frame) == upload
    message = read(frame.encode())
    assert (message.kind, message.ecu, message.time) == (Kind.RECORD, upload.ecu, upload.time)
    assert message.time.startswith("3026")


@settings(max_examples=40)
@given(uploads(16, "0001"))
def test_a_record_inside_json_survives_the_wire(upload: Upload) -> None:
    frame = json.dumps({"F": "0", "EST": upload.time, "APS": encode(upload, system="0001")})
    assert understood(frame) == upload


@pytest.mark.parametrize(("version", "system"), VERSIONS)
@given(data=st.data())
def test_every_block_survives_on_its_own(version: int, system: str, data: st.DataObject) -> None:
    inverter = data.draw(inverters(version, system))
    form = dialect(version, system)
    assert decode_blocks(encode_blocks(inverter, form), form) == ((inverter,), (), True)


@pytest.mark.parametrize(("version", "system"), VERSIONS)
@pytest.mark.parametrize("count", [1, 2, 100, 119, 120])
@settings(max_examples=3)
@given(data=st.data())
def test_a_record_of_up_to_120_inverters_survives_the_wire(
    version: int, system: str, count: int, data: st.DataObject
) -> None:
    kinds = data.draw(st.lists(inverters(version, system), min_size=1, max_size=3))
    fleet: tuple[Inverter, ...] = tuple(
        kinds[number % len(kinds)]._replace(uid=f"{number:012d}") for number in range(count)
    )
    upload = understood(encode(Upload(version=version, ecu=ECU, time=TIME, inverters=fleet), system=system))
    assert upload.inverters == fleet


@given(ANY_TEXT | damaged())
def test_no_text_makes_the_record_reader_raise(text: str) -> None:
    find_record(text)
    decode(text)


@given(st.lists(ANY_TEXT, max_size=5), st.sampled_from(VERSIONS))
def test_no_text_makes_the_block_reader_raise_or_lose_a_block(texts: list[str], version: tuple[int, str]) -> None:
    found, problems, is_whole = decode_blocks(texts, dialect(*version))
    assert len(problems) + sum(len(inverter.channels) for inverter in found) >= len(texts)
    assert len(problems) <= 2 * len(texts)
    assert is_whole or problems


# Characters that no field may have, and those that stand in other fields.
ODD = st.sampled_from("xZ-+. _²\xffA0159")

# What goes together: a sum with its parts, and the AC side with what tells its unit.
AC = {"ac_power_w", "reactive_power_var"}
TOGETHER = (
    {"uid"},
    {"model", "number"},
    {"model", *AC},
    {"power_w", *AC},
    {"voltage_v", *AC},
    {"current_a", *AC},
    {"energy_wh", "ac_energy_wh"},
    {"grid_voltage_v"},
    {"grid_frequency_hz"},
    {"temperature_c"},
    {"status"},
)


@pytest.mark.parametrize(("version", "system"), VERSIONS)
@settings(max_examples=60)
@given(data=st.data())
def test_one_changed_character_costs_one_field_of_one_inverter_and_a_line(
    version: int, system: str, data: st.DataObject
) -> None:
    form = dialect(version, system)
    fleet = data.draw(st.lists(inverters(version, system), min_size=1, max_size=3, unique_by=lambda one: one.uid))
    blocks = [block for inverter in fleet for block in encode_blocks(inverter, form)]
    number = data.draw(st.integers(0, len(blocks) - 1))
    place = data.draw(st.integers(0, len(blocks[number]) - 1))
    changed = blocks[number][:place] + data.draw(ODD) + blocks[number][place + 1 :]
    found, problems, is_whole = decode_blocks([*blocks[:number], changed, *blocks[number + 1 :]], form)
    assert len(problems) <= 1
    if not is_whole:
        # Group marks and type codes, and a serial number that is none, tell the layout.
        assert problems
    elif len(found) == len(fleet):
        spoilt = [(one, other) for one, other in zip(fleet, found, strict=True) if one != other]
        assert len(spoilt) <= 1
        for one, other in spoilt:
            fields = {name for (name, value), (_, now) in zip(leaves(one), leaves(other), strict=True) if value != now}
            assert any(fields <= together for together in TOGETHER)
        for problem in problems:
            assert re.match(r"in part not understood \((output )?[a-z_]+( of channel \d)?\): ", problem)


def leaves(value: object, name: str = "") -> list[tuple[str, object]]:
    """Every value of an inverter and its parts, with the name of its field."""
    if isinstance(value, Inverter | Channel | Phase | Output):
        return [leaf for part, inner in value._asdict().items() for leaf in leaves(inner, part)]
    return [leaf for inner in value for leaf in leaves(inner, name)] if isinstance(value, tuple) else [(name, value)]


@given(st.binary(max_size=300) | (ANY_TEXT | damaged()).map(lambda text: text.encode("utf-8", "replace")))
def test_no_bytes_make_the_message_reader_or_the_answer_raise(raw: bytes) -> None:
    message = read(raw)
    assert message.raw == raw
    answer(message, [TIME])


@given(ANY_TEXT | damaged(), st.sampled_from(sorted(control.REPORTS)))
def test_no_text_makes_the_report_reader_raise_or_lose_a_character(text: str, command: str) -> None:
    frame = f"APS1300000{command}AAA0{ECU}{text}END"
    report = control.decode(frame, command)
    assert isinstance(report.text, str)
    control.decode(text, command)
    control.fault(text)
    control.answer_fault(text, "A123")
    control.answer_fault(text, "A101")
