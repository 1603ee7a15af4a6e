"""Inverters and records as a gateway could send them, for Hypothesis.

Only what the fields can carry is drawn: the steps of a field, its width, and None where a block has no such field.
"""

from hypothesis import strategies as st

from collector.protocol.blocks import Channel, Inverter, Output, Phase
from collector.protocol.fields import total
from collector.protocol.upload import LateGroup, Upload
from tests.protocol.helpers import TIME


def decimal(digits: int, steps: int, most: int | None = None) -> st.SearchStrategy[float]:
    return st.integers(0, most or 10**digits - 1).map(lambda raw: raw / steps)


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
    return total(part.power_w for part in parts)


def _dc_energy(parts: tuple[Channel, ...]) -> float:
    return total(part.energy_wh for part in parts)


def _measured(ac_power_w: float, dc_power_w: float) -> float | None:
    return None if ac_power_w == 0 and dc_power_w > 0 else ac_power_w


@st.composite
def single_phase(draw: st.DrawFn, model: str) -> Inverter:
    """Types 03 and 05: flags, and energy counted on the AC side."""
    parts = draw(channels([1] if model == "YC250" else [1, 2]))
    ac_energy_wh = draw(interval_wh)
    return Inverter(
        uid=draw(uids),
        model=model,
        channels=parts,
        energy_wh=ac_energy_wh,
        grid_voltage_v=draw(grid_volts),
        grid_frequency_hz=draw(hertz),
        temperature_c=draw(celsius),
        ac_power_w=_measured(draw(decimal(5, 100)), _dc_power(parts)),
        reactive_power_var=draw(decimal(5, 100)),
        ac_energy_wh=ac_energy_wh,
        status=draw(flags),
    )


@st.composite
def by_channels(draw: st.DrawFn, model: str, count: int, steps: int) -> Inverter:
    """Types 07 and 08, and those of unknown code, whose AC power must be near the DC power to tell its scale."""
    parts = draw(channels(range(1, count + 1)))
    power, reactive = draw(decimal(5, steps)), draw(decimal(5, steps))
    if model.startswith("type"):
        power = round(_dc_power(parts) * 0.94 * draw(st.floats(0.6, 1.1)), 1)
        reactive = reactive if power else 0
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
def three_phase(draw: st.DrawFn, with_flags: bool) -> Inverter:
    volts = st.just(draw(decimal(5, 10)))
    parts = draw(st.tuples(*(channel(number, volts) for number in (1, 2, 3, 4))))
    powers = draw(st.tuples(*[decimal(5, 100)] * 3))
    measured = _measured(total(powers), _dc_power(parts))
    phases = tuple(
        Phase(number, draw(grid_volts), None if measured is None else power, draw(decimal(5, 100)), draw(interval_wh))
        for number, power in enumerate(powers, 1)
    )
    return Inverter(
        uid=draw(uids),
        model="YC1000",
        channels=parts,
        energy_wh=_dc_energy(parts),
        grid_voltage_v=sum(phase.grid_voltage_v for phase in phases) / 3,
        grid_frequency_hz=draw(hertz),
        temperature_c=draw(celsius),
        ac_power_w=measured,
        reactive_power_var=total(phase.reactive_power_var for phase in phases),
        ac_energy_wh=total(phase.energy_wh for phase in phases),
        status=draw(flags) if with_flags else None,
        phases=phases,
    )


@st.composite
def plc(draw: st.DrawFn, with_flags: bool) -> Inverter:
    model, numbers = draw(st.sampled_from([("YC250", [1]), ("YC500", [1]), ("YC500", [2]), ("YC500", [1, 2])]))
    parts = draw(channels(numbers))
    return Inverter(
        uid=draw(uids),
        model=model,
        channels=parts,
        energy_wh=_dc_energy(parts),
        grid_voltage_v=draw(grid_volts),
        grid_frequency_hz=draw(hertz),
        temperature_c=draw(celsius),
        status=draw(flags) if with_flags else None,
    )


@st.composite
def optimizer(draw: st.DrawFn) -> Inverter:
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
        model="OPT",
        channels=parts,
        energy_wh=_dc_energy(parts),
        temperature_c=draw(celsius),
        output=Output(draw(thousandths), draw(thousandths), draw(thousandths), None if left_out else output_wh),
    )


_CODES = st.integers(0, 99).map("{:02d}".format).filter(lambda code: code not in ("03", "04", "05", "07", "08"))


def _unknown() -> st.SearchStrategy[Inverter]:
    return st.tuples(_CODES, st.integers(1, 9)).flatmap(lambda drawn: by_channels(f"type {drawn[0]}", drawn[1], 10))


def inverters(version: int, system: str) -> st.SearchStrategy[Inverter]:
    """Every kind of block that a record of this version and system may hold."""
    is_plc = version <= 13 or (version == 15 and system == "0001")
    with_flags = version < 15 or (version == 15 and not is_plc)
    kinds = [three_phase(with_flags), by_channels("YC600", 2, 100), by_channels("QS1", 4, 10), _unknown()]
    if version == 16:
        # A YC500's block is as wide as one of an early optimizer, beside which it was never seen.
        kinds += [optimizer(), single_phase("YC250")]
    else:
        kinds += [plc(with_flags)] if is_plc else [single_phase("YC250"), single_phase("YC500")]
    return st.one_of(kinds)


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
        power_w=total(inverter.dc_power_w for inverter in own),
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
