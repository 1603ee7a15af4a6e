"""Writes the boards as the files that Grafana reads.

Promises: the same boards give the same bytes; a file is replaced as a whole, so that Grafana never reads half of one,
and one that is unchanged is not touched; queries ask for the buckets that the configuration names.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from collector.boards.day import board as day
from collector.boards.fleet import board as fleet
from collector.boards.grid import board as grid
from collector.boards.history import board as history
from collector.boards.kit.parts import Json
from collector.boards.kit.queries import DAILY, RAW
from collector.boards.losses import board as losses
from collector.boards.now import board as now
from collector.boards.panels import board as panels
from collector.boards.panels import one_panel
from collector.boards.quality import board as quality
from collector.boards.roof import board as roof
from collector.boards.roof.picture import cells
from collector.config.model import Config, InfluxDB, Inverter

# Every board of which nothing depends on the configuration, in the order of the folder.
BOARDS: tuple[Callable[[], Json], ...] = (
    now.build,
    panels.build,
    one_panel.build,
    day.build,
    losses.build,
    history.build,
    grid.build,
    quality.build,
    fleet.build,
)

_BUCKET = re.compile(r'(bucket:\s*")([^"]+)(")')


def bucket_names(bucket: str, rollup_bucket: str) -> Mapping[str, str]:
    """What to write for the default names of the buckets."""
    return {RAW: bucket, DAILY: rollup_bucket}


def configured_names(config: Config) -> Mapping[str, str]:
    """The same for a configuration, which may know no database."""
    if config.influxdb:
        return bucket_names(config.influxdb.bucket, config.influxdb.rollup_bucket)
    fields = InfluxDB.model_fields
    return bucket_names(fields["bucket"].default, fields["rollup_bucket"].default)


def with_buckets(query: str, names: Mapping[str, str]) -> str:
    """A query that asks for other buckets; one that is not in `names` stays."""
    return _BUCKET.sub(lambda found: found[1] + names.get(found[2], found[2]) + found[3], query)


def as_text(built: Json, names: Mapping[str, str]) -> str:
    """A board as JSON that is written so that a change can be read."""
    return json.dumps(renamed(built, names), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def renamed(built: Json, names: Mapping[str, str]) -> Json:
    """A board all of whose queries ask for other buckets."""
    return {key: _renamed(part, names) for key, part in built.items()}


def _renamed(value: object, names: Mapping[str, str]) -> object:
    if isinstance(value, dict):
        return renamed(value, names)
    if isinstance(value, list):
        return [_renamed(part, names) for part in value]
    return with_buckets(value, names) if isinstance(value, str) else value


def write_boards(folder: Path, names: Mapping[str, str]) -> int:
    """Write all BOARDS into a folder that exists; returns how many. Raises OSError."""
    for build in BOARDS:
        built = build()
        replace(folder / f"{built['uid']}.json", as_text(built, names))
    return len(BOARDS)


def write_roof(folder: Path, inverters: Sequence[Inverter], names: Mapping[str, str]) -> None:
    """Write the board of the configured places into a folder that exists. Raises OSError."""
    built = roof.build(cells(inverters))
    replace(folder / f"{built['uid']}.json", as_text(built, names))


def replace(file: Path, content: str) -> None:
    """Put a file in the place of another at one stroke, unless it says the same. Raises OSError."""
    data = content.encode()
    if file.exists() and file.read_bytes() == data:
        return
    # Grafana looks at what ends in .json or .yaml.
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_bytes(data)
    fresh.replace(file)
