"""Whether anything is ever lost: everything that can be done to an installation, in any order, for half an hour.

The rules, and what must hold, are those of `tests/whole/nothing_lost`. A run that fails is made shorter and told on
stderr with its seed, by which `--seed` does it again.
"""

import secrets

from benchmarks.result import Options, Row, Skip, tell
from tests.influxdb_server import ServerMissing, own_server
from tests.whole.nothing_lost.site import Unavailable
from tests.whole.nothing_lost.trial import Trial

_SHORTER_SHARE = 0.5


def measure(options: Options) -> list[Row]:
    """One row: what was done, and whether all of it held. Raises Skip."""
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    steps, minutes = (3, 1.0) if options.quick else (options.steps, options.minutes)
    place, database = options.folder / "trial", options.folder / "influxdb"
    place.mkdir()
    database.mkdir()
    try:
        with own_server(database) as influx:
            trial = Trial(place, influx, tell)
            failure = trial.until(seed, steps, minutes)
            counts = trial.counts
            row: Row = {
                "seed": seed,
                "steps": counts.steps,
                "acknowledged": counts.acknowledged,
                "commands": counts.commands,
                "cut_off": counts.cut_off,
                "purged": counts.purged,
                "compared": counts.compared + counts.rests,
                "target": "nothing lost, nothing twice",
                "met": failure is None,
            }
            if failure is not None:
                tell("failed; looking for a shorter run")
                tell(f"--seed {failure.seed}: {trial.shorter(failure, minutes * _SHORTER_SHARE)}")
    except (ServerMissing, Unavailable) as missing:
        raise Skip(str(missing)) from None
    return [row]
