"""`collector export` of years in each form: how long, how much memory, and how large it gets."""

from pathlib import Path
from tempfile import TemporaryDirectory

from pyarrow import parquet

from benchmarks import service
from benchmarks.history import fill
from benchmarks.replaying import run
from benchmarks.result import Options, Row, below, tell
from benchmarks.site import POINTS_A_RECORD

FORMS = ("csv", "parquet", "line-protocol")

# However long the history.
PEAK_TARGET_MB = 200.0


def measure(options: Options) -> list[Row]:
    """A row for each form."""
    days = 3 if options.quick else round(365.25 * options.years)
    with TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        tell(f"a journal of {days} days")
        points = fill(folder / "journal.db", days) * POINTS_A_RECORD
        config = service.write_config(folder, "")
        return [_export(folder, config, form, days, points) for form in FORMS]


def _export(folder: Path, config: Path, form: str, days: int, points: int) -> Row:
    tell(f"{form} of {points} points")
    out = folder / form
    spent = run(("export", "--config", str(config), "--format", form, str(out)), {})
    files = [out] if out.is_file() else list(out.iterdir())
    written = sum(path.stat().st_size for path in files)
    rows = sum(_rows(path) for path in files)
    # Each inverter is new once, which makes an event.
    assert rows >= points, f"{rows} rows of {points} points"
    for path in files:
        path.unlink()
    return {
        "form": form,
        "days": days,
        "points": points,
        "seconds": spent.seconds,
        "points_per_s": points / spent.seconds,
        "cpu_s": spent.cpu_s,
        "peak_mb": spent.peak_mb,
        **below(spent.peak_mb, PEAK_TARGET_MB),
        "bytes": written,
    }


def _rows(path: Path) -> int:
    if path.suffix == ".parquet":
        return int(parquet.read_metadata(path).num_rows)
    with path.open("rb") as stream:
        # A table begins with the names of its columns.
        return sum(1 for _ in stream) - (path.suffix == ".csv")
