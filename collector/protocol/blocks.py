"""Inverter blocks: from the text between two `END`s to an `Inverter`, and back (docs/protocol.md, 5).

Values are in the units their names carry; `None` means that the device did not measure or not send it. A block that
cannot be read costs that block alone: it comes back as a line of text which holds it whole.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

from collector.protocol.fields import FieldError, Layout, number, quantity, total
from collector.protocol.forms import (
    MILLI,
    MODELS,
    OPTIMIZER,
    OPTIMIZER_WIDTH,
    OUTPUT_HEAD,
    OUTPUT_POWER_WIDTH,
    OUTPUT_TAIL,
    PLC_50,
    PLC_57,
    PV_INPUTS,
    TENTHS,
    UID_WIDTH,
    UNKNOWN_GROUP_WIDTH,
    UNKNOWN_HEAD_WIDTH,
    Dialect,
    Form,
    by_channel_count,
)

# The inverters that do not measure AC power send this share of the DC power instead, so a sent value in the right unit
# is near it (docs/protocol.md, 5.8).
AC_SHARE = 0.94

# No module behind an optimizer carries more and no inverter is hotter: a larger number is something else that was
# printed in that place (docs/protocol.md, 5.7).
MOST_AMPERES = 60.0
HOTTEST_C = 150.0


@dataclass(frozen=True, slots=True)
class Channel:
    """One DC input, counted from 1.

    Energy is that of the interval since the last successful reading, never a running total.
    """

    number: int
    power_w: float
    voltage_v: float | None
    current_a: float | None
    energy_wh: float


@dataclass(frozen=True, slots=True)
class Phase:
    """One AC phase of a three-phase inverter, counted from 1."""

    number: int
    grid_voltage_v: float
    ac_power_w: float | None
    reactive_power_var: float
    energy_wh: float


@dataclass(frozen=True, slots=True)
class Output:
    """The output side of an optimizer. Energy is None where the firmware prints something else in its place."""

    voltage_v: float
    current_a: float
    power_w: float
    energy_wh: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inverter:
    """One block, or the blocks of one PLC inverter.

    `energy_wh` is what the gateway counts for this device: the DC energies, for YC500 and YC250 blocks with a type code
    the AC energy. `status` has bit i set for flag i of docs/protocol.md, 5.10.
    """

    uid: str
    model: str
    channels: tuple[Channel, ...]
    energy_wh: float
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
    def dc_power_w(self) -> float:
        """Sum of the channels' powers."""
        return total(channel.power_w for channel in self.channels)


def decode_blocks(texts: Iterable[str], dialect: Dialect) -> tuple[tuple[Inverter, ...], tuple[str, ...]]:
    """Read the blocks of one record, each without its END, in the order sent.

    Returns the inverters and a line for each block that was not understood, which holds the whole block. The two blocks
    of a PLC inverter become one inverter. Never raises.
    """
    inverters: dict[str, Inverter] = {}
    problems = []
    texts = tuple(texts)
    early = dialect.optimizers and any(OPTIMIZER_WIDTH < len(text) <= OPTIMIZER_WIDTH + 3 for text in texts)
    for text in texts:
        try:
            inverter = _decode_block(text, dialect, early=early)
        except FieldError as exc:
            problems.append(f"block not understood ({exc}): {text!r}")
            continue
        known = inverters.get(inverter.uid)
        if known is None:
            inverters[inverter.uid] = inverter
        elif _is_plc(text) and inverter.channels[0].number not in [channel.number for channel in known.channels]:
            inverters[inverter.uid] = _both_channels(known, inverter)
        else:
            problems.append(f"inverter {inverter.uid} stands twice in one record; the first one counts: {text!r}")
    return tuple(inverters.values()), tuple(problems)


def _decode_block(text: str, dialect: Dialect, *, early: bool) -> Inverter:
    if dialect.optimizers and OPTIMIZER_WIDTH <= len(text) <= OPTIMIZER_WIDTH + 3:
        return _decode_optimizer(text, early=early)
    if len(text) == PLC_57.width:
        return _decode_plc(PLC_57, text)
    if len(text) == PLC_50.width:
        return _decode_plc(PLC_50, text)
    code = text[UID_WIDTH : UID_WIDTH + 2]
    form = dialect.forms.get((code, len(text)))
    if form is not None:
        return _decode_form(form, text)
    channels, rest = divmod(len(text) - UNKNOWN_HEAD_WIDTH, UNKNOWN_GROUP_WIDTH)
    if rest or not 1 <= channels <= 9:
        raise FieldError(f"type {code!r} with {len(text)} characters")
    return _measured_scale(_decode_form(by_channel_count(channels, dialect.offset, TENTHS), text))


