"""Grafana's boards and alert rules, as Python that writes Grafana's own JSON and YAML."""
