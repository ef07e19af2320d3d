"""Regular files: looked at, opened, copied, and put into the place of what is there."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from file_dataset.adapters.local.copying import copy_open
from file_dataset.domain.errors import PreconditionFailedError, UnsupportedError
from file_dataset.domain.files import refuse_changed
from file_dataset.domain.objects import CREATE, IfMatch, ObjectInfo, WriteMode
from file_dataset.domain.url import Url


def regular(url: Url) -> os.stat_result:
    """The status of a regular file. Raises UnsupportedError for anything else."""
    status = os.stat(url.path)
    check_regular(url, status)
    return status


def check_regular(url: Url, status: os.stat_result) -> None:
    """Raise IsADirectoryError for a directory, UnsupportedError for what else is no file."""
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a directory", url.path)
    if not stat.S_ISREG(status.st_mode):
        raise UnsupportedError(f"{url}: is a device, a pipe or a socket, not a file", url=url)


def info(url: Url, status: os.stat_result) -> ObjectInfo:
    """What a status says of a file; the etag changes with its time, its size and its inode."""
    etag = f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"
    return ObjectInfo(url, status.st_size, etag, datetime.fromtimestamp(status.st_mtime, UTC))


def copy_file(source: Url, path: Path) -> os.stat_result:
    """Copy a regular file to a path, and give what it is; as copy_regular()."""
    with opened(source) as read, open(path, "wb", buffering=0) as written:
        return copy_regular(source, read, written.fileno())


def copy_regular(source: Url, read: int, written: int) -> os.stat_result:
    """Copy a file that is open to another, sharing its blocks where the file system can.

    Raises:
        IntegrityError: If somebody wrote to it meanwhile.
        OSError: As the system gives it.
    """
    before = os.fstat(read)
    copy_open(read, written)
    refuse_changed(source.path, before, os.fstat(read))
    return before


@contextlib.contextmanager
def opened(source: Url) -> Iterator[int]:
    """A regular file, open for reading; without waiting for who would write to a pipe."""
    file = os.open(source.path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        check_regular(source, os.fstat(file))
        yield file
    finally:
        os.close(file)


def place(temporary: Path, url: Url, mode: WriteMode) -> None:
    """Move a file to where an object is to be, as the mode allows.

    Raises:
        FileExistsError: If nothing was to be there, and something is.
        PreconditionFailedError: If another version was to be there.
    """
    if mode is CREATE:
        # Unlike a rename, a link fails where something is.
        os.link(temporary, url.path)
    elif isinstance(mode, IfMatch):
        _replace_version(temporary, url, mode.etag)
    else:
        os.replace(temporary, url.path)


def _replace_version(temporary: Path, url: Url, etag: str) -> None:
    try:
        regular(url)
        with open(url.path, "rb") as file:
            # Whoever else replaces this version waits here, and then finds another file in place.
            fcntl.flock(file, fcntl.LOCK_EX)
            held = os.fstat(file.fileno())
            current = os.path.samestat(os.stat(url.path), held) and info(url, held).etag == etag
            if current:
                os.replace(temporary, url.path)
    except FileNotFoundError:
        current = False
    if not current:
        raise PreconditionFailedError(f"{url}: is no longer version {etag}", url=url)
