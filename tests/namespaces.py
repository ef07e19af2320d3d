"""File systems of their own for a process that was forked for that, where the system allows it."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

# From <sched.h> and <sys/mount.h>.
_NEW_MOUNTS = 0x00020000
_NEW_USERS = 0x10000000
_READ_ONLY = 1
_REMOUNT = 32


class NotAllowedError(Exception):
    """The system allows nobody a file system of his own; it is no OSError, as what is tested is."""


def small_disk(directory: Path, size: str) -> None:
    """Mount an empty file system of some size, which nobody else sees; for a child only.

    Raises:
        NotAllowedError: If the system does not allow it.
    """
    users, groups = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "unshare"):
        raise NotAllowedError("only Linux has namespaces")
    options = f"size={size},nr_inodes=200"
    try:
        _checked(libc.unshare(_NEW_MOUNTS | _NEW_USERS))
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {users} 1")
        Path("/proc/self/gid_map").write_text(f"0 {groups} 1")
        _checked(libc.mount(b"tmpfs", os.fsencode(directory), b"tmpfs", 0, options.encode()))
    except OSError as error:
        raise NotAllowedError(f"no file systems of one's own: {error}") from None


def make_read_only(directory: Path) -> None:
    """Let nothing more be written to what small_disk() mounted."""
    libc = ctypes.CDLL(None, use_errno=True)
    flags = _REMOUNT | _READ_ONLY
    _checked(libc.mount(b"tmpfs", os.fsencode(directory), b"tmpfs", flags, None))


def _checked(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
