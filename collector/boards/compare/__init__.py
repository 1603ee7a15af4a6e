"""A board that was changed in Grafana's editor, held against the one that the code builds.

Promises: `differences` names every panel, variable and setting that differs, and `sources` the line of code that each
comes from; a board that nobody changed has no differences, however Grafana saved it. Refuses: boards of Grafana's
schema v2, and to write code.
"""
