"""A stand-in for the cloud of APsystems gateways: answers them, keeps every record, and writes it to InfluxDB 2."""

__version__ = "0.2.0"
