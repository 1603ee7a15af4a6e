"""Writes Grafana's files: `python -m collector.boards --dashboards FOLDER --alerting FOLDER`.

The files in the repository's `grafana` folder are what this writes with the default names of the buckets:

    python -m collector.boards --builtin --dashboards grafana/dashboards --alerting grafana/provisioning/alerting

The board of the roof is made from `row` and `column` of a configuration; the running collector writes it by itself
(`[grafana] boards`), and `--roof FOLDER` does it without one.

Alert rules have limits, and contact points addresses, that come from the environment (docs/alerts.md).
"""

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from collector.boards import contacts
from collector.boards.alerts import Limits, read_limits, write_rules
from collector.boards.write import configured_names, write_boards, write_roof
from collector.config import Config, load
from collector.errors import CollectorError, ConfigError

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Write once; the exit code: 0 done, 1 not possible, 2 wrong usage or configuration."""
    parser = argparse.ArgumentParser(prog="python -m collector.boards", description="Writes Grafana's files.")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--config", metavar="FILE", type=Path, help="configuration, for the names of the buckets and the roof"
    )
    which.add_argument("--builtin", action="store_true", help="ask neither configuration nor environment")
    parser.add_argument("--dashboards", metavar="FOLDER", type=Path, help="where the boards go")
    parser.add_argument("--alerting", metavar="FOLDER", type=Path, help="where alert rules and contact points go")
    parser.add_argument("--roof", metavar="FOLDER", type=Path, help="where the board of the roof goes")
    chosen = parser.parse_args(arguments)
    if chosen.dashboards is None and chosen.alerting is None and chosen.roof is None:
        parser.error("nothing to write: give --dashboards, --alerting or --roof")
    try:
        _check_there(chosen.dashboards, chosen.roof, chosen.alerting)
        config = Config() if chosen.builtin else load(chosen.config, environ, needs_token=False)
        names = configured_names(config)
        if chosen.dashboards is not None:
            _log.info("written boards=%d", write_boards(chosen.dashboards, names))
        if chosen.roof is not None:
            write_roof(chosen.roof, config.inverter, names)
            _log.info("written roof")
        if chosen.alerting is not None:
            _write_alerting(chosen.alerting, names, None if chosen.builtin else environ)
    except ConfigError as exc:
        for fault in exc.faults:
            _log.error("%s", fault)
        return 2
    except (CollectorError, OSError) as exc:
        _log.error("%s", exc)
        return 1
    return 0


def _check_there(*folders: Path | None) -> None:
    for folder in folders:
        if folder is not None and not folder.is_dir():
            raise CollectorError(f"there is no folder {folder}: make it, or name another one")


def _write_alerting(folder: Path, names: Mapping[str, str], environ: Mapping[str, str] | None) -> None:
    if environ is None:
        write_rules(folder, names, Limits(), None)
        return
    limits, receivers = read_limits(environ), contacts.read(environ)
    write_rules(folder, names, limits, contacts.RECEIVER if receivers else None)
    contacts.write_contacts(folder, receivers)
    _log.info("written alerting contact_points=%s", ",".join(receivers) or "none")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    sys.exit(main())
