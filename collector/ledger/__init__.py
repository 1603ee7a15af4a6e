"""The ledger: the exact account of energy by hour and day, AC and DC, of every inverter and input, from the journal.

Promises: sums of whole mWh, so that hours make days and days a lifetime; the rules of all other figures; whatever
comes late, twice, or after a crash ends in the same account as if it had come in order; a day whose records were purged
keeps what was counted. Refuses: to ask InfluxDB, to make gateways wait, and to be kept up where nobody needs it
(`wanted`).
"""
