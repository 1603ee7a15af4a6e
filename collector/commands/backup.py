"""`collector backup`: journal and configuration into one file."""

import argparse
import time
from pathlib import Path

from collector.backup.files import is_folder
from collector.backup.take import take
from collector.commands._progress import MB, megabytes
from collector.commands.arguments import add_config
from collector.commands.exit_codes import FINE
from collector.config.document import find
from collector.config.load import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Makes one file of journal and configuration, without the database's token, and reads it back before it gets"
        " its name. InfluxDB needs no backup: it is filled again from the journal."
    )
    add_config(parser)
    parser.add_argument(
        "out", metavar="OUT", type=Path, help="a new file, or a folder, in which it gets a name with the date"
    )
    parser.add_argument("--keep", metavar="N", type=_count, help="in a folder: remove all but the newest N")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 up")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Make the file and tell what is in it. Raises ConfigError, JournalError and CollectorError."""
    if arguments.keep and not is_folder(arguments.out):
        arguments.usage_error(f"--keep wants a folder, and {arguments.out} is none: make it, or mount the drive")
    config = load(arguments.config, needs_token=False)
    with megabytes() as progress:
        taken = take(config, arguments.config or find(), arguments.out, arguments.keep, time.time_ns(), progress)
    print(f"{taken.path}: {taken.manifest.told()}, {taken.size / MB:.1f} MB, read back and good")
    for path in taken.removed:
        print(f"removed {path}")
    return FINE
