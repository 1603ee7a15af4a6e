"""`collector backup` and `collector restore`: arguments in, what was done and what to do next out."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from collector.config import find, load

if TYPE_CHECKING:
    from collector.backup.archive import Manifest

_FINE = 0
_MB = 1_000_000


def add_parser(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", configured: argparse.ArgumentParser
) -> None:
    """Add both commands to the collector's own."""
    backup = commands.add_parser(
        "backup",
        parents=[configured],
        help="put journal and configuration, without secrets, into one file; safe while the service runs",
        description="Makes one file of journal and configuration, without the database's token, and reads it back"
        " before it gets its name. InfluxDB needs no backup: it is filled again from the journal.",
    )
    backup.add_argument(
        "out", metavar="OUT", type=Path, help="a new file, or a folder, in which it gets a name with the date"
    )
    backup.add_argument("--keep", metavar="N", type=_count, help="in a folder: remove all but the newest N")
    backup.set_defaults(command=_backup)

    restore = commands.add_parser(
        "restore",
        parents=[configured],
        help="bring journal and configuration back from a backup, to where there are none",
        description="Reads all of a backup and then puts its journal and configuration where the configuration says,"
        " overwriting nothing; says what to do next.",
    )
    restore.add_argument("backup", metavar="IN", type=Path, help="a file that `collector backup` has made")
    restore.add_argument("--check", action="store_true", help="only read all of it and say whether it is good")
    restore.add_argument("--keep-config", action="store_true", help="go on with the configuration that is there")
    restore.set_defaults(command=_restore)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 up")
    return int(text)


def _backup(arguments: argparse.Namespace) -> int:
    from collector.backup.files import is_folder
    from collector.backup.take import take

    if arguments.keep and not is_folder(arguments.out):
        arguments.usage_error(f"--keep wants a folder, and {arguments.out} is none: make it, or mount the drive")
    config = load(arguments.config, needs_token=False)
    with _bars() as progress:
        taken = take(config, arguments.config or find(), arguments.out, arguments.keep, time.time_ns(), progress)
    held = taken.manifest
    _say(f"{taken.path}: {_held(held)}, {taken.size / _MB:.1f} MB, read back and good\n")
    for path in taken.removed:
        _say(f"removed {path}\n")
    return _FINE


def _restore(arguments: argparse.Namespace) -> int:
    from collector.backup import archive
    from collector.backup.restore import restore

    if arguments.check:
        with _bars() as progress:
            manifest = archive.check(arguments.backup, lambda done, total: progress("verify", done, total))
        _say(f"{arguments.backup}: good\n")
        _say_what(manifest)
        return _FINE
    now = time.time_ns()
    with _bars() as progress:
        done = restore(
            arguments.backup,
            arguments.config,
            keep_config=arguments.keep_config,
            now=now,
            progress=lambda done, total: progress("restore", done, total),
        )
    _say(f"{done.journal}: restored\n")
    _say_what(done.manifest)
    if done.config is None:
        _say("no configuration was in the backup, nor is one here: the defaults and the environment count\n")
    else:
        _say(f"{done.config}: {'restored' if done.config_written else 'was there already, and stays as it is'}\n")
    _say("next:\n")
    if done.wants_token:
        _say(f"  put InfluxDB's token into {done.config}, where it says that it was left out\n")
    if done.has_token_elsewhere:
        _say("  give the service InfluxDB's token as before: in the file or the environment that it came from\n")
    if done.wants_timezone:
        zone = done.manifest.timezone
        _say(f'  set TZ as it was where the backup was made, or timezone = "{zone}" in [site]\n')
    _say("  start the collector\n")
    _say("  leave InfluxDB as it is: the service writes to it what the journal holds, and deletes nothing\n")
    return _FINE


def _say_what(manifest: "Manifest") -> None:
    _say(f"  made {manifest.made_at} by collector {manifest.collector}, instance {manifest.instance}\n")
    _say(f"  {_held(manifest)}\n")


def _held(manifest: "Manifest") -> str:
    records, ecus = manifest.from_gateways()
    return f"{_counted(records, 'record')} of {_counted(ecus, 'ECU')}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _say(text: str) -> None:
    sys.stdout.write(text)


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each stage, in megabytes."""
    from collector.progress import bar

    tasks = {}
    with bar() as progress:

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(f"{stage} (MB)")
            progress.update(tasks[stage], completed=done / _MB, total=total / _MB)

        yield tell
