"""How far it has come: a bar for work that is counted in days, and a line for what has no end."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

_DAY = timedelta(days=1)
# Between two lines in a log.
_SPARSELY_S = 600.0


@contextlib.contextmanager
def days(name: str, total: timedelta) -> Iterator[Callable[[timedelta], None]]:
    """A bar on a terminal, and none elsewhere; call what comes out with the time that was passed."""
    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TextColumn("days"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(name, total=total / _DAY)
        yield lambda passed: progress.advance(task, passed / _DAY)


@contextlib.contextmanager
def line() -> Iterator[Callable[[str], None]]:
    """Where things stand; call what comes out with it as often as you like. On a terminal it is one line that is kept
    up to date; elsewhere it is a new one when it has changed, a few times an hour.
    """
    if sys.stderr.isatty():
        with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=Console(stderr=True)) as progress:
            task = progress.add_task("", total=None)
            yield lambda text: progress.update(task, description=text)
        return
    told, due = "", time.monotonic() + _SPARSELY_S

    def tell(text: str) -> None:
        nonlocal told, due
        if text != told and time.monotonic() >= due:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()
            told, due = text, time.monotonic() + _SPARSELY_S

    yield tell
