"""Records that say two things which can't both be true, or whose units are not those of their models."""

import pytest

from collector.protocol.blocks import Channel, Inverter
from collector.protocol.models import MODELS, Block, Model
from collector.protocol.problems import KNOWN_HABIT, is_puzzle, kind_of_problem
from collector.protocol.upload import Upload, decode, encode
from tests.protocol.helpers import ECU, TIME, optimizer_record, record
from tests.protocol.test_blocks import OPTIMIZER, PLC_0

UID = "408000000077"


def block(
    *,
    uid: str = UID,
    code: str = "07",
    ac: int = 43992,
    reactive: str = "00000",
    ac_mwh: int = 0,
    volts: tuple[int, ...] = (341, 340),
    amperes: tuple[int, ...] = (72, 65),
    mwh: tuple[int, ...] = (20583, 18416),
    watts: tuple[int, ...] = (24700, 22100),
) -> str:
    """By channel; the inputs give 247 and 221 W, and V x I 245.5 and 221 W."""
    groups = zip(volts, amperes, mwh, watts, strict=True)
    return f"{uid}{code}24000500131{reactive}{ac:05d}{ac_mwh:010d}" + "".join(
        f"{number}{dv:05d}{di:03d}{energy:06d}{op:05d}" for number, (dv, di, energy, op) in enumerate(groups, 1)
    )


def only(frame: str) -> Inverter:
    upload = decode(frame)
    assert upload.problems == ()
    (inverter,) = upload.inverters
    return inverter


def test_an_ac_power_in_tenths_is_read_so_and_its_reactive_power_with_it() -> None:
    inverter = only(record(block(ac=4399, reactive="-0012"), power="468"))
    assert (inverter.ac_power_w, inverter.reactive_power_var) == (439.9, -1.2)


def large(*, uid: str = UID, code: str = "07") -> str:
    """Twice 900 W, in tenths of a watt."""
    return block(
        uid=uid, code=code, ac=16920, volts=(700, 700), amperes=(129, 129), mwh=(75000, 75000), watts=(9000, 9000)
    )


@pytest.mark.parametrize("power", ["1800", "180000"])
@pytest.mark.parametrize("code", ["09", "07"])
def test_dc_power_in_tenths_is_told_by_voltage_times_current_and_the_header_together(code: str, power: str) -> None:
    upload = decode(record(large(code=code), power=power))
    (inverter,) = upload.inverters
    assert [channel.power_w for channel in inverter.channels] == [900, 900]
    assert (inverter.dc_power_w, inverter.ac_power_w, upload.power_w, upload.problems) == (1800, 1692, 1800, ())


def test_only_the_inverter_whose_power_is_in_tenths_is_read_so() -> None:
    upload = decode(record(block(), large(uid="408000000078"), power="2268"))
    assert [inverter.dc_power_w for inverter in upload.inverters] == [468, 1800]
    assert (upload.power_w, upload.problems) == (2268, ())


@pytest.mark.parametrize("power", ["0", "180", "18000", "4000"])
def test_dc_power_is_left_as_it_is_where_the_header_does_not_say_ten_times_as_much(power: str) -> None:
    upload = decode(record(large(), power=power))
    assert upload.inverters[0].dc_power_w == 180
    assert "inverter 408000000077: a power of 180 W against 1806 W by voltage and current" in upload.problems


def test_one_channel_that_disagrees_is_a_cloud_and_all_are_a_wrong_unit() -> None:
    assert decode(record(block(watts=(24700, 2200), ac=25286), power="269")).problems == ()
    both = decode(record(block(watts=(2400, 2200), ac=4324), power="46"))
    assert both.problems == ("inverter 408000000077: a power of 46 W against 466.52 W by voltage and current",)


@pytest.mark.parametrize(("amperes", "is_told"), [((500, 450), False), ((510, 460), True)])
def test_a_cloud_makes_the_moment_up_to_seven_times_the_mean(amperes: tuple[int, int], is_told: bool) -> None:
    """6.9 times, and 7.04 and 7.08 times."""
    assert bool(decode(record(block(amperes=amperes), power="468")).problems) is is_told


@pytest.mark.parametrize("amperes", [(9, 9), (0, 9)])
def test_small_currents_tell_nothing(amperes: tuple[int, ...]) -> None:
    assert decode(record(block(amperes=amperes), power="468")).problems == ()


