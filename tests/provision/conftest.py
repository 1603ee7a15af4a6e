"""What the tests of both steps share."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from collector import cli
from tests.program import SETTINGS


def provision(step: str, folder: Path, environ: Mapping[str, str] | None = None) -> int:
    """Run one step with nothing but `environ` to configure it; the exit code."""
    with pytest.MonkeyPatch.context() as patched:
        for name in SETTINGS:
            patched.delenv(name, raising=False)
        for name, value in (environ or {}).items():
            patched.setenv(name, value)
        return cli.main(["provision", step, str(folder)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "secrets"


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
