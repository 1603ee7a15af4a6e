"""Inverter blocks: from the text between two `END`s to an `Inverter`, and back (docs/protocol.md, 5).

Values are in the units their names carry; `None` means that the device did not measure or not send it, or that it can't
be read. A field that cannot be read costs that field alone, and a block whose structure cannot be told costs that
block: either comes back as a line of text which holds the block whole.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from collector.protocol.fields import FieldError, Layout, quantity, sum_if_known
from collector.protocol.models import (
    BY_NAME,
    HUNDREDTHS,
    MILLI,
    OPTIMIZER,
    OPTIMIZER_WIDTH,
    OPTIMIZERS,
    OUTPUT_HEAD,
    OUTPUT_POWER_WIDTH,
    OUTPUT_TAIL,
    PLC_50,
    PLC_57,
    PLC_CHANNELS,
    PV_INPUTS,
    TENTHS,
    UID_WIDTH,
    UNKNOWN_GROUP_WIDTH,
    UNKNOWN_HEAD_WIDTH,
    Dialect,
    Form,
    Model,
    by_channel_count,
    code_of,
    name_of,
)

# The inverters that do not measure AC power send this share of the DC power instead, so a sent value in the right unit
# is near it (docs/protocol.md, 5.8).
AC_SHARE = 0.94

# No module behind an optimizer carries more and no inverter is hotter: a larger number is something else that was
# printed in that place (docs/protocol.md, 5.7).
MOST_AMPERES = 60.0
HOTTEST_C = 150.0

# How the lines begin that tell of a block, and of fields of one.
NOT_UNDERSTOOD, FIELDS_NOT_UNDERSTOOD = "block not understood", "in part not understood"


class Channel(NamedTuple):
    """One DC input, counted from 1.

    Energy is that of the interval since the last successful reading, never a running total.
    """

    number: int
    power_w: float | None
    voltage_v: float | None
    current_a: float | None
    energy_wh: float | None

    @property
    def volt_amperes_w(self) -> float | None:
        """Voltage times current: the power at the moment of the reading."""
        return None if self.voltage_v is None or self.current_a is None else self.voltage_v * self.current_a


class Phase(NamedTuple):
    """One AC phase of a three-phase inverter, counted from 1."""

    number: int
    grid_voltage_v: float | None
    ac_power_w: float | None
    reactive_power_var: float | None
    energy_wh: float | None


class Output(NamedTuple):
    """The output side of an optimizer. Energy is None where the firmware prints something else in its place."""

    voltage_v: float | None
    current_a: float | None
    power_w: float | None
    energy_wh: float | None


class Inverter(NamedTuple):
    """One block, or the blocks of one PLC inverter.

    `energy_wh` is what the gateway counts for this device: the DC energies, for YC500 and YC250 blocks with a type code
    the AC energy. A sum is None where a part of it is not known. `status` has bit i set for flag i of docs/protocol.md,
    5.10.
    """

    uid: str
    model: str
    channels: tuple[Channel, ...]
    energy_wh: float | None
    grid_voltage_v: float | None = None
    grid_frequency_hz: float | None = None
    temperature_c: float | None = None
    ac_power_w: float | None = None
    reactive_power_var: float | None = None
    ac_energy_wh: float | None = None
    status: int | None = None
    phases: tuple[Phase, ...] = ()
    output: Output | None = None

    @property
    def dc_power_w(self) -> float | None:
        """Sum of the channels' powers."""
        return sum_if_known([channel.power_w for channel in self.channels])

    @property
    def volt_amperes_w(self) -> float | None:
        """Sum of the channels' voltages times currents."""
        return sum_if_known([channel.volt_amperes_w for channel in self.channels])

    def with_ten_times_the_power(self) -> "Inverter":
        """As it is where its powers are sent in tenths of a watt, and its AC power in the steps that then fit."""
        channels = tuple(
            channel._replace(power_w=None if channel.power_w is None else round(channel.power_w * HUNDREDTHS) / TENTHS)
            for channel in self.channels
        )
        inverter = self._replace(channels=channels)
        dc_power_w = inverter.dc_power_w
        if not self.ac_power_w or not dc_power_w:
            return inverter
        return _rescaled(inverter, HUNDREDTHS, [AC_SHARE * dc_power_w])


class Blocks(NamedTuple):
    """What the blocks of a record say. `is_whole` is False where one is not among the inverters."""

    inverters: tuple[Inverter, ...]
    problems: tuple[str, ...]
    is_whole: bool


