"""`collector restore`: journal and configuration from a backup, to where there are none.

Everything is verified before anything appears: the backup against its manifest, the journal by SQLite page by page and
by its counts; one of an older schema is brought up to date first. Nothing is overwritten, merged or moved: what is in
the way is named, for its owner to move. Cut off at any instant, there is the whole or nothing of each file, and the
same command again does what is left.

What came between the backup and the restore is not in the journal, yet perhaps in InfluxDB; the journal notes it as a
gap, so that a replay does not delete what it can't write again.
"""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from collector import clock, journal_copy
from collector.backup import archive
from collector.backup.archive import CONFIG, JOURNAL, Manifest
from collector.backup.files import disk_errors, is_there, put, sync, taken, workshop
from collector.backup.settings import LEFT_OUT, names_timezone, without_secrets
from collector.config import FILE_NAME, find, load
from collector.errors import CollectorError, JournalError
from collector.journal import GAPS_STATE, RUN_STATE, Journal, log_path
from collector.journal_reader import JournalReader

# The service's sign of life comes every ten seconds.
_ALIVE_NS = 60 * clock.NS

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Restored:
    """What is now where; `config` is None when none was in the backup and none is there, `config_written` tells whether
    it came from the backup. `wants_token` says that the one written has lost its token, `wants_timezone` that the
    site's zone was not in the file.
    """

    manifest: Manifest
    journal: Path
    config: Path | None
    config_written: bool
    wants_token: bool
    wants_timezone: bool


def restore(backup: Path, config_file: Path | None, *, keep_config: bool, now: int, progress: Progress) -> Restored:
    """Restore at the instant `now` (ns). `config_file` is where the configuration is or shall be; None is where
    the service looks for it. With `keep_config` the one that is there counts, however it differs from the backup's.

    Raises CollectorError, and ConfigError when the configuration that is there has faults.
    """
    manifest = archive.read_manifest(backup)
    text = archive.config_text(backup)
    chosen = config_file or find() or FILE_NAME
    writes_config = text is not None and not keep_config and not _is_there(chosen, text)
    # One from a backup may lack its token, and so not be fit to be loaded yet.
    journal = Path(manifest.journal) if writes_config else load(config_file).journal.path
    _check_free(journal)
    with disk_errors(journal):
        journal.parent.mkdir(parents=True, exist_ok=True)
    with workshop(journal.parent) as bench:
        restored = bench / JOURNAL
        archive.unpack(backup, {JOURNAL: restored}, progress)
        _check_contents(backup, restored, manifest)
        _note_gap(restored, manifest, now)
        sync(restored)
        # The configuration first: it is in nobody's way when the journal can't follow.
        if writes_config and text is not None:
            _write(chosen, text)
        _check_free(journal)
        put(restored, journal)
    return Restored(
        manifest,
        journal,
        chosen if is_there(chosen) else None,
        config_written=writes_config,
        wants_token=writes_config and LEFT_OUT in (text or ""),
        wants_timezone=writes_config and not names_timezone(text or ""),
    )


def _is_there(chosen: Path, text: str) -> bool:
    """Whether the configuration is there as it is in the backup; raises CollectorError for another one."""
    if not is_there(chosen):
        return False
    with disk_errors(chosen):
        present = chosen.read_text(encoding="utf-8")
    if without_secrets(present) == text:
        return True
    raise CollectorError(
        f"{taken(chosen)}: move it away to get the backup's, or go on with it by --keep-config; it differs from the"
        " backup's"
    )


def _check_free(journal: Path) -> None:
    """Raise CollectorError while anything of a journal is at its place."""
    beside = [journal, log_path(journal), journal.with_name(f"{journal.name}-shm")]
    if not (there := [path for path in beside if is_there(path)]):
        return
    if _is_alive(journal):
        raise CollectorError(f"a collector runs on {journal}: stop it first; nothing was changed")
    raise CollectorError(f"{taken(journal)}: move away {', '.join(map(str, there))}")


def _is_alive(journal: Path) -> bool:
    try:
        with JournalReader(journal) as reader:
            run = reader.state(RUN_STATE)
    except JournalError:
        return False
    beat_at = run.get("beat_at")
    return isinstance(beat_at, int) and "stopped_at" not in run and time.time_ns() - beat_at < _ALIVE_NS


def _check_contents(backup: Path, restored: Path, manifest: Manifest) -> None:
    found = journal_copy.contents(restored)
    if (found.schema, found.tables, found.ecus) != (manifest.journal_schema, manifest.tables, manifest.ecus):
        raise CollectorError(f"{backup} is damaged: its journal does not hold what its manifest says")


def _note_gap(restored: Path, manifest: Manifest, now: int) -> None:
    try:
        begins = clock.to_ns(datetime.fromisoformat(manifest.made_at))
    except ValueError:
        raise CollectorError(f"the backup's manifest has no date: {manifest.made_at!r}") from None
    # A record of a round before the backup may have come behind it.
    begins -= int(clock.LIVE_WITHIN_S) * clock.NS
    with closing(Journal(restored)) as journal:
        journal.open()
        with JournalReader(restored) as reader:
            gaps = reader.gaps()
        journal.put_state(GAPS_STATE, {"gaps": [*gaps, (begins, max(now, begins))]})


def _write(place: Path, text: str) -> None:
    with workshop(place.parent) as bench:
        written = bench / CONFIG
        written.write_text(text, encoding="utf-8")
        sync(written)
        put(written, place)
