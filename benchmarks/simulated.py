"""Storage that does nothing, or takes its time over it: what is left is the library's own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from file_dataset import PerObjectStore, Url
from file_dataset.domain.objects import ObjectInfo, Prefix, WriteMode
from file_dataset.domain.objects import Span as _Span

_THEN = datetime(2023, 1, 1, tzinfo=UTC)
_BODY = b"0123456789abcdef"


class Simulated(PerObjectStore):
    """Every object is there, and has sixteen bytes; what is written is gone.

    Args:
        seconds: How long a download or an upload takes.
        workers: How many are carried out at a time.
    """

    def __init__(self, seconds: float = 0, workers: int = 1) -> None:
        self._seconds = seconds
        self.workers = workers

    def _stat(self, url: Url) -> ObjectInfo:
        return ObjectInfo(url, len(_BODY), "etag", _THEN)

    def _read(self, url: Url, span: _Span | None) -> bytes:
        return _BODY

    def _write(self, url: Url, data: object, mode: WriteMode) -> None:
        pass

    def _download(self, url: Url, path: Path) -> ObjectInfo:
        time.sleep(self._seconds)
        path.write_bytes(_BODY)
        return ObjectInfo(url, len(_BODY), "etag")

    def _upload(self, path: Path, url: Url, mode: WriteMode) -> None:
        time.sleep(self._seconds)

    def list(self, prefix: Url, /, *, recursive: bool = True) -> Iterator[ObjectInfo | Prefix]:
        return iter(())