def decode_blocks(texts: Iterable[str], dialect: Dialect) -> Blocks:
    """Read the blocks of one record, each without its END, in the order sent.

    A line of the problems is about one block, which it holds whole. The two blocks of a PLC inverter become one
    inverter. Never raises.
    """
    inverters: dict[str, Inverter] = {}
    problems = []
    lost: set[str] = set()
    texts = tuple(texts)
    early = dialect.optimizers and any(OPTIMIZER_WIDTH < len(text) <= OPTIMIZER_WIDTH + 3 for text in texts)
    for text in texts:
        try:
            inverter, unread = _decode_block(text, dialect, early=early)
        except FieldError as exc:
            problems.append(f"{NOT_UNDERSTOOD} ({exc}): {text!r}")
            lost.add(text)
            continue
        if unread:
            problems.append(f"{FIELDS_NOT_UNDERSTOOD} ({', '.join(unread)}): {text!r}")
        known = inverters.get(inverter.uid)
        if known is None:
            inverters[inverter.uid] = inverter
        elif _is_plc(text) and inverter.channels[0].number not in [channel.number for channel in known.channels]:
            inverters[inverter.uid] = _both_channels(known, inverter)
        else:
            problems.append(f"inverter {inverter.uid} stands twice in one record; the first one counts: {text!r}")
            if inverter != known:
                lost.add(text)
    for uid in {text[:UID_WIDTH] for text in lost} & inverters.keys():
        # Of a PLC inverter the other channel, or another inverter under this one's number.
        inverters[uid] = inverters[uid]._replace(energy_wh=None)
    return Blocks(tuple(inverters.values()), tuple(problems), is_whole=not lost)


def _decode_block(text: str, dialect: Dialect, *, early: bool) -> tuple[Inverter, Sequence[str]]:
    """An inverter, and what is to say of its fields that can't be read."""
    if dialect.optimizers and len(text) in OPTIMIZERS:
        return _decode_optimizer(text, early=early)
    if len(text) == PLC_57.width:
        return _decode_plc(PLC_57, text)
    if len(text) == PLC_50.width:
        return _decode_plc(PLC_50, text)
    code = text[UID_WIDTH : UID_WIDTH + 2]
    form = dialect.forms.get((code, len(text)))
    if form is not None:
        return _decode_form(form, text, knows_scale=True)
    channels, rest = divmod(len(text) - UNKNOWN_HEAD_WIDTH, UNKNOWN_GROUP_WIDTH)
    if rest or not 1 <= channels <= 9:
        raise FieldError(f"type {code!r} with {len(text)} characters")
    return _decode_form(by_channel_count(channels, dialect.offset, TENTHS), text, knows_scale=False)


def _decode_form(form: Form, text: str, *, knows_scale: bool) -> tuple[Inverter, Sequence[str]]:
    values, unread = form.readable(text)
    uid, code, grid_frequency_hz, temperature_c = form.device(values)
    channels = tuple([Channel(number, *get(values)) for number, get in enumerate(form.channels, 1)])
    phases: tuple[Phase, ...] = ()
    if form.phases:
        ac = [get(values) for get in form.ac]
        phases = tuple(Phase(number, *of_phase) for number, of_phase in enumerate(ac, 1))
        grid_voltage_v, ac_power_w, reactive_power_var, ac_energy_wh = _joined(ac)
    else:
        grid_voltage_v, ac_power_w, reactive_power_var, ac_energy_wh = form.ac[0](values)
    inverter = Inverter(
        uid,
        name_of(code),
        channels,
        ac_energy_wh if form.counts_ac else sum_if_known([channel.energy_wh for channel in channels]),
        grid_voltage_v,
        grid_frequency_hz,
        temperature_c,
        ac_power_w,
        reactive_power_var,
        ac_energy_wh,
        _any_flag([values[place] for place in form.flags]) if form.flags else None,
        phases,
    )
    if not unread and ac_power_w and is_sure(ac_power_w, sum([values[place] for place in form.powers])):
        return inverter, unread
    return _settled(inverter, form.ac_steps, knows_scale=knows_scale), unread


def _joined(ac: list[tuple[Any, ...]]) -> tuple[float | None, float | None, float | None, float | None]:
    """The mean grid voltage of some phases, and the sums of their powers and energies."""
    voltages_v, powers_w, reactive_powers_var, energies_wh = map(sum_if_known, zip(*ac, strict=True))
    return None if voltages_v is None else voltages_v / len(ac), powers_w, reactive_powers_var, energies_wh


def _any_flag(flags: list[int | None]) -> int | None:
    joined = 0
    for value in flags:
        if value is None:
            return None
        joined |= value
    return joined if flags else None


