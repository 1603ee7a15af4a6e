"""The grid: its voltage and frequency as the inverters measure them, as evidence for whoever runs it.

The limits follow from the nominal voltage and frequency, or are those of the configuration, or are typed in, since
they differ from country to country.
Inverters measure by day only, at one moment every
five minutes: what this board calls minutes are readings, each of which stands for five.

Curves follow the board's range back for a year, figures that need every single reading for a month or three, and the
daily extremes for ever: each panel says so.
"""

from collector.boards.grid._curves import extremes, frequency, outside_by_day, percentiles, phases, voltage
from collector.boards.grid._episodes import episodes, faults, interruptions
from collector.boards.grid._figures import (
    against_power,
    by_inverter,
    frequency_figures,
    histogram,
    outside_figures,
    verdict,
    voltage_figures,
)
from collector.boards.grid._heat import by_heat, hottest
from collector.boards.kit.board import MONTH, TODAY, YEAR, YESTERDAY, board, folded, heading, in_the_menu, number
from collector.boards.kit.parts import Json
from collector.boards.kit.queries import event_annotations, inverter_variable, site_variables


def build() -> Json:
    """The board `solar-grid`."""
    return board(
        "solar-grid",
        "Grid",
        "Voltage and frequency of the grid against their limits, and what that cost.",
        [
            (6, [(6, verdict()), (6, voltage_figures()), (6, frequency_figures()), (6, outside_figures())]),
            (10, [(24, voltage())]),
            (8, [(12, outside_by_day()), (12, frequency())]),
            (8, [(12, percentiles()), (12, extremes())]),
            (9, [(12, histogram()), (12, against_power())]),
            folded(
                "Evidence",
                [
                    (9, [(12, episodes()), (12, interruptions())]),
                    (9, [(12, by_inverter()), (12, faults())]),
                    (8, [(24, phases())]),
                ],
            ),
            heading("Inverter temperature"),
            (9, [(12, hottest()), (12, by_heat())]),
        ],
        variables=[
            *site_variables(),
            inverter_variable(),
            # Nothing typed in is what the configuration says, or follows from the grid that the inverters measure.
            _limit("voltage_high", "Upper limit, V", "10 % above nominal: 253; at 60 Hz 132 or 264."),
            _limit("voltage_low", "Lower limit, V", "10 % below nominal: 207; at 60 Hz 108 or 216."),
            _limit("frequency_high", "Upper limit, Hz", "where many inverters reduce power: 50.2 or 60.5."),
            _limit("frequency_low", "Lower limit, Hz", "where the grid is short of power: 49.8 or 59.5."),
        ],
        annotations=event_annotations(),
        time=MONTH,
        quick=(TODAY, YESTERDAY, MONTH, YEAR),
        refresh="5m",
    )


def _limit(name: str, label: str, otherwise: str) -> Json:
    return in_the_menu(number(name, label, f"Empty: that of config.toml, else {otherwise}", ""))
