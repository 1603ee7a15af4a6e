"""The inverter models, one row each, and the layouts of the blocks that they send (docs/protocol.md, 5).

A new model is a new row in MODELS: decoder, simulator and tests take it from there (CONTRIBUTING.md). A block carries
neither length nor version. Its form follows from the version of the record around it (the `Dialect`), from the type
code behind the serial number and from its width. Nothing is decoded here; `blocks` does it from these tables.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache, cached_property
from operator import itemgetter
from typing import Any

from collector.protocol.fields import (
    Field,
    FieldError,
    Layout,
    constant,
    digits,
    quantity,
    serial,
    signed,
    status,
    temperature,
)

# Steps to a watt.
HUNDREDTHS, TENTHS = 100, 10


class Block(Enum):
    """How a model's values are laid out, in the words of docs/protocol.md, 5.3. Expect any new model BY_CHANNEL."""

    BY_CHANNEL = "by channel"
    WITH_FLAGS = "with flags"
    THREE_PHASE = "three-phase"
    OPTIMIZER = "optimizer"


@dataclass(frozen=True, slots=True)
class Model:
    """A row: the type code that a block carries, the name of the family behind it, and how such a block is read.

    `channels` is the number of DC inputs, `ac_steps` the unit of the AC powers, in steps to a watt, where nothing else
    tells it. `plc` has a character a channel, for models of which PLC gateways send a block a channel. `uid_prefix`,
    how serial numbers begin, and `rated_w` are for simulated roofs. Optimizers have no type code.
    """

    code: str
    name: str
    block: Block
    channels: int
    uid_prefix: str
    rated_w: int
    ac_steps: int = HUNDREDTHS
    plc: str = ""

    @property
    def counts_ac(self) -> bool:
        """Whether the energy that the gateway counts for this model is that of its AC side."""
        return self.block is Block.WITH_FLAGS


OPTIMIZER = "OPT"

MODELS = (
    Model("03", "YC500", Block.WITH_FLAGS, channels=2, uid_prefix="403", rated_w=500, plc="AB"),
    Model("04", "YC1000", Block.THREE_PHASE, channels=4, uid_prefix="501", rated_w=900),
    Model("05", "YC250", Block.WITH_FLAGS, channels=1, uid_prefix="102", rated_w=250, plc="0"),
    Model("07", "YC600", Block.BY_CHANNEL, channels=2, uid_prefix="408", rated_w=550),
    Model("08", "QS1", Block.BY_CHANNEL, channels=4, uid_prefix="806", rated_w=1200, ac_steps=TENTHS),
    Model("", OPTIMIZER, Block.OPTIMIZER, channels=2, uid_prefix="601", rated_w=700),
)
BY_NAME = {model.name: model for model in MODELS}
_NAMES = {model.code: model.name for model in MODELS if model.code}


def name_of(code: str) -> str:
    """The name of the model with this type code; a code that is not in the table makes a name of its own."""
    return _NAMES.get(code) or f"type {code}"


def code_of(name: str) -> str:
    """The type code of a name that `name_of` gave."""
    model = BY_NAME.get(name)
    return model.code if model else name.removeprefix("type ")


# The model and the number of the channel that a character in a PLC block stands for.
PLC_CHANNELS = {letter: (model.name, number) for model in MODELS for number, letter in enumerate(model.plc, start=1)}

UID_WIDTH = 12

# Steps to the unit: hundredths of a watt on the DC side, mWh, tenths of a volt and of an ampere.
_POWER, _ENERGY, _VOLTAGE, _CURRENT = HUNDREDTHS, 1000, 10, 10

_GRID = (quantity("grid_voltage_v", 3), quantity("grid_frequency_hz", 5, 10))
_INPUT = (
    quantity("voltage_v", 5, _VOLTAGE),
    quantity("current_a", 3, _CURRENT),
    quantity("energy_wh", 6, _ENERGY),
    quantity("power_w", 5, _POWER),
)
_SHARED_INPUT = (quantity("current_a", 3, _CURRENT), quantity("energy_wh", 6, _ENERGY), quantity("power_w", 5, _POWER))


def _ac(energy_width: int, power_steps: int) -> tuple[Field, ...]:
    return (
        signed("reactive_power_var", 5, power_steps),
        quantity("ac_power_w", 5, power_steps),
        quantity("ac_energy_wh", energy_width, _ENERGY),
    )


def _group(identity: str) -> Field:
    # The group's letter or digit repeats its position, so that any is read.
    return constant(identity, "[0-9A-D]")


_HEAD = (serial("uid", UID_WIDTH), digits("type_code", 2))


