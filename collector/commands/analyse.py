"""`collector analyse`: what each panel should have made, what was lost to which cause, and how arrays age."""

import argparse
import os
import time
from collections.abc import Callable
from contextlib import closing
from datetime import date

from rich.progress import Progress, TaskID

from collector.analysis.results import ANALYSIS_STATE, FAILURE_STATE, Answer
from collector.analysis.wanted import missing
from collector.commands import _analysis_view
from collector.commands._progress import bar
from collector.commands.arguments import add_config, day
from collector.commands.exit_codes import FINDING, FINE
from collector.config.load import load
from collector.config.model import Config
from collector.config.names import Names
from collector.errors import CollectorError
from collector.journal.lock import Taken
from collector.journal.writing import Journal

# Others than gateways can wait as well.
_NICENESS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Analyses all days that are over, as the service does every night, writes the results to InfluxDB where one is"
        " configured, and shows for each panel the sums of the last year: what it made, what its neighbours say that"
        " it should have made, and what it lost to which cause. The first time it reads all records, which takes"
        " minutes; later only what has changed. Safe while the service runs."
    )
    add_config(parser)
    parser.add_argument(
        "--from",
        metavar="DAY",
        dest="first",
        type=day,
        help="read this local day, as 2026-03-29, and all later ones again, and analyse everything anew",
    )
    parser.add_argument("--json", action="store_true", help="for machines, energies in kWh")


def run(arguments: argparse.Namespace) -> int:
    """Analyse and show it. Raises ConfigError, and CollectorError where nothing can be analysed."""
    config = load(arguments.config)
    if why := missing():
        raise CollectorError(f"nothing can be analysed: {why}")
    answer = _analysed(config, arguments.first)
    if arguments.json:
        _analysis_view.print_json(config, answer)
    else:
        _analysis_view.show(config, answer)
    return FINDING if answer.hindrance else FINE


def _analysed(config: Config, again: date | None) -> Answer:
    # It imports numpy, which not everyone has installed.
    from collector.analysis.nightly import job

    os.nice(_NICENESS)
    now = time.time_ns()
    with bar() as progress:
        try:
            answer = job.run(config, Names(config), now, _teller(progress), again)
        except Taken as exc:
            raise CollectorError(
                f"another analysis is under way ({exc.holder}): `collector status` shows its results when it is done"
            ) from exc
    with closing(Journal(config.journal.path)) as journal:
        journal.put_state(ANALYSIS_STATE, answer.results.values())
        journal.put_state(FAILURE_STATE, {"reason": answer.hindrance, "at": now})
    return answer


def _teller(progress: Progress) -> Callable[[str, int, int], None]:
    tasks: dict[str, TaskID] = {}

    def tell(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(what)
        progress.update(tasks[what], completed=done, total=total)

    return tell
