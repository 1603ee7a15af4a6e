"""What a configuration without a fault can still get wrong: the time zone."""

from collector.doctor.findings import Finding, ok, warning
from collector.doctor.look import Look
from collector.values import no_zone, odd_zone

CHECK = "configuration"


async def check(look: Look) -> list[Finding]:
    """The site's zone, and where it came from."""
    site = look.config.site
    if "timezone" not in site.model_fields_set:
        return [
            warning(
                CHECK,
                no_zone(look.environ),
                "where it is not, records stand at the wrong time, and days begin at the wrong hour",
                'set site.timezone, as "Europe/Amsterdam" ("UTC" says that it is meant), or TZ where the service is'
                " started; with Docker SOLAR_TIMEZONE in .env, then `docker compose up -d`",
            )
        ]
    if odd := odd_zone(look.environ):
        return [
            warning(
                CHECK,
                odd,
                f"the collector takes {site.timezone} from its file, and the boards show UTC",
                "correct SOLAR_TIMEZONE in .env and run `docker compose up -d`, or TZ where the service is started",
            )
        ]
    return [ok(CHECK, f"no faults; the site's time zone is {site.timezone}")]