def _decode_form(form: Form, text: str) -> Inverter:
    head = form.head.decode(text[: form.head.width])
    groups = []
    start = form.head.width
    for layout in form.groups:
        groups.append(layout.decode(text[start : start + layout.width]))
        start += layout.width
    shared_voltage = head.get("voltage_v")
    channels = tuple(
        Channel(
            number, group["power_w"], group.get("voltage_v", shared_voltage), group["current_a"], group["energy_wh"]
        )
        for number, group in enumerate(groups, 1)
    )
    flags = [group["status"] for group in groups if "status" in group]
    dc_energy_wh = total(channel.energy_wh for channel in channels)
    inverter = Inverter(
        uid=head["uid"],
        model=MODELS.get(head["type_code"], f"type {head['type_code']}"),
        channels=channels,
        energy_wh=head["ac_energy_wh"] if form.counts_ac else dc_energy_wh,
        grid_voltage_v=head.get("grid_voltage_v"),
        grid_frequency_hz=head["grid_frequency_hz"],
        temperature_c=head["temperature_c"],
        ac_power_w=head.get("ac_power_w"),
        reactive_power_var=head.get("reactive_power_var"),
        ac_energy_wh=head.get("ac_energy_wh"),
        status=_any_flag(flags),
    )
    if form.phases:
        inverter = _with_phases(inverter, groups[: form.phases])
    if inverter.ac_power_w == 0 and inverter.dc_power_w > 0:
        phases = tuple(replace(phase, ac_power_w=None) for phase in inverter.phases)
        inverter = replace(inverter, ac_power_w=None, phases=phases)
    return inverter


def _with_phases(inverter: Inverter, groups: list[dict[str, float]]) -> Inverter:
    phases = tuple(
        Phase(number, group["grid_voltage_v"], group["ac_power_w"], group["reactive_power_var"], group["ac_energy_wh"])
        for number, group in enumerate(groups, 1)
    )
    return replace(
        inverter,
        phases=phases,
        grid_voltage_v=total(phase.grid_voltage_v for phase in phases) / len(phases),
        ac_power_w=total(group["ac_power_w"] for group in groups),
        reactive_power_var=total(phase.reactive_power_var for phase in phases),
        ac_energy_wh=total(phase.energy_wh for phase in phases),
    )


def _any_flag(flags: list[int]) -> int | None:
    if not flags:
        return None
    joined = 0
    for value in flags:
        joined |= value
    return joined


def _measured_scale(inverter: Inverter) -> Inverter:
    """Choose tenths or hundredths of a watt for an unknown type's AC side: what is nearer to its DC side.

    Where there is nothing to compare, only a zero is sure.
    """
    power_w, reactive_var = inverter.ac_power_w, inverter.reactive_power_var
    expected_w = AC_SHARE * inverter.dc_power_w
    if not power_w or not expected_w:
        return replace(
            inverter, ac_power_w=None if power_w else power_w, reactive_power_var=None if reactive_var else 0
        )
    if abs(power_w / 10 - expected_w) < abs(power_w - expected_w):
        return replace(inverter, ac_power_w=power_w / 10, reactive_power_var=(reactive_var or 0) / 10)
    return inverter


def _is_plc(text: str) -> bool:
    return len(text) in (PLC_57.width, PLC_50.width)


def _decode_plc(layout: Layout, text: str) -> Inverter:
    """One channel of a PLC inverter: `0` is the only one of a YC250, `A` and `B` are the two of a YC500."""
    values = layout.decode(text)
    letter = text[UID_WIDTH]
    channel = Channel(
        2 if letter == "B" else 1, values["power_w"], values["voltage_v"], values["current_a"], values["energy_wh"]
    )
    return Inverter(
        uid=values["uid"],
        model=MODELS["05"] if letter == "0" else MODELS["03"],
        channels=(channel,),
        energy_wh=channel.energy_wh,
        grid_voltage_v=values["grid_voltage_v"],
        grid_frequency_hz=values["grid_frequency_hz"],
        temperature_c=values["temperature_c"],
        status=values.get("status"),
    )


def _both_channels(one: Inverter, other: Inverter) -> Inverter:
    channels = tuple(sorted((*one.channels, *other.channels), key=lambda channel: channel.number))
    flags = [value for value in (one.status, other.status) if value is not None]
    return replace(one, channels=channels, energy_wh=total((one.energy_wh, other.energy_wh)), status=_any_flag(flags))


