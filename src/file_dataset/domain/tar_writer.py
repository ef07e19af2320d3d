"""Tar archives that are made here: the same files in the same order are the same bytes."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from file_dataset.domain.errors import IntegrityError
from file_dataset.domain.files import local_errors
from file_dataset.domain.gathering import Content
from file_dataset.domain.shard_index import ShardIndex
from file_dataset.domain.tar_archives import end, header, padded
from file_dataset.domain.url import Url

_CHUNK = 1 << 20


class TarWriter:
    """A tar archive in a local file, one piece after the other.

    Args:
        path: The file, which is made.

    Raises:
        StoreError: If it cannot be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.index: ShardIndex = ShardIndex()
        self._size = 0
        with local_errors(Url.local(path)):
            self._file = open(path, "xb", buffering=_CHUNK)  # noqa: SIM115 - until it is finished

    @property
    def size(self) -> int:
        """How many bytes there are so far, without what ends an archive."""
        return self._size

    @property
    def members(self) -> int:
        """How many files are in it so far."""
        return len(self.index.names)

    def add(self, files: Mapping[str, Content]) -> None:
        """Add files under these names, all of them or none.

        Raises:
            StoreError: If one of them cannot be read, or there is no space for them.
        """
        size, members = self._size, self.members
        try:
            for name, content in files.items():
                place = content if isinstance(content, Path) else self.path
                with local_errors(Url.local(place)):
                    self._add(name, content)
        except BaseException:
            self._take_back(size, members)
            raise

    def finish(self) -> None:
        """End the archive, of which the index is whole then.

        Raises:
            StoreError: If there is no space for its end.
        """
        with local_errors(Url.local(self.path)), self._file:
            self._file.write(end(self._size))
        self.index.archive_size = self._size + len(end(self._size))

    def close(self) -> None:
        """Let go of the file, which is of no use then unless the archive was ended."""
        self._file.close()

    def _add(self, name: str, content: Content) -> None:
        size = size_of(content)
        head = header(name, size)
        self._file.write(head)
        crc = read = 0
        for chunk in _chunks(content, size):
            self._file.write(chunk)
            crc = zlib.crc32(chunk, crc)
            read += len(chunk)
        if read < size:
            raise IntegrityError(f"{content!r}: became shorter while it was packed")
        self._file.write(bytes(padded(size) - size))
        self.index.add(name, self._size + len(head), size, crc)
        self._size += len(head) + padded(size)

    def _take_back(self, size: int, members: int) -> None:
        index = self.index
        for values in (index.names, index.starts, index.sizes, index.crcs):
            del values[members:]
        self._size = size
        self._file.seek(size)
        self._file.truncate()


def size_of(content: Content) -> int:
    """How long a file is. Raises the StoreError that keeps that from being told."""
    if isinstance(content, bytes):
        return len(content)
    with local_errors(Url.local(content)):
        return os.stat(content).st_size


def _chunks(content: Content, size: int) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with open(content, "rb") as file:
        while size and (chunk := file.read(min(_CHUNK, size))):
            yield chunk
            size -= len(chunk)
