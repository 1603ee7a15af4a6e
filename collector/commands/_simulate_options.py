"""The options of `collector simulate`, and what each may be: what passes here can't make a date overflow, or a message
too long for its form.
"""

import argparse
import math
import re
from datetime import date, timedelta
from pathlib import Path

from collector.client.firmware import GENERATIONS
from collector.simulate import mishaps
from collector.simulate.equipment import INVERTERS
from collector.simulate.rounds import ROUND_S
from collector.simulate.weather import Outlook

MOST_GATEWAYS = 10_000

_SPAN = re.compile(r"([0-9]+)([mhd])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}
_DAY_S = 86_400
# Some thirty years: what a clock without a battery lacks, and within what a date can say.
_MOST_SECONDS = 1e9
# The longest message of any generation still fits the five digits of its length.
_MOST_INVERTERS = 300


def add_to(simulate: argparse.ArgumentParser) -> None:
    """Add all options to the command's parser."""
    where = simulate.add_argument_group("where")
    where.add_argument(
        "--host", help="another collector's host (default: 127.0.0.1, where the one of this configuration has to run)"
    )
    where.add_argument(
        "--data-port", type=_port, action="append", metavar="PORT", help="may be given twice (default: as configured)"
    )
    where.add_argument("--control-port", type=_port, metavar="PORT", help="(default: as configured)")
    where.add_argument("--no-control", action="store_true", help="stay away from the control port")
    where.add_argument(
        "--beside-real-ecus",
        action="store_true",
        help="go on although the configured journal knows real ECUs, or is not that of the collector",
    )
    who = simulate.add_argument_group("who")
    who.add_argument("--ecus", type=_count, default=1, metavar="N", help="gateways (default: 1)")
    who.add_argument("--inverters", type=_inverters, default=4, metavar="N", help="inverters of each (default: 4)")
    who.add_argument("--model", choices=INVERTERS, help="of all inverters (default: what such a gateway usually has)")
    who.add_argument("--firmware", action="append", choices=[*GENERATIONS, "mixed"], help="default: ecu-r-2024")
    who.add_argument(
        "--ac-energy",
        action="store_true",
        help="inverters that measure no AC side send its energy, as of newer firmware",
    )
    who.add_argument("--steady", action="store_true", help="the same every day, without sun or weather; for load")
    who.add_argument("--seed", type=int, default=0, metavar="N", help="another number, other gateways and weather")
    roof = simulate.add_argument_group("roof", "at the configured place, or else near Utrecht; not with --steady")
    roof.add_argument(
        "--weather", choices=[one.value for one in Outlook], help="every day alike (default: changing, as it comes)"
    )
    roof.add_argument("--shaded-panel", action="store_true", help="one panel is in the shade of a tree from noon on")
    roof.add_argument("--dead-panel", type=_day, metavar="DAY", help="one panel gives nothing from this day on")
    roof.add_argument("--dead-inverter", type=_day, metavar="DAY", help="one inverter is silent from this day on")
    roof.add_argument(
        "--fault",
        choices=mishaps.NAMES,
        action="append",
        default=[],
        help="what firmware does wrong; may be repeated: the gateway restarts every day and sends whole counters as"
        " energies; seven digits are cut to six after hours without radio, of each inverter on every other day; or the"
        " last inverter sends a block that nobody knows",
    )
    roof.add_argument(
        "--losses",
        action="store_true",
        help="every panel has noise, age, dust, snow and faults of its own, some are in the shade by thirds, inverters"
        " clip and fall silent, panels and inverters are replaced",
    )
    when = simulate.add_argument_group("when")
    when.add_argument("--from", dest="first", type=_day, metavar="DAY", help="first day of a backlog")
    when.add_argument("--to", dest="last", type=_day, metavar="DAY", help="last day, included; today ends now")
    when.add_argument(
        "--speed",
        type=_speed,
        metavar="N",
        help="simulated seconds in a second, also into the future, of which the collector takes two days (default: 1)",
    )
    when.add_argument("--for", dest="lasting", type=_span, metavar="SPAN", help="simulated time to live, as 36h or 2d")
    when.add_argument(
        "--every", type=_count, default=ROUND_S, metavar="S", help="with --steady: seconds between rounds"
    )
    when.add_argument(
        "--away", type=_span, default=timedelta(0), metavar="SPAN", help="cut off from the collector for so long"
    )
    when.add_argument("--timezone", metavar="ZONE", help="of the gateways' clocks (default: the site's)")
    when.add_argument("--clock-error", type=_seconds, default=0.0, metavar="S", help="how far the clocks are ahead")
    when.add_argument(
        "--patience", type=_seconds, default=60.0, metavar="S", help="seconds without progress until a gateway gives up"
    )
    simulate.add_argument(
        "--journal-manifest", type=Path, metavar="OUT", help="list every record in a new file, for `verify`"
    )
    simulate.add_argument(
        "--truth",
        type=Path,
        metavar="FILE",
        help="with --losses: write to a new file what each panel would have given on each day, and what took how much",
    )
    simulate.add_argument("--json", action="store_true", help="the report for machines")


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port number")
    return int(text)


def _count(text: str, most: int = MOST_GATEWAYS) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {most}")
    return int(text)


def _inverters(text: str) -> int:
    return _count(text, _MOST_INVERTERS)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not abs(seconds) <= _MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds up to {_MOST_SECONDS:.0f}")
    return seconds


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= _DAY_S:
        raise argparse.ArgumentTypeError(f"{text!r} is no speed; expected a number up to {_DAY_S}")
    return speed


def _span(text: str) -> timedelta:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no span of time; expected one as 90m, 36h or 2d")
    seconds = int(match[1]) * _SECONDS[match[2]]
    if seconds > _MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is longer than {_MOST_SECONDS // _DAY_S:.0f} days")
    return timedelta(seconds=seconds)


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; expected one as 2026-03-29") from None
    if not 2000 <= day.year <= 2099:
        raise argparse.ArgumentTypeError(f"{text!r} is outside the years 2000 to 2099")
    return day
