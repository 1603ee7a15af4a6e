"""What an energy can be of: an input, an inverter, or a gateway as a whole."""

from typing import Final

# The id of an inverter and the number of its input, 0 for the inverter itself. A gateway as a whole, of whose inverters
# nothing is known, stands under its own id, as if it were one.
Source = tuple[str, int]

INVERTER: Final = 0


def whole(ecu: str) -> Source:
    """A gateway as a whole."""
    return ecu, INVERTER
