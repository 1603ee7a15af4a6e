"""Whether there is an analysis, and what it lacks where there is none or not all of it. Without NumPy."""

import sys
from importlib.util import find_spec

from collector.analysis.results import Results
from collector.config.model import Config

# Of fewer in an array nobody can say which one is right.
FEWEST_PANELS = 3

NEEDS_NUMPY = f"it needs NumPy, which is not installed: {sys.executable} -m pip install 'apsystems-collector[analysis]'"


def missing() -> str:
    """Why nothing can be analysed; "" where it can."""
    return NEEDS_NUMPY if find_spec("numpy") is None else ""


def lacking(config: Config, results: Results) -> list[str]:
    """What the owner could do for a better analysis."""
    found = []
    if config.site.latitude is None and not (config.ecu and all(ecu.latitude is not None for ecu in config.ecu)):
        found.append(
            "where the panels are is not configured: with site.latitude and site.longitude it knows where the sun"
            " stands, and tells shade from faults"
        )
    found += [f"array {array.array}: {note}" for array in results.arrays for note in array.notes]
    return found
