"""Two names that change places at once, where the system and the file system can do that."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
from collections.abc import Callable
from typing import Final

# From <linux/fs.h>.
_RENAME_EXCHANGE: Final = 2

# renameat2(2): the kernel or the file system does not know how.
_UNKNOWN: Final = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP})


def exchange(one: str, one_at: int, other: str, other_at: int) -> bool:
    """Let two files or directories change places, so that nobody ever sees one of them missing.

    Args:
        one: The name of the one.
        one_at: The open directory that it is in.
        other: The name of the other.
        other_at: And its directory.

    Returns:
        False if the system or the file system cannot do that; then nothing has changed.

    Raises:
        OSError: If it can, and it went wrong.
    """
    renameat2 = _renameat2()
    if renameat2 is None:
        return False
    if not renameat2(one_at, os.fsencode(one), other_at, os.fsencode(other), _RENAME_EXCHANGE):
        return True
    number = ctypes.get_errno()
    if number in _UNKNOWN:
        return False
    raise OSError(number, os.strerror(number), one, None, other)


@functools.cache
def _renameat2() -> Callable[[int, bytes, int, bytes, int], int] | None:
    """The C library's function; None where it has none."""
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return None
    function.argtypes = [
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_uint,
    ]
    function.restype = ctypes.c_int
    return function
