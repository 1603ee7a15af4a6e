"""Inverter blocks against values worked out by hand from the widths and units of docs/protocol.md, section 5."""

import pytest

from collector.protocol.blocks import Channel, Inverter, Output, Phase, decode_blocks, encode_blocks
from collector.protocol.fields import FieldError
from collector.protocol.models import OPTIMIZERS_16, PLC_13, PLC_15, ZIGBEE_14, ZIGBEE_18, Dialect, dialect
from tests.protocol.helpers import YC600

NO_FLAGS = "0" * 11

QS1 = (
    "806000000202" + "08" + "228" + "00500" + "115" + "00012" + "01457" + "0000012345"
    "1" + "00310" + "010" + "002309" + "02900"
    "2" + "00342" + "012" + "003070" + "03800"
    "3" + "00334" + "014" + "003569" + "04500"
    "4" + "00329" + "014" + "003437" + "04300"
)  # fmt: skip
YC250 = (
    "102000000505" + "05" + "229" + "00500" + "AB5" + "00007" + "11280" + "009400"
    "A" + "00327" + "037" + "010000" + "12000" + "01000000010"
)  # fmt: skip
YC500 = (
    "403000000404" + "03" + "220" + "00501" + "A38" + "00000" + "22372" + "018643"
    "A" + "00322" + "038" + "010000" + "12000" + "10000000000"
    "B" + "00321" + "037" + "009834" + "11800" + "00000001000"
)  # fmt: skip
YC1000_GROUPS = (
    "1" + "068" + "231" + "00010" + "26570" + "022194" + "020500" + "24600",
    "2" + "067" + "230" + "00020" + "26580" + "022195" + "020166" + "24100",
    "3" + "066" + "232" + "00030" + "26590" + "022196" + "019916" + "23800",
)
YC1000_HEAD, YC1000_LAST = "502000000303" + "04" + "00362" + "00500" + "147", "4" + "034" + "010250" + "12300"
YC1000 = YC1000_HEAD + "".join(YC1000_GROUPS) + YC1000_LAST
PLC_A = "102000000606" + "A" + "00322" + "038" + "12000" + "00500" + "AB3" + "229" + "01000000000" + "010000"
PLC_B = "102000000606" + "B" + "00321" + "037" + "11800" + "00500" + "AB3" + "229" + "00000000010" + "009834"
PLC_0 = "102000000505" + "0" + "00327" + "037" + "12000" + "00500" + "131" + "230" + "0000010000"
OPTIMIZER = (
    "601000000707" + "048400" + "004500" + "217800" + "0000018150" + "141"
    "1" + "027100" + "004200" + "113820" + "0000009485"
    "2" + "026900" + "004100" + "110280" + "0000009190"
)  # fmt: skip


def one(text: str, form: Dialect = ZIGBEE_18) -> Inverter:
    (inverter,), problems, is_whole = decode_blocks([text], form)
    assert (problems, is_whole) == ((), True)
    return inverter


def test_a_yc600_has_two_channels_and_hundredths_of_a_watt() -> None:
    assert one(YC600) == Inverter(
        uid="408000000001",
        model="YC600",
        channels=(Channel(1, 24.0, 34.1, 0.7, 2.041), Channel(2, 23.0, 33.8, 0.7, 1.995)),
        energy_wh=4.036,
        grid_voltage_v=231,
        grid_frequency_hz=49.9,
        temperature_c=42,
        ac_power_w=45.12,
        reactive_power_var=1.5,
        ac_energy_wh=3.76,
    )


def test_a_qs1_has_four_channels_and_tenths_of_a_watt_on_its_ac_side() -> None:
    assert one(QS1) == Inverter(
        uid="806000000202",
        model="QS1",
        channels=(
            Channel(1, 29.0, 31.0, 1.0, 2.309),
            Channel(2, 38.0, 34.2, 1.2, 3.07),
            Channel(3, 45.0, 33.4, 1.4, 3.569),
            Channel(4, 43.0, 32.9, 1.4, 3.437),
        ),
        energy_wh=12.385,
        grid_voltage_v=228,
        grid_frequency_hz=50.0,
        temperature_c=15,
        ac_power_w=145.7,
        reactive_power_var=1.2,
        ac_energy_wh=12.345,
    )


