"""What the service is asked and what it answers, as https://pvoutput.org/help/api_specification.html has it. Pure.

Nothing here was tried with the service itself: what its page leaves open is taken in any form.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final, NamedTuple

from collector.outputs.faults import OutputError

# So many statuses, and days, are taken in a call, of systems whose owners donate more; and so many days back.
BATCH, DONORS_BATCH = 30, 100
OUTPUTS, DONORS_OUTPUTS = 1, 100
REACH_DAYS, DONORS_REACH_DAYS = 14, 90
INTERVALS_MIN: Final = (5, 10, 15)

# Statuses of a day that one question gives.
_MOST_STATUSES = 288
_SHOWN_CHARACTERS = 160

_KEY_REMEDY = "see pvoutput.key_file and pvoutput.system_id, and that API access is enabled in PVOutput's settings"
_WRITE_REMEDY = "the key must be one that may write: PVOutput's settings have a read-only one beside it"
_WAIT_REMEDY = "nothing is lost; it is tried again by itself"
_URL_REMEDY = f"{_WAIT_REMEDY}. See that pvoutput.url is right, if you have set it"
_ZONE_REMEDY = (
    "see that time zone, place and size of the system in PVOutput's settings are right, and site.timezone here; the"
    " rest is sent all the same"
)


class Status(NamedTuple):
    """One interval of a day: its local time as 12:05, what was made since midnight, and the power meanwhile."""

    time: str
    energy_wh: int
    power_w: int
    temperature_c: float | None = None
    voltage_v: float | None = None


class Request(NamedTuple):
    """What is sent: POST with a form if `is_form`, else GET."""

    page: str
    fields: Mapping[str, str]
    is_form: bool = True


class Limits(NamedTuple):
    """How many requests an hour has, how many are left, and when that ends (ns)."""

    limit: int
    remaining: int
    reset_at: int


class Answer(NamedTuple):
    """What came back, and at what time (ns) by the service's clock, where it is the service that tells it."""

    code: int
    text: str
    limits: Limits | None = None
    at: int | None = None


@dataclass(frozen=True, slots=True)
class System:
    """What the service says of a system."""

    name: str
    size_w: str
    interval_min: int
    is_donor: bool

    @property
    def batch(self) -> int:
        """How many statuses a call takes."""
        return DONORS_BATCH if self.is_donor else BATCH

    @property
    def outputs(self) -> int:
        """How many days a call takes."""
        return DONORS_OUTPUTS if self.is_donor else OUTPUTS

    @property
    def reach_days(self) -> int:
        """How many days back statuses are taken, today included: one less than is said, for its clock is another."""
        return DONORS_REACH_DAYS if self.is_donor else REACH_DAYS


class Kind(StrEnum):
    """What follows from an error."""

    # The key, or what it may: nothing more is sent before the owner has changed something.
    KEY = "key"
    # The hour's requests are used up.
    LIMIT = "limit"
    # What was sent can't be taken, however often: its parts are tried, and one alone is set aside.
    CONTENT = "content"
    # It is of a time to come, by the service's clock.
    FUTURE = "future"
    # It can't be taken, as far as is known: the words are none that the service's page has.
    UNKNOWN = "unknown"
    # It changes nothing of what the service holds.
    NOTHING_NEW = "nothing new"
    # The day is older than what statuses are taken of.
    TOO_OLD = "too old"
    # The world's: later.
    LATER = "later"


# What is about a status, and not about the system or the service.
OF_CONTENT: Final = frozenset({Kind.CONTENT, Kind.FUTURE, Kind.UNKNOWN, Kind.NOTHING_NEW, Kind.TOO_OLD})


class ServiceError(OutputError):
    """The service did not do it."""

    def __init__(self, kind: Kind, reason: str, remedy: str) -> None:
        super().__init__(reason, remedy)
        self.kind = kind


def ask_system() -> Request:
    """What the system is like."""
    return Request("getsystem.jsp", {"donations": "1"}, is_form=False)


def ask_day(day: date) -> Request:
    """What is held of a day."""
    fields = {"d": f"{day:%Y%m%d}", "h": "1", "asc": "1", "limit": str(_MOST_STATUSES)}
    return Request("getstatus.jsp", fields, is_form=False)


def send_statuses(day: date, statuses: Sequence[Status]) -> Request:
    """Statuses of a day, v1 being what was made since its midnight."""
    return Request("addbatchstatus.jsp", {"data": ";".join(_row(day, status) for status in statuses)})


def send_outputs(totals: Mapping[date, int]) -> Request:
    """What days made, in Wh; of one day in the form that needs no donation."""
    if len(totals) == 1:
        ((day, energy_wh),) = totals.items()
        return Request("addoutput.jsp", {"d": f"{day:%Y%m%d}", "g": str(energy_wh)})
    return Request("addoutput.jsp", {"data": ";".join(f"{day:%Y%m%d},{wh}" for day, wh in totals.items())})


