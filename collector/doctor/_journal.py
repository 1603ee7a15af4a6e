"""Whether the journal can take records, is whole, is fast enough, and for how long there is room.

Nothing is written to the journal itself: its folder gets a scratch file for a moment, which is synced as the journal
is. So a look by another user than the service's leaves nothing behind that the service could not use.
"""

import errno
import os
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

import trio

from collector import disk
from collector.clock.stamps import NS
from collector.doctor._facts import Facts
from collector.doctor.context import Context
from collector.doctor.findings import START, Finding, failure, ok, skipped, told_bytes, warning
from collector.errors import JournalError
from collector.journal.reading import JournalReader
from collector.status.health import LEAST_FREE_BYTES

CHECK = "journal"
# A file that takes longer is looked at by --thorough.
WITHIN_S = 5.0
SYNCS = 60
SYNCING_S = 1.5
SLOW_SYNC_S = 0.5
_PAGE = b"\xa5" * 4096
_PAGES = 8
LEAST_DAYS = 60
_DAY_NS = 24 * 3600 * NS
# From less than this nothing can be said of how a year will be.
_LEAST_SPAN_NS = _DAY_NS
_MIB = 1024 * 1024
_NOT_STORED = "nothing can be stored: gateways get no answer and keep their records"
_RESTORE = (
    "stop the collector, restore the file from a backup or move it away, always with the -wal and -shm beside it, and"
    " start it: a new one is made, and gateways send what they kept"
)


async def check(context: Context) -> list[Finding]:
    """The file, its folder and its disk, one after the other in a thread."""
    run = partial(trio.to_thread.run_sync, abandon_on_cancel=True)
    if context.facts.is_hidden:
        found = f"{context.facts.path} is in a folder that this user may not look into"
        return [skipped(CHECK, found, "run this as the service's user")]
    return [
        *await run(_file, context),
        *_service_says(context.facts),
        *await run(_folder, context),
        *await run(_room, context.facts),
    ]


def _file(context: Context) -> list[Finding]:
    facts, thorough = context.facts, context.thorough
    if facts.error is not None and (not facts.exists or _is_empty(facts.path)):
        return [
            warning(
                CHECK,
                facts.error,
                "nothing was stored here yet",
                f"{START}; if it runs, look whether journal.path and the working directory are the same",
            )
        ]
    if facts.is_late:
        return [
            skipped(
                CHECK,
                f"{facts.path} could not be read in time: this machine is very busy, or the disk is slow",
                "look again when it is quiet, and at what is said of its folder and disk below",
            )
        ]
    if facts.error is not None and facts.path.is_dir():
        found = f"{facts.path} is a folder, and should be a file"
        return [failure(CHECK, found, _NOT_STORED, "name a file in it (journal.path), or remove it if it is empty")]
    if facts.error is not None:
        remedy = _RESTORE if facts.is_damaged else "mend what it names, and what is said of its folder and disk below"
        return [failure(CHECK, facts.error, "gateways get no answer while the journal can't be used", remedy)]
    try:
        with JournalReader(facts.path) as reader:
            faults = reader.faults(thorough=thorough, within_s=None if thorough else WITHIN_S)
    except JournalError as exc:
        return [_damaged(str(exc))]
    size = f"{facts.path}, {facts.file_bytes / _MIB:.1f} MiB with {facts.records} records"
    if faults is None:
        return [
            skipped(CHECK, f"{size}: too large to be read as a whole in {WITHIN_S:g} s", "collector doctor --thorough")
        ]
    if faults:
        return [_damaged(f"{facts.path} is damaged: {'; '.join(faults)}")]
    findings = [ok(CHECK, f"{size}, is whole{' with all its indexes' if thorough else ''}")]
    if not os.access(facts.path, os.W_OK):
        remedy = f"give the file to the service's user: `chown USER {facts.path}*`, or mount its disk for writing"
        findings.append(_forbidden(context, f"{facts.path} is read-only for this user", remedy))
    return findings


def _damaged(found: str) -> Finding:
    return failure(CHECK, found, "what is behind the damage can't be read, and storing may fail at any time", _RESTORE)


def _service_says(facts: Facts) -> list[Finding]:
    if not facts.run.journal_error:
        return []
    return [
        failure(
            CHECK,
            f"the service can't store records: {facts.run.journal_error}",
            f"gateways get no answer ({facts.run.unanswered} times so far), and keep their records",
            "mend what it names: the service goes on by itself",
        )
    ]


