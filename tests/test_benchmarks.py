"""Every benchmark still runs to its end; how fast is not for a test to say."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.boards.files import all_boards, questions

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--dir", str(folder), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def _rows(folder: Path, name: str) -> list[dict[str, Any]]:
    done = _run(folder, "--json", name)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    if name in answer["skipped"]:
        if os.environ.get("REQUIRE_INFLUXDB") == "1":
            pytest.fail(answer["skipped"][name])
        pytest.skip(answer["skipped"][name])
    rows: list[dict[str, Any]] = answer["results"][name]
    return rows


@pytest.mark.parametrize("name", ["acknowledgements", "slow-disk"])
def test_acknowledgements_are_set_against_the_bare_commit_rate(tmp_path: Path, name: str) -> None:
    rows = _rows(tmp_path, name)
    assert [row["connections"] for row in rows] == [1, 10]
    assert all(row["acknowledged_per_s"] > 0 and row["bare_per_s"] > 0 for row in rows)


def test_starts_are_set_against_a_bare_one(tmp_path: Path) -> None:
    rows = _rows(tmp_path, "starts")
    assert [row["start"] for row in rows] == ["--version", "status --brief", "status", "doctor --help", "run --help"]
    assert all(row["ratio"] > 1 for row in rows)


def test_decoding_is_timed_for_every_size(tmp_path: Path) -> None:
    rows = _rows(tmp_path, "decoding")
    assert [(row["inverters"], row["points"]) for row in rows] == [(1, 4), (4, 13), (20, 61), (58, 233), (120, 361)]


def test_a_broker_gets_everything(tmp_path: Path) -> None:
    (publishing,) = _rows(tmp_path, "mqtt")
    assert (publishing["entities"], publishing["messages"]) == (288, 43)


def test_answers_go_on_beside_all_outputs(tmp_path: Path) -> None:
    answers = _rows(tmp_path, "outputs")
    assert [row["what"].removeprefix("acknowledgements ") for row in answers] == [
        "without outputs",
        "with all outputs",
        "with a broker that hangs",
    ]
    assert all(row["peak_mb"] > 0 for row in answers)


def test_answers_go_on_beside_a_mirror_whatever_its_cloud_does(tmp_path: Path) -> None:
    rows = _rows(tmp_path, "mirror")
    assert [row["what"].removeprefix("acknowledgements ") for row in rows] == [
        "without a mirror",
        "with a mirror",
        "with a cloud that hangs",
        "with a cloud that floods",
    ]
    assert all(row["p99_ms"] > 0 for row in rows)


def test_the_ledger_is_timed_for_a_whole_journal_and_for_a_record(tmp_path: Path) -> None:
    everything, one = _rows(tmp_path, "ledger")
    assert (everything["days"], everything["records"]) == (3, 3 * 130)
    assert everything["seconds"] > 0
    assert one["met"] in (True, False)


def test_the_nightly_analysis_is_timed_and_answers_go_on_beside_it(tmp_path: Path) -> None:
    everything, night, alone, beside = _rows(tmp_path, "nightly")
    assert (everything["days"], night["days"]) == (40, 1)
    assert everything["cpu_s"] > 0
    assert everything["peak_mb"] > 0
    assert alone["acknowledged_per_s"] > 0
    assert beside["acknowledged_per_s"] > 0


def test_the_demonstration_is_timed_by_the_years_it_has(tmp_path: Path) -> None:
    (row,) = _rows(tmp_path, "demo")
    assert row["years"] == 3
    assert row["cpu_s"] > 0


def test_a_replay_brings_every_record(tmp_path: Path) -> None:
    (row,) = _rows(tmp_path, "replay")
    assert row["records"] == 3 * 130
    assert row["collector_peak_mb"] > 0


def test_every_day_is_rolled_up(tmp_path: Path) -> None:
    one, everything = _rows(tmp_path, "rollups")
    assert (one["days"], everything["days"], everything["points"]) == (1, 3, 3 * 61)


def test_every_form_of_an_export_holds_every_point(tmp_path: Path) -> None:
    rows = _rows(tmp_path, "export")
    assert [row["form"] for row in rows] == ["csv", "parquet", "line-protocol"]
    assert all(row["bytes"] > 0 and row["peak_mb"] > 0 for row in rows)


def test_the_footprint_is_taken_idle_and_busy(tmp_path: Path) -> None:
    states = [row["state"] for row in _rows(tmp_path, "footprint")]
    assert states[:2] == ["idle", "10 busy connections"]


def test_what_reaches_the_disk_is_counted_idle_and_for_each_record(tmp_path: Path) -> None:
    idle, sent, real, polls, bare = _rows(tmp_path, "disk-writes")
    assert idle["written_mb_a_day"] > 0
    assert sent["records"] == real["records"] == bare["records"] == 1
    assert real["times_own_bytes"] > bare["times_own_bytes"] > 1
    assert polls["written_bytes_each"] > 0


def test_fleets_are_flooded_and_paced_and_every_record_is_delivered(tmp_path: Path) -> None:
    rows = _rows(tmp_path, "fleet")
    assert [(row["load"], row["gateways"]) for row in rows] == [
        ("flood", 5),
        ("paced", 5),
        ("flood", 10),
        ("paced", 10),
    ]
    assert [row["records"] for row in rows] == [10, 5, 20, 10]
    assert all(row["delivered_per_s"] > 0 and row["p99_ms"] > 0 for row in rows)


def test_hostile_devices_are_measured_one_after_the_other_and_the_promises_at_the_end(tmp_path: Path) -> None:
    rows = _rows(tmp_path, "hostile")
    answered = {row["attack"]: row["answered"] for row in rows if "attack" in row}
    assert answered == {"ids": 20, "inverters": 1, "half-sent": 0, "unknown": 0, "stamped": 2}
    promises = {row["promise"]: row["value"] for row in rows if "promise" in row}
    assert len(promises) == 6
    assert promises["unanswered records of the honest"] == 0


def test_every_query_of_every_board_is_timed(tmp_path: Path) -> None:
    rows = _rows(tmp_path, "boards")
    asked = {(uid, question.place) for uid, board in all_boards().items() for question in questions(board)}
    assert {(row["board"], row["what"]) for row in rows if "lines" in row} == asked
    assert {row["board"] for row in rows if "lines" not in row} == set(all_boards())
    assert all(row["median_ms"] > 0 for row in rows)


def test_steps_in_any_order_lose_nothing_and_are_counted(tmp_path: Path) -> None:
    (row,) = _rows(tmp_path, "nothing-lost")
    assert (row["steps"], row["met"]) == (3, True)
    assert row["compared"] >= 1


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    assert _run(tmp_path, "decoding").returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_benchmark_is_a_usage_error(tmp_path: Path) -> None:
    assert _run(tmp_path, "speed").returncode == 2