def _row(day: date, status: Status) -> str:
    others = [status.temperature_c, status.voltage_v]
    cells = [f"{day:%Y%m%d}", status.time, str(status.energy_wh), str(status.power_w), "", ""]
    cells += ["" if one is None else f"{one:.1f}" for one in others]
    return ",".join(cells).rstrip(",")


def system_in(text: str) -> System:
    """Read the answer to `ask_system`; raises ServiceError for something else."""
    groups = [group.split(",") for group in text.strip().split(";")]
    main = groups[0]
    # From the end, since a system's name may have a comma.
    if len(main) < 16 or not main[-1].strip().isdecimal():
        raise stranger("a question about the system", text)
    interval_min = int(main[-1])
    donations = groups[2][0].strip() if len(groups) > 2 else "0"
    return System(
        name=plain(",".join(main[:-15])),
        size_w=plain(main[-15]),
        interval_min=interval_min if interval_min in INTERVALS_MIN else INTERVALS_MIN[0],
        is_donor=donations.isdecimal() and int(donations) > 0,
    )


def held_in(text: str) -> dict[str, tuple[int | None, int | None]]:
    """Read the answer to `ask_day`: energy and power by time. What is no number there is None. Raises ServiceError for
    something else.
    """
    rows = _rows(text, 5)
    if not rows:
        raise stranger("a question about a day", text)
    return {row[1]: (_number(row[2]), _number(row[4])) for row in rows}


def not_taken_in(text: str) -> set[str]:
    """The times of statuses that the answer to `send_statuses` calls not taken; raises ServiceError for another one."""
    rows = _rows(text, 3)
    if not rows:
        confirm(text)
    return {row[1] for row in rows if row[2] == "0"}


def confirm(text: str) -> None:
    """Raises ServiceError unless an answer says that it was done."""
    if not text.strip().upper().startswith("OK"):
        raise stranger("what was sent", text)


def _rows(text: str, least: int) -> list[list[str]]:
    """The rows that begin with a day and have so many cells."""
    rows = [[cell.strip() for cell in row.split(",")] for row in text.strip().split(";")]
    return [row for row in rows if len(row) >= least and len(row[0]) == 8 and row[0].isdecimal()]


def _number(text: str) -> int | None:
    try:
        return round(float(text))
    except (ValueError, OverflowError):
        return None


def plain(text: str) -> str:
    """One line of printable characters that is not too long."""
    line = "".join(one if one.isprintable() else "?" for one in " ".join(text.split()))
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]}…"


def stranger(asked: str, text: str) -> ServiceError:
    """What answers is not the service."""
    return ServiceError(
        Kind.LATER,
        f"{asked} was answered with something else: {plain(text)}",
        "see whether a proxy or sign-in page answers, and that pvoutput.url is right, if you have set it",
    )


# What a refusal with HTTP 400 is about, by words of its text in lower case; the first counts.
_REFUSALS: Final[Sequence[tuple[str, Kind, str]]] = (
    ("load in progress", Kind.LATER, _WAIT_REMEDY),
    ("no statuses added", Kind.NOTHING_NEW, "the day is compared"),
    ("older than", Kind.TOO_OLD, "the day's sum is sent instead"),
    ("too old", Kind.TOO_OLD, "the day's sum is sent instead"),
    ("moon powered", Kind.CONTENT, _ZONE_REMEDY),
    ("future", Kind.FUTURE, _ZONE_REMEDY),
    ("too high", Kind.CONTENT, _ZONE_REMEDY),
    ("too low", Kind.CONTENT, _ZONE_REMEDY),
    ("lower than", Kind.CONTENT, _ZONE_REMEDY),
    ("exceed", Kind.CONTENT, _ZONE_REMEDY),
    ("greater than", Kind.CONTENT, _ZONE_REMEDY),
)


def fault(answer: Answer) -> ServiceError | None:
    """What an answer says is wrong; None where all is well."""
    said = plain(answer.text) or "no text"
    told = f"PVOutput answers HTTP {answer.code} ({said})"
    words = answer.text.lower()
    match answer.code:
        case 200:
            return None
        case 401:
            return ServiceError(Kind.KEY, told, _KEY_REMEDY)
        case 403 if "exceed" in words:
            return ServiceError(Kind.LIMIT, told, "the hour's requests are used up; it goes on when there are new ones")
        case 403 if "donation" in words:
            return ServiceError(Kind.KEY, told, "restart the collector, which then asks again who donates")
        case 403:
            return ServiceError(Kind.KEY, told, _WRITE_REMEDY)
        case 400:
            found = [(kind, remedy) for part, kind, remedy in _REFUSALS if part in words]
            kind, remedy = found[0] if found else (Kind.UNKNOWN, "please report this text")
            return ServiceError(kind, told, remedy)
        case 404 | 301 | 302 | 307 | 308:
            return ServiceError(Kind.LATER, told, _URL_REMEDY)
        case _:
            return ServiceError(Kind.LATER, told, _WAIT_REMEDY)
