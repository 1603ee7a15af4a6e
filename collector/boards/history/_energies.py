"""What the parts of the board of all years share: energies by day, month and year in Flux.

Without a choice of arrays the energies are those of the gateways, in AC where it is told; with one they are the sums of
the chosen arrays' panels, which are DC and somewhat more.
"""

from textwrap import indent
from typing import Protocol

from collector.boards.kit.parts import Json
from collector.boards.kit.queries import ARRAY, SITE, local, metered, metered_sums, series

# A year counts as whole with records on this many days, a month on that many: a few days without are no other weather.
WHOLE_YEAR_DAYS, WHOLE_MONTH_DAYS = 350, 25

NO_RECORDS = "No records"

# For the descriptions.
WITH_ARRAYS = "AC, like your meter; DC for chosen arrays or without AC readings."

# Columns of a table that may become narrow, so that a year fits on the screen.
NARROW: Json = {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False, "minWidth": 55}

# An array of Flux, for months that count from 1.
MONTHS = '["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]'


class _Read(Protocol):
    """`series` or `metered`."""

    def __call__(
        self, measurement: str, field: str, *where: str, start: str, stop: str | None, at_noon: bool
    ) -> str: ...


def chosen(
    gateways: str,
    panels: str,
    start: str,
    stop: str | None = None,
    *,
    read: _Read = metered,
    at_noon: bool = False,
) -> str:
    """Energies of one of two measurements: of gateways, or where arrays are chosen of their panels."""
    return _either(
        read(gateways, "energy_wh", SITE, start=start, stop=stop, at_noon=at_noon),
        series(panels, "energy_wh", SITE, ARRAY, start=start, stop=stop, at_noon=at_noon),
    )


def sums_of_readings(start: str, stop: str, window: str) -> str:
    """The sums of the readings of gateways, or of the chosen arrays' panels; `window` is that of `metered_sums`."""
    return _either(
        metered_sums("ecu", "energy_wh", SITE, start=start, stop=stop, window=window),
        series("channel", "energy_wh", SITE, ARRAY, start=start, stop=stop) + window.format("sum"),
    )


def _either(whole: str, part: str) -> str:
    # No array has an empty name, so that only "All" matches it.
    return f'if "" =~ /^${{array:regex}}$/ then\n{indent(whole, "  ")}else\n{indent(part, "  ")}'


def windows(every: str, how: str) -> str:
    """The sum, mean or count of each local day, month or year (`1d`, `1mo`, `1y`), at its beginning."""
    return f'  |> aggregateWindow(every: {every}, fn: {how}, createEmpty: false, timeSrc: "_start")\n'


def by_day(*packages: str, start: str = "0", stop: str | None = None) -> str:
    """A query that goes on with `by_day`: the energy of each day with records, all that is chosen together."""
    days = f"days =\n{indent(chosen('ecu_day', 'channel_day', start, stop, at_noon=True), '  ')}\n"
    return local(*packages) + days + "by_day = days\n  |> group()\n" + windows("1d", "sum") + "\n"


def sums_and_days(every: str) -> str:
    """Goes on with a row for each month or year: `_time`, `energy`, and how many `days` have records."""
    return (
        "sums = by_day\n"
        + windows(every, "sum")
        + '  |> set(key: "figure", value: "energy")\n\n'
        + "days_with_records = by_day\n"
        + windows(every, "count")
        + '  |> toFloat()\n  |> set(key: "figure", value: "days")\n\n'
        + "periods = union(tables: [sums, days_with_records])\n"
        + '  |> group()\n  |> pivot(rowKey: ["_time"], columnKey: ["figure"], valueColumn: "_value")\n'
        + '  |> sort(columns: ["_time"])\n\n'
    )
