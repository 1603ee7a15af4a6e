"""What a simulation shows while it runs."""

import time

import pytest

from collector.commands import _simulate_progress


def test_a_log_gets_a_new_line_when_there_is_news_but_sparsely(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with _simulate_progress.line() as tell:
        for second in range(3601):
            now = float(second)
            tell(f"{second // 1800} made")
    assert capsys.readouterr().err == "0 made\n1 made\n2 made\n"
