"""`collector backup`: journal and configuration into one file, while the service runs.

What it promises: the file appears under its name only when all of it is on disk and was read back from there without a
difference; it holds no secret; nothing is overwritten. Older backups go only when this one is good, only from the
folder it was written to, and only those that are backups of the same instance and have a name that was made here.

A damaged journal is not backed up: a nightly job would otherwise replace good backups by bad ones.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from collector import __version__
from collector.backup import archive
from collector.backup._settings import without_secrets
from collector.backup.archive import CONFIG, JOURNAL, Manifest
from collector.backup.files import disk_errors, is_folder, is_there, put, sync, taken, workshop
from collector.clock.stamps import NS
from collector.config.model import Config
from collector.errors import CollectorError, JournalError
from collector.journal import copy as journal_copy

SUFFIX = ".tar.gz"
_DATED = r"-\d{8}T\d{6}Z"

# Told of a stage's name, what is done of it and all of it, in bytes.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Taken:
    """A backup that was made, its size in bytes, and the older ones that went."""

    path: Path
    size: int
    manifest: Manifest
    removed: list[Path]


def take(config: Config, config_file: Path | None, out: Path, keep: int | None, now: int, progress: Progress) -> Taken:
    """Make a backup at the instant `now` (ns): of the name `out`, or with a dated name in it when it is a folder.

    `keep` is how many to keep in that folder, from one up; None keeps all. Raises CollectorError, and then nothing has
    changed.
    """
    made_at = datetime.fromtimestamp(now // NS, UTC)
    in_folder = is_folder(out)
    place = out / f"{_stem(config)}-{made_at:%Y%m%dT%H%M%SZ}{SUFFIX}" if in_folder else out
    if is_there(place):
        raise taken(place)
    with workshop(place.parent) as bench:
        files = {JOURNAL: bench / JOURNAL}
        journal_copy.copy(config.journal.path, files[JOURNAL], lambda done, total: progress("copy", done, total))
        held = _contents(files[JOURNAL], config.journal.path)
        if config_file is not None:
            files[CONFIG] = bench / CONFIG
            files[CONFIG].write_text(without_secrets(_text(config_file)), encoding="utf-8")
        manifest = Manifest(
            collector=__version__,
            made_at=f"{made_at:%Y-%m-%dT%H:%M:%SZ}",
            instance=config.collector.instance,
            timezone=config.site.timezone,
            journal=str(config.journal.path),
            journal_schema=held.schema,
            tables=held.tables,
            ecus=held.ecus,
            # The small one first, so that it is found without reading the large one.
            members={name: archive.measure(files[name]) for name in (CONFIG, JOURNAL) if name in files},
        )
        packed = bench / f"backup{SUFFIX}"
        archive.write(packed, manifest, files, now // NS, lambda done, total: progress("pack", done, total))
        sync(packed)
        archive.check(packed, lambda done, total: progress("verify", done, total))
        size = packed.stat().st_size
        put(packed, place)
    removed = _thin_out(place, config, keep) if in_folder and keep else []
    return Taken(place, size, manifest, removed)


def _stem(config: Config) -> str:
    readable = re.sub(r"[^a-z0-9]+", "-", config.collector.instance.lower()).strip("-")
    return f"collector-{readable}" if readable else "collector"


def _contents(copy: Path, journal: Path) -> journal_copy.Contents:
    try:
        return journal_copy.contents(copy)
    except JournalError as exc:
        raise CollectorError(
            f"{journal} is not backed up, and no older backup was removed: {exc}. Stop the collector, keep a copy of"
            " the file with the -wal beside it, and restore the latest backup"
        ) from exc


def _text(path: Path) -> str:
    with disk_errors(path):
        return path.read_text(encoding="utf-8")


def _thin_out(newest: Path, config: Config, keep: int) -> list[Path]:
    """Remove all but the newest; what can't be read as a backup of this instance is neither counted nor touched."""
    named = re.compile(re.escape(_stem(config)) + _DATED + re.escape(SUFFIX))
    found = sorted((path for path in newest.parent.iterdir() if named.fullmatch(path.name)), reverse=True)
    own = [path for path in found if path != newest and _instance(path) == config.collector.instance]
    removed = own[keep - 1 :]
    with disk_errors(newest.parent):
        for path in removed:
            path.unlink(missing_ok=True)
    return removed


def _instance(path: Path) -> str | None:
    with suppress(CollectorError):
        return archive.read_manifest(path).instance
    return None