def test_a_yc250_counts_its_ac_energy_and_has_flags_and_a_temperature_in_letters() -> None:
    assert one(YC250) == Inverter(
        uid="102000000505",
        model="YC250",
        channels=(Channel(1, 120.0, 32.7, 3.7, 10.0),),
        energy_wh=9.4,
        grid_voltage_v=229,
        grid_frequency_hz=50.0,
        temperature_c=-5,
        ac_power_w=112.8,
        reactive_power_var=0.07,
        ac_energy_wh=9.4,
        status=2 + 512,
    )


def test_a_yc500_joins_the_flags_of_both_channels() -> None:
    assert one(YC500) == Inverter(
        uid="403000000404",
        model="YC500",
        channels=(Channel(1, 120.0, 32.2, 3.8, 10.0), Channel(2, 118.0, 32.1, 3.7, 9.834)),
        energy_wh=18.643,
        grid_voltage_v=220,
        grid_frequency_hz=50.1,
        temperature_c=38,
        ac_power_w=223.72,
        reactive_power_var=0,
        ac_energy_wh=18.643,
        status=1 + 128,
    )


YC1000_VALUES = Inverter(
    uid="502000000303",
    model="YC1000",
    channels=(
        Channel(1, 246.0, 36.2, 6.8, 20.5),
        Channel(2, 241.0, 36.2, 6.7, 20.166),
        Channel(3, 238.0, 36.2, 6.6, 19.916),
        Channel(4, 123.0, 36.2, 3.4, 10.25),
    ),
    energy_wh=70.832,
    grid_voltage_v=231.0,
    grid_frequency_hz=50.0,
    temperature_c=47,
    ac_power_w=797.4,
    reactive_power_var=0.6,
    ac_energy_wh=66.585,
    phases=(
        Phase(1, 231, 265.7, 0.1, 22.194),
        Phase(2, 230, 265.8, 0.2, 22.195),
        Phase(3, 232, 265.9, 0.3, 22.196),
    ),
)


def test_a_yc1000_has_one_dc_voltage_for_four_inputs_and_the_mean_and_sums_of_three_phases() -> None:
    assert one(YC1000) == YC1000_VALUES


def test_a_yc1000_of_version_14_has_flags_in_its_three_first_groups_and_a_temperature_in_letters() -> None:
    flags = (NO_FLAGS, "00100000000", "00010000000")
    groups = "".join(group + bits for group, bits in zip(YC1000_GROUPS, flags, strict=True))
    text = "502000000303" + "04" + "00362" + "00500" + "A47" + groups + YC1000_LAST
    assert len(text) == 177
    assert one(text, ZIGBEE_14) == YC1000_VALUES._replace(status=4 + 8)
    assert one(text.replace("00500A47", "00500147"), ZIGBEE_18) == YC1000_VALUES._replace(status=4 + 8)


@pytest.mark.parametrize("form", [ZIGBEE_14, PLC_15, ZIGBEE_18])
def test_types_03_and_05_write_letters_in_every_version_so_three_digits_are_the_value_itself(form: Dialect) -> None:
    assert one(YC250.replace("AB5", "100"), form).temperature_c == 100
    assert one(YC500.replace("A38", "100"), form).temperature_c == 100


def test_one_phase_at_rest_is_zero_but_three_are_not_measured() -> None:
    two_at_work = one(YC1000.replace("26570", "00000"))
    assert [phase.ac_power_w for phase in two_at_work.phases] == [0, 265.8, 265.9]
    assert two_at_work.ac_power_w == 531.7
    at_rest = one(YC1000.replace("26570", "00000").replace("26580", "00000").replace("26590", "00000"))
    assert at_rest.ac_power_w is None
    assert [phase.ac_power_w for phase in at_rest.phases] == [None, None, None]
    assert [phase.grid_voltage_v for phase in at_rest.phases] == [231, 230, 232]


@pytest.mark.parametrize(("block", "power"), [(YC600, "04512"), (QS1, "01457"), (YC250, "11280"), (YC500, "22372")])
def test_an_ac_power_of_zero_while_dc_flows_was_not_measured(block: str, power: str) -> None:
    assert one(block.replace(power, "00000")).ac_power_w is None


def test_an_ac_power_of_zero_in_the_dark_is_zero() -> None:
    dark = one(YC600.replace("04512", "00000").replace("02400", "00000").replace("02300", "00000"))
    assert dark.ac_power_w == 0
    assert dark.dc_power_w == 0


