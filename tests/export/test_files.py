"""What each form of an export holds, read back by others."""

import csv
import math
import re
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from collector.cli import main
from collector.clock.stamps import rfc3339
from collector.commands.exit_codes import FINE
from collector.config.model import Config
from collector.config.names import Names
from collector.delivery.influx import InfluxSink
from collector.export.files import CsvFiles, Lines, parquet_files
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.points.lines import LineWriter
from collector.points.record_decoder import RecordDecoder
from collector.points.schema import SCHEMA, Point
from tests.conftest import Influx
from tests.export.exported import DAY, LATE, OTHER, RECEIVED, export, store
from tests.samples import (
    ECU,
    UID,
    config,
    control,
    day_times,
    fill_up,
    frame,
    optimizer,
    qs1,
    versions,
    yc250,
    yc600,
    yc1000,
)

ODD = 'Barn, "left"\\, é=1 \\'


@pytest.fixture
def varied(path: Path) -> Config:
    """A journal with something of every measurement, and names that need care."""
    store(path, *(frame(time, yc600(), ecu=ECU) for time in day_times(DAY, minutes=60)))
    store(path, frame("20260621103000", yc1000(), qs1(), yc250()), frame("20260621103000", qs1()))
    store(path, frame("20260621104500", optimizer(), version=16, system="AAAA", lifetime_kwh=None, ecu=OTHER))
    store(path, frame("20260622060000", yc600(), late=(LATE,)), fill_up("30260623010512", LATE))
    store(path, frame("20260622061000", yc600(), broken=('o"d,d\ré',)), versions("ECU_R_1.2.22"))
    store(path, versions("ECU_R_1.2.22", ecu="A--218ECU_R_"), control("A150", 'a,"b"\rc'))
    panels = ({"channel": 1, "name": ODD, "array": 'So,u"th', "peak_w": 400},)
    return config(
        path,
        ecu=({"id": OTHER, "name": "Shed", "timezone": "Asia/Kolkata"},),
        inverter=({"id": UID, "name": "Attic = 1, left", "panels": panels},),
    )


EVERYONE = (ECU, OTHER, "")


def rows(points: Sequence[Point]) -> Iterator[tuple[str, dict[str, object]]]:
    """What a table should hold, worked out in another way."""
    for point in points:
        measurement = SCHEMA[point.measurement]
        tags = dict(zip(measurement.tags, (tag.rstrip("\\") for tag in point.tags), strict=True))
        yield point.measurement, {"time": point.time, **tags, **{n: point.fields.get(n) for n in measurement.fields}}


def test_csv_gives_every_value_back(varied: Config, tmp_path: Path) -> None:
    points = export(varied.journal.path, varied, ecus=EVERYONE)
    files = CsvFiles(tmp_path)
    files.write(points)
    files.finish()
    found: dict[str, list[dict[str, str]]] = {}
    for path in tmp_path.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as stream:
            found[path.stem] = list(csv.DictReader(stream))
    assert set(found) == {"ecu", "inverter", "channel", "phase", "optimizer", "event"}
    expected: dict[str, list[dict[str, str]]] = {}
    for measurement, row in rows(points):
        text = {name: "" if value is None else str(value) for name, value in row.items()}
        kinds = SCHEMA[measurement].fields
        text |= {n: repr(float(str(v))) for n, v in row.items() if v is not None and kinds.get(n) is float}
        expected.setdefault(measurement, []).append(text | {"time": rfc3339(int(text["time"]))})
    assert found == expected
    assert any(row["panel"] == ODD.rstrip("\\") for row in found["channel"])
    assert any("\r" in row["text"] and '"b"' in row["text"] for row in found["event"])


def test_parquet_gives_every_value_back_with_its_type(varied: Config, tmp_path: Path) -> None:
    points = export(varied.journal.path, varied, ecus=EVERYONE)
    files = parquet_files(tmp_path)
    files.write(points)
    files.finish()
    found = {path.stem: parquet.read_table(path) for path in tmp_path.glob("*.parquet")}
    assert set(found) == {"ecu", "inverter", "channel", "phase", "optimizer", "event"}
    written = {float: "double", int: "int64", str: "string"}
    for measurement, table in found.items():
        kinds = SCHEMA[measurement]
        types = ["timestamp[ns, tz=UTC]", *["string"] * len(kinds.tags), *map(written.get, kinds.fields.values())]
        assert table.schema.names == ["time", *kinds.tags, *kinds.fields]
        assert [str(kind) for kind in table.schema.types] == types
        times = table.column("time").cast("int64").to_pylist()
        values = table.drop_columns(["time"]).to_pylist()
        expected = [row for name, row in rows(points) if name == measurement]
        assert [{"time": at, **row} for at, row in zip(times, values, strict=True)] == expected


