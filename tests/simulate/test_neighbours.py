"""Simulated neighbours differ from day to day about as much as real ones do.

The figures are of three pairs of small systems on one roof in Madrid (Universidad Politécnica, about 1.2 kW each with
an inverter of its own, DC power every five minutes, 2019), which look the same way: the ratio of the two moves by less
than five percent over the seasons. Of each pair the ratio of its energies on a day to that of the day before, on days
without gaps. The measurements themselves are not part of this project.
"""

from datetime import date, datetime, timedelta
from itertools import combinations, pairwise
from statistics import median, quantiles
from zoneinfo import ZoneInfo

import pytest

from collector.client.firmware import GENERATIONS
from collector.simulate import truth
from collector.simulate.roofs import solar_site

# The medians of the three pairs: of the change, and of the width of the range that holds 90 % of all changes.
MEASURED_CHANGE, MEASURED_RANGE = 0.0090, 0.111
WITHIN = 1.5


def changes(seed: int) -> list[float]:
    """How the ratio of each two sound, unshaded panels of an inverter changed from day to day in a year."""
    zone = ZoneInfo("Europe/Amsterdam")
    start = datetime(2019, 1, 1, tzinfo=zone)
    stop = start + timedelta(days=365)
    site = solar_site(
        GENERATIONS["ecu-r-2024"], 2, seed, models=("QS1",), zone=zone, installed=date(2019, 1, 1), with_losses=True
    )
    # The fourth panel has a chimney beside it.
    sound = [one.channel - 1 for one in truth.panels(site, start, stop)[:3] if not one.faults]
    energies: list[list[float] | None] = []
    for day in truth.days(site, start, stop):
        panels = day.panels[:4]
        undisturbed = all(one.snow_wh == 0 and one.outage_wh < 1 for one in panels)
        energies.append([sum(one) for one in day.readings[0].energy_wh] if undisturbed else None)
    most_wh = max(one[sound[0]] for one in energies if one)
    kept = [one if one and one[sound[0]] > 0.05 * most_wh else None for one in energies]
    return [
        later[one] / later[other] / (earlier[one] / earlier[other]) - 1
        for earlier, later in pairwise(kept)
        if earlier and later
        for one, other in combinations(sound, 2)
    ]


@pytest.mark.slow
def test_simulated_neighbours_differ_from_day_to_day_as_measured_ones_do() -> None:
    found = changes(seed=3)
    assert len(found) > 200
    lowest, *_, highest = quantiles(found, n=20)
    assert MEASURED_CHANGE / WITHIN < median(map(abs, found)) < MEASURED_CHANGE * WITHIN
    assert MEASURED_RANGE / WITHIN < highest - lowest < MEASURED_RANGE * WITHIN
