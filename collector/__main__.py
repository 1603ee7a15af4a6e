"""The console script `collector`, which `python -m collector` is as well."""

import io
import os
import sys
from pathlib import Path


def entry() -> None:
    """Run the program to its end. Ctrl-C is no traceback, also while it still loads: on a small machine that takes
    seconds.
    """
    _mend_output()
    try:
        # Not above, where nothing would catch an interruption.
        from collector.cli import main

        code = main()
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _mend_output() -> None:
    """Make both streams take any text: one that was closed is missing, and a terminal may lack a letter of a name."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 (open to the end)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    entry()
