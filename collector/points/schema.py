"""The one table of every measurement, tag, field, unit and type, and what a point is.

The names in it are a promise to everybody's queries: a field keeps its type for ever (a float that is once written as
an integer is refused by the database), and a series keeps its tags.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, get_type_hints

from collector.points.figures import Figures, OutputFigures
from collector.points.settings import SETTINGS

# Stands where a message has no readable gateway id, since a tag can't be empty.
UNKNOWN_ECU = "unknown"

# What the analysis adds to the days of `channel_day`, which roll-ups leave as it is.
ANALYSED_FIELDS = (
    "expected_wh",
    "unshaded_wh",
    "loss_shade_wh",
    "loss_fault_wh",
    "loss_outage_wh",
    "loss_clip_wh",
)

_OF_INVERTER = ("ecu", "inverter", "inverter_name", "model")
_OF_CHANNEL = (*_OF_INVERTER, "channel", "panel", "array")


@dataclass(frozen=True, slots=True)
class Measurement:
    """Tags in the order they are written, and the type of each field. `daily` ones are roll-ups in a bucket of their
    own, where also is what is `analysed`.
    """

    tags: tuple[str, ...]
    fields: Mapping[str, type[float] | type[int] | type[str]]
    daily: bool = False
    analysed: bool = False


SCHEMA: Mapping[str, Measurement] = {
    "ecu": Measurement(
        ("ecu", "ecu_name"),
        {
            "power_w": float,
            "ac_power_w": float,
            "energy_wh": float,
            "ac_energy_wh": float,
            "lifetime_kwh": float,
            "inverters_reporting": int,
            "clock_skew_s": float,
            "imported": int,
            "import_factor": float,
        },
    ),
    "inverter": Measurement(
        _OF_INVERTER,
        {
            "dc_power_w": float,
            "ac_power_w": float,
            "reactive_power_var": float,
            "energy_wh": float,
            "ac_energy_wh": float,
            "grid_voltage_v": float,
            "grid_frequency_hz": float,
            "temperature_c": float,
            "status": int,
        },
    ),
    "channel": Measurement(
        _OF_CHANNEL,
        {"power_w": float, "voltage_v": float, "current_a": float, "energy_wh": float, "peak_w": float},
    ),
    "phase": Measurement(
        (*_OF_INVERTER, "phase"),
        {"grid_voltage_v": float, "ac_power_w": float, "reactive_power_var": float, "energy_wh": float},
    ),
    "optimizer": Measurement(
        _OF_INVERTER,
        {
            "output_voltage_v": float,
            "output_current_a": float,
            "output_power_w": float,
            "output_energy_wh": float,
            "temperature_c": float,
        },
    ),
    "event": Measurement(
        ("ecu", "source", "kind"),
        {"text": str, "inverter": str, "version": str, "zone": str, "skew_s": float},
    ),
    "collector": Measurement(
        ("instance",),
        {
            **get_type_hints(Figures),
            "sun_elevation_deg": float,
            "replaced": str,
            "currency": str,
            **dict.fromkeys(SETTINGS, float),
        },
    ),
    "output": Measurement(("instance", "output"), {**get_type_hints(OutputFigures), "last_error": str, "remedy": str}),
    # What the owner says of a gateway's site, which boards and alerts know from nowhere else.
    "site": Measurement(("ecu",), {"latitude": float, "longitude": float, "purchase_price": float}),
    "ecu_day": Measurement(
        ("ecu", "ecu_name"),
        {
            "energy_wh": float,
            "ac_energy_wh": float,
            "peak_power_w": float,
            "ac_peak_power_w": float,
            "records": int,
            "first_s": int,
            "last_s": int,
            "lifetime_kwh": float,
            "counter_wh": float,
            "inverters": int,
            "price_per_kwh": float,
            "feed_in_per_kwh": float,
            "imported": int,
            "import_factor": float,
        },
        daily=True,
    ),
    "inverter_day": Measurement(
        _OF_INVERTER,
        {
            "energy_wh": float,
            "ac_energy_wh": float,
            "energy_refused_wh": float,
            "energy_mended_wh": float,
            "peak_power_w": float,
            "records": int,
            "rounds": int,
            "temperature_max_c": float,
            "grid_voltage_max_v": float,
            "grid_voltage_min_v": float,
        },
        daily=True,
    ),
    "channel_day": Measurement(
        _OF_CHANNEL,
        {
            "energy_wh": float,
            "energy_refused_wh": float,
            "energy_mended_wh": float,
            "peak_power_w": float,
            "peak_w": float,
            **dict.fromkeys(ANALYSED_FIELDS, float),
        },
        daily=True,
    ),
    # The panel of an array as a whole is "-".
    "ageing": Measurement(
        ("ecu", "array", "panel"),
        {"rate_percent": float, "low_percent": float, "high_percent": float, "years": float},
        analysed=True,
    ),
    "shade": Measurement((*_OF_CHANNEL, "azimuth", "elevation"), {"factor": float}, analysed=True),
    "finding": Measurement(
        (*_OF_CHANNEL, "cause"),
        {"lost_percent": float, "lost_wh": float, "days": int, "text": str},
        analysed=True,
    ),
}


Value = float | int | str


Tags = tuple[str, ...]


class Point(NamedTuple):
    """One point. `tags` are values in the schema's order, a field that is None is absent, `time` is ns since 1970."""

    measurement: str
    tags: Tags
    fields: Mapping[str, Value | None]
    time: int
