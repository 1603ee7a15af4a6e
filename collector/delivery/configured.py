"""The InfluxDB that a configuration names."""

from collector.config.model import InfluxDB
from collector.delivery.influx import InfluxSink


def configured(
    settings: InfluxDB, timeout_s: float, *, token: str | None = None, deadline_s: float | None = None
) -> InfluxSink:
    """A sink that is not connected yet, with another token than the configured one where one is given."""
    return InfluxSink(
        settings.url,
        settings.org,
        settings.token.get_secret_value() if token is None else token,
        settings.bucket,
        settings.rollup_bucket,
        timeout_s,
        deadline_s=deadline_s,
        ca_file=settings.ca_file,
    )
