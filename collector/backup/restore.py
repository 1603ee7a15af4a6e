"""`collector restore`: journal and configuration from a backup, to where there are none.

Everything is verified before anything appears: the backup against its manifest, the journal by SQLite page by page and
by its counts; one of an older schema is brought up to date first. Nothing is overwritten, merged or moved: what is in
the way is named, for its owner to move. Cut off at any instant, there is the whole or nothing of each file, and the
same command again does what is left. Where the journal goes is the configuration's word alone.

What came between the backup and the restore is not in the journal, yet perhaps in InfluxDB; the journal notes it as a
gap, so that a replay does not delete what it can't write again. And since nobody knows how much of the rest InfluxDB
has by now, the service is to write all of it once more, deleting nothing, and to compute the roll-ups.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from collector.backup import archive
from collector.backup._settings import has_token_elsewhere, journal_path, lacks_token, names_timezone, without_secrets
from collector.backup.archive import CONFIG, JOURNAL, Manifest
from collector.backup.files import create_private, disk_errors, is_there, put, sync, taken, workshop
from collector.clock import stamps
from collector.config.document import FILE_NAME, find
from collector.config.load import load
from collector.config.model import Config
from collector.errors import CollectorError, JournalError
from collector.journal import copy
from collector.journal.file import log_path
from collector.journal.job_writing import Jobs
from collector.journal.jobs import REFILL, Request
from collector.journal.reading import JournalReader
from collector.journal.state import GAPS_STATE, RUN_STATE
from collector.journal.writing import Journal

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Restored:
    """What is now where; `config` is None when none was in the backup and none is there, `config_written` tells whether
    it came from the backup. `wants_token` says that the one written has lost its token, `has_token_elsewhere` that it
    never had one, `wants_timezone` that the site's zone was not in the file.
    """

    manifest: Manifest
    journal: Path
    config: Path | None
    config_written: bool
    wants_token: bool
    has_token_elsewhere: bool
    wants_timezone: bool


def restore(backup: Path, config_file: Path | None, *, keep_config: bool, now: int, progress: Progress) -> Restored:
    """Restore at the instant `now` (ns). `config_file` is where the configuration is or shall be; None is where
    the service looks for it. With `keep_config` the one that is there counts, however it differs from the backup's.

    Raises CollectorError, and ConfigError when the configuration that is there has faults.
    """
    manifest = archive.read_manifest(backup)
    text = None if keep_config else archive.config_text(backup)
    chosen = config_file or find() or FILE_NAME
    written = None if text is None or _is_there(chosen, text) else text
    wants_token = written is not None and lacks_token(written)
    token_elsewhere = written is not None and has_token_elsewhere(written)
    wants_timezone = written is not None and not names_timezone(written)
    journal = _journal(load(config_file, needs_token=False).journal.path if written is None else _path_in(written))
    _check_free(journal)
    with ExitStack() as stack:
        draft = None if written is None else _draft(stack, chosen, written)
        with disk_errors(journal):
            journal.parent.mkdir(parents=True, exist_ok=True)
        bench = stack.enter_context(workshop(journal.parent))
        restored = bench / JOURNAL
        archive.unpack(backup, {JOURNAL: restored}, progress)
        _check_contents(backup, restored, manifest)
        _note_gap(restored, manifest, now)
        sync(restored)
        # The configuration first: it is in nobody's way when the journal can't follow.
        if draft is not None:
            with disk_errors(chosen):
                put(draft, chosen)
        _check_free(journal)
        put(restored, journal)
    return Restored(
        manifest,
        journal,
        chosen if is_there(chosen) else None,
        config_written=draft is not None,
        wants_token=wants_token,
        has_token_elsewhere=token_elsewhere,
        wants_timezone=wants_timezone,
    )


def _path_in(text: str) -> Path:
    """Where the journal is by a configuration from a backup, which may not be fit to be loaded on this machine yet."""
    path = journal_path(text)
    return Config().journal.path if path is None else Path(path)


def _journal(path: Path) -> Path:
    if path.name and str(path).isprintable():
        return path
    raise CollectorError(f"{str(path)!r} is no place for a journal: mend journal.path in the configuration")


def _draft(stack: ExitStack, place: Path, text: str) -> Path:
    """A synced file beside its place, so that it is known early whether this user may write there.

    It is for nobody else to read: its owner is told to put a token into it.
    """
    try:
        draft = stack.enter_context(workshop(place.parent)) / CONFIG
    except CollectorError as exc:
        raise CollectorError(f"{exc}; or put {CONFIG} there by hand, and go on with it by --keep-config") from exc
    with disk_errors(place):
        with create_private(draft) as file:
            file.write(text.encode())
        sync(draft)
    return draft


def _is_there(chosen: Path, text: str) -> bool:
    """Whether the configuration is there as it is in the backup; raises CollectorError for another one."""
    if not is_there(chosen):
        return False
    with disk_errors(chosen):
        present = chosen.read_text(encoding="utf-8", errors="replace")
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
    raise CollectorError(f"{taken(there[0])}: move away {', '.join(map(str, there))}")


def _is_alive(journal: Path) -> bool:
    try:
        with JournalReader(journal) as reader:
            return reader.run_state().is_alive(time.time_ns())
    except JournalError:
        return False


def _check_contents(backup: Path, restored: Path, manifest: Manifest) -> None:
    found = copy.contents(restored)
    if (found.schema, found.tables, found.ecus) != (manifest.journal_schema, manifest.tables, manifest.ecus):
        raise CollectorError(f"{backup} is damaged: its journal does not hold what its manifest says")


def _note_gap(restored: Path, manifest: Manifest, now: int) -> None:
    begins = stamps.to_ns(datetime.fromisoformat(manifest.made_at))
    # A record of a round before the backup may have come behind it.
    begins -= int(stamps.LIVE_WITHIN_S) * stamps.NS
    with closing(Journal(restored)) as journal:
        journal.open()
        with JournalReader(restored) as reader:
            try:
                gaps = reader.gaps()
            except (TypeError, ValueError):
                raise CollectorError("the backup's journal is damaged: its gaps are no times") from None
            ecus = [gateway.ecu for gateway in reader.gateways()] + [""] * (reader.count("") > 0)
        ends = max(now, begins)
        journal.put_state(GAPS_STATE, {"gaps": [*gaps, (begins, ends)]})
        # What the journal says of InfluxDB was so when the backup was made. A replay since may have been cut off.
        # One that was under way by then has done some of it for an InfluxDB of before, and begins again.
        jobs = Jobs(journal)
        for job in jobs.ask([Request(REFILL, ecu) for ecu in ecus], ends):
            jobs.begin(job, "")
        # The backup may be younger than a sign of life in it, which is that of a service elsewhere.
        journal.put_state(RUN_STATE, {})
