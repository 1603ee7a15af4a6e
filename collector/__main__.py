"""The console script `collector`, which `python -m collector` is as well."""

import sys


def entry() -> None:
    """Run the program to its end. Ctrl-C is no traceback, also while it still loads: on a small machine that takes
    seconds.
    """
    try:
        # Not above, where nothing would catch an interruption.
        from collector.cli import main

        code = main()
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    entry()
