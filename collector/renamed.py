"""What had another name in version 0.1, and still works."""

import os
import sys
from typing import NoReturn


def go_on_as(command: str) -> NoReturn:
    """Tell the new name and become that command, with the same arguments."""
    sys.stderr.write(f"this is `collector {command}` now; the old name goes with version 0.3\n")
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "collector", *command.split(), *sys.argv[1:]])  # noqa: S606 (no shell is meant)
