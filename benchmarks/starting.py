"""What a start of the program costs, in times of a bare Python's, so that figures hold from machine to machine."""

import resource
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.result import Options, Row, below
from collector.journal.writing import Journal

# A container's health check, which is made every minute, is the second.
_STARTS: tuple[tuple[tuple[str, ...], float | None], ...] = (
    (("--version",), 4.0),
    (("status", "--brief"), 16.0),
    (("status",), None),
    (("doctor", "--help"), None),
    (("run", "--help"), None),
)


def measure(options: Options) -> list[Row]:
    """CPU time of processes; of some, the one that was least disturbed."""
    times = 3 if options.quick else 20
    (options.folder / "data").mkdir()
    journal = Journal(options.folder / "data" / "journal.db")
    journal.open()
    journal.close()
    bare = _cpu_s(options, ("-c", "pass"), times)
    rows: list[Row] = []
    for arguments, target in _STARTS:
        spent = _cpu_s(options, ("-m", "collector", *arguments), times)
        judged = below(spent / bare, target) if target else {}
        rows.append(
            {
                "start": " ".join(arguments),
                "cpu_ms": round(spent * 1000, 1),
                "bare_ms": round(bare * 1000, 1),
                "ratio": round(spent / bare, 1),
                **judged,
            }
        )
    return rows


def _cpu_s(options: Options, arguments: Sequence[str], times: int) -> float:
    least = float("inf")
    for _ in range(times):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], cwd=options.folder, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        least = min(least, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return least
