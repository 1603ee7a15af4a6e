"""What a benchmark is given, and what it gives back.

A row's keys name their units; `target` and `met` are there where something was promised.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

Row = dict[str, float | str | bool | None]


class Skip(Exception):
    """This machine lacks something that the benchmark needs; the text says what."""


@dataclass(frozen=True, slots=True)
class Options:
    """`folder` is on the disk to be measured and belongs to this run alone; `existing` data are only looked at.
    `steps`, `minutes` and `seed` (None is any) are those of `nothing-lost`, and `seeds` is how many roofs
    `analysis` is measured on.
    """

    folder: Path
    quick: bool
    years: float
    existing: bool = False
    steps: int = 2000
    minutes: float = 30.0
    seed: int | None = None
    seeds: int = 20


def at_least(value: float, target: float) -> Row:
    """The columns that judge a value which should be large."""
    return {"target": f">= {target:g}", "met": value >= target}


def below(value: float, target: float) -> Row:
    """The columns that judge a value which should be small."""
    return {"target": f"< {target:g}", "met": value < target}


def tell(progress: str) -> None:
    """Say on stderr what goes on; results are for stdout."""
    print(f"  {progress}", file=sys.stderr, flush=True)
