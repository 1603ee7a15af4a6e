"""What the service imports, and what it does without."""

import subprocess
import sys

import pytest

from collector.delivery._without import without


def test_the_service_starts_without_numpy() -> None:
    pytest.importorskip("numpy")
    look = "import sys, collector.service.service; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, check=True, text=True).stdout == "False\n"


def test_what_was_left_out_can_be_imported_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "this", raising=False)
    with without("this"), pytest.raises(ModuleNotFoundError):
        __import__("this")
    assert __import__("this").__name__ == "this"


def test_what_is_there_already_stays() -> None:
    with without("sys"):
        assert __import__("sys") is sys
    assert sys.modules["sys"] is sys
