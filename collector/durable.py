"""What is to outlast a power cut has to be brought to the disk, and so has its name, which is its folder's."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Bring a file's bytes, or the names in a folder, to the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
