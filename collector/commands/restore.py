"""`collector restore`: journal and configuration back from a backup, and what to do next."""

import argparse
import time
from pathlib import Path

from collector.backup import archive
from collector.backup.archive import Manifest
from collector.backup.restore import restore
from collector.commands._progress import megabytes
from collector.commands.arguments import add_config
from collector.commands.exit_codes import FINE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Reads all of a backup and then puts its journal and configuration where the configuration says, overwriting"
        " nothing; says what to do next."
    )
    add_config(parser)
    parser.add_argument("backup", metavar="IN", type=Path, help="a file that `collector backup` has made")
    parser.add_argument("--check", action="store_true", help="only read all of it and say whether it is good")
    parser.add_argument("--keep-config", action="store_true", help="go on with the configuration that is there")


def run(arguments: argparse.Namespace) -> int:
    """Check or restore, and tell. Raises ConfigError, JournalError and CollectorError."""
    if arguments.check:
        with megabytes() as progress:
            manifest = archive.check(arguments.backup, lambda done, total: progress("verify", done, total))
        print(f"{arguments.backup}: good")
        _say_what(manifest)
        return FINE
    now = time.time_ns()
    with megabytes() as progress:
        done = restore(
            arguments.backup,
            arguments.config,
            keep_config=arguments.keep_config,
            now=now,
            progress=lambda done, total: progress("restore", done, total),
        )
    print(f"{done.journal}: restored")
    _say_what(done.manifest)
    if done.config is None:
        print("no configuration was in the backup, nor is one here: the defaults and the environment count")
    else:
        print(f"{done.config}: {'restored' if done.config_written else 'was there already, and stays as it is'}")
    print("next:")
    if done.wants_token:
        print(f"  put InfluxDB's token into {done.config}, where it says that it was left out")
    if done.has_token_elsewhere:
        print("  give the service InfluxDB's token as before: in the file or the environment that it came from")
    if done.wants_timezone:
        zone = done.manifest.timezone
        print(f'  set TZ as it was where the backup was made, or timezone = "{zone}" in [site]')
    print("  start the collector")
    print("  leave InfluxDB as it is: the service writes to it what the journal holds, and deletes nothing")
    return FINE


def _say_what(manifest: Manifest) -> None:
    print(f"  made {manifest.made_at} by collector {manifest.collector}, instance {manifest.instance}")
    print(f"  {manifest.told()}")