def _folder(context: Context) -> list[Finding]:
    folder = context.facts.path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        times_s = _sync_times(folder)
    except OSError as exc:
        return [_unwritable(context, folder, exc)]
    p50_s, slowest_s = times_s[len(times_s) // 2], times_s[-1]
    told = (
        f"{folder.absolute()} takes writes; a sync takes {p50_s * 1000:.2f} ms (the median), the slowest of"
        f" {len(times_s)} {slowest_s * 1000:.2f} ms"
    )
    if p50_s > SLOW_SYNC_S:
        return [
            warning(
                CHECK,
                told,
                "every answer to a gateway waits for a sync; many gateways share one, but each waits this long",
                "put the journal on another disk (journal.path): an SSD, or a better memory card",
            )
        ]
    return [ok(CHECK, told)]


def _sync_times(folder: Path) -> list[float]:
    """Sorted. Pages are written anew in one small file, as a journal's log is, each followed by a sync."""
    times_s: list[float] = []
    began = time.perf_counter()
    with tempfile.TemporaryFile(dir=folder, buffering=0) as scratch:
        scratch.write(_PAGE * _PAGES)
        os.fsync(scratch.fileno())
        while len(times_s) < SYNCS and (not times_s or time.perf_counter() - began < SYNCING_S):
            scratch.seek(len(times_s) % _PAGES * len(_PAGE))
            scratch.write(_PAGE)
            before = time.perf_counter()
            os.fdatasync(scratch.fileno())
            times_s.append(time.perf_counter() - before)
    return sorted(times_s)


def _forbidden(context: Context, found: str, remedy: str) -> Finding:
    """What this user may not do, which says little while the service does it."""
    if context.facts.run.is_alive(context.now) and not context.facts.run.journal_error:
        return skipped(CHECK, f"{found}, and the service, which runs as another, can", "run this as the service's user")
    return failure(CHECK, found, _NOT_STORED, remedy)


def _unwritable(context: Context, folder: Path, exc: OSError) -> Finding:
    match exc.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return failure(
                CHECK,
                f"the disk with {folder} is full",
                _NOT_STORED,
                "make room, or move the journal (journal.path): the service goes on without a restart",
            )
        case errno.EROFS:
            return failure(CHECK, f"the disk with {folder} is mounted read-only", _NOT_STORED, "mount it for writing")
        case errno.EACCES | errno.EPERM:
            remedy = f"run this as the service's user, or give it the folder: `chown -R USER {folder}`"
            return _forbidden(context, f"this user may not write to {folder}", remedy)
        case _:
            return failure(CHECK, f"{folder} can't be written to: {exc.strerror}", _NOT_STORED, "check the disk")


def _room(facts: Facts) -> list[Finding]:
    try:
        free = disk.free_bytes(facts.path)
        total = shutil.disk_usage(_existing(facts.path)).total
    except OSError as exc:
        return [failure(CHECK, f"the disk of {facts.path} can't be asked: {exc.strerror}", "", "check the disk")]
    told = f"{told_bytes(free, total)} are free beside the journal"
    room = "make room, move the journal to a larger disk (journal.path), or set journal.retain_days"
    if free < LEAST_FREE_BYTES:
        return [failure(CHECK, told, "when it is full, gateways get no answer and keep their records", room)]
    if facts.span_ns < _LEAST_SPAN_NS or not facts.records_a_week:
        return [ok(CHECK, f"{told}; too little came of late to tell how long that lasts")]
    days = free / _bytes_a_day(facts)
    told += f", enough for {_long(days)} of records as in the last week ({_bytes_a_day(facts) / _MIB:.2f} MiB a day)"
    if days < LEAST_DAYS:
        return [warning(CHECK, told, "when it is full, gateways get no answer and keep their records", room)]
    return [ok(CHECK, told)]


def _bytes_a_day(facts: Facts) -> float:
    return facts.file_bytes / max(facts.records, 1) * facts.records_a_week / (facts.span_ns / _DAY_NS)


def _long(days: float) -> str:
    if days > 200 * 365:
        return "centuries"
    return f"{days / 365:.0f} years" if days > 2 * 365 else f"{days:.0f} days"


def _is_empty(path: Path) -> bool:
    """A file that something else made: the service fills it as if there were none."""
    return path.is_file() and path.stat().st_size == 0


def _existing(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
