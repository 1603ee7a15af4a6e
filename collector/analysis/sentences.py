"""What the analysis has found, in sentences for the owner: the one place that makes them. Pure, and without NumPy.

A sentence has no subject, so that a panel's name can stand before it.
"""

from collector.analysis.results import ArrayResult, PanelResult, Results

# As they stand in `finding`, with what the owner can look for.
_CAUSES = {
    "panel": "the panel itself, its plugs, or dirt on it",
    "bypass diode": "a bypass diode: a third or two of its cells give nothing",
    "no power": "a plug, a cable, or the panel: its inverter reports it without any power",
    "inverter": "its inverter: all of its panels make less since the same day",
    "new shade": "something new that throws a shadow on it",
    "dirt": "dirt, since it became less bit by bit",
}
_SIDES = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
# Less is not worth a word: it is about what the model is wrong by.
LEAST_SHADE_PERCENT = 2.0
LEAST_KWH = 1.0
# Of a year some days are always missing, as those with snow.
_YEAR = 350


def under(since: str, percent: float, wh_a_day: float, cause: str) -> str:
    """That a panel makes less than expected."""
    likely = _CAUSES.get(cause, cause)
    return (
        f"makes {percent:.0f} % less than its neighbours say that it should, since {since}: {wh_a_day:.0f} Wh a day;"
        f" probably {likely}"
    )


def problem(panel: PanelResult) -> str:
    """What is wrong with a panel; "" where nothing is."""
    if not panel.under_since:
        return ""
    return under(panel.under_since, panel.under_percent, panel.under_wh, panel.cause)


def shade(panel: PanelResult, currency: str) -> str:
    """What a panel loses to shade; "" where that is next to nothing."""
    if panel.unshaded_kwh <= 0:
        return ""
    percent = 100 * panel.shade_kwh / panel.unshaded_kwh
    if percent < LEAST_SHADE_PERCENT or panel.shade_kwh < LEAST_KWH:
        return ""
    side = f" from the {_side(panel.shade_azimuth_deg)}" if panel.shade_azimuth_deg is not None else ""
    price = panel.price_per_kwh
    money = f", {_short(panel.shade_kwh * price, 2)} {currency}" if price is not None and currency else ""
    when = _months(panel.shade_from, panel.shade_to)
    return f"loses {percent:.0f} % to shade{side}{when}: {_short(panel.shade_kwh)} kWh{money} {_span(panel.days)}"


def other_losses(panel: PanelResult) -> str:
    """What a panel loses to other causes than shade and faults; "" where that is next to nothing."""
    parts = []
    if panel.outage_kwh >= LEAST_KWH:
        parts.append(f"{panel.outage_kwh:.0f} kWh while its inverter did not report")
    if panel.clip_kwh >= LEAST_KWH:
        parts.append(f"{panel.clip_kwh:.0f} kWh above what its inverter can give")
    return f"loses {' and '.join(parts)} {_span(panel.days)}" if parts else ""


def of_panel(panel: PanelResult, currency: str) -> str:
    """All that there is to say of a panel, in one sentence; "" where there is nothing."""
    return "; ".join(filter(None, (problem(panel), shade(panel, currency), other_losses(panel))))


def ageing(array: ArrayResult) -> str:
    """How fast an array ages; "" where that can't be told yet."""
    if array.rate_percent is None or array.years is None:
        return ""
    bounds = ""
    if array.low_percent is not None and array.high_percent is not None:
        bounds = f" (between {_rate(array.low_percent)} and {_rate(array.high_percent)})"
    return f"changes by {_rate(array.rate_percent)} % a year{bounds}, seen over {array.years:.1f} years"


def problems(results: Results) -> list[str]:
    """A line for each panel that makes less than expected."""
    return [f"panel {panel.panel} {text}" for panel in results.panels if (text := problem(panel))]


def lines(results: Results) -> list[str]:
    """A line for each panel and array of which there is something to say."""
    panels = [f"panel {panel.panel} {text}" for panel in results.panels if (text := of_panel(panel, results.currency))]
    arrays = [f"array {array.array} {text}" for array in results.arrays if (text := ageing(array))]
    return [*panels, *arrays]


def _short(value: float, digits: int = 1) -> str:
    """An amount; one of a few days is small, but not 0."""
    return f"{value:.0f}" if value >= 9.95 else f"{value:.{digits}f}"


def _rate(percent: float) -> str:
    # Adding a zero makes a negative one a plain one.
    return f"{round(percent, 1) + 0.0:+.1f}"


def _side(azimuth_deg: float) -> str:
    return _SIDES[round(azimuth_deg / 45) % len(_SIDES)]


def _months(first: int, last: int) -> str:
    if not (1 <= first <= len(_MONTHS) and 1 <= last <= len(_MONTHS)):
        return ""
    if last % len(_MONTHS) + 1 == first:
        return ", all year"
    if first == last:
        return f", in {_MONTHS[first - 1]}"
    return f", {_MONTHS[first - 1]} to {_MONTHS[last - 1]}"


def _span(days: int) -> str:
    return "a year" if days >= _YEAR else f"in {days} days"
