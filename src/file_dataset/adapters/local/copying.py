"""The bytes and the mode of one open file to another."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from typing import Final

_AT_ONCE: Final = 2**30
_BUFFER: Final = 2**20
# copy_file_range(2): the two files are on different, or on very special file systems.
_NOT_FOR_THESE: Final = frozenset(
    {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.ETXTBSY}
)


def copy_open(source: int, target: int) -> None:
    """Make an empty file, open for writing, what another one is that is open for reading.

    Raises:
        OSError: As the system gives it.
    """
    if not _copied_by_the_system(source, target):
        for file in (source, target):
            os.lseek(file, 0, os.SEEK_SET)
        os.ftruncate(target, 0)
        with (
            open(source, "rb", buffering=0, closefd=False) as read,
            # With a buffer: without one it may write but a part, and leave it to say so.
            open(target, "wb", closefd=False) as written,
        ):
            shutil.copyfileobj(read, written, _BUFFER)
    os.fchmod(target, stat.S_IMODE(os.fstat(source).st_mode))


def _copied_by_the_system(source: int, target: int) -> bool:
    """Let the system copy a file: one that can share the bytes of both then copies none."""
    if not hasattr(os, "copy_file_range"):
        return False
    try:
        while os.copy_file_range(source, target, _AT_ONCE):
            pass
    except OSError as error:
        if error.errno in _NOT_FOR_THESE:
            return False
        raise
    # Some file systems say that they have copied everything, and have not.
    return os.lseek(target, 0, os.SEEK_CUR) == os.fstat(source).st_size
