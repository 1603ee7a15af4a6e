"""What stands on a roof: inverters of the models in `protocol/models.py`, and panels. Nothing here calculates."""

from dataclasses import dataclass
from datetime import date

from collector.protocol.models import MODELS, TENTHS, Block, Dialect, Model, name_of

# Stands for all models whose code is not in the table.
UNLISTED = Model("99", name_of("99"), Block.BY_CHANNEL, channels=2, uid_prefix="703", rated_w=880, ac_steps=TENTHS)
INVERTERS = {model.name: model for model in (*MODELS, UNLISTED)}

# Stands for one that sends its block in a layout which nobody knows: `device` sees to that.
UNREADABLE = Model("90", name_of("90"), Block.BY_CHANNEL, channels=4, uid_prefix="901", rated_w=1800, ac_steps=TENTHS)


def models_behind(dialect: Dialect) -> list[str]:
    """The names of the models that a gateway with records of this dialect may have behind it."""
    if dialect.optimizers:
        return [model.name for model in INVERTERS.values() if model.block is Block.OPTIMIZER]
    if dialect.plc is not None:
        return [model.name for model in INVERTERS.values() if model.plc]
    return [model.name for model in INVERTERS.values() if model.code]


@dataclass(frozen=True, slots=True)
class Shadow:
    """Something that hides the sun while it stands between two azimuths and below an elevation, in degrees."""

    from_deg: float
    to_deg: float
    below_deg: float


@dataclass(frozen=True, slots=True)
class Panel:
    """One module: peak power, where it looks to, how steep it is; in the shadow of what, and from when to when dead.

    `dead` is first and last day.
    """

    peak_w: float
    azimuth_deg: float
    tilt_deg: float
    shadow: Shadow | None = None
    dead: tuple[date, date] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoofInverter:
    """An inverter and the panels on its inputs, in their order.

    `line_v` is the rise of the voltage between it and the meter at full sun: the last of a long line trips first.
    `radio_loss` is the chance that a day has hours in which the gateway does not hear it. From `dead_from` on it is
    silent.
    """

    uid: str
    model: Model
    panels: tuple[Panel, ...]
    line_v: float = 1.0
    radio_loss: float = 0.01
    dead_from: date | None = None

    def __post_init__(self) -> None:
        if len(self.panels) != self.model.channels:
            raise ValueError(f"{self.model.name} has {self.model.channels} inputs, {len(self.panels)} panels are given")
