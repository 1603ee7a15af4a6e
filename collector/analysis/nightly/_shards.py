"""The files with readings: one for a gateway's local month, in a folder beside the journal.

Promises: a file is whole or is not there: it is written under another name, synced, and then put in its place, and what
reads it checks all of it. One that is broken, or was written by another release or in another time zone, is removed,
and made again from the records. So the folder may be deleted at any time. A month is what one night writes again:
fewer files read faster, and larger ones are written more (benchmarks/README.md has the figures).
"""

import json
import os
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from collector import disk
from collector.analysis.nightly._readings import Inputs, Readings
from collector.errors import CollectorError

# Counts up when the files look otherwise, or readings are taken otherwise from records: all are made again.
FORMAT = 1

JOURNAL, INFLUXDB = "journal", "influxdb"

# What NumPy and the parts below it raise for bytes that are not what was written.
BROKEN = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)


class ShardError(CollectorError):
    """The folder can't be written, or not be read."""


class Day(NamedTuple):
    """What a day of a month was made of: `of` changes when it is to be made again, `source` is JOURNAL or INFLUXDB, and
    `until` the number of the last record that is in it.
    """

    of: str
    source: str
    until: int


class Contents(NamedTuple):
    """What a month has: its days, and its inverters with their models and the numbers of their inputs."""

    days: Mapping[str, Day]
    inverters: Mapping[str, tuple[str, tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class Month:
    """The readings of a gateway's local month, and its days (as 2026-03-29), each of which may have none."""

    days: Mapping[str, Day]
    readings: Readings


def folder_of(journal: Path) -> Path:
    """Where the shards of a journal are: wherever a link to the journal is, beside the file itself."""
    real = Path(os.path.realpath(journal))
    return real.with_name(f"{real.name}.analysis")


class Shards:
    """One folder, for one process at a time. Raises ShardError where the system refuses it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._contents: dict[tuple[str, str, str], Contents] = {}

    def months(self, ecu: str) -> list[str]:
        """The months of a gateway that there are files of, as 2026-03."""
        return sorted(path.stem for path in (self._folder / ecu).glob("*.npz"))

    def contents(self, ecu: str, month: str, zone: str) -> Contents:
        """What is said to be in a month's file; nothing where there is none that can be used."""
        known = self._contents.get((ecu, month, zone))
        if known is None:
            known = self._contents[ecu, month, zone] = self._read_contents(self._path(ecu, month), zone)
        return known

    def _read_contents(self, path: Path, zone: str) -> Contents:
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                about = _about(file["about"].tobytes(), zone)
                return Contents(_days(about), _inverters(about))
        except FileNotFoundError:
            return Contents({}, {})
        except BROKEN as exc:
            self._drop(path, exc)
            return Contents({}, {})

    def read(self, ecu: str, month: str, zone: str, inverters: Collection[str] | None = None) -> Month | None:
        """A month, of some inverters or of all; None where there is no file that can be used."""
        path = self._path(ecu, month)
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                about = _about(file["about"].tobytes(), zone)
                at = file["at"]
                found = {
                    uid: _inputs(file[uid], model, numbers, len(at))
                    for uid, (model, numbers) in _inverters(about).items()
                    if inverters is None or uid in inverters
                }
        except FileNotFoundError:
            return None
        except BROKEN as exc:
            self._drop(path, exc)
            return None
        return Month(_days(about), Readings(at, found))

    def write(self, ecu: str, month: str, zone: str, content: Month) -> None:
        """Put a month in the place of the one that was there."""
        readings = content.readings
        about = {
            "format": FORMAT,
            "zone": zone,
            "days": {day: list(entry) for day, entry in sorted(content.days.items())},
            "inverters": {uid: [one.model, list(one.numbers)] for uid, one in readings.inverters.items()},
        }
        said = np.frombuffer(json.dumps(about).encode(), np.uint8)
        arrays: dict[str, Any] = {uid: one.values for uid, one in readings.inverters.items()}
        path = self._path(ecu, month)
        self._contents.clear()
        with shard_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with in_its_place(path) as unfinished, unfinished.open("wb") as stream:
                np.savez_compressed(stream, about=said, at=readings.at, **arrays)

    def note(self, ecu: str, name: str) -> dict[str, object]:
        """What was noted of a gateway under a name; nothing where that can't be read."""
        with suppress(OSError, ValueError):
            found = json.loads((self._folder / ecu / f"{name}.json").read_bytes())
            return found if isinstance(found, dict) else {}
        return {}

    def put_note(self, ecu: str, name: str, values: Mapping[str, object]) -> None:
        """Note something beside a gateway's months that can be found out again."""
        path = self._folder / ecu / f"{name}.json"
        with shard_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with in_its_place(path) as unfinished:
                unfinished.write_text(json.dumps(values), encoding="utf-8")

    def _path(self, ecu: str, month: str) -> Path:
        return self._folder / ecu / f"{month}.npz"

    def _drop(self, path: Path, reason: Exception) -> None:
        self._contents.clear()
        with shard_errors(path):
            if isinstance(reason, PermissionError):
                raise reason
            path.unlink(missing_ok=True)


def _about(said: bytes, zone: str) -> dict[str, dict[str, list[object]]]:
    about = json.loads(said)
    if about["format"] != FORMAT or about["zone"] != zone:
        raise ValueError("of another release or another time zone")
    return dict(about)


def _days(about: Mapping[str, Mapping[str, list[object]]]) -> dict[str, Day]:
    return {day: Day(str(of), str(source), int(str(until))) for day, (of, source, until) in about["days"].items()}


def _inverters(about: Mapping[str, Mapping[str, list[object]]]) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {
        uid: (str(model), tuple(map(int, numbers if isinstance(numbers, list) else ())))
        for uid, (model, numbers) in about["inverters"].items()
    }


def _inputs(values: np.ndarray, model: str, numbers: tuple[int, ...], length: int) -> Inputs:
    if values.shape != (2, length, len(numbers)) or values.dtype != np.float32:
        raise ValueError("not as large as it should be")
    return Inputs(model, numbers, values)


@contextmanager
def in_its_place(path: Path) -> Iterator[Path]:
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        yield unfinished
        disk.sync(unfinished)
        unfinished.replace(path)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    disk.sync(path.parent)


@contextmanager
def shard_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as exc:
        raise ShardError(
            f"{exc.filename or path}: {exc.strerror}; run this as the service's user, or delete the folder, which is"
            " made again"
        ) from exc
    except OSError as exc:
        raise ShardError(f"{exc.filename or path}: {exc.strerror or exc}") from exc
