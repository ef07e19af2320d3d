"""An object that is written piece by piece, and is there as a whole or not at all."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from file_dataset.api import _wiring
from file_dataset.domain.files import local_errors
from file_dataset.domain.requests import Data, Write
from file_dataset.domain.store import Store
from file_dataset.domain.url import Url

# Up to here it waits in memory, and is one request; what is larger waits in a file.
_IN_MEMORY = 2**23


class ObjectWriter:
    """A context manager whose ``write`` adds bytes to an object that is there once it ends well.

    Until then the bytes wait here, a large object's in a temporary file. If the body raises,
    nothing is written, and what was there before stays.

    Args:
        url: Where the object goes.
        store: Writes it.

    Raises:
        InvalidUrlError: If the URL names no object.
    """

    def __init__(self, url: Url, store: Store) -> None:
        # Looked at now, and not when everything is written.
        self._url = Write(url, b"").url
        self._store = store
        self._waiting = bytearray()
        self._spooled: tuple[Path, BinaryIO] | None = None
        self._resources = contextlib.ExitStack()
        self._is_open = self._is_used = False

    def __enter__(self) -> Self:
        if self._is_used:
            raise ValueError(f"the writer of {self._url.redacted} is used already; open another")
        self._is_open = self._is_used = True
        return self

    def write(self, data: Data) -> int:
        """Add bytes to the end; gives how many.

        Raises:
            ValueError: Outside of the context.
            NoSpaceError: If there is no room for the temporary file.
        """
        if not self._is_open:
            raise ValueError(
                f"the writer of {self._url.redacted} is not open: with open_writer(url) as writer"
            )
        added = memoryview(data).cast("B")
        if len(self._waiting) + len(added) <= _IN_MEMORY:
            self._waiting += added
        else:
            self._spool(self._waiting, added)
            self._waiting = bytearray()
        return len(added)

    def _spool(self, *pieces: Data) -> None:
        if self._spooled is None:
            scratch = self._resources.enter_context(_wiring.temp_scratch(None))
            path = self._resources.enter_context(scratch.open()) / "object"
            with local_errors(Url.local(path)):
                self._spooled = path, self._resources.enter_context(path.open("wb", buffering=0))
        path, file = self._spooled
        with local_errors(Url.local(path)):
            for piece in pieces:
                rest = memoryview(piece)
                while rest:
                    rest = rest[file.write(rest) :]

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_open = False
        with self._resources:
            if exc_type is None:
                self._commit()

    def _commit(self) -> None:
        if self._spooled is None:
            self._store.write(self._url, self._waiting)
        else:
            self._spool(self._waiting)
            self._store.upload(self._spooled[0], self._url)