def test_parquet_of_many_rows_loses_none(tmp_path: Path) -> None:
    points = [Point("ecu", (ECU, ECU), {"power_w": float(number)}, number * 10**9) for number in range(45_000)]
    files = parquet_files(tmp_path)
    for start in range(0, len(points), 130):
        files.write(points[start : start + 130])
    files.finish()
    table = parquet.read_table(tmp_path / "ecu.parquet", columns=["power_w"])
    assert table.column("power_w").to_pylist() == [float(number) for number in range(45_000)]
    assert files.rows == {"ecu": 45_000}


def test_a_point_without_any_value_is_in_no_form(tmp_path: Path) -> None:
    nothing = Point("ecu", (ECU, ECU), {"power_w": None, "energy_wh": float("nan")}, RECEIVED)
    for files in (CsvFiles(tmp_path), parquet_files(tmp_path), Lines((tmp_path / "solar.lp").open("xb"))):
        files.write([nothing])
        files.finish()
        assert not files.rows
    assert [(path.name, path.stat().st_size) for path in tmp_path.iterdir()] == [("solar.lp", 0)]


# Whatever points there are, written in the plainest way


TEXTS = st.text(st.sampled_from('aé ,;="\\\r\n'), max_size=5)
VALUES: dict[type, st.SearchStrategy[float | str]] = {
    float: st.floats() | st.integers(-(10**18), 10**18),
    int: st.integers(-(2**63), 2**63 - 1),
    str: TEXTS,
}


@st.composite
def any_points(draw: st.DrawFn) -> Point:
    name = draw(st.sampled_from(list(SCHEMA)))
    fields = {field: st.none() | VALUES[kind] for field, kind in SCHEMA[name].fields.items()}
    tags = draw(st.tuples(*(TEXTS for _ in SCHEMA[name].tags)))
    # Few times, so that many points share one, and any order and number of fields.
    at = RECEIVED + draw(st.integers(0, 2)) * 500_000_000
    return Point(name, tags, draw(st.fixed_dictionaries({}, optional=fields)), at)


def plain(points: Sequence[Point]) -> dict[str, list[list[object]]]:
    """The rows of each measurement, one value after the other."""
    found: dict[str, list[list[object]]] = {}
    for point in points:
        values: list[object] = []
        for name, kind in SCHEMA[point.measurement].fields.items():
            value = point.fields.get(name)
            if value is None or (kind is float and not math.isfinite(float(value))):
                values.append(None)
            else:
                values.append(kind(value))
        if values != [None] * len(values):
            tags = [tag.rstrip("\\") or "-" for tag in point.tags]
            found.setdefault(point.measurement, []).append([point.time, *tags, *values])
    return found


def columns(measurement: str) -> list[str]:
    return ["time", *SCHEMA[measurement].tags, *SCHEMA[measurement].fields]


@given(days=st.lists(st.lists(any_points(), max_size=8), max_size=3))
def test_csv_is_what_the_standard_library_would_write(days: list[list[Point]]) -> None:
    expected = {}
    for measurement, lines in plain([point for day in days for point in day]).items():
        text = StringIO()
        writer = csv.writer(text)
        writer.writerow(columns(measurement))
        writer.writerows([rfc3339(int(str(at))), *cells] for at, *cells in lines)
        expected[f"{measurement}.csv"] = text.getvalue().encode()
    with TemporaryDirectory() as folder:
        files = CsvFiles(Path(folder))
        for day in days:
            files.write(day)
        files.finish()
        assert {path.name: path.read_bytes() for path in Path(folder).iterdir()} == expected
    assert {f"{measurement}.csv" for measurement in files.rows} == expected.keys()


