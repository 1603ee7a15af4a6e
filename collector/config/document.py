"""The configuration's file as it is written: which one counts, its TOML, and where its journal is.

tomli on every Python: its errors know their line, which tomllib's do not before 3.14.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli

from collector.config import characters
from collector.errors import ConfigError

FILE_NAME = Path("config.toml")
JOURNAL_PATH = Path("data/journal.db")

_ELSEWHERE = (
    (re.compile(r"=\s*-?\d+,\d+\s*(?:#|$)"), "decimals are written with a point"),
    (re.compile(r"=\s*(?:yes|no|on|off|True|False|TRUE|FALSE)\s*(?:#|$)"), "it is true or false, in small letters"),
    (re.compile(r"=\s*\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\s*(?:#|$)"), "a day is written as 2026-02-28"),
)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where the journal is, and whether there is an InfluxDB to which its records go."""

    journal: Path
    has_influxdb: bool


def whereabouts(path: Path | None, environ: Mapping[str, str] = os.environ) -> Whereabouts:
    """What a health check needs, without the time that checking all the rest takes.

    Raises ConfigError for a file that can't be read or parsed. What it takes as it is, `load` may refuse.
    """
    chosen = path or find(environ)
    document = {} if chosen is None else read(chosen)
    journal = document.get("journal")
    named = journal.get("path") if isinstance(journal, dict) else None
    return Whereabouts(
        Path(named) if isinstance(named, str) and named else JOURNAL_PATH,
        "influxdb" in document or bool(environ.get("INFLUXDB_URL")),
    )


def find(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The file that counts when none is named: `$COLLECTOR_CONFIG`, else `./config.toml` if it exists, else None."""
    if named := environ.get("COLLECTOR_CONFIG"):
        return Path(named)
    # Not `exists`, which raises in a folder that this user may not look into.
    return FILE_NAME if os.path.exists(FILE_NAME) else None  # noqa: PTH110


def read(path: Path) -> dict[str, Any]:
    """A configuration's tables, not yet checked. Raises ConfigError for a file that can't be read or parsed."""
    try:
        # With or without the mark that some editors put first.
        return parse(path.read_text(encoding="utf-8-sig"))
    except IsADirectoryError:
        # The usual way to get one: a container engine makes a folder where the file that it should mount is missing.
        raise ConfigError([f"{path}: is a folder, a file is wanted"]) from None
    except OSError as exc:
        raise ConfigError([f"{path}: cannot be read: {exc.strerror}"]) from None
    except UnicodeDecodeError as exc:
        raise ConfigError([f"{path}: is not UTF-8 text (at byte {exc.start})"]) from None
    except tomli.TOMLDecodeError as exc:
        there = characters.foreign(exc.doc, exc.pos) or _meant(exc.doc, exc.lineno)
        raise ConfigError([f"{path}, line {exc.lineno}, column {exc.colno}: {exc.msg}{there}"]) from None


def _meant(text: str, number: int) -> str:
    """What to write in place of what is usual elsewhere, in brackets; empty where a line has nothing of the kind."""
    line = [*text.split("\n"), ""][number - 1]
    return next((f" ({remedy})" for form, remedy in _ELSEWHERE if form.search(line)), "")


def parse(text: str) -> dict[str, Any]:
    """A configuration's TOML, not yet checked. Raises tomli.TOMLDecodeError, which is a ValueError."""
    try:
        return tomli.loads(text)
    except RecursionError as exc:
        raise tomli.TOMLDecodeError(str(exc), text, 0) from None