def _settled(inverter: Inverter, steps: int, *, knows_scale: bool) -> Inverter:
    """Choose tenths or hundredths of a watt for the AC side, which was read with the `steps` of its model: what is
    nearer to its DC side (docs/protocol.md, 5.8).

    Where there is nothing to compare, the model knows, and of an unknown one only a zero is sure. An AC power of 0
    while DC flows was not measured.
    """
    power_w, dc_power_w = inverter.ac_power_w, inverter.dc_power_w
    if power_w and dc_power_w:
        if not is_sure(power_w, dc_power_w):
            expected_w = [dc_power_w, inverter.volt_amperes_w if knows_scale else None]
            return _rescaled(inverter, steps, [AC_SHARE * power_w for power_w in expected_w if power_w])
    elif power_w == 0 and dc_power_w:
        phases = tuple(phase._replace(ac_power_w=None) for phase in inverter.phases)
        inverter = inverter._replace(ac_power_w=None, phases=phases)
        if not knows_scale:
            return _without_scale(inverter)
    elif not knows_scale:
        return _without_scale(inverter)
    return inverter


# Of DC power. An AC power within is nearer to the usual share than it would be with ten times or a tenth of its steps.
_LEAST_SURE, _MOST_SURE = 2 * AC_SHARE / 11, 20 * AC_SHARE / 11


def is_sure(ac_power_w: float, dc_power_w: float) -> bool:
    """Whether an AC power is in the unit of its model, as the DC power beside it tells at once."""
    return _LEAST_SURE * dc_power_w <= ac_power_w <= _MOST_SURE * dc_power_w


def _rescaled(inverter: Inverter, steps: int, expected_w: list[float]) -> Inverter:
    """With the AC side in the other steps, unless one of the expected powers is nearer to it as it is."""
    other_steps = TENTHS if steps == HUNDREDTHS else HUNDREDTHS
    power_w = inverter.ac_power_w or 0.0
    other_w = round(power_w * steps) / other_steps
    if any(abs(power_w - expected) <= abs(other_w - expected) for expected in expected_w):
        return inverter

    def again(value: float | None) -> float | None:
        return None if value is None else round(value * steps) / other_steps

    phases = tuple(
        phase._replace(ac_power_w=again(phase.ac_power_w), reactive_power_var=again(phase.reactive_power_var))
        for phase in inverter.phases
    )
    return inverter._replace(ac_power_w=other_w, reactive_power_var=again(inverter.reactive_power_var), phases=phases)


def _without_scale(inverter: Inverter) -> Inverter:
    power_w, reactive_var = inverter.ac_power_w, inverter.reactive_power_var
    return inverter._replace(
        ac_power_w=None if power_w else power_w, reactive_power_var=None if reactive_var else reactive_var
    )


def _is_plc(text: str) -> bool:
    return len(text) in (PLC_57.width, PLC_50.width)


def _decode_plc(layout: Layout, text: str) -> tuple[Inverter, Sequence[str]]:
    """One channel of a PLC inverter: `0` is the only one of a YC250, `A` and `B` are the two of a YC500."""
    found, unread = layout.readable(text)
    values = dict(zip(layout.names, found, strict=True))
    model, position = PLC_CHANNELS[text[UID_WIDTH]]
    channel = Channel(position, values["power_w"], values["voltage_v"], values["current_a"], values["energy_wh"])
    inverter = Inverter(
        uid=values["uid"],
        model=model,
        channels=(channel,),
        energy_wh=channel.energy_wh,
        grid_voltage_v=values["grid_voltage_v"],
        grid_frequency_hz=values["grid_frequency_hz"],
        temperature_c=values["temperature_c"],
        status=values.get("status"),
    )
    return inverter, unread


def _both_channels(one: Inverter, other: Inverter) -> Inverter:
    channels = tuple(sorted((*one.channels, *other.channels), key=lambda channel: channel.number))
    return one._replace(
        channels=channels,
        energy_wh=sum_if_known((one.energy_wh, other.energy_wh)),
        status=_any_flag([one.status, other.status]),
    )


def _decode_optimizer(text: str, *, early: bool) -> tuple[Inverter, Sequence[str]]:
    """Read from both ends: the output power between them has six characters, in an early build up to nine.

    That build counts the power in microwatts and the output energy in Wh, and prints numbers that are no measurement in
    the places of the temperature and of a current (docs/protocol.md, 5.7).
    """
    unread: Sequence[str] = ()
    try:
        values = OPTIMIZERS[len(text)].values(text)
    except FieldError:
        values, unread = _optimizer_part_by_part(text)
    uid, output_v, output_a, power, output_wh, celsius, *inputs = values
    channels = tuple(
        Channel(
            number,
            power_w,
            voltage_v,
            None if early or current_a is None or current_a > MOST_AMPERES else current_a,
            energy_wh,
        )
        for number, (voltage_v, current_a, power_w, energy_wh) in enumerate((inputs[:4], inputs[4:]), 1)
    )
    energy_wh = sum_if_known([channel.energy_wh for channel in channels])
    if early and output_wh is not None:
        output_wh *= MILLI
    output_power_w = None if power is None else power / (MILLI * MILLI if early else MILLI)
    inverter = Inverter(
        uid=uid,
        model=OPTIMIZER,
        channels=channels,
        energy_wh=energy_wh,
        temperature_c=None if early or celsius is None or celsius > HOTTEST_C else celsius,
        output=Output(output_v, output_a, output_power_w, output_wh if _agrees(output_wh, energy_wh) else None),
    )
    return inverter, unread


