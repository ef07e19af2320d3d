"""An archive that is read here and there, by few requests for what lies together."""

from __future__ import annotations

from file_dataset.domain.objects import Span
from file_dataset.domain.store import Store
from file_dataset.domain.url import Url

FIRST = 256 << 10
"""What is read of an archive at first; of most that hold one row this is all of it."""

_LARGEST = 8 << 20
# Who goes on after the last window, or not far from its end, will want what follows as well.
_NEAR = 1 << 20


class Windows:
    """Reads what it is asked for, with more of what follows the longer that is what is wanted.

    Args:
        store: Where the archive is.
        url: The archive.
        size: How long it is.
        start: Where the first window begins, which is there already.
        window: Its bytes.
    """

    def __init__(self, store: Store, url: Url, size: int, start: int, window: bytes) -> None:
        self._store = store
        self._url = url
        self._size = size
        self._start = start
        self._window = window
        self._width = FIRST

    @property
    def whole(self) -> bytes | None:
        """All of the archive, if one window is."""
        return self._window if self._start == 0 and len(self._window) == self._size else None

    def read(self, start: int, length: int) -> bytes:
        """The bytes from an offset, as many as asked for; fewer only at the end.

        Raises:
            StoreError: If they cannot be read.
        """
        length = min(length, self._size - start)
        if length <= 0:
            return b""
        offset = start - self._start
        if offset < 0 or offset + length > len(self._window):
            self._fetch(start, length)
            offset = 0
        return self._window[offset : offset + length]

    def _fetch(self, start: int, length: int) -> None:
        jump = start - (self._start + len(self._window))
        self._width = min(2 * self._width, _LARGEST) if -_NEAR <= jump <= _NEAR else FIRST
        span = Span(start, min(max(length, self._width), self._size - start))
        self._window = self._store.read(self._url, span=span)
        self._start = start
