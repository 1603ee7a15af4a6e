"""A machine that does to one installation everything that owners and power cuts do, in any order, and knows what
must be left of it.

`steps` has what is done, `machine` what must hold, `expected` what InfluxDB has to contain, `site` the real processes,
`gateways` and `wire` what they are sent. `trial` runs it, and looks for the shortest run that fails as well.
"""