def _decode_optimizer(text: str, *, early: bool) -> Inverter:
    """Read from both ends: the output power between them has six characters, in an early build up to nine.

    That build counts the power in microwatts and the output energy in Wh, and prints numbers that are no measurement in
    the places of the temperature and of a current (docs/protocol.md, 5.7).
    """
    second = len(text) - PV_INPUTS[1].width
    first = second - PV_INPUTS[0].width
    tail = first - OUTPUT_TAIL.width
    head = OUTPUT_HEAD.decode(text[: OUTPUT_HEAD.width])
    end = OUTPUT_TAIL.decode(text[tail:first])
    inputs = (PV_INPUTS[0].decode(text[first:second]), PV_INPUTS[1].decode(text[second:]))
    power_digits = text[OUTPUT_HEAD.width : tail]
    if not power_digits.isascii() or not power_digits.isalnum():
        raise FieldError(f"output power {power_digits!r}")
    try:
        power_w = number(power_digits) / (MILLI * MILLI if early else MILLI)
    except ValueError as exc:
        raise FieldError(f"output power {power_digits!r}") from exc
    channels = tuple(
        Channel(
            position,
            values["power_w"],
            values["voltage_v"],
            None if early or values["current_a"] > MOST_AMPERES else values["current_a"],
            values["energy_wh"],
        )
        for position, values in enumerate(inputs, 1)
    )
    energy_wh = total(channel.energy_wh for channel in channels)
    output_wh = end["energy_wh"] * MILLI if early else end["energy_wh"]
    celsius = end["temperature_c"]
    return Inverter(
        uid=head["uid"],
        model=OPTIMIZER,
        channels=channels,
        energy_wh=energy_wh,
        temperature_c=None if early or celsius > HOTTEST_C else celsius,
        output=Output(
            head["voltage_v"], head["current_a"], power_w, output_wh if _agrees(output_wh, energy_wh) else None
        ),
    )


def _agrees(output_wh: float, input_wh: float) -> bool:
    """An optimizer gives out at most what it takes in, and most of it; anything else is a running total."""
    return 0.5 * input_wh <= output_wh <= 1.05 * input_wh


def encode_blocks(inverter: Inverter, dialect: Dialect) -> tuple[str, ...]:
    """Write an inverter the way a gateway of this dialect does, each block without its END.

    A PLC inverter gives a block a channel, any other one block. What `decode_blocks` makes of the result equals
    `inverter` within the steps of the fields. Raises FieldError for a value that does not fit or a model that the
    dialect cannot say.
    """
    if dialect.optimizers and inverter.output is not None:
        return (_encode_optimizer(inverter, inverter.output),)
    if dialect.plc is not None and inverter.model in (MODELS["05"], MODELS["03"]):
        return tuple(_encode_plc(inverter, channel, dialect.plc, dialect.pad) for channel in inverter.channels)
    codes = [code for code, model in MODELS.items() if model == inverter.model] or [
        inverter.model.removeprefix("type ")
    ]
    candidates = [
        form
        for (code, _), form in dialect.forms.items()
        if code == codes[0] and len(form.groups) == len(inverter.channels)
    ]
    if not candidates:
        candidates = [by_channel_count(len(inverter.channels), dialect.offset, TENTHS)]
    # Only the three-phase type has two forms, without flags and with them.
    form = candidates[-1 if dialect.flags else 0]
    return (_encode_form(inverter, codes[0], form, dialect.pad),)


def _encode_form(inverter: Inverter, code: str, form: Form, pad: str) -> str:
    values = _values(inverter) | {"type_code": code, "voltage_v": inverter.channels[0].voltage_v}
    written = form.head.encode(values, pad)
    for position, (channel, layout) in enumerate(zip(inverter.channels, form.groups, strict=True)):
        group = _values(channel) | {"status": inverter.status}
        if position < form.phases:
            phase = inverter.phases[position]
            group |= _values(phase) | {"energy_wh": channel.energy_wh, "ac_energy_wh": phase.energy_wh}
        written += layout.encode(group, pad)
    return written


def _encode_plc(inverter: Inverter, channel: Channel, layout: Layout, pad: str) -> str:
    written = layout.encode(_values(inverter) | _values(channel), pad)
    letter = "0" if inverter.model == MODELS["05"] else "AB"[channel.number - 1]
    return written[:UID_WIDTH] + letter + written[UID_WIDTH + 1 :]


def _encode_optimizer(inverter: Inverter, output: Output) -> str:
    power = quantity("power_w", OUTPUT_POWER_WIDTH, MILLI)
    inputs = "".join(
        layout.encode(_values(channel)) for channel, layout in zip(inverter.channels, PV_INPUTS, strict=True)
    )
    return (
        OUTPUT_HEAD.encode({"uid": inverter.uid} | _values(output))
        + power.write(output.power_w, "0")
        + OUTPUT_TAIL.encode({"energy_wh": output.energy_wh, "temperature_c": inverter.temperature_c})
        + inputs
    )


def _values(part: Inverter | Channel | Phase | Output) -> dict[str, Any]:
    return {field.name: getattr(part, field.name) for field in fields(part)}
