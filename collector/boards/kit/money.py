"""What money is called, and what a kWh is worth, on the boards that tell it."""

from collector.boards.kit.board import in_the_menu, number, one_of
from collector.boards.kit.parts import Json
from collector.boards.kit.queries import imports, series


def currency_variable() -> Json:
    """The name of the money where no tariff has one; `money_variable` asks for it."""
    return in_the_menu(number("currency", "Currency", "The name of the money, where no tariff has one.", "€"))


def money_variable() -> Json:
    """What the money is called: as the owner's tariffs have it, else as it is typed in. Nobody has to choose it."""
    query = (
        imports("array")
        + "configured = "
        + series("collector", "currency", start="-90d", stop=None)
        + """\
  |> last()
  |> group()
  |> filter(fn: (r) => r._value != "")
  |> sort(columns: ["_time"], desc: true)
  |> findColumn(fn: (key) => true, column: "_value")

array.from(rows: [{_value: if length(arr: configured) > 0 then configured[0] else ${currency:doublequote}}])
"""
    )
    built = one_of("money", "Money", "What the money is called.", query)
    return {**built, "hide": 2, "skipUrlSync": True}
