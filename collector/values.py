"""What values of the configuration have to look like: types for pydantic, whose errors say what is wanted.

Promises: a value that passes can be used as it is, in a tag, a request or a path. Refuses to correct one: what is not
right is told.
"""

import difflib
import zoneinfo
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_core import PydanticCustomError

_MOST_DAYS = 36_500


def _expected(what: str) -> PydanticCustomError:
    return PydanticCustomError("expected", "{what}", {"what": what})


def _name(value: str) -> str:
    # InfluxDB's line protocol can't carry a line break in a tag, and a blank one is taken for a mistake.
    if not value.strip() or not value.isprintable():
        raise _expected("text of one line that is not blank")
    return value


def _zone(value: str) -> str:
    if not is_zone(value):
        close = difflib.get_close_matches(value, zoneinfo.available_timezones(), n=1)
        hint = f" (did you mean '{close[0]}'?)" if close else ""
        raise _expected(f"the IANA name of a time zone, as 'Europe/Amsterdam'{hint}")
    return value


def is_zone(value: str) -> bool:
    """Whether the time zone database has a zone of this name."""
    # Debian has a file of this name among the zones, which says nothing to the database.
    if value in ("", "localtime"):
        return False
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder, as "Europe"
        return False
    return True


def _url(value: str) -> str:
    wanted = "an address as 'http://influxdb:8086'"
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise _expected(wanted) from None
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise _expected(f"{wanted}, without user, password or anything after '?' or '#'")
    plain = value.isascii() and value.isprintable() and " " not in value
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not plain:
        raise _expected(wanted)
    return value.rstrip("/")


def _path(value: Path) -> Path:
    if value == Path() or "\0" in str(value):
        raise _expected("a path")
    return value


def _bucket(value: str) -> str:
    # Queries have it between quotation marks, where the other two have a meaning of their own, as for Grafana.
    if _name(value).startswith("_") or not set('"\\$').isdisjoint(value):
        raise _expected("a bucket's name, which neither starts with '_' nor has a quotation mark, '\\' or '$'")
    return value


def _kept_days(value: int) -> int:
    # A century: who writes more means for ever, and so long ago there was no clock to count from.
    if value > _MOST_DAYS:
        raise _expected(f"a number up to {_MOST_DAYS}, or 0 to keep them for ever")
    return value


def token(value: SecretStr) -> SecretStr:
    """Pass a token that can be one; raises PydanticCustomError."""
    # What an HTTP header can carry, and so what the client can send at all.
    secret = value.get_secret_value()
    if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise _expected("a token: one word of printable ASCII characters")
    return value


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _not_empty(values: tuple[Any, ...]) -> tuple[Any, ...]:
    # pydantic's own limit leaves out the elements that are no good, and so finds a second fault in one mistake.
    if not values:
        raise _expected("at least one")
    return values


def _different(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) != len(values):
        raise _expected("addresses that differ")
    return values


# TOML has lists, and a frozen model holds tuples: that one conversion is allowed, and none of their elements.
List = Field(strict=False)

Name = Annotated[str, AfterValidator(_name)]
Zone = Annotated[str, AfterValidator(_zone)]
DeviceId = Annotated[str, Field(pattern=r"\A[0-9]{12}\z")]
Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[int, Field(ge=1)]
KeptDays = Annotated[int, Field(ge=0), AfterValidator(_kept_days)]
Hosts = Annotated[
    tuple[Name, ...], BeforeValidator(_one_or_more), AfterValidator(_not_empty), AfterValidator(_different), List
]
Ports = Annotated[tuple[Port, ...], AfterValidator(_not_empty), List]
FilePath = Annotated[Path, Field(strict=False), AfterValidator(_path)]
Url = Annotated[str, AfterValidator(_url)]
Bucket = Annotated[str, AfterValidator(_bucket)]
Token = Annotated[SecretStr, AfterValidator(token)]
