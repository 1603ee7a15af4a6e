"""What a configuration without a fault can still get wrong: the time zone."""

import difflib
import zoneinfo

from collector.doctor.findings import Finding, ok, warning
from collector.doctor.look import Look
from collector.values import is_zone

CHECK = "configuration"


async def check(look: Look) -> list[Finding]:
    """The site's zone, and where it came from."""
    site = look.config.site
    wanted = look.environ.get("TZ", "").removeprefix(":")
    chosen = "timezone" in site.model_fields_set
    if wanted and not is_zone(wanted):
        close = difflib.get_close_matches(wanted, zoneinfo.available_timezones(), n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        return [
            warning(
                CHECK,
                f"TZ is {wanted!r}, which is the name of no time zone{hint}",
                f"the collector takes {site.timezone}"
                f"{' from its file' if chosen else ' instead'}, and the boards show UTC"
                f"{'' if chosen else ': days begin and end at the wrong hour'}",
                "correct SOLAR_TIMEZONE in .env and run `docker compose up -d`, or TZ where the service is started",
            )
        ]
    if not chosen:
        return [
            warning(
                CHECK,
                "no time zone is configured, so the site is taken to be in UTC",
                "where it is not, records stand at the wrong time and days begin at the wrong hour",
                'set site.timezone, as "Europe/Amsterdam" ("UTC" says that it is meant), or SOLAR_TIMEZONE with Docker',
            )
        ]
    return [ok(CHECK, f"no faults; the site's time zone is {site.timezone}")]
