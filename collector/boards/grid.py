"""The grid: its voltage and frequency as the inverters measure them, as evidence for whoever runs it.

The limits are typed in, since they differ from country to country. Inverters measure by day only, at one moment every
five minutes: what this board calls minutes are readings, each of which stands for five.

Curves follow the board's range back for a year, figures that need every single reading for a month or three, and the
daily extremes for ever: each panel says so.
"""

from collector.boards.board import board, in_the_menu, number
from collector.boards.grid_curves import extremes, frequency, outside_by_day, percentiles, phases, voltage
from collector.boards.grid_episodes import episodes, faults, interruptions
from collector.boards.grid_figures import (
    against_power,
    by_inverter,
    frequency_figures,
    histogram,
    outside_figures,
    voltage_figures,
)
from collector.boards.parts import Json
from collector.boards.queries import event_annotations, inverter_variable, site_variables


def build() -> Json:
    """The board `solar-grid`."""
    return board(
        "solar-grid",
        "Grid",
        "Voltage and frequency of the grid against their limits, and what that cost.",
        [
            (5, [(10, voltage_figures()), (7, frequency_figures()), (7, outside_figures())]),
            (10, [(24, voltage())]),
            (8, [(12, outside_by_day()), (12, frequency())]),
            (8, [(12, percentiles()), (12, extremes())]),
            (9, [(12, histogram()), (12, against_power())]),
            (9, [(12, episodes()), (12, interruptions())]),
            (9, [(12, by_inverter()), (12, faults())]),
            (8, [(24, phases())]),
        ],
        variables=[
            *site_variables(),
            inverter_variable(),
            in_the_menu(
                number(
                    "voltage_high", "Highest V", "EN 50160 allows 230 V and 10 % more; 120 V: 132, 240 V: 264.", "253"
                )
            ),
            in_the_menu(
                number("voltage_low", "Lowest V", "EN 50160 allows 230 V and 10 % less; 120 V: 108, 240 V: 216.", "207")
            ),
            in_the_menu(
                number("frequency_high", "Highest Hz", "Where many inverters begin to give less; 60 Hz: 60.5.", "50.2")
            ),
            in_the_menu(number("frequency_low", "Lowest Hz", "Where the grid is short of power; 60 Hz: 59.5.", "49.8")),
        ],
        annotations=event_annotations(),
        time=("now-30d", "now"),
        refresh="5m",
    )
