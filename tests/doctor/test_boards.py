"""Boards in a folder against those of this collector: which differences are of a version, and which are not."""

import json
from pathlib import Path

import pytest

from collector.boards.day import board as day
from collector.boards.write import BOARDS, bucket_names, write_boards
from collector.config.model import Config
from collector.doctor._boards import in_folder
from collector.doctor.findings import Finding, Level
from tests.samples import config

SHIPPED = Path(__file__).parents[2] / "grafana" / "dashboards"
OTHER_BUCKETS = {
    "url": "http://influxdb:8086",
    "org": "home",
    "token": "secret",
    "bucket": "sun",
    "rollup_bucket": "suns",
}


def found(folder: Path, configured: Config | None = None) -> Finding:
    return in_folder(configured or config(), folder, "grafana")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_boards(tmp_path, {})
    return tmp_path


def test_the_boards_that_come_with_the_collector_are_of_its_version() -> None:
    assert found(SHIPPED).level is Level.OK


def test_so_are_those_that_ask_other_buckets(folder: Path) -> None:
    other = config(influxdb=OTHER_BUCKETS)
    assert found(folder, other).level is Level.OK
    write_boards(folder, bucket_names("sun", "suns"))
    assert found(folder, other).level is Level.OK
    assert found(folder).level is Level.WARNING


@pytest.mark.parametrize(
    ("old", "new"), [("ecu_day", "ecu_days"), ('"title": "', '"title": "My '), ("|> last()", "|> first()")]
)
def test_one_that_asks_or_is_called_otherwise_is_of_another(folder: Path, old: str, new: str) -> None:
    changed = 0
    for file in folder.iterdir():
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(old, new), encoding="utf-8")
        changed += old in text
    finding = found(folder)
    assert finding.level is Level.WARNING
    assert finding.found.startswith(f"{changed} of {len(BOARDS)} boards are not those of this collector")


def test_what_grafana_or_an_owner_sets_beside_is_none(folder: Path) -> None:
    for file in folder.iterdir():
        built = json.loads(file.read_text(encoding="utf-8"))
        built |= {"id": 5, "version": 99, "refresh": "5m", "time": {"from": "now-7d", "to": "now"}, "editable": True}
        built["panels"].reverse()
        file.write_text(json.dumps(built), encoding="utf-8")
    assert found(folder).level is Level.OK


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"\xff"])
def test_a_file_that_is_no_board_is_of_another_version(folder: Path, data: bytes) -> None:
    (folder / f"{day.build()['uid']}.json").write_bytes(data)
    assert f"1 of {len(BOARDS)} boards" in found(folder).found
    (folder / f"{day.build()['uid']}.json").unlink()
    assert f"1 of {len(BOARDS)} boards" in found(folder).found


def test_a_folder_that_is_not_there_is_not_judged(tmp_path: Path) -> None:
    finding = found(tmp_path / "nowhere")
    assert (finding.level, "No such file" in finding.found) == (Level.SKIPPED, True)
