"""The whole analysis of one array."""

from collector.analysis.series import Analysis, ArraySeries, Learned


def analyse(series: ArraySeries, since_day: int | None = None, learned: Learned | None = None) -> Analysis:
    """Return the results of all days of a series, or of those from `since_day` on.

    With `learned` from an earlier result a series of RECENT_DAYS before `since_day` is enough; without it the series
    has to hold all that is known.
    """
    raise NotImplementedError
