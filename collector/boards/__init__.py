"""Grafana's boards, as Python that writes Grafana's own JSON: a folder a board, and `kit`, of which all are made.

Promises: `write` gives the same bytes for the same boards and replaces whole files; every query asks for the buckets
that the configuration names. Refuses: to ask a database or Grafana anything; only files are written.
"""
