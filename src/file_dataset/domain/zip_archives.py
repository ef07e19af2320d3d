"""Zip archives: what is in them, by the directory at their end."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from file_dataset.domain.archives import (
    MOST_MEMBERS,
    Contents,
    Fault,
    Found,
    Member,
    ReadAt,
    Zipped,
    bomb_fault,
    overlapping,
)
from file_dataset.domain.errors import StoreError

# What comes before a member's bytes has this length, and then its name and at most so much more.
_LOCAL_HEADER = 30
_MOST_EXTRA = 0xFFFF
_LARGEST_DIRECTORY: Final = 256 << 20
# What the directory itself ends with, and the longest comment after it.
_TAIL: Final = 22 + 0xFFFF + 20
_UNIX = 3
_OVERLAPS = Fault("lies in the same bytes as another", is_damage=True)
_IS_ENCRYPTED, _IS_UTF8 = 0x1, 0x800
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What zipfile raises for what is no zip: it trusts the numbers in it.
_NOT_A_ZIP = (
    zipfile.BadZipFile,
    NotImplementedError,
    EOFError,
    IndexError,
    OSError,
    OverflowError,
    ValueError,
    struct.error,
)


def scan(read: ReadAt, size: int) -> Contents:
    """What is in a zip archive, by the directory at its end.

    Args:
        read: Reads the archive.
        size: How long it is.
    """
    # All that most archives need is read at once.
    read(max(0, size - _TAIL), _TAIL)
    try:
        with zipfile.ZipFile(_Readable(read, size)) as archive:
            infos, directory = archive.infolist(), archive.start_dir
    except StoreError:
        raise
    except _NOT_A_ZIP as error:
        return Contents(broken=f"it is no zip archive, or is cut off: {error}")
    if len(infos) > MOST_MEMBERS:
        return Contents(broken=f"it has {len(infos)} members, and more than {MOST_MEMBERS}")
    # Not by is_dir(), which needs a name of at least one character.
    files = [info for info in infos if not info.filename.endswith("/")]
    placed = list(_placed(files, directory))
    clashing = overlapping((info.header_offset, _least(info)) for info in files)
    found = Found()
    for number, (info, member) in enumerate(zip(files, placed, strict=True)):
        if number in clashing:
            found.add(info.orig_filename, _OVERLAPS)
        else:
            found.add(info.orig_filename, _fault(info, directory) or member)
    return found.contents()


def _placed(files: list[zipfile.ZipInfo], directory: int) -> Iterator[Member]:
    """Where each file lies, before the next one or the directory."""
    starts = sorted({info.header_offset for info in files})
    following = dict(pairwise([*starts, directory]))
    for info in files:
        start = info.header_offset
        most = _least(info) + _MOST_EXTRA
        # The next one may be said to lie anywhere.
        length = max(0, min(most, following[start] - start, directory - start))
        zipped = Zipped(_spelled(info), info.compress_type, info.compress_size)
        yield Member(start, length, info.file_size, info.CRC, zipped=zipped)


def _least(info: zipfile.ZipInfo) -> int:
    return _LOCAL_HEADER + len(_spelled(info)) + info.compress_size


def _spelled(info: zipfile.ZipInfo) -> bytes:
    return info.orig_filename.encode("utf-8" if info.flag_bits & _IS_UTF8 else "cp437", "replace")


def _fault(info: zipfile.ZipInfo, directory: int) -> Fault | None:
    """What keeps a file from being read."""
    kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == _UNIX else 0
    if info.flag_bits & _IS_ENCRYPTED:
        return Fault("is encrypted")
    if kind == stat.S_IFLNK:
        return Fault("is a symbolic link, which is not followed")
    if kind not in (0, stat.S_IFREG):
        return Fault("is a device or a pipe")
    if info.compress_type not in _METHODS:
        return Fault(f"is compressed by method {info.compress_type}; 0 and 8 are unpacked")
    if info.header_offset < 0 or info.header_offset + _least(info) > directory:
        return Fault("lies outside of the archive", is_damage=True)
    return bomb_fault(info.file_size, info.compress_size)


class _Readable(io.RawIOBase):
    """An archive as a file to read from anywhere."""

    def __init__(self, read: ReadAt, size: int) -> None:
        self._read = read
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if origin + offset < 0:
            raise OSError("a place before the beginning")
        self._at = origin + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        wanted = max(0, self._size - self._at if size < 0 else min(size, self._size - self._at))
        if wanted > _LARGEST_DIRECTORY:
            raise zipfile.BadZipFile(f"its directory has {wanted} bytes")
        data = self._read(self._at, wanted) if wanted else b""
        self._at += len(data)
        return data
