"""What was found of each array, beside the shards: results by day, what was learned, and what InfluxDB has of it.

Derived like the shards: a file that is missing or broken costs one long analysis, and everything is written to InfluxDB
once more.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collector.analysis.nightly._shards import BROKEN, in_its_place, shard_errors
from collector.analysis.series import AZIMUTHS, ELEVATIONS, Ageing, Alarm, Analysis, Cause, Floats, Learned
from collector.points.schema import ANALYSED_FIELDS

FIELDS = ("measured_wh", *ANALYSED_FIELDS)
MEASURED, EXPECTED, UNSHADED, SHADE, FAULT, OUTAGE, CLIP = range(len(FIELDS))
# Less is no change: energies are told in mWh, and sums of floats differ in their last digits.
_SAME_WH = 0.01
_LEARNED = "learned."


@dataclass(slots=True)
class Found:
    """`of` says by day (its ordinal) of which readings the results are; `key` of which panels, and by which release.

    `days` (d,) are ordinals in order, `values` (fields, d, m) are in Wh, and `written` (d,) says which of them InfluxDB
    has, under the tags of `tags`.
    """

    key: str
    of: dict[int, str]
    days: NDArray[np.int32]
    values: Floats
    written: NDArray[np.bool_]
    tags: str
    shade: Floats
    shade_written: Floats
    shade_month: str
    alarms: tuple[Alarm, ...]
    ageing: Ageing
    panel_ageing: tuple[Ageing, ...]
    recovers_after_rain: bool | None
    notes: tuple[str, ...]
    learned: Learned = field(default_factory=Learned)

    @classmethod
    def nothing(cls, key: str, columns: int) -> "Found":
        """What is known of an array that was never analysed."""
        blank = np.full((columns, AZIMUTHS, ELEVATIONS), np.nan, np.float32)
        return cls(
            key,
            {},
            np.empty(0, np.int32),
            np.empty((len(FIELDS), 0, columns), np.float32),
            np.empty(0, np.bool_),
            "",
            blank,
            blank.copy(),
            "",
            (),
            Ageing(0.0),
            (),
            None,
            (),
        )

    def take(self, analysis: Analysis, of: dict[int, str], since: int | None) -> None:
        """Put the results of all days, or of those from `since` on at the latest, in the place of what was there."""
        kept = slice(0, 0 if since is None else int(np.searchsorted(self.days, min([since, *analysis.days[:1]]))))
        new = np.stack([getattr(analysis, name) for name in FIELDS]).astype(np.float32)
        is_written = np.zeros(len(analysis.days), np.bool_)
        same = np.searchsorted(self.days, analysis.days)
        for row, place in enumerate(same):
            if place < len(self.days) and self.days[place] == analysis.days[row] and self.written[place]:
                is_written[row] = np.allclose(new[1:, row], self.values[1:, place], 0, _SAME_WH, equal_nan=True)
        self.days = np.concatenate([self.days[kept], analysis.days]).astype(np.int32)
        self.values = np.concatenate([self.values[:, kept], new], axis=1)
        self.written = np.concatenate([self.written[kept], is_written])
        self.of = of
        self.shade = analysis.shade.astype(np.float32)
        self.alarms = analysis.alarms
        self.ageing, self.panel_ageing, self.notes = analysis.ageing, analysis.panel_ageing, analysis.notes
        self.recovers_after_rain, self.learned = analysis.recovers_after_rain, analysis.learned


class Store:
    """The files, one an array."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "arrays"

    def read(self, name: str) -> Found | None:
        """What was found of an array; None where there is nothing that can be used."""
        try:
            path = self._folder / f"{name}.npz"
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                about = json.loads(file["about"].tobytes())
                learned = {key.removeprefix(_LEARNED): file[key] for key in file.files if key.startswith(_LEARNED)}
                return Found(
                    str(about["key"]),
                    {int(day): str(of) for day, of in about["of"].items()},
                    file["days"],
                    file["values"],
                    file["written"],
                    str(about["tags"]),
                    file["shade"],
                    file["shade_written"],
                    str(about["shade_month"]),
                    tuple(Alarm(**{**one, "cause": Cause(one["cause"])}) for one in about["alarms"]),
                    Ageing(**about["ageing"]),
                    tuple(Ageing(**one) for one in about["panel_ageing"]),
                    about["recovers_after_rain"],
                    tuple(map(str, about["notes"])),
                    Learned(learned),
                )
        except BROKEN:
            return None

    def write(self, name: str, found: Found) -> None:
        """Keep it. Raises ShardError."""
        about = {
            "key": found.key,
            "of": found.of,
            "tags": found.tags,
            "shade_month": found.shade_month,
            "alarms": [_plain(one) for one in found.alarms],
            "ageing": _plain(found.ageing),
            "panel_ageing": [_plain(one) for one in found.panel_ageing],
            "recovers_after_rain": _python(found.recovers_after_rain),
            "notes": list(found.notes),
        }
        arrays: dict[str, Any] = {f"{_LEARNED}{key}": value for key, value in found.learned.arrays.items()}
        path = self._folder / f"{name}.npz"
        with shard_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with in_its_place(path) as unfinished, unfinished.open("wb") as stream:
                # Not packed: it is written every night, and its floats pack badly.
                np.savez(
                    stream,
                    about=np.frombuffer(json.dumps(about).encode(), np.uint8),
                    days=found.days,
                    values=found.values,
                    written=found.written,
                    shade=found.shade,
                    shade_written=found.shade_written,
                    **arrays,
                )


def _plain(one: Alarm | Ageing) -> dict[str, object]:
    return {name: _python(getattr(one, name)) for name in type(one).__dataclass_fields__}


def _python(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value