# Picks some of the values of a block.
Getter = Callable[[Sequence[Any]], tuple[Any, ...]]


@dataclass(frozen=True)
class Form:
    """A head, then groups, one a channel; the first `phases` groups carry an AC phase as well. `ac_steps` are those of
    the AC powers to a watt.

    `readable` reads a block, and the getters pick out of its values what belongs together.
    """

    head: Layout
    groups: tuple[Layout, ...]
    ac_steps: int
    phases: int = 0
    counts_ac: bool = False

    @cached_property
    def _block(self) -> Layout:
        # Reading the parts one after the other takes more than twice the time.
        return Layout(*(field for part in (self.head, *self.groups) for field in part.fields))

    @property
    def width(self) -> int:
        """Characters without the closing END."""
        return self.head.width + sum(group.width for group in self.groups)

    def readable(self, text: str) -> tuple[list[Any], list[str]]:
        """Read a block without its END as `Layout.readable` does, with the number of the channel to a field of one."""
        try:
            return self._block.values(text), []
        except FieldError:
            # Which channel a field belongs to, only the parts know.
            return self._part_by_part(text)

    def _part_by_part(self, text: str) -> tuple[list[Any], list[str]]:
        values: list[Any] = []
        unread: list[str] = []
        start = 0
        for number, part in enumerate((self.head, *self.groups)):
            found, faults = part.readable(text[start : start + part.width])
            values += found
            unread += [f"{fault} of channel {number}" for fault in faults] if number else faults
            start += part.width
        return values, unread

    @cached_property
    def device(self) -> Getter:
        """Gets serial number, type code, frequency and temperature."""
        return self._getter(0, "uid", "type_code", "grid_frequency_hz", "temperature_c")

    @cached_property
    def channels(self) -> tuple[Getter, ...]:
        """Get power, voltage, current and energy of a channel."""
        names = ("power_w", "voltage_v", "current_a", "energy_wh")
        return tuple(self._getter(number, *names) for number in range(1, len(self.groups) + 1))

    @cached_property
    def ac(self) -> tuple[Getter, ...]:
        """Get grid voltage, power, reactive power and energy of a phase."""
        names = ("grid_voltage_v", "ac_power_w", "reactive_power_var", "ac_energy_wh")
        # The only phase of the other forms stands in the head.
        numbers = range(1, self.phases + 1) if self.phases else (0,)
        return tuple(self._getter(number, *names) for number in numbers)

    @cached_property
    def powers(self) -> tuple[int, ...]:
        """Where the powers of the channels stand among the values."""
        return tuple(place for place, name in enumerate(self._block.names) if name == "power_w")

    @cached_property
    def energies(self) -> Layout | None:
        """Reads serial number, AC power and energy, and then energy and power of each channel; None for blocks that
        have them in another order.
        """
        layout = self._block.only("uid", "ac_power_w", "ac_energy_wh", "energy_wh", "power_w")
        usual = ("uid", "ac_power_w", "ac_energy_wh", *("energy_wh", "power_w") * len(self.groups))
        return layout if layout.names == usual else None

    @cached_property
    def flags(self) -> tuple[int, ...]:
        """Where flags stand among the values."""
        return tuple(place for place, name in enumerate(self._block.names) if name == "status")

    def _getter(self, number: int, *names: str) -> Getter:
        """Gets values of a group, counted from 1, or of the head where the group has none of that name."""
        places = [(part, name) for part, layout in enumerate((self.head, *self.groups)) for name in layout.names]
        return itemgetter(*(places.index((number if (number, name) in places else 0, name)) for name in names))


def _with_flags(channels: int, ac_steps: int) -> Form:
    """Types 05 and 03: flags in every group, energy counted on the AC side; the temperature always in letters."""
    head = Layout(*_HEAD, *_GRID, temperature("temperature_c", 0), *_ac(6, ac_steps))
    groups = tuple(Layout(_group(name), *_INPUT, status("status")) for name in "ABCD"[:channels])
    return Form(head, groups, ac_steps, counts_ac=True)


@cache
def by_channel_count(channels: int, offset: int, ac_steps: int) -> Form:
    """Types 07 and 08, and very probably those of unknown code: one head, then a group a channel."""
    head = Layout(*_HEAD, *_GRID, temperature("temperature_c", offset), *_ac(10, ac_steps))
    return Form(head, tuple(Layout(constant(str(number)), *_INPUT) for number in range(1, channels + 1)), ac_steps)


