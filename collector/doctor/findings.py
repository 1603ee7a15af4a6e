"""What a check says: what was found, what that means, and what to do. One finding is one sentence each.

A check never raises for what it looks at: what can't be looked at is a finding as well. No text holds a secret.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

# Where the service is not running; which of the three is right depends on how it was installed.
START = "start it: `systemctl start collector`, `docker compose up -d`, or in a terminal `collector run`"

# As many names or places as a sentence carries.
_LISTED = 4


class Level(StrEnum):
    """How bad it is. Only a FAILURE makes the installation unhealthy; what could not be checked is SKIPPED, not OK."""

    OK = "ok"
    SKIPPED = "skipped"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` is the part of the installation. `meaning` and `remedy` are empty where nothing is to be done."""

    check: str
    level: Level
    found: str
    meaning: str = ""
    remedy: str = ""


def ok(check: str, found: str) -> Finding:
    """Everything is as it should be."""
    return Finding(check, Level.OK, found)


def skipped(check: str, found: str, remedy: str = "") -> Finding:
    """Not looked at, and why; `remedy` says how it can be."""
    return Finding(check, Level.SKIPPED, found, remedy=remedy)


def warning(check: str, found: str, meaning: str, remedy: str) -> Finding:
    """Works, but not as well as it should, or not for long."""
    return Finding(check, Level.WARNING, found, meaning, remedy)


def failure(check: str, found: str, meaning: str, remedy: str) -> Finding:
    """Does not work."""
    return Finding(check, Level.FAILURE, found, meaning, remedy)


def is_healthy(findings: Iterable[Finding]) -> bool:
    """Whether none of them is a failure."""
    return all(finding.level is not Level.FAILURE for finding in findings)


def as_json(findings: Sequence[Finding]) -> dict[str, object]:
    """Plain values for the json module; every finding has every key."""
    return {"healthy": is_healthy(findings), "findings": [asdict(finding) for finding in findings]}


def listed(names: Sequence[object]) -> str:
    """Names in a sentence: all of a few, the first of many."""
    texts = [str(name) for name in names]
    if len(texts) > _LISTED:
        return f"{', '.join(texts[: _LISTED - 1])} and {len(texts) - _LISTED + 1} more"
    return " and ".join(", ".join(texts).rsplit(", ", 1)) if len(texts) > 1 else "".join(texts)


def told_bytes(*counts: int) -> str:
    """Sizes that are compared, in the unit that suits the last of them, as "3.1 of 28.9 GiB"."""
    unit, name = (1024**3, "GiB") if counts[-1] >= 1024**3 else (1024**2, "MiB")
    return f"{' of '.join(f'{count / unit:.1f}' for count in counts)} {name}"
