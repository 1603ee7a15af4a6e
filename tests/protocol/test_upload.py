"""Records of the data ports: headers with values worked out by hand, late groups, the JSON form, what is refused."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.protocol.blocks import Channel, Inverter, decode_blocks
from collector.protocol.fields import FieldError
from collector.protocol.kinds import Kind
from collector.protocol.messages import read
from collector.protocol.models import OPTIMIZERS_16, ZIGBEE_18
from collector.protocol.problems import kind_of_problem
from collector.protocol.upload import Found, LateGroup, Upload, decode, encode, find_record
from tests.protocol.helpers import ECU, TIME, YC600, optimizer_record, record, three_ways, with_length
from tests.protocol.test_blocks import OPTIMIZER, PLC_A, PLC_B, QS1, YC250, YC1000

(INVERTER,) = decode_blocks([YC600], ZIGBEE_18).inverters
(FOUR_CHANNELS,) = decode_blocks([QS1], ZIGBEE_18).inverters
(OPTIMIZED,) = decode_blocks([OPTIMIZER], OPTIMIZERS_16).inverters

LATE = "30260622010512"
TAIL = "ADD" + "20260621115500" + "002" + "UND" + YC600 + "UND" + QS1 + "UND" + "END"
SECOND_TAIL = "20260621120000" + "001" + "UND" + YC600 + "UND" + "END"


def fill_up(groups: str, version: str = "18", system: str = "0002") -> str:
    return with_length(f"APS{version}00000{system}0001{ECU}{LATE}END{groups}")


def test_a_header_gives_power_and_lifetime_and_counts_the_energy_of_its_inverters() -> None:
    # 24 + 23 + 29 + 38 + 45 + 43 W; 4.036 + 12.385 Wh; 12,345.6 kWh
    assert decode(record(YC600, QS1, power="202", energy="16421")) == Upload(
        version=18,
        ecu=ECU,
        time=TIME,
        inverters=(INVERTER, FOUR_CHANNELS),
        power_w=202.0,
        lifetime_kwh=12345.6,
    )
    assert decode(record(YC600, QS1)).energy_wh == 16.421


def of_watts(*watts: int) -> str:
    """A YC600 that gives so much, without a current, so that nothing else tells the power."""
    first, second = watts
    return f"4080000000010723100499142{0:020d}100341000000000{first:03d}00200338000000000{second:03d}00"


@pytest.mark.parametrize(
    ("sent", "watts", "power_w"),
    [
        ("202", (101, 101), 202),
        ("20200", (101, 101), 202),
        ("100", (1, 0), 1),
        ("1", (1, 0), 1),
        ("0", (101, 101), 202),
        ("0", (0, 0), 0),
        ("202", (0, 0), None),
        ("300", (101, 101), 300),
        ("30000", (101, 101), 300),
        ("404", (101, 101), 404),
        ("10100", (101, 101), 101),
        ("6", (1, 0), 6),
        ("900", (2, 2), 9),
    ],
)
def test_header_power_is_in_watts_or_hundredths_whichever_gives_the_sum_of_the_channels(
    sent: str, watts: tuple[int, int], power_w: float | None
) -> None:
    upload = decode(record(of_watts(*watts), power=sent))
    assert (upload.power_w, upload.problems) == (power_w, ())


@pytest.mark.parametrize(
    ("sent", "watts"), [("405", (101, 101)), ("10099", (101, 101)), ("0510004337", (26, 25)), ("1", (101, 101))]
)
def test_header_power_that_is_in_neither_unit_is_told_and_the_sum_of_the_channels_counts(
    sent: str, watts: tuple[int, int]
) -> None:
    upload = decode(record(of_watts(*watts), power=sent))
    assert upload.power_w == sum(watts)
    assert upload.problems == (
        f"the header says a power of '{sent.rjust(10, '0')}', the inputs one of {sum(watts)} W, which counts",
    )


def test_a_header_that_says_much_of_inputs_that_give_nothing_is_told() -> None:
    upload = decode(record(of_watts(0, 0), power="501"))
    assert upload.power_w == 0
    assert len(upload.problems) == 1


@pytest.mark.parametrize(("power", "power_w"), [("224100", 224.1), ("0", 224.1), ("5100", 224.1)])
def test_header_power_of_version_16_has_one_unit_and_must_fit_as_well(power: str, power_w: float) -> None:
    upload = decode(optimizer_record(OPTIMIZER, power=power))
    assert upload.power_w == power_w
    assert len(upload.problems) == (power == "5100")


@pytest.mark.parametrize(
    ("power", "energy", "power_w"),
    [
        ("94", "0", 94),
        ("9400", "0", 94),
        # Less than the inputs that were read, so not hundredths.
        ("2000", "0", 2000),
        # 50 Wh in five minutes are 600 W.
        ("60000", "50000", 600),
        # 500 Wh are 6000 W: nothing is near.
        ("900000000", "500000", None),
        ("10", "0", None),
        ("0", "0", None),
    ],
)
def test_header_power_is_that_of_the_site_where_a_block_is_unreadable(
    power: str, energy: str, power_w: float | None
) -> None:
    upload = decode(record(YC600, "garbage", power=power, energy=energy))
    assert upload.power_w == power_w
    assert upload.inverters == (INVERTER,)
    told = [problem for problem in upload.problems if "block not understood" not in problem]
    assert told == (
        ["the header says a power of '0000000010', the inputs that were read more"] if power == "10" else []
    )


@pytest.mark.parametrize(
    ("version", "system", "energy", "power_w"),
    [
        # Firmware that fills in no energy counts watts, and so do PLC systems of version 15.
        ("18", "AAAA", "0", 241),
        ("15", "0001", "0", 241),
        ("15", "0002", "0", None),
        ("14", "AAAA", "0", None),
        ("13", "AAAA", "0", None),
        # 20 Wh in five minutes are 240 W.
        ("18", "AAAA", "20000", 241),
        ("14", "AAAA", "20000", 241),
        ("18", "AAAA", "200", 2.41),
        ("18", "AAAA", "2000", None),
    ],
)
def test_header_power_without_any_block_is_settled_by_the_energy_or_what_its_version_means(
    version: str, system: str, energy: str, power_w: float | None
) -> None:
    upload = decode(record("garbage", version=version, system=system, power="241", energy=energy))
    assert (upload.power_w, upload.lifetime_kwh) == (power_w, 12345.6)


@pytest.mark.parametrize(
    ("blocks", "count", "reporting", "energy_wh"),
    [
        (("garbage",), "1", None, None),
        ((YC600, "garbage"), "2", 2, None),
        # What is counted may be wrong, what was read is there.
        ((YC600, QS1, "garbage"), "1", 2, None),
        ((YC600, QS1, "garbage"), "0x1", 2, None),
        ((YC600, "garbage"), "007", 7, None),
        ((YC600, QS1), "2", 2, 16.421),
        ((YC600, QS1), "9", 2, 16.421),
    ],
)
def test_what_is_not_understood_is_counted_by_the_header_and_leaves_no_sum(
    blocks: tuple[str, ...], count: str, reporting: int | None, energy_wh: float | None
) -> None:
    upload = decode(record(*blocks, count=count))
    assert (upload.inverters_reporting, upload.energy_wh) == (reporting, energy_wh)


def test_a_record_that_ends_where_a_block_does_lacks_inverters_if_its_length_says_so_too() -> None:
    upload = decode(record(YC600, QS1)[: -len(QS1) - 3])
    assert (upload.inverters, upload.energy_wh, upload.inverters_reporting) == ((INVERTER,), None, 2)
    assert upload.problems == (
        "the length field says '00302', the message has 174 characters",
        "the header counts 2 inverters, 1 were found",
    )


def test_the_header_of_version_16_counts_milliwatts_and_has_no_lifetime() -> None:
    # 113.82 + 110.28 W on the input side
    assert decode(optimizer_record(OPTIMIZER, power="224100", output="217800")) == Upload(
        version=16, ecu=ECU, time=TIME, inverters=(OPTIMIZED,), power_w=224.1
    )


def test_version_16_with_the_short_header_is_read_by_where_its_end_stands() -> None:
    upload = decode(record(YC600, version="16", power="47"))
    assert (upload.power_w, upload.lifetime_kwh, upload.time) == (47, 12345.6, TIME)


def test_a_lifetime_of_zero_is_not_known() -> None:
    assert decode(record(YC600, lifetime="0")).lifetime_kwh is None


def test_a_header_padded_with_the_letter_a_reads_the_same() -> None:
    padded = record(YC250, version="14", power="12000", energy="9400", lifetime="98765", count="1", pad="A")
    assert padded[74:77] == "AA1"
    upload = decode(padded)
    assert (upload.power_w, upload.lifetime_kwh, upload.problems) == (120, 9876.5, ())


def test_a_plc_record_counts_inverters_where_it_sends_a_block_a_channel() -> None:
    upload = decode(record(PLC_A, PLC_B, version="13", count="1", power="23800", pad="A"))
    assert upload.problems == ()
    assert upload.power_w == 238
    assert upload.energy_wh == 19.834


def test_a_count_that_is_not_the_number_of_blocks_is_told() -> None:
    assert decode(record(YC600, count="003")).problems == ("the header counts 3 inverters, 1 were found",)


@pytest.mark.parametrize(("length", "said"), [("00170", "'00170'"), ("99999", "'99999'"), ("0x174", "'0x174'")])
def test_a_wrong_length_costs_nothing_but_a_line(length: str, said: str) -> None:
    frame = record(YC600, power="47")
    upload = decode(frame[:5] + length + frame[10:])
    assert upload.inverters == (INVERTER,)
    assert upload.problems == (f"the length field says {said}, the message has 174 characters",)


def test_a_record_cut_short_keeps_its_whole_blocks() -> None:
    upload = decode(record(YC600, QS1)[:-20])
    assert upload.inverters == (INVERTER,)
    assert len(upload.problems) == 2
    assert QS1[:-17] in upload.problems[1]


def test_bytes_outside_ascii_in_a_field_spoil_only_that_field() -> None:
    raw = record(YC600, QS1, YC1000).encode().replace(b"02900", b"0\xb2\xff00")
    message = three_ways(raw)
    assert (message.kind, message.ecu, message.time) == (Kind.RECORD, ECU, TIME)
    upload = decode(message.raw.decode("latin-1"))
    assert [inverter.dc_power_w for inverter in upload.inverters] == [47, None, 848]
    assert [channel.power_w for channel in upload.inverters[1].channels] == [None, 38, 45, 43]
    assert len(upload.problems) == 1
    assert "(power_w of channel 1)" in upload.problems[0]


def test_an_unreadable_field_of_the_header_costs_itself_alone() -> None:
    upload = decode(record(YC600, power="4x7"))
    assert (upload.ecu, upload.time, upload.has_round) == (ECU, TIME, True)
    # The channels are known, and so is their sum.
    assert (upload.power_w, upload.lifetime_kwh) == (47, 12345.6)
    assert upload.problems == (f"header in part not understood (power): {record(YC600, power='4x7')[:86]!r}",)
    upload = decode(record(YC600, power="47", lifetime="12-4"))
    assert (upload.power_w, upload.lifetime_kwh) == (47, None)
    assert "(lifetime_kwh)" in upload.problems[0]


def test_hour_24_in_a_time_stamp_survives() -> None:
    frame = record(YC600, time="20260621240500")
    assert find_record(frame) == Found(ECU, "20260621240500")
    assert decode(frame).time == "20260621240500"


def test_late_groups_behind_a_record_keep_their_own_time() -> None:
    upload = decode(record(YC600, power="47", tail=TAIL + SECOND_TAIL))
    assert upload.inverters == (INVERTER,)
    assert upload.late == (
        LateGroup("20260621115500", (INVERTER, FOUR_CHANNELS)),
        LateGroup("20260621120000", (INVERTER,)),
    )
    assert upload.problems == ()
    assert upload.energy_wh == 4.036


def test_a_message_of_late_groups_alone_has_no_round_and_a_year_from_the_next_millennium() -> None:
    frame = fill_up(TAIL + SECOND_TAIL)
    assert find_record(frame) == Found(ECU, LATE)
    upload = decode(frame)
    assert (upload.version, upload.time, upload.has_round, upload.inverters) == (18, LATE, False, ())
    assert (upload.power_w, upload.lifetime_kwh, upload.problems) == (None, None, ())
    assert [(group.time, len(group.inverters)) for group in upload.late] == [
        ("20260621115500", 2),
        ("20260621120000", 1),
    ]


def test_late_optimizers_are_read_as_such() -> None:
    frame = fill_up("ADD" + "20260621115500" + "001" + "UND" + OPTIMIZER + "UND" + "END", version="16")
    assert decode(frame).late == (LateGroup("20260621115500", (OPTIMIZED,)),)


@pytest.mark.parametrize(
    ("groups", "problems"),
    [
        ("ADD2026062111550x001UND" + YC600 + "UNDEND" + SECOND_TAIL, 1),
        ("ADD20260621115500001UNDgarbageUNDEND" + SECOND_TAIL, 1),
        ("ADD20260621115500001UNDEND" + SECOND_TAIL + "rest", 1),
        ("ADD" + SECOND_TAIL + "20260621121000001UND" + YC600[:49], 1),
        ("ADD20260621115500x01UND" + QS1 + "UNDEND" + SECOND_TAIL, 1),
    ],
)
def test_a_late_group_that_cannot_be_read_costs_itself_alone(groups: str, problems: int) -> None:
    upload = decode(fill_up(groups))
    assert LateGroup("20260621120000", (INVERTER,)) in upload.late
    assert len(upload.problems) == problems


@pytest.mark.parametrize(
    "frame",
    [
        record(YC600, QS1, power="202"),
        record(PLC_A, PLC_B, version="12", pad="A"),
        record(YC600, tail=TAIL),
        fill_up(TAIL, version="16"),
        optimizer_record(OPTIMIZER, OPTIMIZER.replace("707", "708")),
        '{"F":"0","EST":"' + TIME + '","APS":"' + optimizer_record(OPTIMIZER) + '"}',
    ],
    ids=["18", "12", "tail", "fill-up", "16", "JSON"],
)
def test_every_form_of_record_is_found_in_any_pieces(frame: str) -> None:
    message = three_ways(frame.encode())
    assert message.kind is Kind.RECORD
    assert message.time in (TIME, LATE)


@pytest.mark.parametrize("padding", ["AAA", "000"])
def test_the_night_query_is_found_with_either_padding(padding: str) -> None:
    message = three_ways(f"APS13{padding}22{ECU}".encode())
    assert (message.kind, message.ecu, message.time) == (Kind.RECORD_QUERY, ECU, "")


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "APS",
        "APS18",
        "APS13AAA2221600012345",
        "APS13AAA22x16000123456",
        record(YC600, time="2026062112400x"),
        record(YC600).replace("000000END", "000000EXD"),
        "APSxx" + record(YC600)[5:],
        "APS²³" + record(YC600)[5:],
        "APS²³" + fill_up(TAIL)[5:],
        "APX18" + record(YC600)[5:],
        "{}",
        '{"EST":"2026062112400x","SG001":{"EID":"' + ECU + '"}}',
        '{"F":"0","SG001":{"EID":"' + ECU + '","D":[]}}',
        '{"EID":"21600012345",}',
    ],
)
def test_without_a_readable_time_stamp_there_is_no_record(frame: str) -> None:
    assert find_record(frame) is None
    message = read(frame.encode("latin-1"))
    assert message.kind is Kind.UNKNOWN
    assert message.reason


def test_json_gives_the_optimizers_record_inside_under_its_own_time() -> None:
    inner = optimizer_record(OPTIMIZER, power="224100", time="20260621123500")
    frame = '{"F":"0","EST":"' + TIME + '","APS":"' + inner + '"}'
    assert find_record(frame) == Found(ECU, TIME)
    assert decode(frame) == Upload(version=16, ecu=ECU, time=TIME, inverters=(OPTIMIZED,), power_w=224.1)


def test_json_with_another_makers_inverters_keeps_them_as_text_and_finds_the_gateway_in_them() -> None:
    frame = '{"F":"0","EST":"' + TIME + '","SG001":{"EID":"' + ECU + '","D":[{"SN":"1","PVN":"2"}]}}'
    assert find_record(frame) == Found(ECU, TIME)
    upload = decode(frame)
    assert (upload.ecu, upload.time, upload.has_round, upload.inverters) == (ECU, TIME, False, ())
    assert "another maker" in upload.problems[0]
    assert '"SN": "1"' in upload.problems[0]


def test_json_with_both_gives_the_optimizers_and_tells_of_the_rest() -> None:
    inner = optimizer_record(OPTIMIZER, power="224100")
    upload = decode('{"EST":"' + TIME + '","APS":"' + inner + '","SG001":{"EID":"' + ECU + '"}}')
    assert upload.inverters == (OPTIMIZED,)
    assert upload.has_round
    assert len(upload.problems) == 1


def test_json_takes_the_gateways_id_from_the_outside_first_like_its_answer_does() -> None:
    inner = optimizer_record(OPTIMIZER).replace(ECU, "213000000017")
    frame = '{"EST":"' + TIME + '","APS":"' + inner + '","SG001":{"EID":"' + ECU + '"}}'
    found = find_record(frame)
    assert found == Found(ECU, TIME)
    assert decode(frame).ecu == ECU


def test_json_without_any_id_is_still_a_record() -> None:
    assert find_record('{"EST":"' + TIME + '"}') == Found("", TIME)


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        (',"APS":"APS16garbage"}', "not understood"),
        (',"APS":17}', "not understood"),
        (',"APS":"{}"}', "not understood"),
        (',"D":[,]}', "not readable as JSON"),
        ("", "not readable as JSON"),
        (',"D":' + "[" * 100_000, "not readable as JSON"),
        (',"D":' + "1" * 5000 + "}", "not readable as JSON"),
    ],
)
def test_json_that_cannot_be_read_is_told_and_still_has_its_time(rest: str, told: str) -> None:
    frame = '{"EST":"' + TIME + '"' + rest
    assert find_record(frame) == Found("", TIME)
    upload = decode(frame)
    assert (upload.time, upload.inverters, upload.has_round) == (TIME, (), False)
    assert told in upload.problems[0]


@pytest.mark.parametrize("query", ['{"EID":"' + ECU + '",}', '{"EID":"' + ECU + '"}', '{ "EID" : "' + ECU + '" , }'])
def test_the_json_query_is_found_with_and_without_its_trailing_comma(query: str) -> None:
    message = three_ways(query.encode())
    assert (message.kind, message.ecu, message.time) == (Kind.RECORD_QUERY, ECU, "")


def test_a_record_is_written_character_for_character() -> None:
    upload = Upload(
        version=18, ecu=ECU, time=TIME, inverters=(INVERTER, FOUR_CHANNELS), power_w=202.0, lifetime_kwh=12345.6
    )
    assert encode(upload) == record(YC600, QS1, power="202", energy="16421")
    assert encode(upload, hundredths=True) == record(YC600, QS1, power="20200", energy="16421")
    assert encode(upload, length_pad="A")[5:10] == "AA302"


def test_late_groups_are_written_character_for_character() -> None:
    late = (LateGroup("20260621115500", (INVERTER, FOUR_CHANNELS)), LateGroup("20260621120000", (INVERTER,)))
    alone = Upload(version=18, ecu=ECU, time=LATE, late=late, has_round=False)
    assert encode(alone, system="0002", sequence="0001") == fill_up(TAIL + SECOND_TAIL)
    behind = Upload(version=18, ecu=ECU, time=TIME, inverters=(INVERTER,), power_w=47, lifetime_kwh=12345.6, late=late)
    assert encode(behind) == record(YC600, power="47", energy="4036", tail=TAIL + SECOND_TAIL)


@pytest.mark.parametrize("broken", [{"ecu": "21600012345"}, {"time": "2026062112400"}, {"lifetime_kwh": 1e9}])
def test_a_record_with_a_field_that_does_not_fit_is_not_written(broken: dict[str, object]) -> None:
    values: dict[str, object] = {"version": 18, "ecu": ECU, "time": TIME, "inverters": (INVERTER,)}
    with pytest.raises(FieldError, match="does not fit"):
        encode(Upload(**(values | broken)))  # type: ignore[arg-type]


# A count field of 3 digits; a length field of 5: (99,999 - 86) / 128 = 780.6
@pytest.mark.parametrize(("inverter", "most"), [(INVERTER, 999), (FOUR_CHANNELS, 780)], ids=["count", "length"])
def test_as_many_inverters_as_count_and_length_can_say_fit_and_one_more_does_not(inverter: Inverter, most: int) -> None:
    fleet = tuple(inverter._replace(uid=f"{number:012d}") for number in range(most + 1))
    upload = Upload(version=18, ecu=ECU, time=TIME, inverters=fleet[:most])
    assert decode(encode(upload)).inverters == fleet[:most]
    with pytest.raises(FieldError, match="fit"):
        encode(replace(upload, inverters=fleet))


def test_the_longest_record_of_a_gateway_of_120_yc1000_is_17726_characters() -> None:
    blocks = [YC1000.replace("502000000303", f"{number:012d}") for number in range(120)]
    frame = record(*blocks)
    assert len(frame) == 17_726
    message = three_ways(frame.encode())
    assert len(decode(message.raw.decode()).inverters) == 120


def test_channel_energy_is_its_own_where_the_inverter_counts_ac_energy() -> None:
    (inverter,) = decode(record(YC250, version="15", system="0002")).inverters
    assert inverter.channels == (Channel(1, 120.0, 32.7, 3.7, 10.0),)
    assert inverter.energy_wh == 9.4


def test_a_record_with_an_unreadable_gateway_id_is_a_record_all_the_same() -> None:
    frame = record(YC600)
    assert find_record(f"{frame[:18]}2160001\xff3456{frame[30:]}") == Found("", TIME)


@pytest.mark.parametrize("text", ["2" * 81, "'" * 81, '"' * 80 + "'", "\\" * 81, "\\'" * 40 + '"', "\x1b\n\xff" * 27])
def test_the_same_trouble_is_of_one_kind_whatever_the_bytes_it_quotes(text: str) -> None:
    (fault,) = decode_blocks([f"70300000000109{text}"], ZIGBEE_18)[1]
    assert kind_of_problem(fault) == f"block not understood (type '09' with {len(text) + 14} characters): ..."


def test_inverters_of_another_maker_are_of_one_kind() -> None:
    frames = (f'{{"EID":"{ECU}","EST":"{TIME}","SG001":[{{"SN":"{number:020}"}}]}}' for number in range(2))
    assert {kind_of_problem(problem) for frame in frames for problem in decode(frame).problems} == {
        "inverters of another maker, units unknown: ..."
    }


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("the header counts 3 inverters, 21 were found", "the header counts N inverters, N were found"),
        (
            "the length field says '00123', the message has 98 characters",
            "the length field says ..., the message has N characters",
        ),
        ("late group: 20260631000000 is no time", "late group: N is no time"),
        ("in part not understood (power_w of channel 2): '40x'", "in part not understood (power_w of channel N): ..."),
        (
            "the header says a power of '0510004337', the inputs one of 51 W, which counts (a known habit)",
            "the header says a power of ..., the inputs one of N W, which counts (a known habit)",
        ),
        (
            "inverter 408000000077: a power of 46 W against 466.52 W by voltage and current",
            "inverter N: a power of N W against N W by voltage and current",
        ),
        (
            "inverter 408000000077: an energy of 224 Wh is implausible beside 2105.6 Wh AC, where ten times fits",
            "inverter N: an energy of N Wh is implausible beside N Wh AC, where ten times fits",
        ),
        ("received 2026-03-29T02:10:00.5Z, dated -1680-01-01 00:00", "received N, dated -N N"),
        ("A157 without a gateway id", "A157 without a gateway id"),
        ("decoder failed: KeyError('power_w')", "decoder failed: KeyError('power_w')"),
        ("decoder failed: KeyError('408000000001')", "decoder failed: KeyError(...)"),
        ("type '09' with 95 characters", "type '09' with 95 characters"),
        ("type '\\x1b!' with 95000 characters", "type ... with N characters"),
        ("refused (HTTP 400: dropped=3 of 'a,b c=1')", "refused (HTTP 400: dropped=N of ...)"),
        (
            "older than the retention of the bucket 'solar-2' (30 days): InfluxDB drops it",
            "older than the retention of the bucket 'solar-2' (30 days): InfluxDB drops it",
        ),
        ("one thing 1; another; one thing 2; another", "one thing N; another"),
        ("an open quote '" + "2" * 9000, "an open quote ..."),
        ("word " * 200, ("word " * 200)[:397] + "..."),
    ],
)
def test_a_kind_is_told_without_numbers_and_times_and_each_part_of_it_once(said: str, kind: str) -> None:
    assert kind_of_problem(said) == kind
    assert kind_of_problem(kind) == kind


@given(st.text("'\"\\ ;.aN19-:", max_size=60), st.text(max_size=20))
def test_the_kind_of_a_kind_is_itself(said: str, more: str) -> None:
    kind = kind_of_problem(f"{said} {more!r}; {said}")
    assert kind_of_problem(kind) == kind


def test_a_kind_is_short_whatever_is_quoted() -> None:
    problems = decode(record(*(f"{number:014}{'x' * number}" for number in range(500)))).problems
    assert len(kind_of_problem("; ".join(problems))) <= 400


def test_an_apostrophe_quotes_nothing() -> None:
    said = "it can't be, for it isn't what it should be, and that won't do"
    assert kind_of_problem(said) == said
