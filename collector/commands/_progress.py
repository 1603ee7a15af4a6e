"""The progress bar of long work: on a terminal, and nothing elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

MB = 1_000_000


def bar() -> Progress:
    """A bar for each task, on stderr."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())


@contextmanager
def megabytes() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each stage, in megabytes."""
    tasks = {}
    with bar() as progress:

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(f"{stage} (MB)")
            progress.update(tasks[stage], completed=done / MB, total=total / MB)

        yield tell