def _three_phase(offset: int, ac_steps: int, *, flags: bool) -> Form:
    """Type 04: one DC voltage for four inputs, the first three of which share their group with an AC phase."""
    head = Layout(*_HEAD, quantity("voltage_v", 5, _VOLTAGE), _GRID[1], temperature("temperature_c", offset))
    current, energy, power = _SHARED_INPUT
    phase = (current, _GRID[0], *_ac(6, ac_steps), energy, power, *((status("status"),) if flags else ()))
    groups = [Layout(_group(str(number)), *phase) for number in (1, 2, 3)]
    return Form(head, (*groups, Layout(_group("4"), *_SHARED_INPUT)), ac_steps, phases=3)


def _forms_of(model: Model, offset: int) -> tuple[Form, ...]:
    match model.block:
        case Block.BY_CHANNEL:
            return (by_channel_count(model.channels, offset, model.ac_steps),)
        case Block.WITH_FLAGS:
            return (_with_flags(model.channels, model.ac_steps),)
        case Block.THREE_PHASE:
            return tuple(_three_phase(offset, model.ac_steps, flags=flags) for flags in (False, True))
        case Block.OPTIMIZER:
            return ()


def _forms(offset: int) -> dict[tuple[str, int], Form]:
    """The typed forms by type code and width; `offset` is that of the types which changed to plain digits."""
    return {(model.code, form.width): form for model in MODELS for form in _forms_of(model, offset)}


_PLC_HEAD = (
    serial("uid", UID_WIDTH),
    constant("0", f"[{''.join(PLC_CHANNELS)}]"),
    quantity("voltage_v", 5, _VOLTAGE),
    quantity("current_a", 3, _CURRENT),
    quantity("power_w", 5, _POWER),
    _GRID[1],
)
PLC_57 = Layout(
    *_PLC_HEAD, temperature("temperature_c", 0), _GRID[0], status("status"), quantity("energy_wh", 6, _ENERGY)
)
PLC_50 = Layout(*_PLC_HEAD, temperature("temperature_c", 100), _GRID[0], quantity("energy_wh", 10, _ENERGY))

MILLI = 1000
PV_INPUTS = tuple(
    Layout(
        constant(identity),
        quantity("voltage_v", 6, MILLI),
        quantity("current_a", 6, MILLI),
        quantity("power_w", 6, MILLI),
        quantity("energy_wh", 10, _ENERGY),
    )
    for identity in "12"
)
OUTPUT_HEAD = Layout(serial("uid", UID_WIDTH), quantity("voltage_v", 6, MILLI), quantity("current_a", 6, MILLI))
OUTPUT_TAIL = Layout(quantity("energy_wh", 10, _ENERGY), temperature("temperature_c", 100))
OUTPUT_POWER_WIDTH = 6
OPTIMIZER_WIDTH = OUTPUT_HEAD.width + OUTPUT_POWER_WIDTH + OUTPUT_TAIL.width + 2 * PV_INPUTS[0].width


def _optimizer(power_width: int) -> Layout:
    power = quantity("power_w", power_width)
    return Layout(*OUTPUT_HEAD.fields, power, *OUTPUT_TAIL.fields, *(field for pv in PV_INPUTS for field in pv.fields))


# A whole block by its width; the output power is a number without a unit.
OPTIMIZERS = {OPTIMIZER_WIDTH + more: _optimizer(OUTPUT_POWER_WIDTH + more) for more in range(4)}

UNKNOWN_HEAD_WIDTH, UNKNOWN_GROUP_WIDTH = 45, 20


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the blocks of one kind of record are written: what its version and system characters say of all of them."""

    forms: dict[tuple[str, int], Form]
    pad: str = "0"
    plc: Layout | None = None
    flags: bool = False
    optimizers: bool = False
    offset: int = 100


_LETTERS, _PLUS_100 = _forms(0), _forms(100)
ZIGBEE_18 = Dialect(_PLUS_100)
ZIGBEE_14 = Dialect(_LETTERS, pad="A", flags=True, offset=0)
PLC_13 = Dialect(_LETTERS, pad="A", plc=PLC_57, flags=True, offset=0)
PLC_15 = Dialect(_PLUS_100, plc=PLC_50)
OPTIMIZERS_16 = Dialect(_PLUS_100, optimizers=True)


def dialect(version: int, system: str) -> Dialect:
    """Choose by the record's version and its four system characters; unknown versions read like the newest."""
    if version == 16:
        return OPTIMIZERS_16
    if version == 15 and system.lstrip("A0") == "1":
        return PLC_15
    if version in (14, 15):
        return ZIGBEE_14
    return PLC_13 if version <= 13 else ZIGBEE_18
