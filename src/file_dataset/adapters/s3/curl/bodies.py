"""What libcurl sends: bytes that are in memory, and those of a file, read when their turn comes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final, TypeAlias

import pycurl

from file_dataset.domain.errors import StoreError
from file_dataset.domain.files import local_errors
from file_dataset.domain.url import Url

AT_ONCE: Final = 320 * 1024
"""How many bytes libcurl reads at a time; a body that fits is given to it as it is."""

# What it is given of a larger one: more would be new memory of the system's each time, which takes
# longer to get than to fill.
_PIECE: Final = 2**16


class FileSpan:
    """Some bytes of a file, which is open until they are closed.

    Args:
        path: The file.
        start: The offset of the first.
        length: How many.

    Attributes:
        raised: What kept libcurl from reading them, to which it could not be raised.

    Raises:
        StoreError: If the file cannot be opened.
    """

    __slots__ = ("_file", "_length", "_path", "_start", "raised")

    def __init__(self, path: str | os.PathLike[str], start: int, length: int) -> None:
        self._path = path
        self._start = start
        self._length = length
        self.raised: StoreError | None = None
        with local_errors(Url.local(path)):
            self._file = os.open(path, os.O_RDONLY)

    def __len__(self) -> int:
        return self._length

    def read(self, offset: int, size: int) -> bytes | int:
        """Some bytes from an offset on, as libcurl is given them: none at the end."""
        try:
            return self._read(offset, size)
        except StoreError as error:
            self.raised = error
            return pycurl.READFUNC_ABORT

    def pieces(self) -> Iterator[bytes]:
        """All the bytes. Raises StoreError if they cannot be had."""
        offset = 0
        while offset < self._length:
            piece = self._read(offset, _PIECE)
            yield piece
            offset += len(piece)

    def close(self) -> None:
        """Close the file, if that has not been done."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def _read(self, offset: int, size: int) -> bytes:
        size = min(size, _PIECE, self._length - offset)
        # libcurl asks often, so that the path is not made into a Url unless something is wrong.
        try:
            piece = os.pread(self._file, size, self._start + offset)
        except OSError:
            with local_errors(Url.local(self._path)):
                raise
        if size and not piece:
            raise StoreError(f"{self._path}: became shorter while it was being uploaded")
        return piece


Sendable: TypeAlias = bytes | memoryview | FileSpan


class Body:
    """What is sent, read piece by piece, and from its beginning again on another connection."""

    __slots__ = ("_data", "_once", "_sent")

    def __init__(self) -> None:
        self.begin(b"")

    def begin(self, data: Sendable, *, once: bool = False) -> None:
        """Send something else.

        Args:
            data: The bytes.
            once: Whether it is never sent again once libcurl has all of it: a connection that is
                found closed then may have been closed by a server that did what it was told.
        """
        self._data = data if isinstance(data, FileSpan) else memoryview(data)
        self._once = once
        self._sent = 0

    @property
    def is_sent(self) -> bool:
        """Whether libcurl has all of it."""
        return self._sent == len(self._data)

    def read(self, size: int) -> bytes | int:
        """The next so many bytes, or what tells libcurl that there are none to be had."""
        data, sent = self._data, self._sent
        if isinstance(data, FileSpan):
            piece = data.read(sent, size)
            if isinstance(piece, int):
                return piece
        else:
            piece = _piece(data, sent, size)
        self._sent = sent + len(piece)
        return piece

    def seek(self, offset: int, _: int) -> int:
        """Go back to an offset."""
        if self._once and self.is_sent:
            return pycurl.SEEKFUNC_FAIL
        self._sent = offset
        return pycurl.SEEKFUNC_OK


def _piece(data: memoryview, sent: int, size: int) -> bytes:
    whole = data.obj
    if not sent and isinstance(whole, bytes) and len(whole) == len(data) <= size:
        return whole
    return bytes(data[sent : sent + min(size, _PIECE)])
