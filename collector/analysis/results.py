"""What the latest analysis has found, as the journal keeps it for `status`, outputs and reports. Without NumPy."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Self, TypeVar, get_args, get_origin, get_type_hints

from collector.journal.reading import JournalReader

# Keys of the journal's state: what was found, and why the latest attempt ended without a result.
ANALYSIS_STATE, FAILURE_STATE = "analysis", "analysis_failure"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelResult:
    """One panel, by the inverter that it is on now: sums of the last `days` days, at most a year's, and what is wrong.

    `expected_kwh` is what its neighbours say that it should have made as it stands, `unshaded_kwh` what it would have
    made in the place of the best of them; each loss is a part of the difference to `measured_kwh`. `price_per_kwh` is
    what a kWh is worth, None without a tariff. The shade comes from `shade_azimuth_deg` (0 is north, 90 east) in the
    months from `shade_from` to `shade_to`, 0 where there is none to speak of. Where it makes less than expected, that
    is so since the day `under_since`, by `under_percent` and `under_wh` a day.
    """

    ecu: str
    inverter: str
    channel: int
    panel: str
    array: str
    days: int = 0
    measured_kwh: float = 0.0
    expected_kwh: float = 0.0
    unshaded_kwh: float = 0.0
    shade_kwh: float = 0.0
    fault_kwh: float = 0.0
    outage_kwh: float = 0.0
    clip_kwh: float = 0.0
    price_per_kwh: float | None = None
    shade_azimuth_deg: float | None = None
    shade_from: int = 0
    shade_to: int = 0
    under_since: str = ""
    under_percent: float = 0.0
    under_wh: float = 0.0
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayResult:
    """An array of a gateway: how much less it makes every year, in percent (negative), with the bounds of 95 %, as seen
    over so many `years`; None where that can't be told. `notes` say what is missing for more.
    """

    ecu: str
    array: str
    panels: int
    rate_percent: float | None = None
    low_percent: float | None = None
    high_percent: float | None = None
    years: float | None = None
    recovers_after_rain: bool | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthResult:
    """The sums of an array in a month (as 2026-03) over the days of its panels of which something can be said, with the
    meanings that `PanelResult` has; `price_per_kwh` is the mean of these days.
    """

    ecu: str
    array: str
    month: str
    measured_kwh: float = 0.0
    expected_kwh: float = 0.0
    unshaded_kwh: float = 0.0
    shade_kwh: float = 0.0
    fault_kwh: float = 0.0
    outage_kwh: float = 0.0
    clip_kwh: float = 0.0
    price_per_kwh: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """All of it: when it began (`at`, ns, 0 for never), which days it has seen (both included), and the currency."""

    at: int = 0
    first: str = ""
    last: str = ""
    currency: str = ""
    panels: tuple[PanelResult, ...] = ()
    arrays: tuple[ArrayResult, ...] = ()
    months: tuple[MonthResult, ...] = ()

    @classmethod
    def read(cls, values: Mapping[str, object]) -> Self:
        """Take what an analysis has written; what is of another type than it writes was not said."""
        known = _known(cls, values)
        known["panels"] = tuple(_all(PanelResult, values.get("panels")))
        known["arrays"] = tuple(_all(ArrayResult, values.get("arrays")))
        known["months"] = tuple(_all(MonthResult, values.get("months")))
        return cls(**known)

    def values(self) -> dict[str, object]:
        """What is to be written."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a process that analyses says at its end: what was found, and why not all of it could be done or written.
    `is_taken` says that another process is at it, so that nothing was found.
    """

    results: Results = Results()
    hindrance: str = ""
    is_taken: bool = False

    @classmethod
    def read(cls, values: Mapping[str, object]) -> Self:
        """Take what such a process has written."""
        results = values.get("results")
        return cls(
            Results.read(results if isinstance(results, dict) else {}),
            str(values.get("hindrance", "")),
            values.get("is_taken") is True,
        )

    def values(self) -> dict[str, object]:
        """What is to be written."""
        return asdict(self)


def latest(reader: JournalReader) -> Results:
    """What the journal has. Raises JournalError."""
    return Results.read(reader.state(ANALYSIS_STATE))


def failure(reader: JournalReader) -> str:
    """Why there is no newer result, "" where there is no reason. Raises JournalError."""
    reason = reader.state(FAILURE_STATE).get("reason")
    return reason if isinstance(reason, str) else ""


def _all(kind: type[_T], values: object) -> Iterator[_T]:
    for one in values if isinstance(values, list | tuple) else ():
        # One without its names is none.
        with suppress(TypeError):
            yield kind(**_known(kind, one if isinstance(one, dict) else {}))


def _known(kind: type[Any], values: Mapping[str, object]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, wanted in get_type_hints(kind).items():
        value = values.get(name)
        if isinstance(value, list):
            value = tuple(map(str, value))
        allowed = (tuple,) if get_origin(wanted) is tuple else get_args(wanted) or (wanted,)
        if type(value) in allowed:
            found[name] = value
    return found
