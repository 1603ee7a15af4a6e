"""Inverters and records as a gateway could send them, for Hypothesis.

Only what the fields can carry is drawn: the steps of a field, its width, and None where a block has no such field.
"""

from hypothesis import strategies as st

from collector.protocol.blocks import Channel, Inverter, Output, Phase
from collector.protocol.fields import total
from collector.protocol.models import MODELS, TENTHS, Block, Model
from collector.protocol.upload import LateGroup, Upload
from tests.protocol.helpers import TIME
from tests.samples import known


def decimal(digits: int, steps: int, most: int | None = None) -> st.SearchStrategy[float]:
    return st.integers(0, most or 10**digits - 1).map(lambda raw: raw / steps)


def signed(digits: int, steps: int) -> st.SearchStrategy[float]:
    """One digit less where there is a sign."""
    return st.integers(-(10 ** (digits - 1)) + 1, 10**digits - 1).map(lambda raw: raw / steps)


uids = st.integers(0, 10**12 - 1).map("{:012d}".format)
times = st.integers(0, 10**14 - 1).map("{:014d}".format)
celsius = st.integers(-99, 100)
flags = st.integers(0, 2**11 - 1)
grid_volts = st.integers(0, 999)
hertz = decimal(5, 10)
# Whole watts, as every firmware sends them; the header is their sum, in watts in some firmware.
watts = st.integers(0, 999).map(float)
amperes = decimal(3, 10)
interval_wh = decimal(6, 1000)


def channel(number: int, volts: st.SearchStrategy[float] | None = None) -> st.SearchStrategy[Channel]:
    return st.builds(Channel, st.just(number), watts, decimal(5, 10) if volts is None else volts, amperes, interval_wh)


def channels(numbers: range | list[int]) -> st.SearchStrategy[tuple[Channel, ...]]:
    return st.tuples(*(channel(number) for number in numbers))


def _dc_power(parts: tuple[Channel, ...]) -> float:
    return total(known(part.power_w) for part in parts)


def _dc_energy(parts: tuple[Channel, ...]) -> float:
    return total(known(part.energy_wh) for part in parts)


def _ac_powers(dc_power_w: float, steps: int) -> st.SearchStrategy[float]:
    """So near to the DC power that their scale is told; any where there is none to compare with."""
    most = 10**5 - 1
    if not dc_power_w:
        return decimal(5, steps)
    near = st.floats(0.6, 1.1).map(lambda share: min(round(dc_power_w * 0.94 * share * steps), most) / steps)
    return near | st.just(0.0)


def _measured(ac_power_w: float, dc_power_w: float) -> float | None:
    return None if ac_power_w == 0 and dc_power_w > 0 else ac_power_w


@st.composite
def with_flags(draw: st.DrawFn, model: Model) -> Inverter:
    """Types 03 and 05: flags, and energy counted on the AC side."""
    parts = draw(channels(range(1, model.channels + 1)))
    ac_energy_wh = draw(interval_wh)
    return Inverter(
        uid=draw(uids),
        model=model.name,
        channels=parts,
        energy_wh=ac_energy_wh,
        grid_voltage_v=draw(grid_volts),
        grid_frequency_hz=draw(hertz),
        temperature_c=draw(celsius),
        ac_power_w=_measured(draw(_ac_powers(_dc_power(parts), model.ac_steps)), _dc_power(parts)),
        reactive_power_var=draw(signed(5, model.ac_steps)),
        ac_energy_wh=ac_energy_wh,
        status=draw(flags),
    )


@st.composite
def by_channels(draw: st.DrawFn, model: str, count: int, steps: int) -> Inverter:
    """Types 07 and 08, and those of unknown code, of which without an AC power nothing tells the scale."""
    parts = draw(channels(range(1, count + 1)))
    power, reactive = draw(_ac_powers(_dc_power(parts), steps)), draw(signed(5, steps))
    if model.startswith("type") and not (power and _dc_power(parts)):
        power = reactive = 0
    return Inverter(
        uid=draw(uids),
        model=model,
        channels=parts,
        energy_wh=_dc_energy(parts),
        grid_voltage_v=draw(grid_volts),
        grid_frequency_hz=draw(hertz),
        temperature_c=draw(celsius),
        ac_power_w=_measured(power, _dc_power(parts)),
        reactive_power_var=reactive,
        ac_energy_wh=draw(decimal(10, 1000)),
    )


@st.composite
def three_phase(draw: st.DrawFn, model: Model, has_flags: bool) -> Inverter:
    volts = st.just(draw(decimal(5, 10)))
    parts = draw(st.tuples(*(channel(number, volts) for number in (1, 2, 3, 4))))
    third = draw(_ac_powers(_dc_power(parts) / 3, model.ac_steps))
    powers = (third, third, third)
    measured = _measured(total(powers), _dc_power(parts))
    phases = tuple(
        Phase(
            number,
            draw(grid_volts),
            None if measured is None else power,
            draw(signed(5, model.ac_steps)),
            draw(interval_wh),
        )
        for number, power in enumerate(powers, 1)
    )
    return Inverter(
        uid=draw(uids),
        model=model.name,
        channels=parts,
        energy_wh=_dc_energy(parts),
        grid_voltage_v=sum(known(phase.grid_voltage_v) for phase in phases) / 3,
        grid_frequency_hz=draw(hertz),
        temperature_c=draw(celsius),
        ac_power_w=measured,
        reactive_power_var=total(known(phase.reactive_power_var) for phase in phases),
        ac_energy_wh=total(known(phase.energy_wh) for phase in phases),
        status=draw(flags) if has_flags else None,
        phases=phases,
    )


