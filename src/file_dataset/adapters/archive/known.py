"""What is known of archives, for as long as there is room for it."""

from __future__ import annotations

import threading
from typing import NamedTuple

import attrs

from file_dataset.domain.archives import Contents
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.url import Url

# Members: of a table's usual archives this takes about 150 MB.
_REMEMBERED = 500_000


class Archive(NamedTuple):
    """Which archive, and of which kind.

    Attributes:
        scheme: How its members are spelled: ``tar`` or ``zip``.
        authority: Its URL, as a text.
    """

    scheme: str
    authority: str

    @property
    def url(self) -> Url:
        """Where it is."""
        return Url(self.scheme, self.authority, "").archive


@attrs.frozen
class Opened:
    """An archive of which the contents are known.

    Args:
        url: Where it is.
        info: What its store said of it then.
        contents: What is in it.
        is_known: Whether that was known from before.
        whole: All of its bytes, if they were read for that.
    """

    url: Url
    info: ObjectInfo
    contents: Contents
    is_known: bool = False
    whole: bytes | None = attrs.field(default=None, repr=False)

    def is_of(self, info: ObjectInfo) -> bool:
        """Whether it is this version; of what nobody can tell from others it is not."""
        if info.etag is None and info.modified is None:
            return False
        told = (self.info.size, self.info.etag, self.info.modified if info.etag is None else None)
        return told == (info.size, info.etag, info.modified if info.etag is None else None)


class Known:
    """The archives that one process has opened, as many as there is room for."""

    def __init__(self) -> None:
        self._opened: dict[Archive, Opened] = {}
        self._members = 0
        self._lock = threading.Lock()

    def get(self, archive: Archive) -> Opened | None:
        """An archive that was opened before."""
        with self._lock:
            if (opened := self._opened.pop(archive, None)) is not None:
                self._opened[archive] = opened
            return opened

    def add(self, archive: Archive, opened: Opened) -> None:
        """Remember an archive, and forget those that were used least lately."""
        with self._lock:
            self._forget(archive)
            self._opened[archive] = attrs.evolve(opened, is_known=True, whole=None)
            self._members += _weight(opened)
            while self._members > _REMEMBERED and len(self._opened) > 1:
                self._forget(next(iter(self._opened)))

    def forget(self, archive: Archive) -> None:
        """Forget an archive."""
        with self._lock:
            self._forget(archive)

    def _forget(self, archive: Archive) -> None:
        if (opened := self._opened.pop(archive, None)) is not None:
            self._members -= _weight(opened)


def _weight(opened: Opened) -> int:
    return 1 + len(opened.contents.members) + len(opened.contents.faults)