@pytest.mark.parametrize(
    ("sent", "ac_power_w", "reactive_power_var"),
    [("06204", 62.04, 0.5), ("00620", 62.0, 5.0), ("00000", None, None)],
    ids=["hundredths", "tenths", "not measured"],
)
def test_an_unknown_type_is_read_in_the_scale_that_is_nearest_to_94_percent_of_its_dc_power(
    sent: str, ac_power_w: float | None, reactive_power_var: float | None
) -> None:
    text = (
        "703000000808" + "21" + "231" + "00500" + "140" + "00050" + sent + "0000005500"
        "1" + "00341" + "007" + "001900" + "02300"
        "2" + "00342" + "006" + "001800" + "02200"
        "3" + "00343" + "006" + "001700" + "02100"
    )  # fmt: skip
    assert one(text) == Inverter(
        uid="703000000808",
        model="type 21",
        channels=(
            Channel(1, 23.0, 34.1, 0.7, 1.9),
            Channel(2, 22.0, 34.2, 0.6, 1.8),
            Channel(3, 21.0, 34.3, 0.6, 1.7),
        ),
        energy_wh=5.4,
        grid_voltage_v=231,
        grid_frequency_hz=50.0,
        temperature_c=40,
        ac_power_w=ac_power_w,
        reactive_power_var=reactive_power_var,
        ac_energy_wh=5.5,
    )


def test_an_unknown_types_ac_power_without_dc_power_has_no_scale_and_is_left_out() -> None:
    text = "703000000808" + "21" + "23100500140" + "00050" + "00620" + "0000005500" + "1" + "00341" + "007" + "0" * 11
    inverter = one(text)
    assert inverter.ac_power_w is None
    assert inverter.reactive_power_var is None


@pytest.mark.parametrize("channels", range(1, 10))
def test_an_unknown_type_may_have_up_to_nine_channels(channels: int) -> None:
    groups = "".join(f"{number}0034100700190002300" for number in range(1, channels + 1))
    inverter = one("703000000808" + "21" + "23100500140" + "00000" * 2 + "0000005500" + groups)
    assert [channel.number for channel in inverter.channels] == list(range(1, channels + 1))
    assert inverter.dc_power_w == 23 * channels


@pytest.mark.parametrize(
    "groups", ["2003410070019000230010034200600180002200", "1003410070019000230000034200600180002200"]
)
def test_an_unknown_type_whose_groups_are_not_numbered_in_order_is_not_guessed_at(groups: str) -> None:
    inverters, problems, is_whole = decode_blocks(
        ["703000000808" + "21" + "23100500140" + "0" * 20 + groups], ZIGBEE_18
    )
    assert (inverters, is_whole) == ((), False)
    assert len(problems) == 1


def test_a_known_code_with_another_number_of_channels_is_read_by_its_groups() -> None:
    inverter = one(YC600 + "30033507100200002100")
    assert inverter.model == "YC600"
    assert [channel.power_w for channel in inverter.channels] == [24, 23, 21]
    assert inverter.ac_power_w == 45.12


def test_an_unknown_type_before_version_15_has_its_temperature_in_letters() -> None:
    text = YC600[:12] + "21" + YC600[14:22] + "AB7" + YC600[25:]
    assert one(text, ZIGBEE_14).temperature_c == -7
    assert one(YC600[:12] + "21" + YC600[14:], ZIGBEE_14).temperature_c == 142


def test_the_two_blocks_of_a_plc_inverter_are_one_inverter() -> None:
    expected = Inverter(
        uid="102000000606",
        model="YC500",
        channels=(Channel(1, 120.0, 32.2, 3.8, 10.0), Channel(2, 118.0, 32.1, 3.7, 9.834)),
        energy_wh=19.834,
        grid_voltage_v=229,
        grid_frequency_hz=50.0,
        temperature_c=-3,
        status=2 + 512,
    )
    assert decode_blocks([PLC_A, PLC_B], PLC_13) == ((expected,), (), True)
    assert decode_blocks([PLC_B, PLC_A], PLC_13) == ((expected,), (), True)


def test_a_plc_inverter_of_which_one_block_is_broken_has_no_energy() -> None:
    (inverter,), problems, is_whole = decode_blocks([PLC_A, PLC_B[:-1]], PLC_13)
    assert (inverter.energy_wh, [channel.energy_wh for channel in inverter.channels]) == (None, [10.0])
    assert (len(problems), is_whole) == (1, False)


