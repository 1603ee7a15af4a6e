"""Whatever is done to an installation in whatever order, nothing that was acknowledged is lost or counted twice.

A short look by the machine of `tests/whole/nothing_lost`; `python -m benchmarks nothing-lost` is the long one, which
also takes a seed that failed here.
"""

import os
from pathlib import Path
from random import SystemRandom

import pytest

from tests.influxdb_server import InfluxServer
from tests.whole.nothing_lost.site import Unavailable
from tests.whole.nothing_lost.trial import Trial

MINUTES = 0.4
STEPS_A_RUN = 12


@pytest.mark.slow
def test_after_any_steps_in_any_order_journal_points_and_rollups_are_what_was_acknowledged(
    tmp_path: Path, own_influx_server: InfluxServer
) -> None:
    seed = int(os.environ.get("NOTHING_LOST_SEED") or SystemRandom().randrange(10**6))
    try:
        trial = Trial(tmp_path, own_influx_server, print)
    except Unavailable as missing:
        pytest.skip(str(missing))
    failure = trial.until(seed, most_steps=100, minutes=MINUTES, steps_a_run=STEPS_A_RUN)
    assert failure is None, f"python -m benchmarks nothing-lost --seed {failure.seed}\n{failure}"
