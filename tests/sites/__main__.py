"""`python -m tests.sites NAME`: write one of the owners into InfluxDB, and what the boards are made from."""

import argparse
import os
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import tomlkit

from collector.config.load import load
from collector.delivery.configured import configured
from collector.errors import SinkRejected, SinkUnavailable
from tests.sites.owner import Owner
from tests.sites.sets import OWNERS
from tests.sites.writing import write

_AGAIN = timedelta(hours=6)
_TIMEOUT_S = 300.0


def main() -> None:
    """Write, and say what there is to be found."""
    parser = argparse.ArgumentParser(prog="python -m tests.sites", description=__doc__)
    parser.add_argument("name", choices=OWNERS, help="which owner")
    parser.add_argument("--url", default="http://localhost:8086", help="InfluxDB (default: %(default)s)")
    parser.add_argument("--org", default="home", help="its organisation (default: %(default)s)")
    parser.add_argument(
        "--token", default=os.environ.get("INFLUXDB_TOKEN"), help="one that may make buckets (default: INFLUXDB_TOKEN)"
    )
    parser.add_argument("--now", type=_instant, help="when somebody looks, with its zone (default: the present)")
    parser.add_argument("--folder", type=Path, help="where its config.toml goes (default: a folder of its name)")
    parser.add_argument("--again", action="store_true", help="write only the last hours, after the others are there")
    arguments = parser.parse_args()
    if not arguments.token:
        parser.error("give a --token, or INFLUXDB_TOKEN")
    now = arguments.now or datetime.fromtimestamp(time.time(), UTC)
    owner = OWNERS[arguments.name](now)
    folder = arguments.folder or Path(owner.name)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "config.toml"
    file.write_text(as_toml(owner, arguments.url, arguments.org), encoding="utf-8")
    config = load(file, {"INFLUXDB_TOKEN": arguments.token})
    assert config.influxdb is not None
    since = now - _AGAIN if arguments.again else min(gateway.since for gateway in owner.gateways)
    begun = time.monotonic()
    with closing(configured(config.influxdb, timeout_s=_TIMEOUT_S)) as sink:
        try:
            sink.connect()
            count = write(owner, config, sink, now, since)
        except (SinkUnavailable, SinkRejected) as exc:
            parser.exit(1, f"{exc}\n")
    print(  # noqa: T201 (what a command answers)
        f"{owner.name}: {count} points in {time.monotonic() - begun:.0f} s",
        f"{file}; the clock there: {owner.zone}",
        "To be found:",
        *(f"- {remark}" for remark in owner.remarks),
        sep="\n",
    )


def as_toml(owner: Owner, url: str, org: str) -> str:
    """The owner's configuration; its buckets have the owner's name, and the token comes from INFLUXDB_TOKEN."""
    site, suffix = {"name": owner.name, "timezone": owner.zone}, owner.name.replace("-", "_")
    place = {} if owner.place is None else {"latitude": owner.place.latitude, "longitude": owner.place.longitude}
    text = tomlkit.dumps(
        {
            "site": {**site, **place},
            "influxdb": {"url": url, "org": org, "bucket": f"solar_{suffix}", "rollup_bucket": f"solar_daily_{suffix}"},
            **{section: tables for section, tables in owner.config.items() if tables},
        }
    )
    remarks = "".join(f"# {remark}\n" for remark in owner.remarks)
    return f"# Made up, for looking at the boards.\n{remarks}\n{text}"


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no zone, as 2026-06-21T12:00+02:00 has")
    return at.astimezone(UTC)


if __name__ == "__main__":
    main()
