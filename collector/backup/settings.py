"""A configuration without what must not lie about in backups.

The text stays as its owner wrote it, with comments and order; only the database's token goes, from wherever it stands.
The name of a file that holds a token is no secret and stays.
"""

import re

import tomlkit
from tomlkit.exceptions import TOMLKitError

from collector.errors import CollectorError

LEFT_OUT = "left-out-of-the-backup"

# One that was put out of use with a `#` is a secret all the same.
_IN_A_COMMENT = re.compile(r"(#.*\btoken\s*=\s*)(\"[^\"\n]*\"|'[^'\n]*')")


def without_secrets(text: str) -> str:
    """The configuration with LEFT_OUT where a token was; raises CollectorError for one that is no TOML."""
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as exc:
        raise CollectorError(f"the configuration cannot be read: {exc}") from None
    influxdb = document.get("influxdb", {})
    secret = str(influxdb.get("token", ""))
    if secret:
        influxdb["token"] = LEFT_OUT
    plain = _IN_A_COMMENT.sub(rf'\g<1>"{LEFT_OUT}"', tomlkit.dumps(document))
    return plain.replace(secret, LEFT_OUT) if secret else plain


def names_timezone(text: str) -> bool:
    """Whether a configuration that was read before says itself what the site's zone is."""
    return "timezone" in tomlkit.parse(text).get("site", {})
