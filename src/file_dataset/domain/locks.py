"""Directories that one works with alone, over all processes of a machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[bool]:
    """Wait for others that work with a directory, and let others wait, if it is there at all."""
    while True:
        try:
            file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            yield False
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_at(directory, file):
                yield True
                return
        finally:
            # A process forked meanwhile has the file too, and would go on holding the lock.
            fcntl.flock(file, fcntl.LOCK_UN)
            os.close(file)


def _is_at(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(file))
    except FileNotFoundError:
        return False
