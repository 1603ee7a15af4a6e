"""What the AC side of a record gave: what the owner's meter counts, where most models tell the DC side. Pure."""

from collections.abc import Sequence

from collector.protocol.blocks import AC_SHARE, Inverter
from collector.protocol.fields import total
from collector.protocol.models import BY_NAME, OPTIMIZER

# Of the DC side. A figure outside is of another interval, or another unit, than the DC side beside it.
_LEAST_SHARE, _MOST_SHARE = 0.80, 1.00

# Every block of every record is asked.
_COUNTING_AC = frozenset(name for name, model in BY_NAME.items() if model.counts_ac)


def ac_energy_wh(inverter: Inverter) -> float | None:
    """The AC energy of an inverter's interval; None for an optimizer, which feeds another maker's inverter.

    Some models count on the AC side. For the others it is what was sent, where it fits the DC energy; else the DC
    energy by the share that the powers of the same record tell; else by the share with which the devices themselves
    work out an AC power that they do not measure (docs/protocol.md, 5.9).
    """
    if inverter.model == OPTIMIZER:
        return None
    if inverter.model in _COUNTING_AC:
        return inverter.energy_wh
    dc_wh = inverter.energy_wh
    if dc_wh is None:
        return None
    if inverter.ac_energy_wh and _fits(inverter.ac_energy_wh, dc_wh):
        return inverter.ac_energy_wh
    ac_w, dc_w = inverter.ac_power_w, inverter.dc_power_w
    share = ac_w / dc_w if ac_w and dc_w and _fits(ac_w, dc_w) else AC_SHARE
    return round(dc_wh * share, 3)


def _fits(ac: float, dc: float) -> bool:
    if dc <= 0:
        return False
    share = ac / dc
    # Rounded where it counts, since a share of exactly 0.8 may come out just below it.
    return _LEAST_SHARE <= share <= _MOST_SHARE or _LEAST_SHARE <= round(share, 9) <= _MOST_SHARE


def sum_of_ac_powers_w(inverters: Sequence[Inverter], dc_power_w: float | None) -> float | None:
    """The AC power of a gateway: that of its inverters where each tells its own, else the usual share of its DC power.

    None for optimizers, and without inverters.
    """
    if not inverters or any(inverter.model == OPTIMIZER for inverter in inverters):
        return None
    powers = [inverter.ac_power_w for inverter in inverters]
    known = [power_w for power_w in powers if power_w is not None]
    if len(known) == len(powers):
        return total(known)
    return None if dc_power_w is None else round(AC_SHARE * dc_power_w, 2)
