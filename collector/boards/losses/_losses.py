"""What was lost to which cause, as the nightly analysis has written it, and what that was worth.

Everything is summed up by month before it is valued, with the mean price of the month: days would be a hundred times as
many rows, and the price is that of a tariff.
"""

from collector.boards.kit.colours import COMPARED, OTHER, POWER, TROUBLE
from collector.boards.kit.parts import KWH, Json, fixed, override
from collector.boards.kit.queries import ARRAY, END_OF_LAST_DAY, LIVING, SITE, local, series, settings

# By its field in `channel_day`: the column that a cause has in a table, its name, and its colour.
CAUSES = {
    "loss_shade_wh": ("shade", "Shade", OTHER),
    "loss_fault_wh": ("fault", "Faults", TROUBLE),
    "loss_outage_wh": ("outage", "Not reported", POWER),
    "loss_clip_wh": ("clip", "Above the inverter's limit", COMPARED),
}

_OF_MONTHS = '  |> aggregateWindow(every: 1mo, fn: {}, createEmpty: false, timeSrc: "_start")\n'

# A month that the range cuts counts with its days that are within.
_WHOLE_DAYS = END_OF_LAST_DAY + "begin = date.truncate(t: v.timeRangeStart, unit: 1d)\n\n"


def valued_losses(*packages: str) -> str:
    """Defines `losses`: what each panel lost to each cause in each month, as `kwh` and `money`, with the `cause`."""
    prices = series(
        "ecu_day", ("records", "price_per_kwh"), SITE, start="begin", stop="end", at_noon=True
    ) + _OF_MONTHS.format("mean")
    lost = series(
        "channel_day", tuple(CAUSES), SITE, ARRAY, start="begin", stop="end", at_noon=True
    ) + _OF_MONTHS.format("sum")
    return (
        local("date", "strings", *packages)
        + _WHOLE_DAYS
        + settings("price_per_kwh")
        + LIVING
        + """\
typed = strings.replaceAll(v: "${price}", t: ",", u: ".")
otherwise =
  if typed != "" then float(v: typed)
  else if exists settings.price_per_kwh then settings.price_per_kwh
  else 0.3

prices = """
        + prices
        + """\
  |> keep(columns: ["_time", "_value", "_field", "ecu"])
  |> group()
  |> pivot(rowKey: ["_time", "ecu"], columnKey: ["_field"], valueColumn: "_value")
  |> map(fn: (r) => ({
    _time: r._time,
    ecu: r.ecu,
    order: 0,
    price: if exists r.price_per_kwh then r.price_per_kwh else otherwise,
  }))
  |> keep(columns: ["_time", "ecu", "order", "price"])

lost = """
        + lost
        + """\
  |> keep(columns: ["_time", "_value", "_field", "ecu", "array", "panel"])
  |> group()
  |> map(fn: (r) => ({
    _time: r._time,
    ecu: r.ecu,
    order: 1,
    array: r.array,
    panel: r.panel,
    cause: r._field,
    kwh: r._value / 1000.0,
  }))
  |> keep(columns: ["_time", "ecu", "order", "array", "panel", "cause", "kwh"])

// The price of a month stands before what was lost in it, and is handed down.
losses = union(tables: [prices, lost])
  |> group(columns: ["ecu"])
  |> sort(columns: ["_time", "order"])
  |> fill(column: "price", usePrevious: true)
  |> filter(fn: (r) => r.order == 1)
  |> map(fn: (r) => ({
    _time: r._time,
    ecu: living(id: r.ecu),
    array: r.array,
    panel: r.panel,
    cause: r.cause,
    kwh: r.kwh,
    money: r.kwh * r.price,
  }))
  |> group()

"""
    )


def as_columns(row_key: str, value: str) -> str:
    """Goes on with sums of `value` by the columns `row_key`: a column for each cause, 0 where nothing was lost."""
    keys = row_key.split(", ")
    grouped = ", ".join(f'"{key}"' for key in (*keys, "cause"))
    rows = ", ".join(f'"{key}"' for key in keys)
    kept = ", ".join(f"{key}: r.{key}" for key in keys)
    columns = ", ".join(
        f"{column}: if exists r.{field} then r.{field} else 0.0" for field, (column, _, _) in CAUSES.items()
    )
    return f"""\
  |> group(columns: [{grouped}])
  |> sum(column: "{value}")
  |> group()
  |> pivot(rowKey: [{rows}], columnKey: ["cause"], valueColumn: "{value}")
  |> map(fn: (r) => ({{{kept}, {columns}}}))
"""


def named_causes() -> str:
    """Goes on with a column `name` for the `cause`."""
    names = "\n    ".join(f'else if r.cause == "{field}" then "{name}"' for field, (_, name, _) in CAUSES.items())
    return f"  |> map(fn: (r) => ({{r with\n    name:\n    {names.removeprefix('else ')}\n    else r.cause,\n  }}))\n"


def in_colours() -> list[Json]:
    """Overrides that give each cause its name and its colour."""
    return [override(column, displayName=name, color=fixed(color)) for column, name, color in CAUSES.values()]


def energy_columns() -> dict[str, Json]:
    """The columns of a table with the causes in kWh."""
    return {
        column: {"displayName": name, "unit": KWH, "decimals": 1, "custom__width": 200 if column == "clip" else 110}
        for column, name, _ in CAUSES.values()
    }
