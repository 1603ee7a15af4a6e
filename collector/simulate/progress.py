"""The progress bar of long work that is counted in days."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_DAY = timedelta(days=1)


@contextlib.contextmanager
def days(name: str, total: timedelta | None) -> Iterator[Callable[[timedelta], None]]:
    """A bar on a terminal, and none elsewhere; call what comes out with the time that was passed. None is no end."""
    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TextColumn("days"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(name, total=None if total is None else total / _DAY)
        yield lambda passed: progress.advance(task, passed / _DAY)
