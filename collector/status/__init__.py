"""What the journal says about the installation, for people and for health checks.

Promises: never raises for the state of the journal, and changes nothing; a problem says what is wrong and since when, a
warning what to do. Refuses: to ask InfluxDB or the gateways; what the service knows of them it has written down.
"""
