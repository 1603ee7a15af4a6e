"""A machine that does everything to one installation that owners and power cuts do, in any order, and knows what must be
left of it: `machine` has the rules, `site` the real processes, `wire` the gateways, `expected` what InfluxDB has to hold.
"""
