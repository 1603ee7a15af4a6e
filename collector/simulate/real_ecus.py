"""Keeps made-up records out of the journals of real sites: beside real ones they can't be told apart in a chart, and
never be taken back.
"""

import re
import threading
import time
from pathlib import Path

from collector.errors import CollectorError, JournalError
from collector.journal.reading import JournalReader

# Ids of simulated gateways have these digits where real ones have zeros.
SIMULATED = re.compile(r"[0-9]{4}99[0-9]{6}")

# A collector that has just begun to listen notes its first sign of life a moment later.
_FIRST_BEAT_S = 3.0


def refuse_real_ecus(journal: Path) -> None:
    """Raise CollectorError unless a collector runs on this journal, which so tells what it knows: no real ECU."""
    tried_until = time.monotonic() + _FIRST_BEAT_S
    while reason := _silence(journal):
        if time.monotonic() >= tried_until:
            raise CollectorError(
                f"the collector that listens here is not the one of this configuration ({reason}), so nothing tells"
                " whether it knows real ECUs: go to its folder or name its --config, or be sure and name it with --host"
            )
        threading.Event().wait(0.2)
    with JournalReader(journal) as reader:
        real = [gateway.ecu for gateway in reader.gateways() if gateway.ecu and not SIMULATED.fullmatch(gateway.ecu)]
    if real:
        raise CollectorError(
            f"the journal {journal} knows ECUs that are not simulated ({', '.join(real[:3])}): give the simulated ones"
            " a collector of their own, with another journal, or say --beside-real-ecus"
        )


def _silence(journal: Path) -> str | None:
    """Why no collector seems to run on a journal, None when one does."""
    try:
        with JournalReader(journal) as reader:
            run = reader.run_state()
    except JournalError as exc:
        return str(exc)
    return None if run.is_alive(time.time_ns()) else f"none runs on {journal}"