def test_one_channel_of_a_plc_inverter_keeps_its_number() -> None:
    assert [channel.number for channel in one(PLC_B, PLC_13).channels] == [2]


def test_a_plc_inverter_of_version_15_sends_no_flags_and_its_temperature_plus_100() -> None:
    assert one(PLC_0, PLC_15) == Inverter(
        uid="102000000505",
        model="YC250",
        channels=(Channel(1, 120.0, 32.7, 3.7, 10.0),),
        energy_wh=10.0,
        grid_voltage_v=230,
        grid_frequency_hz=50.0,
        temperature_c=31,
    )


@pytest.mark.parametrize("block", [PLC_A, PLC_B, PLC_0])
def test_a_plc_channel_sent_twice_is_no_second_channel(block: str) -> None:
    inverters, problems, is_whole = decode_blocks([block, block], PLC_15)
    assert is_whole
    assert [len(inverter.channels) for inverter in inverters] == [1]
    assert len(problems) == 1
    assert "stands twice" in problems[0]
    assert block in problems[0]


def test_typeless_blocks_stand_beside_typed_ones() -> None:
    blocks = [PLC_A.replace("606A", "6060"), YC500, PLC_A.replace("606", "607")]
    inverters, problems, _ = decode_blocks(blocks, PLC_13)
    assert [inverter.model for inverter in inverters] == ["YC250", "YC500", "YC500"]
    assert problems == ()


def test_an_optimizer_has_an_output_and_two_inputs_in_thousandths() -> None:
    assert one(OPTIMIZER, OPTIMIZERS_16) == Inverter(
        uid="601000000707",
        model="OPT",
        channels=(Channel(1, 113.82, 27.1, 4.2, 9.485), Channel(2, 110.28, 26.9, 4.1, 9.19)),
        energy_wh=18.675,
        temperature_c=41,
        output=Output(48.4, 4.5, 217.8, 18.15),
    )


@pytest.mark.parametrize(
    ("sent", "output_wh"),
    [("0000018675", 18.675), ("0000019608", 19.608), ("0000019609", None), ("0000009337", None), ("0032929000", None)],
)
def test_an_output_energy_that_disagrees_with_the_inputs_is_a_running_total_and_left_out(
    sent: str, output_wh: float | None
) -> None:
    inverter = one(OPTIMIZER.replace("0000018150", sent), OPTIMIZERS_16)
    assert inverter.output is not None
    assert inverter.output.energy_wh == output_wh


def test_what_no_optimizer_can_measure_is_left_out() -> None:
    inverter = one(OPTIMIZER.replace("004100", "923000").replace("141", "978"), OPTIMIZERS_16)
    assert [channel.current_a for channel in inverter.channels] == [4.2, None]
    assert inverter.temperature_c is None


@pytest.mark.parametrize(("sent", "power_w"), [("217800000", 217.8), ("20270000", 20.27), ("1027000", 1.027)])
def test_the_early_optimizer_build_prints_microwatts_and_whole_watt_hours(sent: str, power_w: float) -> None:
    text = (
        "601000000707" + "050600" + "000400" + sent + "0000000018" + "978"
        "1" + "026700" + "000000" + "105000" + "0000018823"
        "2" + "028300" + "881000" + "108900" + "0000000000"
    )  # fmt: skip
    narrow = text.replace("707050600000400" + sent, "708050600000400" + "999999")
    (wide, below_one_watt), problems, _ = decode_blocks([text, narrow], OPTIMIZERS_16)
    assert problems == ()
    assert wide == Inverter(
        uid="601000000707",
        model="OPT",
        channels=(Channel(1, 105.0, 26.7, None, 18.823), Channel(2, 108.9, 28.3, None, 0)),
        energy_wh=18.823,
        output=Output(50.6, 0.4, power_w, 18.0),
    )
    assert below_one_watt.output is not None
    assert below_one_watt.output.power_w == 0.999999


@pytest.mark.parametrize("power", ["1_0000", "+20000", "2000.0", "²00000", "20000B"])
def test_an_output_power_that_is_no_number_costs_itself_alone(power: str) -> None:
    (inverter,), problems, is_whole = decode_blocks([OPTIMIZER.replace("217800", power)], OPTIMIZERS_16)
    assert is_whole
    assert inverter == one(OPTIMIZER, OPTIMIZERS_16)._replace(output=Output(48.4, 4.5, None, 18.15))
    assert "(output power_w)" in problems[0]


