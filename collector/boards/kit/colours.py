"""What a colour means, on every board the same.

Names are Grafana's, which has one shade of each for the light and one for the dark theme. Promises, which a test holds:
marks stand out from both themes' panels by 3 to 1, words and figures by 4.5 to 1; who sees red and green alike, or all
in grey, still sees which of two values is the worse. So green is no word for good: what is well is plain.
"""

from collections.abc import Mapping
from typing import Any

# Curves, bars and gauges, and words on the panel's own ground: energy and power; what is only there for comparison;
# anything else beside it; what is as it should be; and what is wrong.
POWER, COMPARED, OTHER, CALM, TROUBLE = "dark-orange", "blue", "#7f8793", "text", "red"

# Arrays beside each other, which are no better or worse than each other: none is green, yellow, red or orange.
ARRAYS = ("#317ac4", "#e2127a", "#5f5ff2", "#1099c6", "#c61099")

# Fields behind a word or a figure, which Grafana then writes in black or white: as it should be, a warning, and wrong.
CLEAR, WARNING, ALARM = "transparent", "#EAB839", "dark-red"

# For little and much of what is always good.
AMOUNT = "Oranges"

# For shares of what is due: the darkest red for little, pale yellow in the middle, which is 100 %, and blue for more.
# Up to there it gets lighter without a break, for everybody.
SHARE = "RdYlBu"


def around_all(least: float) -> Mapping[str, Any]:
    """How a heat map colours shares: red from `least` down, and pale where all is there."""
    return {"scheme": SHARE, "reverse": True, "low": least, "high": 2 - least}


def shaded(red: int, green: int, blue: int, opacity: float) -> str:
    """A colour through which the panel is seen, so that the theme's own text can be read on it."""
    return f"rgba({red}, {green}, {blue}, {opacity:.2f})"
