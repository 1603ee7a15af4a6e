"""How hot the inverters became, day by day and for ever: heat is what wears them out."""

from collector.boards.grid._curves import DAYS_MS, FEW_DAYS, of_all_inverters
from collector.boards.grid._readings import TO_INVERTER
from collector.boards.kit.charts import table, time_series
from collector.boards.kit.colours import CALM, POWER
from collector.boards.kit.parts import Json, fixed, gauge_cell, labelled, override
from collector.boards.kit.queries import INVERTER, SITE, series

# Where the alert is by default, short of where inverters give less to protect themselves.
_HOT_C = 75

_NO_DAYS = "No day with a measured temperature in this time range"

_HIGHEST = series("inverter_day", "temperature_max_c", SITE, INVERTER)


def hottest() -> Json:
    """The hottest inverter of each day beside all of them."""
    query = of_all_inverters(
        ("hottest", "temperature_max_c", "max", "max"), ("mean of all", "temperature_max_c", "max", "mean")
    )
    return time_series(
        "Hottest inverter by day",
        "Highest temperature of each day (of several days in long ranges): of the hottest inverter, and the mean of"
        " all. If the distance grows from summer to summer, that inverter lacks air.",
        query,
        name=labelled("name"),
        no_value=_NO_DAYS,
        unit="celsius",
        gap_ms=DAYS_MS,
        custom=FEW_DAYS,
        overrides=[
            override("hottest", color=fixed(POWER)),
            override("mean of all", color=fixed(CALM)),
        ],
    )


def by_heat() -> Json:
    """Every inverter, the hottest first."""
    query = (
        _HIGHEST
        + f"""\
  |> group(columns: ["ecu", "inverter_name"])
  |> reduce(
    identity: {{highest: -273.0, day: time(v: 0), sum: 0.0, days: 0.0, hot: 0.0}},
    fn: (r, accumulator) => ({{
      highest: if r._value > accumulator.highest then r._value else accumulator.highest,
      day: if r._value > accumulator.highest then r._time else accumulator.day,
      sum: accumulator.sum + r._value,
      days: accumulator.days + 1.0,
      hot: accumulator.hot + (if r._value >= {_HOT_C}.0 then 1.0 else 0.0),
    }}),
  )
  |> group()
  |> map(fn: (r) => ({{r with mean: r.sum / r.days}}))
  |> sort(columns: ["highest"], desc: true)
"""
    )
    heat = {"unit": "celsius", "decimals": 0}
    return table(
        "Temperature by inverter",
        f"Each inverter's highest temperature, its day, the mean of its daily highest, and its days of {_HOT_C} °C"
        " and more. One much hotter than its neighbours lacks air; from about 80 °C it gives less.",
        query,
        no_value=_NO_DAYS,
        columns={
            "inverter_name": {"displayName": "Inverter", "custom__minWidth": 100, "links": TO_INVERTER},
            "highest": {"displayName": "Highest", "max": 90, "custom__minWidth": 110, **heat, **gauge_cell()},
            "day": {"displayName": "On", "unit": "time:YYYY-MM-DD", "custom__width": 100},
            "mean": {"displayName": "Mean", "custom__width": 80, **heat},
            "hot": {"displayName": f"Days of {_HOT_C} °C", "custom__width": 125, "decimals": 0},
            "ecu": {"custom__hideFrom__viz": True},
        },
        sort_by=("Highest", True),
    )