@pytest.mark.parametrize(
    ("padded", "plain", "form"),
    [
        (
            "102000000505" + "05" + "229" + "AA500" + "AB5" + "AAAA7" + "11280" + "AA9400"
            "A" + "AA327" + "A37" + "A10000" + "12000" + "A1AAAAAAA1A",
            YC250,
            ZIGBEE_14,
        ),
        (
            "408000000001" + "07" + "231" + "AA499" + "142" + "AA150" + "A4512" + "AAAAAA3760"
            "1" + "AA341" + "AA7" + "AA2041" + "A2400"
            "2" + "AA338" + "AA7" + "AA1995" + "A2300",
            YC600,
            ZIGBEE_18,
        ),
        (
            "502000000303" + "04" + "AA362" + "AA500" + "147"
            "1" + "A68" + "231" + "AAA10" + "26570" + "A22194" + "A20500" + "24600"
            "2" + "A67" + "230" + "AAA20" + "26580" + "A22195" + "A20166" + "24100"
            "3" + "A66" + "232" + "AAA30" + "26590" + "A22196" + "A19916" + "23800"
            "4" + "A34" + "A10250" + "12300",
            YC1000,
            ZIGBEE_18,
        ),
        (
            "102000000606" + "A" + "AA322" + "A38" + "12000" + "AA500" + "AB3" + "229" + "A1AAAAAAAAA" + "A10000",
            PLC_A,
            PLC_13,
        ),
        (
            "102000000505" + "0" + "AA327" + "A37" + "12000" + "AA500" + "A31" + "230" + "AAAAA10000",
            PLC_0,
            PLC_15,
        ),
        (
            "601000000707" + "A48400" + "AA4500" + "217800" + "AAAAA18150" + "141"
            "1" + "A27100" + "AA4200" + "113820" + "AAAAAA9485"
            "2" + "A26900" + "AA4100" + "110280" + "AAAAAA9190",
            OPTIMIZER,
            OPTIMIZERS_16,
        ),
    ],
    ids=["05", "07", "04", "PLC 57", "PLC 50", "optimizer"],
)  # fmt: skip
def test_the_letter_a_before_a_number_counts_as_zero(padded: str, plain: str, form: Dialect) -> None:
    assert one(padded, form) == one(plain, form)


@pytest.mark.parametrize(
    "broken",
    [
        YC600.replace("408000000001", "4080000000-1"),
        YC600.replace("00107", "001²7"),
        YC600[:45] + "x" + YC600[46:],
        QS1[:-1],
        QS1 + "0",
        PLC_A.replace("A00322", "C00322"),
        "",
        "garbage",
    ],
)
def test_a_broken_block_costs_itself_alone_and_is_told_whole(broken: str) -> None:
    inverters, problems, is_whole = decode_blocks([YC250, broken, YC1000], ZIGBEE_18)
    assert [inverter.model for inverter in inverters] == ["YC250", "YC1000"]
    assert (len(problems), is_whole) == (1, False)
    assert repr(broken) in problems[0]


def test_a_letter_in_a_serial_number_is_no_reason_to_lose_an_inverter() -> None:
    text = YC600.replace("408000000001", "4080000000x1")
    inverters, problems, is_whole = decode_blocks([text], ZIGBEE_18)
    assert (inverters, is_whole) == ((one(YC600)._replace(uid="4080000000x1"),), True)
    assert problems == (f"in part not understood (uid): {text!r}",)


FIRST, SECOND = one(YC600).channels


