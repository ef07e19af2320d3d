"""What tests of several rooms share."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

NOBODY = 65534


@contextlib.contextmanager
def as_nobody() -> Iterator[Path]:
    """A directory of a user whom modes bind, as they do not bind root."""
    directory = Path(tempfile.mkdtemp())
    root = os.geteuid() == 0
    if root:
        os.chown(directory, NOBODY, -1)
        os.seteuid(NOBODY)
    try:
        yield directory
    finally:
        if root:
            os.seteuid(0)
        shutil.rmtree(directory)


def open_files() -> set[tuple[int, int, int]]:
    """The files that this process has open: their numbers, and what they are.

    Whoever looks whether more are open than before looks at which, and not at how many: what
    others have left may be closed at any moment.
    """
    found = set()
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - in one go
        with contextlib.suppress(OSError):
            status = os.fstat(int(name))
            found.add((int(name), status.st_dev, status.st_ino))
    return found


def not_here(reason: object) -> NoReturn:
    """Skip a test of what this machine has not; CI has all of it, and is told."""
    if "CI" in os.environ:
        pytest.fail(f"CI leaves nothing out: {reason}")
    pytest.skip(str(reason))


@contextlib.contextmanager
def more_open_files_than_select_sees() -> Iterator[None]:
    """A process in which whatever is opened has a number above 1,023."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard >= 4_096
    resource.setrlimit(resource.RLIMIT_NOFILE, (4_096, hard))
    with contextlib.ExitStack() as opened:
        opened.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        while (file := os.open(os.devnull, os.O_RDONLY)) < 1_100:
            opened.callback(os.close, file)
        opened.callback(os.close, file)
        yield
