"""What values of the configuration have to look like: types for pydantic, whose errors say what is wanted.

Promises: a value that passes can be used as it is, in a tag, a request or a path. Refuses to correct one: what is not
right is told.
"""

import difflib
import ipaddress
import re
import unicodedata
import zoneinfo
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_core import PydanticCustomError

from collector.config._week import WEEKDAYS, half_hours, weekdays
from collector.config.characters import is_odd, read_secret, told

_MOST_DAYS = 36_500
# Of the vendor's cloud.
_UPDATE_PORTS = (21, 9219, 9220, 9222)
_LEAST_PEAK_W = 5
_FIXED_OFFSET = re.compile(r"(?:Etc/)?(?:UTC|GMT)? ?([+-])0?([1-9][0-9]?)(?::?00)?", re.ASCII | re.IGNORECASE)
_FOUR_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+){3}", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_SOME_OFFSET = re.compile(r"[+-][0-9]", re.ASCII)
_LIKE_HOURS = re.compile(r"([0-9]{1,2})(?:[:.]([0-9]{2}))? *[-\u2013] *([0-9]{1,2})(?:[:.]([0-9]{2}))?", re.ASCII)


def _expected(what: str) -> PydanticCustomError:
    return PydanticCustomError("expected", "{what}", {"what": what})


def _name(value: str) -> str:
    # InfluxDB's line protocol can't carry a line break in a tag, and a blank one is taken for a mistake.
    if not value.strip() or any(map(is_odd, value)):
        raise _expected("text of one line that is not blank")
    return value


def _peak_w(value: float) -> float:
    # No panel is as small; who types what stands on the label in kW means a thousand times as much.
    if 0 < value < _LEAST_PEAK_W:
        raise _expected(f"the power of a panel in watts (did you mean {1000 * value:g}?)")
    return value


def _zone(value: str) -> str:
    if not is_zone(value):
        raise _expected(f"the IANA name of a time zone, as 'Europe/Amsterdam'{_zone_hint(value)}")
    return value


def zone_of(environ: Mapping[str, str]) -> str:
    """What TZ names, which need not be a zone; empty without it."""
    return environ.get("TZ", "").removeprefix(":")


def odd_zone(environ: Mapping[str, str]) -> str | None:
    """What is wrong with TZ, in a line; None where it names a zone, or there is none."""
    name = zone_of(environ)
    if not name or is_zone(name):
        return None
    return f"TZ is {name!r}, which is the name of no time zone{_zone_hint(name)}"


def no_zone(environ: Mapping[str, str]) -> str:
    """Why a site whose zone nothing tells is taken to be in UTC, in a line."""
    return f"{odd_zone(environ) or 'no time zone is configured'}, so the site is taken to be in UTC"


def _zone_hint(value: str) -> str:
    """What may be meant by the name of no zone; empty when there is no telling."""
    if fixed := _FIXED_OFFSET.fullmatch(value):
        # Names like this one count westwards, against the habit of everybody who writes UTC+1.
        name = f"Etc/GMT{'-' if fixed[1] == '+' else '+'}{int(fixed[2])}"
        return f" (did you mean '{name}', for UTC{fixed[1]}{int(fixed[2])}?)" if is_zone(name) else ""
    close = difflib.get_close_matches(value, zoneinfo.available_timezones(), n=1)
    # Whatever has an offset looks like one of those, of which any other is hours away.
    return f" (did you mean '{close[0]}'?)" if close and not _SOME_OFFSET.search(value) else ""


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
    wanted = "an address that begins with http:// or https://"
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise _expected(wanted) from None
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise _expected(f"{wanted}, without user, password or anything after '?' or '#'")
    plain = value.isascii() and value.isprintable() and " " not in value
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not plain:
        # What has an @ may hold a password, which no fault shows.
        bare = value and plain and not set("/@?#").intersection(value)
        raise _expected(f"{wanted} (did you mean 'http://{value}'?)" if bare else wanted)
    return value.rstrip("/")


def _host(value: str) -> str:
    # Resolvers take digits that are no address for the name of a machine, and look for it.
    if _FOUR_NUMBERS.fullmatch(_name(value)):
        try:
            ipaddress.ip_address(value)
        except ValueError:
            raise _expected("an address of this machine, as 192.168.1.10") from None
    if "/" in value or (":" in value and _ipv6(value) is None):
        raise _expected("a name or an address alone, as 192.168.1.10: the port has a key of its own")
    return value


def _ipv6(host: str) -> ipaddress.IPv6Address | None:
    try:
        return ipaddress.IPv6Address(host)
    except ValueError:
        return None


def is_every_ipv6(host: str) -> bool:
    """Whether a host stands for all addresses of IPv6, however it is written."""
    address = _ipv6(host)
    return address is not None and address.is_unspecified


def _topic(value: str) -> str:
    # What MQTT allows beyond this, an empty level or a blank, is a mistake or makes one elsewhere.
    levels = _name(value).split("/")
    if not all(levels) or " " in value or not set("+#").isdisjoint(value) or value.startswith("$"):
        raise _expected("words with '/' between them, without blanks, '+' and '#', as 'apsystems/home'")
    return value


