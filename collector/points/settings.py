"""What of the configuration boards and alerts have to know, in each report of the collector: they read nothing else."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the owner has not said is None, and follows from the grid that is measured, or from what is usual.

    The prices are those of the first tariff, for the days before it.
    """

    voltage_min_v: float | None = None
    voltage_max_v: float | None = None
    frequency_min_hz: float | None = None
    frequency_max_hz: float | None = None
    price_per_kwh: float | None = None
    feed_in_per_kwh: float | None = None
    co2_g_per_kwh: float | None = None


SETTINGS = tuple(field.name for field in fields(Settings))
