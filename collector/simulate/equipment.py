"""What stands on a roof: inverters and panels, as a small table and frozen values.

Names of models are those that a record gives rise to; a model without a known type code is called by its code. Nothing
here calculates.
"""

from dataclasses import dataclass
from datetime import date

from collector.protocol.forms import MODELS, OPTIMIZER


@dataclass(frozen=True, slots=True)
class InverterModel:
    """A product: its name in records, how its serial numbers begin, its inputs and its most AC power."""

    name: str
    prefix: str
    channels: int
    rated_w: float


YC250 = InverterModel(MODELS["05"], "1020", 1, 250)
YC500 = InverterModel(MODELS["03"], "4030", 2, 500)
YC1000 = InverterModel(MODELS["04"], "5010", 4, 900)
YC600 = InverterModel(MODELS["07"], "4080", 2, 550)
QS1 = InverterModel(MODELS["08"], "8060", 4, 1200)
# Built like the YC600; the code it sends is not known, so it stands here for all that have none in the tables.
DS3 = InverterModel("type 15", "7030", 2, 880)
OPTIMIZER_700 = InverterModel(OPTIMIZER, "6010", 2, 700)

INVERTERS = {model.name: model for model in (YC250, YC500, YC1000, YC600, QS1, DS3, OPTIMIZER_700)}


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
    model: InverterModel
    panels: tuple[Panel, ...]
    line_v: float = 1.0
    radio_loss: float = 0.01
    dead_from: date | None = None

    def __post_init__(self) -> None:
        if len(self.panels) != self.model.channels:
            raise ValueError(f"{self.model.name} has {self.model.channels} inputs, {len(self.panels)} panels are given")