@pytest.mark.parametrize(
    ("place", "text", "changed", "field"),
    [
        (14, "2-1", {"grid_voltage_v": None}, "grid_voltage_v"),
        (17, "0.499", {"grid_frequency_hz": None}, "grid_frequency_hz"),
        (22, "1A2", {"temperature_c": None}, "temperature_c"),
        (25, "0x012", {"reactive_power_var": None}, "reactive_power_var"),
        (25, "0-012", {"reactive_power_var": None}, "reactive_power_var"),
        (30, "-4512", {"ac_power_w": None}, "ac_power_w"),
        (35, "000000376 ", {"ac_energy_wh": None}, "ac_energy_wh"),
        (46, "0_341", {"channels": (FIRST._replace(voltage_v=None), SECOND)}, "voltage_v of channel 1"),
        (71, "07²", {"channels": (FIRST, SECOND._replace(current_a=None))}, "current_a of channel 2"),
        (
            74,
            "0019xx",
            {"channels": (FIRST, SECOND._replace(energy_wh=None)), "energy_wh": None},
            "energy_wh of channel 2",
        ),
        (80, "023²0", {"channels": (FIRST, SECOND._replace(power_w=None))}, "power_w of channel 2"),
    ],
)
def test_a_bad_field_costs_itself_alone_and_is_named(
    place: int, text: str, changed: dict[str, object], field: str
) -> None:
    block = YC600[:place] + text + YC600[place + len(text) :]
    (inverter,), problems, is_whole = decode_blocks([block], ZIGBEE_18)
    assert inverter == one(YC600)._replace(**changed)  # type: ignore[arg-type]
    assert problems == (f"in part not understood ({field}): {block!r}",)
    assert is_whole


def test_a_bad_field_of_a_phase_leaves_the_sum_of_all_open() -> None:
    (inverter,), problems, _ = decode_blocks([YC1000.replace("26570", "2657x").replace("068231", "06823x")], ZIGBEE_18)
    first, *others = YC1000_VALUES.phases
    assert inverter == YC1000_VALUES._replace(
        grid_voltage_v=None,
        ac_power_w=None,
        phases=(first._replace(grid_voltage_v=None, ac_power_w=None), *others),
    )
    assert "(grid_voltage_v of channel 1, ac_power_w of channel 1)" in problems[0]


def test_flags_of_which_some_cannot_be_read_are_not_known() -> None:
    (inverter,), _, _ = decode_blocks([YC500.replace("00000001000", "00000002000")], ZIGBEE_18)
    assert inverter == one(YC500)._replace(status=None)


def test_a_bad_temperature_in_letters_costs_itself_alone() -> None:
    (inverter,), _, _ = decode_blocks([YC500.replace("A38", "A-8")], ZIGBEE_18)
    assert inverter == one(YC500)._replace(temperature_c=None)


def test_bad_fields_of_a_plc_block_and_of_an_optimizer_cost_themselves() -> None:
    (channel,), _, _ = decode_blocks([PLC_0.replace("12000", "12x00").replace("0000010000", "00000x0000")], PLC_15)
    assert channel == one(PLC_0, PLC_15)._replace(channels=(Channel(1, None, 32.7, 3.7, None),), energy_wh=None)
    broken = OPTIMIZER.replace("048400", "04x400").replace("0000018150", "00000x8150").replace("004100", "0041x0")
    (optimizer,), problems, _ = decode_blocks([broken.replace("0000009190", "000000919-")], OPTIMIZERS_16)
    sound = one(OPTIMIZER, OPTIMIZERS_16)
    assert optimizer == sound._replace(
        channels=(sound.channels[0], Channel(2, 110.28, 26.9, None, None)),
        energy_wh=None,
        output=Output(None, 4.5, 217.8, None),
    )
    assert "(voltage_v, output energy_wh, current_a of channel 2, energy_wh of channel 2)" in problems[0]


@pytest.mark.parametrize(
    ("sent", "reactive_power_var"), [("-0012", -0.12), ("AA-12", -0.12), ("-9999", -99.99), ("00000", 0)]
)
def test_a_reactive_power_may_be_negative(sent: str, reactive_power_var: float) -> None:
    block = YC600.replace("00150", sent)
    assert one(block) == one(YC600)._replace(reactive_power_var=reactive_power_var)
    if sent[0] != "A":
        assert encode_blocks(one(block), ZIGBEE_18) == (block,)


def test_an_inverter_that_stands_twice_counts_once() -> None:
    inverters, problems, is_whole = decode_blocks([YC600, YC600.replace("02300", "09900")], ZIGBEE_18)
    assert [inverter.dc_power_w for inverter in inverters] == [47]
    # Which of them is under its own number, nobody knows.
    assert (inverters[0].energy_wh, is_whole) == (None, False)
    assert len(problems) == 1
    assert "408000000001 stands twice" in problems[0]
    assert decode_blocks([YC600, YC600], ZIGBEE_18).is_whole


