"""The roll-ups' Flux: the texts in `flux/`, and values written into them. Pure but for reading the texts."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib import resources
from string import Template

from collector.clock import stamps
from collector.clock.days import Run

_BRANCHES = 16


def years(times: Sequence[datetime], start: datetime, stop: datetime) -> Iterator[tuple[datetime, datetime]]:
    """From when to when the years last that these times span, within `start` and `stop`; in days of UTC."""
    if not times:
        return
    first, last = min(times), max(times)
    begin = max(start, first.replace(hour=0, minute=0, second=0, microsecond=0))
    for year in range(first.year + 1, last.year + 1):
        end = datetime(year, 1, 1, tzinfo=UTC)
        yield begin, end
        begin = end
    yield begin, min(stop, last + timedelta(days=1))


def template(file: str) -> Template:
    """One of the texts in `flux/`."""
    return Template(resources.files("collector.rollup").joinpath("flux", file).read_text(encoding="utf-8"))


def told(instant: datetime) -> str:
    """An instant as Flux has it."""
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def windows(run: Run) -> dict[str, str]:
    """A run of days as the texts have it: when it begins and ends, and the windows that are its days."""
    length_s = round(run.length.total_seconds())
    return {
        "start": told(run.start),
        "stop": told(run.stop),
        "every": f"{length_s}s",
        "offset": f"{stamps.to_ns(run.start) // stamps.NS % length_s}s",
    }


def precise(at: int) -> str:
    """An instant (ns) as Flux has it, cut to what an answer tells of it."""
    return f"{stamps.from_ns(at):%Y-%m-%dT%H:%M:%S.%fZ}"


def quoted(value: str) -> str:
    """A string as a predicate has it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def text(value: str) -> str:
    """A string as Flux has it, where a dollar sign and a brace begin an expression."""
    return quoted(value).replace("${", "\\${")


def any_of(ecus: Iterable[str]) -> str:
    """A condition that is pushed down to the storage, as `contains` would not be."""
    return either(tagged(ecu=ecu) for ecu in ecus)


def either(conditions: Iterable[str]) -> str:
    """That any of some conditions is met. Many are a tree: Flux refuses a chain of some 160 as nested too deep."""
    some = list(conditions)
    while True:
        some = ["(" + " or ".join(some[at : at + _BRANCHES]) + ")" for at in range(0, len(some), _BRANCHES)]
        if len(some) <= 1:
            return "".join(some)


def tagged(**tags: str) -> str:
    """That tags, or other columns, have these values."""
    return " and ".join(f"r.{name} == {text(value)}" for name, value in tags.items())
