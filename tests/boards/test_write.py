"""The command that writes boards: also under the name that it had in version 0.1."""

import subprocess
import sys
from pathlib import Path

from tests.boards.commands import boards_command
from tests.boards.files import DASHBOARDS, ROOT, RULES


def test_the_committed_files_are_what_is_written_without_a_configuration(tmp_path: Path) -> None:
    code, out, err = boards_command(
        {"INFLUXDB_BUCKET": "other"}, "write", "--builtin", "--dashboards", str(tmp_path), "--alerting", str(tmp_path)
    )
    assert (code, err) == (0, "")
    assert out == f"{tmp_path}: 9 boards\n{tmp_path}: alert rules\n"
    committed = [*DASHBOARDS.iterdir(), RULES]
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        file.name: file.read_bytes() for file in committed
    }


def test_the_name_of_version_0_1_still_works_and_tells_the_new_one(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "collector.boards", "--builtin", "--roof", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "`collector boards write`" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["solar-roof.json"]


def test_a_configuration_and_none_are_not_asked_for_at_once(tmp_path: Path) -> None:
    code, _, err = boards_command({}, "write", "--builtin", "--config", "x.toml", "--roof", str(tmp_path))
    assert code == 2
    assert "--builtin" in err.splitlines()[-1]


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "solar-roof.json.new").mkdir()
    code, out, err = boards_command({}, "write", "--builtin", "--roof", str(tmp_path))
    assert (code, out) == (1, "")
    assert err == f"collector: {tmp_path / 'solar-roof.json.new'}: Is a directory\n"
