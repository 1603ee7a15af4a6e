"""The disk under test: which file system it is, how often a bare loop can commit on it, and how to make it slow.

Slowing needs no privilege: a shim of a few lines, compiled at run time and loaded before libc, makes every sync of one
process take at least SLOW_SYNC_MS, as it does on an SD card.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil

from benchmarks.result import Skip

SLOW_SYNC_MS = 10
IN_MEMORY = ("tmpfs", "ramfs")

_SHIM = Path(__file__).with_name("slow_sync.c")


def file_system(folder: Path) -> str:
    """The type of the file system that holds the folder, such as `ext4`."""
    path = folder.resolve()
    mounts = {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}
    return next((mounts[place] for place in (path, *path.parents) if place in mounts), "unknown")


def bare_commits_per_s(folder: Path, seconds: float, environ: dict[str, str]) -> float:
    """How many transactions of one record each SQLite alone commits in a second, in a process of its own."""
    place = folder / "bare"
    place.mkdir()
    try:
        command = [sys.executable, "-m", "benchmarks.bare", str(place / "bare.db"), str(seconds)]
        done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, timeout=seconds + 60, check=True)
    finally:
        shutil.rmtree(place)
    return float(json.loads(done.stdout))


def slowed(folder: Path) -> dict[str, str]:
    """An environment in which every sync is slow. Raises Skip where it can't be made."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise Skip("no C compiler (cc), which the slow disk is made with")
    library = folder / "slow_sync.so"
    command = [compiler, "-shared", "-fPIC", "-O2", f"-DLEAST_MS={SLOW_SYNC_MS}", "-o", str(library), str(_SHIM)]
    made = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    if made.returncode != 0:
        raise Skip(f"the shim for the slow disk does not compile: {made.stderr.strip()[:200]}")
    environ = os.environ | {"LD_PRELOAD": str(library)}
    rate = bare_commits_per_s(folder, 0.2, environ)
    if rate > 1.05 * 1000 / SLOW_SYNC_MS:
        raise Skip(f"the shim for the slow disk has no effect on this Python ({rate:.0f} commits a second with it)")
    return environ
