"""What both forms of a report say in the same words."""

from datetime import timedelta

from collector.report.figures import Report, SiteFigures

# An analysis is made at night, and may fail once.
_USUALLY_LATE = timedelta(days=2)

NO_LOSSES = (
    "Nothing of this time was analysed. It needs NumPy, three panels in an array, and latitude and longitude of the"
    ' site; if all of that is there, "collector analyse" does it now and says what hinders it.'
)
NO_VERDICT = "Not known, since nothing was analysed."
NO_PROBLEM = "No panel makes less than its neighbours say that it should."


def kwh(value: float) -> str:
    """An energy."""
    return f"{value:,.1f} kWh" if value < 100 else f"{value:,.0f} kWh"


def money(value: float | None, currency: str) -> str:
    """An amount; a dash where it is not known."""
    return "-" if value is None else f"{value:,.2f} {currency}".strip()


def percent(part: float) -> str:
    """A change."""
    if abs(part) < 0.005:
        return "as much as"
    return f"{100 * abs(part):.0f} % {'more' if part >= 0 else 'less'} than"


def subtitle(report: Report) -> str:
    """Which days it is about."""
    period = report.period
    return f"{period.first} to {period.until}, {period.days} days"


def of_bars(report: Report) -> str:
    """What the bars are."""
    return f"Energy in kWh of each {'day' if report.period.month else 'month'} of {report.period.title}"


def change(site: SiteFigures) -> str:
    """Against the year before."""
    found = site.change
    return f"{percent(found[1])} in {found[0]}" if found else "no earlier year to compare with"


def expectation(report: Report) -> str:
    """What was made of what was expected; "" where nothing was analysed."""
    if report.expected_kwh <= 0:
        return ""
    share = report.measured_kwh / report.expected_kwh
    is_late = report.analysed_until < (report.period.until - _USUALLY_LATE).isoformat()
    until = f" This is known up to {report.analysed_until}: `collector analyse` does the rest." if is_late else ""
    return (
        f"The panels made {kwh(report.measured_kwh)} (DC), {100 * share:.1f} % of the {kwh(report.expected_kwh)} that"
        " their neighbours say they should have made, as they stand, on the days that can be compared." + until
    )


def completeness(site: SiteFigures) -> str:
    """How many days have records."""
    if not site.missing:
        return f"all {site.days} days have records"
    named = ", ".join(map(str, site.missing[:10]))
    more = f" and {len(site.missing) - 10} more" if len(site.missing) > 10 else ""
    return f"{site.days - len(site.missing)} of {site.days} days have records; none of {named}{more}"


def still(report: Report) -> str:
    """To which day the sentences about panels belong."""
    return f"As of {report.analysed_until}." if report.analysed_until else ""
