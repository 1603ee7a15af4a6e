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

    def hides(self, azimuth_deg: float, elevation_deg: float) -> bool:
        """Whether the sun is behind it."""
        return elevation_deg < self.below_deg and self.from_deg <= azimuth_deg <= self.to_deg


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A shadow that crosses a panel third by third, as its three bypass diodes make it do.

    `outline` is what the middle third sees; either of the others sees it `apart_deg` (azimuth, elevation) further to
    one side. Between the bare branches of a tree in winter only a third is ever in the shade.
    """

    outline: Shadow
    apart_deg: tuple[float, float]
    is_tree: bool = False

    def thirds(self, azimuth_deg: float, elevation_deg: float) -> int:
        """How many thirds of the panel are hidden from the sun, without regard to leaves."""
        azimuth, elevation = self.apart_deg
        outline = self.outline
        if elevation_deg > outline.below_deg + elevation or not (
            outline.from_deg - azimuth <= azimuth_deg <= outline.to_deg + azimuth
        ):
            return 0
        return sum(outline.hides(azimuth_deg + side * azimuth, elevation_deg + side * elevation) for side in (-1, 0, 1))


@dataclass(frozen=True, slots=True)
class Panel:
    """One module: peak power, where it looks to, how steep it is; in the shadow of what, and from when to when dead.

    `dead` is first and last day. `obstacles` are for roofs with losses of their own, `shadow` and `dead` for others.
    """

    peak_w: float
    azimuth_deg: float
    tilt_deg: float
    shadow: Shadow | None = None
    dead: tuple[date, date] | None = None
    obstacles: tuple[Obstacle, ...] = ()


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
