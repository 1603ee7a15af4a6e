"""The secrets that the first step makes, on real files."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from collector import disk
from collector.provision import make_secrets
from tests.provision.conftest import contents, provision


def test_the_first_run_makes_every_secret_and_the_next_none(folder: Path) -> None:
    assert provision("secrets", folder) == 0
    first = contents(folder)
    assert provision("secrets", folder) == 0

    assert contents(folder) == first
    assert sorted(first) == [
        "grafana/admin_password",
        "grafana/secret_key",
        "influxdb/admin_password",
        "influxdb/admin_token",
    ]
    assert len(set(first.values())) == len(first)
    assert all(len(secret.strip()) >= 25 for secret in first.values())


def test_the_names_of_secrets_are_brought_to_the_disk_when_they_have_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []

    def sync(path: Path) -> None:
        assert any(path.iterdir())
        assert not list(path.glob("*.new"))
        synced.append(path)

    monkeypatch.setattr(disk, "sync", sync)
    assert provision("secrets", folder) == 0
    assert synced
    assert set(synced) == {path.parent for path in folder.rglob("*") if path.is_file()}


def test_two_installations_have_no_secret_in_common(tmp_path: Path) -> None:
    for name in ("one", "other"):
        make_secrets(tmp_path / name)
    assert not set(contents(tmp_path / "one").values()) & set(contents(tmp_path / "other").values())


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_text("")])
def test_a_lost_or_empty_secret_is_made_anew_and_the_others_stay(folder: Path, damage: Callable[[Path], None]) -> None:
    make_secrets(folder)
    before = contents(folder)
    lost = folder / "grafana" / "secret_key"
    lost.chmod(0o600)
    damage(lost)

    assert make_secrets(folder) == ["grafana/secret_key"]
    after = contents(folder)
    assert {name for name in after if after[name] != before[name]} == {"grafana/secret_key"}


def test_a_run_that_was_cut_off_while_writing_leaves_nothing_behind_after_the_next(folder: Path) -> None:
    draft = folder / "influxdb" / "admin_token.new"
    draft.parent.mkdir(parents=True)
    draft.write_text("half a to")

    make_secrets(folder)
    assert not draft.exists()
    assert "half" not in contents(folder)["influxdb/admin_token"]


def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert provision("secrets", tmp_path / "file") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / "file") in line


@pytest.mark.parametrize("program", [["collector", "provision"], ["collector.provision"]], ids=" ".join)
def test_it_shows_what_it_made_by_its_name_of_today_and_by_that_of_the_last_release(
    folder: Path, program: list[str]
) -> None:
    command = [sys.executable, "-m", *program, "secrets", str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert f"INFO secret made file={folder}/grafana/admin_password\n" in ran.stderr
    assert ("this is `collector provision` now" in ran.stderr) == (program == ["collector.provision"])
    assert not ran.stdout
