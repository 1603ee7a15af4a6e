"""`collector homeassistant`: whether Home Assistant takes our statistics, or all of them once more."""

import argparse
import time
from collections.abc import Callable

import trio

from collector.commands._progress import bar
from collector.commands.arguments import add_config
from collector.commands.exit_codes import FINE
from collector.config.load import load
from collector.config.model import Config
from collector.errors import JournalError
from collector.outputs.homeassistant import by_hand


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Looks whether the Home Assistant of [homeassistant] is there and takes statistics, or sends all hours to it"
        " once more. The service sends by itself whatever is new, and all where Home Assistant has lost something. Safe"
        " while the service runs."
    )
    add_config(parser)
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--check", action="store_true", help="connect, and say what is there; nothing is sent")
    chosen.add_argument("--send-all", action="store_true", help="send the energy of every hour that is over")


def run(arguments: argparse.Namespace) -> int:
    """Do it. Raises ConfigError, HomeAssistantError and JournalError."""
    config = load(arguments.config, needs_token=False)
    if arguments.check:
        _check(config)
    else:
        _send_all(config)
    return FINE


def _check(config: Config) -> None:
    welcomed = trio.run(by_hand.check, config)
    print(
        f"Home Assistant {welcomed.version} at {by_hand.settings_of(config).url} takes statistics from {welcomed.user}"
    )
    try:
        series = by_hand.series(config)
    except JournalError as exc:
        print(f"there is nothing to send yet: {exc}")
        return
    for one in series:
        print(f"{one.statistic_id}: {one.name}")
    if not series:
        print("there is nothing to send yet: nothing was counted, the service does so while it runs")


def _send_all(config: Config) -> None:
    with bar() as progress:

        def before_each(name: str) -> Callable[[int, int], None]:
            task = progress.add_task(name, total=None)
            return lambda sent, rows: progress.update(task, completed=sent, total=rows)

        series = trio.run(by_hand.send_all, config, before_each, time.time_ns())
    print(f"sent all hours of {len(series)} series to {by_hand.settings_of(config).url}")
