"""Alert rules and contact points, as the YAML that Grafana reads (docs/alerts.md).

Promises: a rule is quiet when nothing is wrong, and one rule alone speaks for a database that does not answer; an
address is written into its file and told to no log. Refuses: limits that are no numbers, and to touch what an owner has
set up in Grafana.
"""
