"""The list of what a fleet sent: one JSON object a line, for `verify`.

`acknowledged` says that the gateway has let go of the record, so it must be in the journal. A record without it may be
there or not: it was sent, and no answer came.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from collector.errors import CollectorError
from collector.simulate.store import Record


@dataclass(frozen=True, slots=True)
class Entry:
    """One form in which a record went out; `digest` is the SHA-256 of its bytes without the line feed."""

    ecu: str
    time: str
    command: str
    digest: str
    acknowledged: bool


def digest(frame: bytes) -> str:
    """The hash that stands for a record."""
    return hashlib.sha256(frame).hexdigest()


class Manifest:
    """Writes entries as they become certain; a closed file is a whole one."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def add(self, ecu: str, record: Record) -> None:
        """Note a record that the gateway has let go of, or at the end one that it still holds."""
        for form in record.sent:
            acknowledged = record.state == 0 and form == record.sent[-1]
            entry = Entry(ecu, record.time, record.command, digest(form), acknowledged)
            self._out.write(json.dumps(asdict(entry)) + "\n")


def read(path: Path) -> Iterator[Entry]:
    """Read a manifest; raises CollectorError for a file that is none."""
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield Entry(**json.loads(line))
                except (ValueError, TypeError):
                    raise CollectorError(f"{path}, line {number}: not a line of a manifest") from None
    except (OSError, UnicodeDecodeError) as exc:
        raise CollectorError(f"{path}: {exc.strerror if isinstance(exc, OSError) else 'not a text'}") from exc
