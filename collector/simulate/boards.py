"""The boards for the demonstration: `python -m collector.simulate.boards FROM TO` copies them, with its buckets.

Promises: every board of the one folder is in the other and asks for the buckets that the configuration names, where it
asked for the collector's default ones; nothing else in it is changed. Refuses: to change a board in its place.
"""

import argparse
import logging
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from collector.config import Config, InfluxDB
from collector.errors import CollectorError, ConfigError
from collector.simulate.demo import settings

_log = logging.getLogger(__name__)

# Flux in JSON, where the quotation marks have a backslash.
_BUCKET = re.compile(r'(bucket:\s*\\")([^"\\]+)(\\")')


def with_buckets(board: str, names: Mapping[str, str]) -> str:
    """A board's JSON with other buckets; one that is not in `names` stays."""
    return _BUCKET.sub(lambda found: found[1] + names.get(found[2], found[2]) + found[3], board)


def copy(source: Path, target: Path, config: Config) -> int:
    """Copy every board; returns how many. Raises CollectorError when no database is configured, and OSError."""
    influxdb = config.influxdb
    if influxdb is None:
        raise CollectorError("the configuration names no InfluxDB, so there are no buckets to show")
    if source.resolve() == target.resolve():
        raise CollectorError(f"{source} cannot be its own copy")
    names = {InfluxDB.model_fields[name].default: getattr(influxdb, name) for name in ("bucket", "rollup_bucket")}
    boards = sorted(source.glob("*.json"))
    for board in boards:
        (target / board.name).write_text(with_buckets(board.read_text(encoding="utf-8"), names), encoding="utf-8")
    return len(boards)


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Copy once; the exit code: 0 done, 1 not possible, 2 wrong usage or configuration."""
    parser = argparse.ArgumentParser(
        prog="python -m collector.simulate.boards", description="Copies boards for the demonstration."
    )
    parser.add_argument("source", type=Path, metavar="FROM")
    parser.add_argument("target", type=Path, metavar="TO")
    chosen = parser.parse_args(arguments)
    try:
        copied = copy(chosen.source, chosen.target, settings(None, environ))
    except ConfigError as exc:
        for fault in exc.faults:
            _log.error("%s", fault)
        return 2
    except (CollectorError, OSError) as exc:
        _log.error("%s", exc)
        return 1
    _log.info("boards copied=%d", copied)
    return 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    sys.exit(main())
