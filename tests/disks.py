"""File systems of a size of one's own, which can be full, be made read-only and be enlarged, as a disk can."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """Make the folder, and a file system of so many bytes on it; skips where nothing may be mounted."""
    folder.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run([str(shutil.which("umount")), "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def seen_read_only(folder: Path, place: Path) -> Iterator[Path]:
    """Show a folder at another place, where nothing can be written; skips where nothing may be mounted."""
    place.mkdir()
    _mount("--bind", str(folder), str(place))
    try:
        _mount("-o", "remount,bind,ro", str(place))
        yield place
    finally:
        subprocess.run([str(shutil.which("umount")), "--lazy", str(place)], check=True)


def remount(folder: Path, options: str) -> None:
    """Change what was mounted."""
    _mount("-o", f"remount,{options}", str(folder))


def _mount(*arguments: str) -> None:
    program = shutil.which("mount")
    if program is None:
        pytest.skip("no program to mount a file system with")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"nothing may be mounted here: {done.stderr.strip()}")


def fill(disk: Path) -> Path:
    """Take all the room that is left, and return the file that has it."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\0" * 4096):
            pass
    return ballast
