"""Whether the boards that Grafana has are those of this collector, by what they ask and by their titles.

The rest of a board is left out: Grafana adds to it, and rewrites what an older version has saved.
"""

import json
from collections.abc import Callable
from pathlib import Path

from collector import __version__
from collector.boards.write import BOARDS, as_text, configured_names
from collector.config.model import Config
from collector.doctor.findings import Finding, listed, ok, skipped, warning

_COMPARED = ("query", "title")


def in_folder(config: Config, folder: Path, check: str) -> Finding:
    """Compare the files in a folder, or say that it can't be read."""
    try:
        files = {file.stem: file.read_bytes() for file in folder.iterdir() if file.suffix == ".json"}
    except OSError as exc:
        return skipped(check, f"the boards in {folder} can't be read: {exc.strerror}", "see grafana.dashboards")
    return compare(config, lambda uid: _parsed(files.get(uid, b"")), check)


def compare(config: Config, board: Callable[[str], object], check: str) -> Finding:
    """Compare what a function finds of each board; None is for one that may not be read."""
    names = configured_names(config)
    others, unread = [], 0
    for build in BOARDS:
        ours = build()
        found = board(str(ours["uid"]))
        if found is None:
            unread += 1
        # As it is written for this configuration, or as it comes with the collector.
        elif _content(found) not in (_content(json.loads(as_text(ours, names))), _content(ours)):
            others.append(str(ours["title"]))
    if unread:
        return skipped(
            check, f"{unread} of {len(BOARDS)} boards can't be read, to see whether they are of this version"
        )
    if not others:
        return ok(check, f"the {len(BOARDS)} boards that come with the collector are of its version")
    return warning(
        check,
        f"{len(others)} of {len(BOARDS)} boards are not those of this collector, version {__version__}:"
        f" {listed(others)}",
        "they may ask for what it does not write, or leave out what it writes, unless they were changed by hand",
        "with Docker `docker compose up -d --build`, without which an update goes on with the collector of before;"
        " otherwise write them again (docs/bare-metal.md), and restart Grafana",
    )


def _parsed(data: bytes) -> object:
    try:
        return json.loads(data)
    except ValueError:
        return {}


def _content(board: object) -> list[str]:
    """The texts under the keys that are compared, wherever they are, in no order of the board's."""
    found: list[str] = []
    waiting = [board]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            found += [f"{key} {part[key]}" for key in _COMPARED if isinstance(part.get(key), str)]
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
    return sorted(found)
