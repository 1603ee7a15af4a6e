"""The analysis in a process of its own, which the service starts: what to do comes on stdin, what was found goes to
stdout. With the lowest priority, so that nobody waits for it.
"""

import json
import logging
import os
import pickle
import sys
from contextlib import suppress
from pathlib import Path

from collector.analysis.nightly.job import run
from collector.analysis.results import Answer
from collector.config.names import Names
from collector.journal.lock import Taken


def main() -> int:
    """Analyse once."""
    os.nice(19)
    with suppress(OSError):
        # Where memory is short, this goes first.
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(message)s")
    # What comes is our own service's.
    config, now = pickle.load(sys.stdin.buffer)  # noqa: S301
    try:
        answer = run(config, Names(config), now, lambda *_: None)
    except Taken as exc:
        answer = Answer(is_taken=True, hindrance=str(exc))
    sys.stdout.write(json.dumps(answer.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