@pytest.mark.parametrize(
    ("ac", "problems"),
    [
        (23600, 0),
        (23200, 1),
        (60800, 0),
        (60900, 1),
    ],
)
def test_an_ac_power_that_is_not_of_its_dc_power_is_told(ac: int, problems: int) -> None:
    """468 W in the mean and 466.5 W at the moment: 0.5 and 1.3 of the two."""
    found = decode(record(block(ac=ac), power="468")).problems
    assert len(found) == problems
    assert found == (f"inverter 408000000077: an AC power of {ac / 100:g} W against 468 W DC",)[:problems]


def test_an_ac_power_is_that_of_the_mean_or_of_the_moment() -> None:
    """A cloud went: 60 W in the mean, 466.5 W at the moment. Or one came."""
    for ac in (5640, 43992):
        found = decode(record(block(watts=(3100, 5000), ac=ac), power="81")).problems
        assert not any("AC" in problem for problem in found)


def test_in_the_dark_nothing_contradicts() -> None:
    dark = block(amperes=(0, 0), mwh=(3, 2), watts=(0, 0), ac=0)
    assert decode(record(dark)).problems == ()
    assert decode(record(block(amperes=(1, 1), watts=(100, 0), ac=1500), power="1")).problems == ()


@pytest.mark.parametrize(
    ("mwh", "ac_mwh", "told"),
    [
        ((20583, 18416), 36659, ""),
        ((20583, 18416), 0, ""),
        # Read back late, some firmware tells the AC energy alone.
        ((0, 0), 36659, ""),
        # 1.1 kWh a channel after four hours, whose last digit was cut off.
        ((112000, 112000), 2105600, "an energy of 224 Wh is implausible beside 2105.6 Wh AC, where ten times"),
        ((20583, 18416), 5000, "an energy of 38.999 Wh is implausible beside 5 Wh AC"),
        ((20583, 18416), 51000, "an energy of 38.999 Wh is implausible beside 51 Wh AC"),
    ],
)
def test_an_energy_that_its_ac_energy_contradicts_is_implausible(mwh: tuple[int, ...], ac_mwh: int, told: str) -> None:
    found = decode(record(block(mwh=mwh, ac_mwh=ac_mwh), power="468")).problems
    assert len(found) == bool(told)
    assert all(told in problem for problem in found)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("0", ""),
        ("38999", ""),
        ("48000", ""),
        ("230000", "an energy of 38.999 Wh is implausible beside 230 Wh in the header"),
        ("8000", "an energy of 38.999 Wh is implausible beside 8 Wh in the header"),
    ],
)
def test_an_energy_that_the_header_contradicts_is_implausible(header: str, told: str) -> None:
    assert decode(record(block(), power="468", energy=header)).problems == ((told,) if told else ())


@pytest.mark.parametrize(("mwh", "header"), [((112000, 112000), "2240000"), ((112000, 18416), "1138416")])
def test_an_energy_that_was_cut_to_six_digits_is_told_by_the_header(mwh: tuple[int, ...], header: str) -> None:
    (problem,) = decode(record(block(mwh=mwh), power="468", energy=header)).problems
    assert problem.endswith(
        f" Wh in the header, where ten times as much fits: it was cut to six digits ({KNOWN_HABIT})"
    )


def test_one_cut_energy_among_many_is_told_by_the_header() -> None:
    fleet = [block(uid=f"{number:012d}", mwh=(150000, 150000)) for number in range(30)]
    fleet.append(block(mwh=(112000, 150000)))
    (problem,) = decode(record(*fleet, power=str(31 * 468), energy=str(60 * 150000 + 1120000 + 150000))).problems
    assert "cut to six digits" in problem


def test_an_energy_that_no_input_makes_in_a_day_is_implausible() -> None:
    """Twice a large module's 300 W all day: 9360 Wh with some light from clouds."""
    assert decode(record(PLC_0[:-10] + "0009360000", version="15", system="0001", power="120")).problems == ()
    (problem,) = decode(
        record(PLC_0[:-10] + "0009360001", version="15", system="0001", power="120", energy="0")
    ).problems
    assert problem == (
        "inverter 102000000505: an energy of 9360.001 Wh of channel 1 is implausible: no input makes that in a day"
    )


def test_a_larger_input_may_make_more() -> None:
    large = (
        OPTIMIZER.replace("113820", "500000").replace("0000009485", "0015600000").replace("0000018150", "0000000000")
    )
    assert decode(optimizer_record(large, power="610280")).problems == ()