@pytest.mark.parametrize(
    ("block", "sent", "other", "reactive_power_var"),
    [
        (YC600, "04512", "00451", 15.0),
        (QS1, "01457", "14570", 0.12),
        (YC250, "11280", "01128", 0.7),
        (YC500, "22372", "02237", 0),
    ],
)
def test_every_types_ac_power_is_read_in_the_scale_that_is_nearest_to_94_percent_of_its_dc_power(
    block: str, sent: str, other: str, reactive_power_var: float
) -> None:
    sound, odd = one(block), one(block.replace(sent, other))
    assert odd.ac_power_w == pytest.approx(sound.ac_power_w, abs=0.1)
    assert odd.reactive_power_var == reactive_power_var


def test_three_phases_are_read_in_the_scale_that_fits_their_sum() -> None:
    tenths = one(YC1000.replace("26570", "02657").replace("26580", "02658").replace("26590", "02659"))
    assert [phase.ac_power_w for phase in tenths.phases] == [265.7, 265.8, 265.9]
    assert [phase.reactive_power_var for phase in tenths.phases] == [1, 2, 3]
    assert (tenths.ac_power_w, tenths.reactive_power_var) == (797.4, 6)


def test_an_ac_power_that_fits_voltage_and_current_keeps_the_scale_of_its_model() -> None:
    """A cloud came at the end of the interval: 3.4 W at that moment, 60 and 57 W in the mean."""
    cloud = YC600.replace("0341007", "0341001").replace("0338007", "0338000").replace("04512", "00320")
    inverter = one(cloud.replace("02400", "06000").replace("02300", "05700"))
    assert inverter.ac_power_w == 3.2


@pytest.mark.parametrize(("block", "ac_power_w"), [(YC600, 45.12), (QS1, 145.7)])
def test_without_dc_power_an_ac_power_is_read_in_the_scale_of_its_model(block: str, ac_power_w: float) -> None:
    dark = block
    for power in ("02400", "02300", "02900", "03800", "04500", "04300"):
        dark = dark.replace(power, "00000")
    assert one(dark).ac_power_w == ac_power_w


@pytest.mark.parametrize(
    ("version", "system", "form"),
    [
        (11, "AAAA", PLC_13),
        (13, "AAAA", PLC_13),
        (14, "AAAA", ZIGBEE_14),
        (15, "0001", PLC_15),
        (15, "AAA1", PLC_15),
        (15, "0002", ZIGBEE_14),
        (15, "AAA2", ZIGBEE_14),
        (16, "0001", OPTIMIZERS_16),
        (17, "AAAA", ZIGBEE_18),
        (18, "0001", ZIGBEE_18),
        (18, "AAAA", ZIGBEE_18),
        (19, "0002", ZIGBEE_18),
    ],
)
def test_version_and_system_choose_the_dialect(version: int, system: str, form: Dialect) -> None:
    assert dialect(version, system) is form


@pytest.mark.parametrize(
    ("block", "form"),
    [
        (YC600, ZIGBEE_18),
        (QS1, ZIGBEE_18),
        (YC1000, ZIGBEE_18),
        (PLC_0, PLC_15),
        (OPTIMIZER, OPTIMIZERS_16),
        (OPTIMIZER.replace("217800", "000000").replace("0000018150", "0000000000"), OPTIMIZERS_16),
    ],
)
def test_writing_what_was_read_gives_the_same_characters(block: str, form: Dialect) -> None:
    assert encode_blocks(one(block, form), form) == (block,)


def test_the_older_dialects_write_the_letter_a_before_numbers() -> None:
    assert encode_blocks(one(YC250), ZIGBEE_14) == (
        "10200000050505229AA500AB5AAAA711280AA9400AAA327A37A100001200001000000010",
    )
    written = encode_blocks(one(PLC_A, PLC_13)._replace(status=2), PLC_13)
    assert written == ("102000000606AAA322A3812000AA500AB322901000000000A10000",)


def test_what_a_dialect_cannot_say_is_not_written() -> None:
    with pytest.raises(FieldError):
        encode_blocks(one(OPTIMIZER, OPTIMIZERS_16), ZIGBEE_18)
    with pytest.raises(FieldError, match="energy_wh"):
        encode_blocks(one(YC600)._replace(channels=(Channel(1, 1, 1, 1, 1000.0), Channel(2, 1, 1, 1, 1))), ZIGBEE_18)