@st.composite
def plc(draw: st.DrawFn, model: Model, has_flags: bool) -> Inverter:
    """A block a channel, of which some may be missing."""
    numbers = range(1, model.channels + 1)
    parts = draw(channels(draw(st.lists(st.sampled_from(numbers), min_size=1, unique=True).map(sorted))))
    return Inverter(
        uid=draw(uids),
        model=model.name,
        channels=parts,
        energy_wh=_dc_energy(parts),
        grid_voltage_v=draw(grid_volts),
        grid_frequency_hz=draw(hertz),
        temperature_c=draw(celsius),
        status=draw(flags) if has_flags else None,
    )


@st.composite
def optimizer(draw: st.DrawFn, model: Model) -> Inverter:
    thousandths, possible_amperes = decimal(6, 1000), decimal(6, 1000, most=60_000)
    raw = draw(st.tuples(interval_wh, interval_wh))
    parts = tuple(
        Channel(number, draw(thousandths), draw(thousandths), draw(possible_amperes), energy_wh)
        for number, energy_wh in enumerate(raw, 1)
    )
    output_wh = round(_dc_energy(parts) * draw(st.floats(0.6, 1.0)), 3)
    # What the block can't say is written as 0, which reads as unknown only where the inputs have produced something.
    left_out = draw(st.booleans()) and _dc_energy(parts) > 0
    return Inverter(
        uid=draw(uids),
        model=model.name,
        channels=parts,
        energy_wh=_dc_energy(parts),
        temperature_c=draw(celsius),
        output=Output(draw(thousandths), draw(thousandths), draw(thousandths), None if left_out else output_wh),
    )


_CODES = st.integers(0, 99).map("{:02d}".format).filter(lambda code: code not in {model.code for model in MODELS})


def _unknown() -> st.SearchStrategy[Inverter]:
    return st.tuples(_CODES, st.integers(1, 9)).flatmap(lambda drawn: by_channels(f"type {drawn[0]}", drawn[1], TENTHS))


def of_model(model: Model, version: int, system: str) -> st.SearchStrategy[Inverter]:
    """What a record of this version and system may say of a model; nothing where it can't name it."""
    is_plc = version <= 13 or (version == 15 and system == "0001")
    has_flags = version < 15 or (version == 15 and not is_plc)
    if model.block is Block.OPTIMIZER:
        return optimizer(model) if version == 16 else st.nothing()
    if is_plc and model.plc:
        return plc(model, has_flags)
    # A YC500's block is as wide as one of an early optimizer, beside which it was never seen.
    if version == 16 and model.name == "YC500":
        return st.nothing()
    match model.block:
        case Block.BY_CHANNEL:
            return by_channels(model.name, model.channels, model.ac_steps)
        case Block.WITH_FLAGS:
            return with_flags(model)
        case Block.THREE_PHASE:
            return three_phase(model, has_flags)


def inverters(version: int, system: str) -> st.SearchStrategy[Inverter]:
    """Every kind of block that a record of this version and system may hold."""
    return st.one_of(_unknown(), *(of_model(model, version, system) for model in MODELS))


VERSIONS = [
    (11, "AAAA"),
    (12, "AAAA"),
    (13, "AAAA"),
    (14, "AAAA"),
    (15, "0001"),
    (15, "0002"),
    (16, "0001"),
    (18, "AAAA"),
    (18, "0002"),
]


@st.composite
def uploads(draw: st.DrawFn, version: int, system: str) -> Upload:
    """A record; versions 15, 16 and 18 may have late groups behind it."""
    distinct = st.lists(inverters(version, system), min_size=1, max_size=4, unique_by=lambda inverter: inverter.uid)
    own = tuple(draw(distinct))
    groups = st.lists(st.builds(LateGroup, times, distinct.map(tuple)), max_size=2)
    return Upload(
        version=version,
        ecu=draw(uids),
        time=draw(times),
        inverters=own,
        power_w=total(known(inverter.dc_power_w) for inverter in own),
        lifetime_kwh=None if version == 16 else draw(st.none() | decimal(10, 10).filter(bool)),
        late=tuple(draw(groups)) if version >= 15 else (),
    )


@st.composite
def fill_ups(draw: st.DrawFn) -> tuple[Upload, str]:
    """Late groups alone, with the system characters they are sent under."""
    version, system = draw(st.sampled_from([(16, "0001"), (18, "0002")]))
    distinct = st.lists(inverters(version, system), min_size=1, max_size=3, unique_by=lambda inverter: inverter.uid)
    groups = st.lists(st.builds(LateGroup, times, distinct.map(tuple)), min_size=1, max_size=3)
    year = str(int(TIME[:4]) + 1000)
    late = tuple(draw(groups))
    return Upload(version=version, ecu=draw(uids), time=year + TIME[4:], late=late, has_round=False), system
