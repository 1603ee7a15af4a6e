"""Imports of libraries without what they would only take along."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(package: str) -> Iterator[None]:
    """Let what is imported meanwhile find that a package isn't there, unless it was imported before."""
    if package in sys.modules:
        yield
        return
    # What Python's import system calls a package that is not to be found.
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]
