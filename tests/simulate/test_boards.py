"""The boards of the demonstration are the shipped ones, but for where they look."""

import json
from pathlib import Path

import pytest

from collector.errors import CollectorError
from collector.simulate import boards, demo

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "grafana" / "dashboards"
CONFIG = {"COLLECTOR_CONFIG": str(ROOT / "demo.toml")}


def test_every_board_is_copied_and_asks_only_for_the_demonstrations_buckets(tmp_path: Path) -> None:
    assert boards.main([str(SHIPPED), str(tmp_path)], CONFIG) == 0
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in SHIPPED.glob("*.json")}
    for path in tmp_path.iterdir():
        text, original = path.read_text(), (SHIPPED / path.name).read_text()
        json.loads(text)
        assert 'bucket: \\"solar\\"' not in text
        assert 'bucket: \\"solar_daily\\"' not in text
        assert text.count('bucket: \\"solar_demo\\"') == original.count('bucket: \\"solar\\"')
        assert text.replace("solar_demo", "solar").replace("solar_daily_demo", "solar_daily") == original


def test_other_buckets_and_other_words_stay() -> None:
    board = r'{"title": "solar", "query": "from(bucket: \"solar\") from(bucket:\"solar_daily\") from(bucket: \"x\")"}'
    changed = boards.with_buckets(board, {"solar": "a", "solar_daily": "b"})
    assert json.loads(changed) == {"title": "solar", "query": 'from(bucket: "a") from(bucket:"b") from(bucket: "x")'}


def test_a_board_is_not_changed_in_its_place(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "board.json").write_text("{}")
    assert boards.main([str(tmp_path), str(tmp_path / ".")], CONFIG) == 1
    assert "its own copy" in caplog.text


def test_without_a_database_there_is_nothing_to_show(tmp_path: Path) -> None:
    config = demo.settings(ROOT / "demo.toml", {}).model_copy(update={"influxdb": None})
    with pytest.raises(CollectorError, match="no InfluxDB"):
        boards.copy(SHIPPED, tmp_path, config)


def test_a_folder_that_cannot_be_written_is_said_in_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert boards.main([str(SHIPPED), str(tmp_path / "nowhere")], CONFIG) == 1
    assert len(caplog.messages) == 1


def test_faults_of_the_configuration_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert boards.main([str(SHIPPED), str(tmp_path)], {"COLLECTOR_CONFIG": str(tmp_path / "none.toml")}) == 2
    assert "cannot be read" in caplog.text
