"""The forms of inverter blocks as tables: which fields, how wide, in which steps (docs/protocol.md, 5).

A block carries neither length nor version. Its form follows from the version of the record around it (the `Dialect`),
from the type code behind the serial number and from its width. Nothing is decoded here; `blocks` does it from these
tables.
"""

from dataclasses import dataclass

from collector.protocol.fields import Field, Layout, constant, digits, quantity, status, temperature

UID_WIDTH = 12

# The collector's names for the families behind the type codes (docs/protocol.md, 5.11).
MODELS = {"03": "YC500", "04": "YC1000", "05": "YC250", "07": "YC600", "08": "QS1"}
OPTIMIZER = "OPT"

# Steps to the unit: a hundredth of a watt, but a tenth for the AC side of the QS1; mWh, tenths of a volt and of an
# ampere.
_POWER, TENTHS, _ENERGY, _VOLTAGE, _CURRENT = 100, 10, 1000, 10, 10

_GRID = (quantity("grid_voltage_v", 3), quantity("grid_frequency_hz", 5, 10))
_INPUT = (
    quantity("voltage_v", 5, _VOLTAGE),
    quantity("current_a", 3, _CURRENT),
    quantity("energy_wh", 6, _ENERGY),
    quantity("power_w", 5, _POWER),
)
_SHARED_INPUT = (quantity("current_a", 3, _CURRENT), quantity("energy_wh", 6, _ENERGY), quantity("power_w", 5, _POWER))


def _ac(energy_width: int, power_steps: int = _POWER) -> tuple[Field, ...]:
    return (
        quantity("reactive_power_var", 5, power_steps),
        quantity("ac_power_w", 5, power_steps),
        quantity("ac_energy_wh", energy_width, _ENERGY),
    )


def _group(identity: str) -> Field:
    # The group's letter or digit repeats its position, so that any is read.
    return constant(identity, "[0-9A-D]")


_HEAD = (digits("uid", UID_WIDTH), digits("type_code", 2))


@dataclass(frozen=True, slots=True)
class Form:
    """A head, then groups, one a channel; the first `phases` groups carry an AC phase as well."""

    head: Layout
    groups: tuple[Layout, ...]
    phases: int = 0
    counts_ac: bool = False

    @property
    def width(self) -> int:
        """Characters without the closing END."""
        return self.head.width + sum(group.width for group in self.groups)


def _single_phase(channels: str, offset: int) -> Form:
    """Types 05 and 03: flags in every group, energy counted on the AC side."""
    head = Layout(*_HEAD, *_GRID, temperature("temperature_c", offset), *_ac(6))
    return Form(head, tuple(Layout(_group(name), *_INPUT, status("status")) for name in channels), counts_ac=True)


def by_channel_count(channels: int, offset: int, power_steps: int) -> Form:
    """Types 07 and 08, and very probably those of unknown code: one head, then a group a channel."""
    head = Layout(*_HEAD, *_GRID, temperature("temperature_c", offset), *_ac(10, power_steps))
    return Form(head, tuple(Layout(constant(str(number)), *_INPUT) for number in range(1, channels + 1)))


def _three_phase(offset: int, *, flags: bool) -> Form:
    """Type 04: one DC voltage for four inputs, the first three of which share their group with an AC phase."""
    head = Layout(*_HEAD, quantity("voltage_v", 5, _VOLTAGE), _GRID[1], temperature("temperature_c", offset))
    current, energy, power = _SHARED_INPUT
    phase = (current, _GRID[0], *_ac(6), energy, power, *((status("status"),) if flags else ()))
    groups = [Layout(_group(str(number)), *phase) for number in (1, 2, 3)]
    return Form(head, (*groups, Layout(_group("4"), *_SHARED_INPUT)), phases=3)


def _forms(offset: int) -> dict[tuple[str, int], Form]:
    """The typed forms by type code and width; `offset` is that of the types which changed to plain digits."""
    forms = [
        ("05", _single_phase("A", 0)),
        ("03", _single_phase("AB", 0)),
        ("04", _three_phase(offset, flags=False)),
        ("04", _three_phase(offset, flags=True)),
        ("07", by_channel_count(2, offset, _POWER)),
        ("08", by_channel_count(4, offset, TENTHS)),
    ]
    return {(code, form.width): form for code, form in forms}


_PLC_HEAD = (
    digits("uid", UID_WIDTH),
    constant("0", "[0AB]"),
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
OUTPUT_HEAD = Layout(digits("uid", UID_WIDTH), quantity("voltage_v", 6, MILLI), quantity("current_a", 6, MILLI))
OUTPUT_TAIL = Layout(quantity("energy_wh", 10, _ENERGY), temperature("temperature_c", 100))
OUTPUT_POWER_WIDTH = 6
OPTIMIZER_WIDTH = OUTPUT_HEAD.width + OUTPUT_POWER_WIDTH + OUTPUT_TAIL.width + 2 * PV_INPUTS[0].width

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