@given(days=st.lists(st.lists(any_points(), max_size=8), max_size=3))
def test_parquet_has_the_plain_rows_in_the_types_of_the_schema(days: list[list[Point]]) -> None:
    types = {float: pyarrow.float64(), int: pyarrow.int64(), str: pyarrow.string()}
    expected = {}
    for measurement, lines in plain([point for day in days for point in day]).items():
        names = columns(measurement)
        kinds = [types[kind] for kind in SCHEMA[measurement].fields.values()]
        tags = [pyarrow.string()] * len(SCHEMA[measurement].tags)
        schema = pyarrow.schema(zip(names, [pyarrow.timestamp("ns", "UTC"), *tags, *kinds], strict=True))
        expected[measurement] = pyarrow.Table.from_pylist(
            [dict(zip(names, line, strict=True)) for line in lines], schema
        )
    with TemporaryDirectory() as folder:
        files = parquet_files(Path(folder))
        for day in days:
            files.write(day)
        files.finish()
        found = {path.stem: parquet.read_table(path) for path in Path(folder).iterdir()}
    assert found.keys() == expected.keys()
    for measurement, table in found.items():
        assert table.cast(expected[measurement].schema).equals(expected[measurement])
        required = [field.name for field in table.schema if not field.nullable]
        assert required == ["time", *SCHEMA[measurement].tags]
        assert files.rows[measurement] == table.num_rows


@given(days=st.lists(st.lists(any_points(), max_size=8), max_size=3))
def test_line_protocol_is_a_line_for_each_point(days: list[list[Point]]) -> None:
    lines = [LineWriter().line(point) for day in days for point in day]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "solar.lp"
        files = Lines(path.open("xb"))
        for day in days:
            files.write(day)
        files.finish()
        assert path.read_bytes() == "".join(f"{line}\n" for line in lines if line).encode()
    assert files.rows.total() == sum(map(bool, lines))


def everything(influx: Influx, bucket: str) -> list[dict[str, str]]:
    found = influx.query(f'from(bucket: "{bucket}") |> range(start: 1970-01-01T00:00:00Z, stop: 2200-01-01T00:00:00Z)')
    kept = [
        {key: row[key] for key in sorted(row) if key not in ("", "result", "table", "_start", "_stop")} for row in found
    ]
    return sorted(kept, key=lambda row: sorted(row.items()))


def test_line_protocol_makes_the_same_database_as_the_service_has_made(
    varied: Config, influx: Influx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = InfluxSink(influx.url, influx.org, influx.token, influx.bucket, influx.rollup_bucket)
    sink.connect()
    journal = Journal(varied.journal.path)
    with JournalReader(varied.journal.path) as reader:
        decoder = RecordDecoder(Names(varied), reader.novelties())
        for record in reader.pending(1000):
            decoded = decoder.decode(record)
            if decoded.points:
                sink.write("\n".join(decoder.lines(decoded.points)).encode())
            journal.mark_delivered([record.id], RECEIVED, [(*novelty, record.id) for novelty in decoded.novelties])
    journal.close()
    written = tmp_path / "config.toml"
    written.write_text(
        f"""
[site]
timezone = "Europe/Amsterdam"
[journal]
path = "{varied.journal.path}"
[[ecu]]
id = "{OTHER}"
name = "Shed"
timezone = "Asia/Kolkata"
[[inverter]]
id = "{UID}"
name = "Attic = 1, left"
panels = [{{ channel = 1, name = '{ODD}', array = 'So,u"th', peak_w = 400 }}]
"""
    )
    for name in ("INFLUXDB_URL", "TZ"):
        monkeypatch.delenv(name, raising=False)
    out = tmp_path / "solar.lp"
    assert main(["export", "--config", str(written), "--format", "line-protocol", str(out)]) == FINE
    influx.api.write(influx.rollup_bucket, out.read_text(encoding="utf-8"))
    sink.close()
    exported = everything(influx, influx.rollup_bucket)
    assert len(exported) > 300
    assert exported == everything(influx, influx.bucket)
    # One line for each series and time; a blank in a tag has a backslash before it.
    keys = re.findall(r"^((?:[^ \\]|\\.)+) .* (\d+)$", out.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(keys) == len(set(keys)) > 100
