"""The forms in which an export leaves: CSV and Parquet, one file a measurement in a folder, and line protocol.

Columns are the time, the tags and the fields in the order of the schema and under its names, which tell the unit. What
was not measured is an empty cell in CSV and null in Parquet.

What is written has a name of its own until it is whole (`unfinished`), so that nothing broken off is taken for the
whole, and nothing that was there before is ever overwritten.
"""

import csv
import errno
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from collector import durable
from collector.errors import CollectorError
from collector.export import field_value
from collector.points import SCHEMA, LineWriter, Point, Tags, rfc3339, tag_value

if TYPE_CHECKING:
    from pyarrow import Schema
    from pyarrow.parquet import ParquetWriter

# Rows that Parquet keeps together: fewer pack worse, more of them take more memory while they are gathered.
_ROWS_AT_ONCE = 20_000


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
        self._writers: dict[str, Any] = {}

    def write(self, points: Sequence[Point]) -> None:
        """Write points, but those without any value."""
        found: dict[str, list[list[object]]] = defaultdict(list)
        at, time = None, ""
        for point in points:
            if point.time != at:
                at, time = point.time, rfc3339(point.time)
            if cells := _cells(point):
                found[point.measurement].append([time, *cells])
        for measurement, rows in found.items():
            self._writer(measurement).writerows(rows)
            self.rows[measurement] += len(rows)

    def _writer(self, measurement: str) -> Any:  # noqa: ANN401 (the csv module's own type has no name)
        writer = self._writers.get(measurement)
        if writer is None:
            path = self._folder / f"{measurement}.csv"
            stream = self._open.enter_context(path.open("x", encoding="utf-8", newline=""))
            writer = self._writers[measurement] = csv.writer(stream)
            writer.writerow(_columns(measurement))
        return writer

    def finish(self) -> None:
        """Write whatever is still held back; nothing may be written afterwards."""
        self._open.close()

    def close(self) -> None:
        """Let go of all files; safe in any state."""
        with suppress(OSError):
            self._open.close()


class ParquetFiles:
    """With the schema's own types, times as timestamp[ns, UTC], packed with zstd."""

    def __init__(self, folder: Path) -> None:
        self.rows: Counter[str] = Counter()
        self._folder = folder
        self._open = ExitStack()
        self._writers: dict[str, ParquetWriter] = {}
        self._waiting: dict[str, list[list[object]]] = defaultdict(list)

    def write(self, points: Sequence[Point]) -> None:
        """Write points, but those without any value."""
        for point in points:
            if cells := _cells(point):
                rows = self._waiting[point.measurement]
                rows.append([point.time, *cells])
                if len(rows) >= _ROWS_AT_ONCE:
                    self._write(point.measurement, self._waiting.pop(point.measurement))

    def _write(self, measurement: str, rows: list[list[object]]) -> None:
        import pyarrow
        from pyarrow import parquet

        writer = self._writers.get(measurement)
        if writer is None:
            stream = self._open.enter_context((self._folder / f"{measurement}.parquet").open("xb"))
            writer = parquet.ParquetWriter(stream, _schema(measurement), compression="zstd")
            self._writers[measurement] = writer
        columns = zip(writer.schema.types, zip(*rows, strict=True), strict=True)
        arrays = [pyarrow.array(values, kind) for kind, values in columns]
        writer.write_table(pyarrow.Table.from_arrays(arrays, schema=writer.schema))
        self.rows[measurement] += len(rows)

    def finish(self) -> None:
        """Write whatever is still held back; nothing may be written afterwards."""
        for measurement, rows in self._waiting.items():
            self._write(measurement, rows)
        for writer in self._writers.values():
            writer.close()
        self._open.close()

    def close(self) -> None:
        """Let go of all files; safe in any state."""
        for writer in self._writers.values():
            # One that is not closed tries it once more when it is collected, and complains then.
            with suppress(OSError, ValueError):
                writer.close()
        with suppress(OSError):
            self._open.close()


class Lines:
    """What InfluxDB takes, all measurements in one stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self.rows: Counter[str] = Counter()
        self._stream = stream
        self._lines = LineWriter()

    def write(self, points: Sequence[Point]) -> None:
        """Write points, but those without any value."""
        for point in points:
            if line := self._lines.line(point):
                self._stream.write(f"{line}\n".encode())
                self.rows[point.measurement] += 1

    def finish(self) -> None:
        """Write whatever is still held back; nothing may be written afterwards."""
        self._stream.close()

    def close(self) -> None:
        """Let go of all files; safe in any state."""
        with suppress(OSError):
            self._stream.close()


def _columns(measurement: str) -> list[str]:
    return ["time", *SCHEMA[measurement].tags, *SCHEMA[measurement].fields]


def _cells(point: Point) -> list[object]:
    """Tags and fields in the schema's order; empty when no field has a value."""
    told = point.fields.get
    values = [field_value(told(name), kind) for name, kind in SCHEMA[point.measurement].fields.items()]
    if values.count(None) == len(values):
        return []
    return [*_tag_cells(point.tags), *values]


# Series recur with every record.
@lru_cache(maxsize=4096)
def _tag_cells(tags: Tags) -> tuple[str, ...]:
    return tuple(map(tag_value, tags))


def _schema(measurement: str) -> "Schema":
    import pyarrow

    types = {float: pyarrow.float64(), int: pyarrow.int64(), str: pyarrow.string()}
    return pyarrow.schema(
        [
            pyarrow.field("time", pyarrow.timestamp("ns", "UTC"), nullable=False),
            *(pyarrow.field(name, pyarrow.string(), nullable=False) for name in SCHEMA[measurement].tags),
            *(pyarrow.field(name, types[kind]) for name, kind in SCHEMA[measurement].fields.items()),
        ]
    )


def require_parquet() -> None:
    """Raise CollectorError, with what to do, where Parquet can't be written."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as exc:
        remedy = f"{sys.executable} -m pip install 'apsystems-collector[parquet]'"
        raise CollectorError(f"Parquet needs pyarrow, which is not installed: {remedy}") from exc


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
        durable.sync(path)


def _settle(place: Path, out: Path) -> None:
    # A folder with content is in the system's own way; a file would be replaced without a word.
    if place.is_file() and out.exists():
        raise CollectorError(f"{out} has come meanwhile, and nothing is overwritten: name another one")
    place.rename(out)
    durable.sync(out.parent)


@contextmanager
def _file_errors(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CollectorError(f"the disk is full: make room for {out}; nothing of it was kept") from exc
        raise CollectorError(f"{exc.filename or out}: {exc.strerror or exc}") from exc
