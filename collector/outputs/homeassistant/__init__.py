"""The energy of every hour in Home Assistant's own statistics, from which its Energy dashboard is drawn.

Promises: Home Assistant holds what the ledger holds, hour by hour, the whole past included; what comes late lands in
its hour; how far a series is there is noted only after Home Assistant has shown that it has it, so an outage of either
side costs time only. Refuses to touch any series but its own, and to change a setting in Home Assistant.
"""
