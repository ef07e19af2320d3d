"""Files that are being written: beside their place, in directories that come and go with them."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

from file_dataset.domain.errors import InvalidUrlError, TransientError
from file_dataset.domain.files import beside, is_temporary, local_errors
from file_dataset.domain.url import Url

_ATTEMPTS = 10


@contextlib.contextmanager
def half_written(url: Url) -> Iterator[Path]:
    """An empty file beside the place of another; it and unused directories are gone in the end.

    Raises:
        StoreError: If it cannot be made there.
        InvalidUrlError: If its name is one that is kept for such files.
    """
    process = os.getpid()
    temporary, made = begin(url)
    try:
        yield temporary
    finally:
        # A child forked in the body ends this context too, while its parent goes on.
        if os.getpid() == process:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            remove_empty(url, made)


@contextlib.contextmanager
def in_place(temporary: Path, url: Url) -> Iterator[None]:
    """What fills a temporary file and puts it in its place, with the system's errors in words.

    Raises:
        TransientError: If the file is gone: somebody took it for what a dead process had left.
        StoreError: As local_errors() does.
    """
    with local_errors(url):
        try:
            yield
        except FileNotFoundError as error:
            if os.path.lexists(temporary):
                raise
            raise TransientError(
                f"{url}: what was being written was taken away, as recover() does with what it "
                f"takes for dead",
                url=url,
            ) from error


def begin(url: Url, *, attempts: int = _ATTEMPTS) -> tuple[Path, int]:
    """An empty temporary file beside a place, and how many directories were made for it.

    It is there from the start because it keeps its directory: without it another write, which
    failed, would take the directory away again before anything is in it.
    """
    refuse_temporary(url)
    temporary = Path(beside(url.path))
    made = 0
    try:
        with local_errors(url):
            made = make_parents(temporary)
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except BaseException as error:
        remove_empty(url, made)
        # A neighbour that failed may have taken the directories away again that it had made.
        if isinstance(error.__cause__, FileNotFoundError) and attempts > 1:
            return begin(url, attempts=attempts - 1)
        raise
    return temporary, made


def refuse_temporary(url: Url) -> None:
    """Raise InvalidUrlError if nobody would see a file of such a name."""
    if is_temporary(url.name):
        raise InvalidUrlError(f"{url}: names of this kind are for files that are half written")


def make_parents(path: Path) -> int:
    """Make the directories above a file; gives how many were not there."""
    # Mostly there is all but the last, and of many files the others need not be looked at.
    parent = os.path.dirname(path)
    with contextlib.suppress(FileNotFoundError, FileExistsError):
        os.mkdir(parent)
        return 1
    if os.path.isdir(parent):
        return 0
    missing = sum(not above.exists() for above in path.parents)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        # mkdir says so too of a directory that a neighbour took away before it could look at it.
        if os.path.isdir(error.filename) or not os.path.lexists(error.filename):
            raise FileNotFoundError(errno.ENOENT, "went away", error.filename) from None
        raise NotADirectoryError(errno.ENOTDIR, "not a directory", error.filename) from None
    return missing


def remove_empty(url: Url, made: int) -> list[Path]:
    """Take away directories above a file that came with it, unless others use them by now.

    Args:
        url: The file.
        made: How many directories came with it.

    Returns:
        Those that are gone.
    """
    removed: list[Path] = []
    # As texts, since there is one for each of many files, and mostly it is in use.
    parent = url.path
    with contextlib.suppress(OSError):
        for _ in range(made):
            parent = os.path.dirname(parent)
            os.rmdir(parent)
            removed.append(Path(parent))
    return removed


def stamp(file: Path | int) -> None:
    """Set the time of writing: the system's own is too coarse to tell two quick writes apart."""
    now = time.time_ns()
    os.utime(file, ns=(now, now))
