"""The console script `collector`, which `python -m collector` is as well."""

import io
import os
import signal
import sys
from types import FrameType


def entry() -> None:
    """Run the program to its end. Ctrl-C is no traceback, also while it still loads: on a small machine that takes
    seconds.

    SIGTERM and SIGHUP end a command as Ctrl-C does, so that it leaves nothing half done behind. The exit code is then
    128 and the signal's number.
    """
    _mend_output()
    ended_by: int | None = None

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal ended_by
        if ended_by is not None:
            # `timeout` and a lost session send several, and the cleaning up after the first is not to be cut short.
            return
        ended_by = number
        # Not simply raised: trio, and a command that waits for Ctrl-C, have ways of their own to end.
        interrupt = signal.getsignal(signal.SIGINT)
        (interrupt if callable(interrupt) else signal.default_int_handler)(signal.SIGINT, frame)

    for number in (signal.SIGTERM, signal.SIGHUP):
        # `nohup` ignores one.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)
    try:
        # Not above, where nothing would catch an interruption.
        from collector.cli import main

        code = main()
    except* KeyboardInterrupt:
        # In a group where trio ran.
        code = 128 + (ended_by or signal.SIGINT)
    sys.exit(code)


def _mend_output() -> None:
    """Make both streams take any text: one that was closed is missing, and a terminal may lack a letter of a name."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    entry()
