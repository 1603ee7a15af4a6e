"""`collector boards` in this process, in an environment that holds nothing but what a test says."""

import contextlib
import io
import os
from collections.abc import Mapping

import pytest

from collector.cli import main
from tests.program import Answer


def boards_command(environ: Mapping[str, str], *words: str) -> Answer:
    """The exit code of `collector boards` with these words, what it printed, and what it said of errors."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        for name in list(os.environ):
            patch.delenv(name)
        for name, value in environ.items():
            patch.setenv(name, value)
        try:
            code = main(["boards", *words])
        except SystemExit as exc:
            code = int(exc.code or 0)
    return code, out.getvalue(), err.getvalue()