@pytest.mark.parametrize("text", [block(ac=20000), block(watts=(2400, 2200), ac=4324)])
def test_contradictions_of_late_data_are_told_as_well(text: str) -> None:
    tail = f"ADD20260621115500001UND{text}UNDEND"
    assert len(decode(record(block(uid="408000000078"), power="468", tail=tail)).problems) == 1


def test_contradictions_of_many_inverters_are_of_one_kind() -> None:
    problems = decode(record(*(block(uid=f"{number:012d}", ac=20000) for number in range(1, 9)), power="3744")).problems
    assert len(problems) == 8
    assert {kind_of_problem(problem) for problem in problems} == {
        "inverter N: an AC power of N W against N W DC",
    }


def late_round(*blocks: str, version: str = "15", system: str = "0001", power: str, count: str, length: str) -> str:
    text = record(*blocks, version=version, system=system, power=power, lifetime="0", count=count)
    return f"{text[:5]}{length}{text[10:14]}0001{text[18:]}"


TWO_CHANNELS = [
    f"204000000606{letter}00322{amperes:03d}{watts * 100:05d}00500131229{energy:010d}"
    for letter, amperes, watts, energy in (("A", 8, 26, 2180), ("B", 8, 25, 2157))
]


@pytest.mark.parametrize("power", ["0510004337", "0260004672", "0125001260", "0250000020"])
def test_what_a_late_round_has_in_its_header_is_no_power_and_no_riddle(power: str) -> None:
    upload = decode(late_round(*TWO_CHANNELS, power=power, count="001", length="00186"))
    assert (upload.version, upload.power_w, upload.lifetime_kwh, upload.energy_wh) == (15, 51, None, 4.337)
    (problem,) = upload.problems
    assert problem == f"the header says a power of '{power}', the inputs one of 51 W, which counts ({KNOWN_HABIT})"
    assert not is_puzzle(problem)


@pytest.mark.parametrize(
    ("count", "length", "problems"),
    [
        ("001", "00186", 0),
        ("002", "00262", 0),
        ("003", "00186", 1),
        ("001", "00187", 1),
        ("000", "00186", 1),
    ],
)
def test_a_late_round_counts_half_its_blocks_and_takes_them_for_smaller(count: str, length: str, problems: int) -> None:
    frame = late_round(
        block(), block(uid="408000000078"), version="18", system="0002", power="936", count=count, length=length
    )
    assert len(frame) == 262
    upload = decode(frame)
    assert len(upload.problems) == problems
    assert (len(upload.inverters), upload.inverters_reporting, upload.energy_wh) == (2, 2, 77.998)


def test_what_a_late_round_may_say_another_record_may_not() -> None:
    frame = late_round(block(), block(uid="408000000078"), version="18", power="936", count="001", length="00186")
    produced = f"{frame[:50]}0000123456{frame[60:]}"
    assert [kind_of_problem(problem) for problem in decode(produced).problems] == [
        "the length field says ..., the message has N characters",
        "the header counts N inverters, N were found",
    ]


def test_a_late_round_of_optimizers_takes_them_for_three_characters_shorter() -> None:
    frame = optimizer_record(OPTIMIZER, OPTIMIZER.replace("707", "708"), power="448200")
    assert len(frame) == 304
    late = f"{frame[:5]}00298{frame[10:84]}001{frame[87:]}"
    upload = decode(late)
    assert (upload.problems, upload.power_w, upload.inverters_reporting) == ((), 448.2, 2)
    assert len(decode(f"{late[:84]}002{late[87:]}").problems) == 1


@pytest.mark.parametrize("model", [model for model in MODELS if model.block is Block.BY_CHANNEL], ids=str)
@pytest.mark.parametrize("watts", [1.0, 19.0, 47.0, 300.0])
def test_an_ordinary_inverter_contradicts_nothing(model: Model, watts: float) -> None:
    numbers = range(1, model.channels + 1)
    channels = tuple(Channel(number, watts, 34.0, round(watts / 34, 1), round(watts / 12, 3)) for number in numbers)
    inverter = Inverter(
        UID,
        model.name,
        channels,
        energy_wh=round(watts / 12, 3) * model.channels,
        ac_power_w=round(0.94 * watts * model.channels, 1),
        ac_energy_wh=round(0.94 * watts / 12 * model.channels, 3),
    )
    upload = decode(encode(Upload(version=18, ecu=ECU, time=TIME, inverters=(inverter,), power_w=inverter.dc_power_w)))
    assert upload.problems == ()