def _optimizer_part_by_part(text: str) -> tuple[list[Any], list[str]]:
    """The values of a block with a field that can't be read, and what is to say of it."""
    second = len(text) - PV_INPUTS[1].width
    first = second - PV_INPUTS[0].width
    tail = first - OUTPUT_TAIL.width
    power = text[OUTPUT_HEAD.width : tail]
    values, unread = OUTPUT_HEAD.readable(text[: OUTPUT_HEAD.width])
    values.append(quantity("power_w", len(power)).value(power))
    if values[-1] is None:
        unread.append("output power_w")
    for layout, where, part in (
        (OUTPUT_TAIL, "output {}", text[tail:first]),
        (PV_INPUTS[0], "{} of channel 1", text[first:second]),
        (PV_INPUTS[1], "{} of channel 2", text[second:]),
    ):
        found, faults = layout.readable(part)
        values += found
        unread += [where.format(fault) for fault in faults]
    return values, unread


def _agrees(output_wh: float | None, input_wh: float | None) -> bool:
    """An optimizer gives out at most what it takes in, and most of it; anything else is a running total."""
    if output_wh is None or input_wh is None:
        return False
    return 0.5 * input_wh <= output_wh <= 1.05 * input_wh


def encode_blocks(inverter: Inverter, dialect: Dialect) -> tuple[str, ...]:
    """Write an inverter the way a gateway of this dialect does, each block without its END.

    A PLC inverter gives a block a channel, any other one block. What `decode_blocks` makes of the result equals
    `inverter` within the steps of the fields. Raises FieldError for a value that does not fit or a model that the
    dialect cannot say.
    """
    if dialect.optimizers and inverter.output is not None:
        return (_encode_optimizer(inverter, inverter.output),)
    model = BY_NAME.get(inverter.model)
    if dialect.plc is not None and model is not None and model.plc:
        return tuple(_encode_plc(inverter, channel, model, dialect.plc, dialect.pad) for channel in inverter.channels)
    code = code_of(inverter.model)
    candidates = [
        form
        for (known, _), form in dialect.forms.items()
        if known == code and len(form.groups) == len(inverter.channels)
    ]
    if not candidates:
        candidates = [by_channel_count(len(inverter.channels), dialect.offset, TENTHS)]
    # Only the three-phase type has two forms, without flags and with them.
    form = candidates[-1 if dialect.flags else 0]
    return (_encode_form(inverter, code, form, dialect.pad),)


def _encode_form(inverter: Inverter, code: str, form: Form, pad: str) -> str:
    values = inverter._asdict() | {"type_code": code, "voltage_v": inverter.channels[0].voltage_v}
    written = form.head.encode(values, pad)
    for position, (channel, layout) in enumerate(zip(inverter.channels, form.groups, strict=True)):
        group = channel._asdict() | {"status": inverter.status}
        if position < form.phases:
            phase = inverter.phases[position]
            group |= phase._asdict() | {"energy_wh": channel.energy_wh, "ac_energy_wh": phase.energy_wh}
        written += layout.encode(group, pad)
    return written


def _encode_plc(inverter: Inverter, channel: Channel, model: Model, layout: Layout, pad: str) -> str:
    written = layout.encode(inverter._asdict() | channel._asdict(), pad)
    return written[:UID_WIDTH] + model.plc[channel.number - 1] + written[UID_WIDTH + 1 :]


def _encode_optimizer(inverter: Inverter, output: Output) -> str:
    power = quantity("power_w", OUTPUT_POWER_WIDTH, MILLI)
    inputs = "".join(
        layout.encode(channel._asdict()) for channel, layout in zip(inverter.channels, PV_INPUTS, strict=True)
    )
    return (
        OUTPUT_HEAD.encode({"uid": inverter.uid} | output._asdict())
        + power.write(output.power_w, "0")
        + OUTPUT_TAIL.encode({"energy_wh": output.energy_wh, "temperature_c": inverter.temperature_c})
        + inputs
    )
