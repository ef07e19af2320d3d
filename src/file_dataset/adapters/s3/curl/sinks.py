"""Where the bytes of an object go: into memory, or beside the place of a file."""

from __future__ import annotations

import contextlib
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from file_dataset.adapters.s3.curl.answers import version
from file_dataset.domain.files import beside, local_errors, write_whole
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.url import Url


class Sink(ABC):
    """Takes an object: small ones at once, others piece by piece and in any order.

    ``whole``, or ``begin`` and then ``put`` and in the end ``finish``, or ``drop`` at any time;
    what they raise about a local file is a FileDatasetError.
    """

    @abstractmethod
    def whole(self, pieces: Sequence[bytes], said: Mapping[str, str]) -> object:
        """Take all of it, and what the answer said of it; gives what the request gives."""

    @abstractmethod
    def begin(self) -> None:
        """Get ready for pieces."""

    @abstractmethod
    def put(self, offset: int, data: bytes | memoryview) -> None:
        """Take a piece, which begins so many bytes after the object does."""

    @abstractmethod
    def finish(self, size: int, said: Mapping[str, str]) -> object:
        """Take note that all the bytes are there, so many; gives what the request gives."""

    @abstractmethod
    def drop(self) -> None:
        """Take back what was begun."""


class InMemory(Sink):
    """An object as bytes."""

    def __init__(self) -> None:
        self._data = io.BytesIO()

    def whole(self, pieces: Sequence[bytes], said: Mapping[str, str]) -> bytes:  # noqa: ARG002 - gives bytes
        """Take all of it."""
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def begin(self) -> None:
        """Get ready for pieces."""
        self._data = io.BytesIO()

    def put(self, offset: int, data: bytes | memoryview) -> None:
        """Take a piece."""
        self._data.seek(offset)
        self._data.write(data)

    def finish(self, size: int, said: Mapping[str, str]) -> bytes:  # noqa: ARG002 - gives bytes
        """All the bytes are there."""
        # The buffer itself, as long as nobody writes to it any more.
        data = self._data.getvalue()
        self.drop()
        return data

    def drop(self) -> None:
        """Take back what was begun."""
        self._data = io.BytesIO()


class AtPath(Sink):
    """An object as a file, which is there when it is whole.

    It gives what it is the file of.

    Args:
        url: The object.
        path: The file.
    """

    def __init__(self, url: Url, path: str | os.PathLike[str]) -> None:
        self._url = url
        self._path = path
        self._temporary: str | None = None
        self._file = -1

    def whole(self, pieces: Sequence[bytes], said: Mapping[str, str]) -> ObjectInfo:
        """Take all of it."""
        # Most files are small: their path is not made into a Url unless something is wrong.
        try:
            size = write_whole(self._path, *pieces)
        except OSError:
            with local_errors(Url.local(self._path)):
                raise
        return version(self._url, size, said)

    def begin(self) -> None:
        """Get ready for pieces."""
        temporary = beside(self._path)
        with local_errors(Url.local(self._path)):
            self._file = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        self._temporary = temporary

    def put(self, offset: int, data: bytes | memoryview) -> None:
        """Take a piece."""
        # libcurl brings 16 KiB at a time, so that this is called often.
        try:
            while (written := os.pwrite(self._file, data, offset)) < len(data):
                data = memoryview(data)[written:]
                offset += written
        except OSError:
            with local_errors(Url.local(self._path)):
                raise

    def finish(self, size: int, said: Mapping[str, str]) -> ObjectInfo:
        """All the bytes are there."""
        assert self._temporary is not None
        with local_errors(Url.local(self._path)):
            self._close()
            os.replace(self._temporary, self._path)
        self._temporary = None
        return version(self._url, size, said)

    def drop(self) -> None:
        """Take back what was begun."""
        temporary, self._temporary = self._temporary, None
        if temporary is not None:
            # Whoever drops has an error to tell already.
            with contextlib.suppress(OSError):
                self._close()
            with contextlib.suppress(OSError):
                os.unlink(temporary)

    def _close(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)
