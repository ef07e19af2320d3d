"""Reading and writing past the system's cache, as the system demands it: block by block."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import stat
import warnings
from collections.abc import Iterable, Iterator
from typing import Final

# What offsets and lengths have to be multiples of on any usual disk.
_BLOCK: Final = 4096
_PIECE: Final = 4 * 2**20
_DIRECT: Final[int] = getattr(os, "O_DIRECT", 0)  # macOS has none

_warned: set[int] = set()


@contextlib.contextmanager
def opened(path: str, flags: int) -> Iterator[int]:
    """A file descriptor that passes the cache by, with a warning where it cannot.

    Raises:
        OSError: As the system gives it.
    """
    try:
        file = os.open(path, flags | _DIRECT | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
        file = os.open(path, flags | os.O_CLOEXEC)
        _warn(path, file)
    try:
        if not _DIRECT:
            _warn(path, file)
        yield file
    finally:
        os.close(file)


def _warn(path: str, file: int) -> None:
    """Say once of a file system that its cache is used after all."""
    system = os.fstat(file).st_dev
    if system not in _warned:
        _warned.add(system)
        warnings.warn(
            f"direct://{path}: the file system does not do O_DIRECT; its files go through the "
            f"system's cache",
            RuntimeWarning,
            stacklevel=2,
        )


def size_of(file: int) -> int:
    """How many bytes are in an open file or on a block device."""
    status = os.fstat(file)
    return os.lseek(file, 0, os.SEEK_END) if stat.S_ISBLK(status.st_mode) else status.st_size


def pieces(file: int, start: int = 0, stop: int | None = None) -> Iterator[memoryview]:
    """The bytes of an open file from one offset to another, or to its end.

    Each piece is valid until the next is asked for.
    """
    offset = start - start % _BLOCK
    # No more than is needed, since the system lays hands on all of it for each read.
    most = min(_PIECE, max(_BLOCK, _rounded(size_of(file) - offset)))
    with mmap.mmap(-1, most) as buffer, memoryview(buffer) as view:
        while stop is None or offset < stop:
            wanted = most if stop is None else min(most, _rounded(stop - offset))
            with view[:wanted] as part:
                count = _read(file, part, offset)
            if not count:
                break
            last = count if stop is None else min(count, stop - offset)
            with view[max(0, start - offset) : last] as piece:
                yield piece
            if count < wanted and count % _BLOCK:
                # Only the end of a file is no whole block, and no offset may follow it.
                break
            offset += count


def _read(file: int, part: memoryview, offset: int) -> int:
    try:
        return os.preadv(file, [part], offset)
    except OSError as error:
        if error.errno != errno.EINVAL or not _uses_direct(file):
            raise
    # A disk with larger blocks, or an offset that does not suit it.
    _give_up_direct(file)
    return os.preadv(file, [part], offset)


def write_all(file: int, data: Iterable[bytes | memoryview]) -> None:
    """Make an open file of these bytes and nothing else."""
    size = held = 0
    with mmap.mmap(-1, _PIECE) as buffer:
        for each in data:
            at = 0
            while at < len(each):
                taken = min(len(each) - at, _PIECE - held)
                buffer[held : held + taken] = each[at : at + taken]
                at, held = at + taken, held + taken
                if held == _PIECE:
                    _write(file, buffer, _PIECE, size)
                    size, held = size + held, 0
        if held:
            # Whole blocks are written, and what is too much is cut off.
            _write(file, buffer, _rounded(held), size)
    os.ftruncate(file, size + held)


def _write(file: int, buffer: mmap.mmap, count: int, offset: int) -> None:
    with memoryview(buffer) as view:
        done = 0
        while done < count:
            with view[done:count] as part:
                try:
                    done += os.pwrite(file, part, offset + done)
                except OSError as error:
                    if error.errno != errno.EINVAL or not _uses_direct(file):
                        raise
                    _give_up_direct(file)


def _uses_direct(file: int) -> bool:
    return bool(_DIRECT and fcntl.fcntl(file, fcntl.F_GETFL) & _DIRECT)


def _give_up_direct(file: int) -> None:
    fcntl.fcntl(file, fcntl.F_SETFL, fcntl.fcntl(file, fcntl.F_GETFL) & ~_DIRECT)
    _warn(os.readlink(f"/proc/self/fd/{file}"), file)


def _rounded(count: int) -> int:
    return -(-count // _BLOCK) * _BLOCK
