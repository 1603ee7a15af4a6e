"""What one module makes of the light that falls on it: the arithmetic that all simulated roofs share."""

import math

# What is left on the way from light to the inverter's input, after reflection and cables.
KEPT = 0.97
SNOW_LETS_THROUGH = 0.02

# The share of the light that is of use falls with the light itself.
_FAINT_LIGHT = 14.0

_CELL_K_PER_LIGHT = 0.03
_POWER_PER_K, _VOLTAGE_PER_K = -0.0036, -0.0028
_VOLTAGE_AT_PEAK = 33.5

Output = tuple[float, float, float]


def output(kept: float, falling: float, air_c: float) -> Output:
    """Output per W of peak power, voltage of a module, and what it is warmer by than the air.

    `falling` is the light on its plane in W/m², `kept` the share that reaches the inverter.
    """
    warmer = _CELL_K_PER_LIGHT * falling
    beyond_25 = air_c + warmer - 25
    share = kept * falling / 1000 * falling / (falling + _FAINT_LIGHT) * (1 + _POWER_PER_K * beyond_25)
    depth = 0.03 * math.log(max(falling, 1.0) / 1000)
    return share, _VOLTAGE_AT_PEAK * (1 + _VOLTAGE_PER_K * beyond_25 + depth), warmer
