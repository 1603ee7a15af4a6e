"""The forms in which an export leaves: CSV and Parquet, one file a measurement in a folder, and line protocol.

Columns are the time, the tags and the fields in the order of the schema and under its names, which tell the unit. What
was not measured is an empty cell in CSV and null in Parquet.

What is written has a name of its own until it is whole (`unfinished`), so that nothing broken off is taken for the
whole, and nothing that was there before is ever overwritten.
"""

import errno
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Protocol, TextIO

from collector import disk
from collector.clock.stamps import rfc3339
from collector.errors import CollectorError
from collector.export._tables import MEASUREMENTS, Column, FieldType, tables
from collector.points.lines import LineWriter, tag_value
from collector.points.schema import Point, Tags

_NEEDS_QUOTES = re.compile(r'[",\r\n]')
_END_OF_LINE = "\r\n"


class Files(Protocol):
    """Where the points go. `rows` counts what was written of each measurement; OSError comes as it is."""

    rows: Counter[str]

    def write(self, points: Sequence[Point]) -> None:
        """Write points, but those without any value."""

    def finish(self) -> None:
        """Write whatever is still held back; nothing may be written afterwards."""

    def close(self) -> None:
        """Let go of all files; safe in any state."""


class CsvFiles:
    """As RFC 4180 has it, in UTF-8, with a first line of names."""

    def __init__(self, folder: Path) -> None:
        self.rows: Counter[str] = Counter()
        self._folder = folder
        self._open = ExitStack()
        self._streams: dict[str, TextIO] = {}

    def write(self, points: Sequence[Point]) -> None:
        """Write points, but those without any value."""
        times = {at: rfc3339(at) for at in {point.time for point in points}}
        for table in tables(points):
            kinds = MEASUREMENTS[table.measurement].fields.values()
            cells = (
                [times[point.time] for point in table.points],
                [_tag_cells(point.tags) for point in table.points],
                *(_cells(column, kind) for column, kind in zip(table.columns, kinds, strict=True)),
            )
            lines = map(",".join, zip(*cells, strict=True))
            self._stream(table.measurement).write(_END_OF_LINE.join([*lines, ""]))
            self.rows[table.measurement] += len(table.points)

    def _stream(self, measurement: str) -> TextIO:
        stream = self._streams.get(measurement)
        if stream is None:
            path = self._folder / f"{measurement}.csv"
            stream = self._open.enter_context(path.open("x", encoding="utf-8", newline=""))
            self._streams[measurement] = stream
            names = ("time", *MEASUREMENTS[measurement].tags, *MEASUREMENTS[measurement].fields)
            stream.write(f"{','.join(names)}{_END_OF_LINE}")
        return stream

    def finish(self) -> None:
        """Write whatever is still held back; nothing may be written afterwards."""
        self._open.close()

    def close(self) -> None:
        """Let go of all files; safe in any state."""
        with suppress(OSError):
            self._open.close()


def _cells(column: Column, kind: FieldType) -> list[str]:
    if kind is str:
        return ["" if value is None else _quoted(str(value)) for value in column]
    return ["" if value is None else repr(value) for value in column]


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"' if _NEEDS_QUOTES.search(text) else text


# Series recur with every record.
@lru_cache(maxsize=4096)
def _tag_cells(tags: Tags) -> str:
    return ",".join(_quoted(tag_value(tag)) for tag in tags)


class Lines:
    """What InfluxDB takes, all measurements in one stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self.rows: Counter[str] = Counter()
        self._stream = stream
        self._lines = LineWriter()

    def write(self, points: Sequence[Point]) -> None:
        """Write points, but those without any value."""
        lines = []
        for point in points:
            if line := self._lines.line(point):
                lines.append(f"{line}\n")
                self.rows[point.measurement] += 1
        self._stream.write("".join(lines).encode())

    def finish(self) -> None:
        """Write whatever is still held back; nothing may be written afterwards."""
        self._stream.close()

    def close(self) -> None:
        """Let go of all files; safe in any state."""
        with suppress(OSError):
            self._stream.close()


def parquet_files(folder: Path) -> Files:
    """Parquet in a folder. Raises CollectorError, with what to do, where it can't be written."""
    try:
        # It imports pyarrow, which not everyone has installed.
        from collector.export._parquet import ParquetFiles
    except ImportError as exc:
        remedy = f"{sys.executable} -m pip install 'apsystems-collector[parquet]'"
        raise CollectorError(f"Parquet needs pyarrow, which is not installed: {remedy}") from exc
    return ParquetFiles(folder)


@contextmanager
def unfinished(out: Path, *, folder: bool) -> Iterator[Path]:
    """The name under which to write what shall be `out`: a folder that is there, or a file that is not.

    It gets its right name when the block ends; when the block raises, nothing is left. Raises CollectorError when
    `out`, or what an earlier export has left, is in the way, and for whatever the system refuses, also in the block.
    """
    out = out.absolute()
    place = out.with_name(f"{out.name}.unfinished")
    _refuse(out, place, folder=folder)
    with _file_errors(out):
        try:
            if folder:
                place.mkdir()
            yield place
            _sync(place)
            _settle(place, out)
        except FileExistsError:
            # Another export to the same place was quicker, and what is there is its own.
            raise
        except BaseException:
            if folder:
                shutil.rmtree(place, ignore_errors=True)
            else:
                place.unlink(missing_ok=True)
            raise


def _refuse(out: Path, place: Path, *, folder: bool) -> None:
    with _file_errors(out):
        if not out.parent.is_dir():
            raise CollectorError(f"there is no folder {out.parent}: make it, or name another one")
        if place.exists():
            raise CollectorError(f"{place} is of an export that goes on or was broken off: remove it if none goes on")
        if not out.exists() and not out.is_symlink():
            return
        # A link is not looked behind: the result would take its place, and not that of what it leads to.
        if out.is_symlink() or not (folder and out.is_dir()) or any(out.iterdir()):
            raise CollectorError(f"{out} exists, and nothing is overwritten: name another one")
        if out.is_mount() or out.samefile(Path.cwd()):
            raise CollectorError(f"{out} cannot be replaced while it is in use: name a folder in it")


def _sync(place: Path) -> None:
    """A name that is right after a power cut, with nothing in it, would be taken for the whole."""
    for path in (*place.iterdir(), place) if place.is_dir() else (place,):
        disk.sync(path)


def _settle(place: Path, out: Path) -> None:
    # A folder with content is in the system's own way; a file would be replaced without a word.
    if place.is_file() and out.exists():
        raise CollectorError(f"{out} has come meanwhile, and nothing is overwritten: name another one")
    place.rename(out)
    disk.sync(out.parent)


@contextmanager
def _file_errors(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CollectorError(f"the disk is full: make room for {out}; nothing of it was kept") from exc
        raise CollectorError(f"{exc.filename or out}: {exc.strerror or exc}") from exc
