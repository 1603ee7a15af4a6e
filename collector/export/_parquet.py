"""Parquet, for which pyarrow has to be installed."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import pyarrow
from pyarrow.parquet import ParquetWriter

from collector.export._tables import MEASUREMENTS, Table, tables
from collector.points.lines import tag_value
from collector.points.schema import Point, Tags

# Rows that Parquet keeps together: fewer pack worse, more of them take more memory while they are gathered.
_ROWS_AT_ONCE = 20_000

_TIME = pyarrow.timestamp("ns", "UTC")
_TYPES = {float: pyarrow.float64(), int: pyarrow.int64(), str: pyarrow.string()}


class ParquetFiles:
    """With the schema's own types, times as timestamp[ns, UTC], packed with zstd."""

    def __init__(self, folder: Path) -> None:
        self.rows: Counter[str] = Counter()
        self._folder = folder
        self._open = ExitStack()
        self._writers: dict[str, ParquetWriter] = {}
        self._waiting: defaultdict[str, list[Point]] = defaultdict(list)

    def write(self, points: Sequence[Point]) -> None:
        """Write points, but those without any value."""
        for point in points:
            waiting = self._waiting[point.measurement]
            waiting.append(point)
            if len(waiting) >= _ROWS_AT_ONCE:
                self._write(self._waiting.pop(point.measurement))

    def _write(self, points: Sequence[Point]) -> None:
        for table in tables(points):
            self._writer(table.measurement).write_batch(_batch(table))
            self.rows[table.measurement] += len(table.points)

    def _writer(self, measurement: str) -> ParquetWriter:
        writer = self._writers.get(measurement)
        if writer is None:
            stream = self._open.enter_context((self._folder / f"{measurement}.parquet").open("xb"))
            writer = self._writers[measurement] = ParquetWriter(stream, _schema(measurement), compression="zstd")
        return writer

    def finish(self) -> None:
        """Write whatever is still held back; nothing may be written afterwards."""
        for points in self._waiting.values():
            self._write(points)
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


def _batch(table: Table) -> pyarrow.RecordBatch:
    # The tags of a series become text once, and each row takes those of its series.
    series: dict[Tags, int] = {}
    of_rows = pyarrow.array([series.setdefault(point.tags, len(series)) for point in table.points])
    tags = [pyarrow.array(map(tag_value, values)).take(of_rows) for values in zip(*series, strict=True)]
    times = pyarrow.array([point.time for point in table.points], _TIME)
    kinds = MEASUREMENTS[table.measurement].fields.values()
    fields = [pyarrow.array(column, _TYPES[kind]) for column, kind in zip(table.columns, kinds, strict=True)]
    return pyarrow.RecordBatch.from_arrays([times, *tags, *fields], schema=_schema(table.measurement))


def _schema(measurement: str) -> pyarrow.Schema:
    return pyarrow.schema(
        [
            pyarrow.field("time", _TIME, nullable=False),
            *(pyarrow.field(name, pyarrow.string(), nullable=False) for name in MEASUREMENTS[measurement].tags),
            *(pyarrow.field(name, _TYPES[kind]) for name, kind in MEASUREMENTS[measurement].fields.items()),
        ]
    )
