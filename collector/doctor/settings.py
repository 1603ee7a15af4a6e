"""What the configuration gets wrong though it can be read: the token that is not to be had, and the time zone."""

from collector.config.values import no_zone, odd_zone
from collector.doctor.context import Context
from collector.doctor.findings import Finding, failure, ok, warning

CHECK = "configuration"


async def check(context: Context) -> list[Finding]:
    """The token's faults, then the site's zone, and where it came from."""
    return [*map(_token, context.token_faults), _zone(context)]


def _token(fault: str) -> Finding:
    return failure(
        CHECK,
        fault,
        "the service does not start with it, unless it runs as a user who has it; InfluxDB is not looked at",
        "correct it, or run this as the service's user and with its environment",
    )


def _zone(context: Context) -> Finding:
    site = context.config.site
    if "timezone" not in site.model_fields_set:
        return warning(
            CHECK,
            no_zone(context.environ),
            "where it is not, records stand at the wrong time, and days begin at the wrong hour",
            'set site.timezone, as "Europe/Amsterdam" ("UTC" says that it is meant), or TZ where the service is'
            " started; with Docker SOLAR_TIMEZONE in .env, then `docker compose up -d`",
        )
    if odd := odd_zone(context.environ):
        return warning(
            CHECK,
            odd,
            f"the collector takes {site.timezone} from its file, and the boards show UTC",
            "correct SOLAR_TIMEZONE in .env and run `docker compose up -d`, or TZ where the service is started",
        )
    return ok(CHECK, f"{'' if context.token_faults else 'no faults; '}the site's time zone is {site.timezone}")