def slug(name: str) -> str:
    """A name as a word of lower-case letters, digits and underscores, which every program takes."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub("[^a-z0-9]+", "_", plain).strip("_") or "collector"


def prefix_of(instance: str) -> str:
    """What the topics of a collector begin with where the owner names no prefix."""
    return f"apsystems/{slug(instance)}"


def _path(value: Path) -> Path:
    # One that nobody sees makes another file, in which nothing of the first is found.
    if value == Path() or any(map(is_odd, str(value))):
        raise _expected("a path")
    return value


def day(value: object) -> date:
    """A day of TOML or as text; raises PydanticCustomError for what is none."""
    # TOML has days of its own; a time of day, which Python takes for a day as well, is none.
    if type(value) is date:
        return value
    try:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise _expected("a day, as 2026-03-29")


def now_or_day(value: object) -> object:
    """The word "now", or a day; raises PydanticCustomError for what is neither."""
    if value == "now":
        return value
    try:
        return day(value)
    except PydanticCustomError:
        raise _expected("'now' or a day, as 2026-03-29") from None


def no_poll(value: object) -> object:
    """What goes to the cloud's control port; raises PydanticCustomError for a poll."""
    if value == "poll":
        raise _expected("'pushes' or 'none': a poll asks the vendor for commands, and no gateway would ever get them")
    return value


def _address(value: str) -> str:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        raise _expected("an address alone, as 192.0.2.10") from None
    if address.is_unspecified or address.is_multicast:
        raise _expected("the address of one machine")
    return value


def _upload_port(value: int) -> int:
    if value in _UPDATE_PORTS:
        raise _expected("no port by which gateways get updates: to 21, 9219, 9220 and 9222 nothing is ever sent")
    return value


def _hours(value: str) -> str:
    if half_hours(value) is None:
        like = _LIKE_HOURS.fullmatch(value.strip())
        meant = "{:0>2}:{}-{:0>2}:{}".format(*like.groups("00")) if like else ""
        hint = f" (did you mean '{meant}'?)" if half_hours(meant) else ""
        raise _expected(f"hours from one to another, on the hour or at half past, as '07:00-21:30'{hint}")
    return value


def _weekdays(value: str) -> str:
    if weekdays(value) is None:
        # Whoever writes them out or with a capital means those that begin so.
        meant = "-".join(day.strip()[:3].lower() for day in re.split("[-\u2013]", value))
        hint = f" (did you mean '{meant}'?)" if weekdays(meant) else f" (known here: {', '.join(WEEKDAYS)})"
        raise _expected(f"a weekday or several, as 'sat' or 'mon-fri'{hint}")
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


def token_in(path: Path) -> str:
    """The token in a file. Raises OSError, and PydanticCustomError for a file that holds none."""
    try:
        text = read_secret(path)
    except UnicodeError:
        text = ""
    try:
        return token(SecretStr(text)).get_secret_value()
    except PydanticCustomError:
        what = f"the file holds no token, which is one word of printable ASCII characters{told(text)}"
        raise PydanticCustomError("expected", "{what}", {"what": what}) from None


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
Host = Annotated[str, AfterValidator(_host)]
Zone = Annotated[str, AfterValidator(_zone)]
Day = Annotated[date, BeforeValidator(day)]
DeviceId = Annotated[str, Field(pattern=r"\A[0-9]{12}\z")]
# Of inverters letters were seen as well.
InverterId = Annotated[str, Field(pattern=r"\A[0-9A-Za-z]{12}\z")]
Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[int, Field(ge=1)]
PeakPower = Annotated[float, Field(gt=0, allow_inf_nan=False), AfterValidator(_peak_w)]
KeptDays = Annotated[int, Field(ge=0), AfterValidator(_kept_days)]
Hosts = Annotated[
    tuple[Host, ...], BeforeValidator(_one_or_more), AfterValidator(_not_empty), AfterValidator(_different), List
]
# Beyond it is a slip of the keyboard, as a comma for a point.
GridVoltage = Annotated[float, Field(ge=90, le=500, allow_inf_nan=False)]
GridFrequency = Annotated[float, Field(ge=40, le=70, allow_inf_nan=False)]
Energy = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
# In degrees, north and east positive.
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Hours = Annotated[
    tuple[Annotated[str, AfterValidator(_hours)], ...], BeforeValidator(_one_or_more), AfterValidator(_not_empty), List
]
Weekdays = Annotated[
    tuple[Annotated[str, AfterValidator(_weekdays)], ...],
    BeforeValidator(_one_or_more),
    AfterValidator(_not_empty),
    List,
]
Ports = Annotated[tuple[Port, ...], AfterValidator(_not_empty), List]
UploadPort = Annotated[int, Field(ge=1, le=65535), AfterValidator(_upload_port)]
UploadPorts = Annotated[tuple[UploadPort, ...], AfterValidator(_not_empty), List]
Address = Annotated[str, AfterValidator(_address)]
FilePath = Annotated[Path, Field(strict=False), AfterValidator(_path)]
Url = Annotated[str, AfterValidator(_url)]
Topic = Annotated[str, AfterValidator(_topic)]
Bucket = Annotated[str, AfterValidator(_bucket)]
Token = Annotated[SecretStr, AfterValidator(token)]
