"""``memory://``: objects in a dictionary of this process, for tests and for trying things out."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import attrs

from file_dataset.domain.errors import (
    AlreadyExistsError,
    NotFoundError,
    PreconditionFailedError,
    RangeNotSatisfiableError,
    UnsupportedError,
)
from file_dataset.domain.files import local_errors, write_whole
from file_dataset.domain.objects import (
    CREATE,
    IfMatch,
    ObjectInfo,
    Prefix,
    Span,
    WriteMode,
)
from file_dataset.domain.per_object import PerObjectStore
from file_dataset.domain.requests import Data, Draft, Pending, Prepared, Request
from file_dataset.domain.url import Url


@attrs.frozen
class _Object:
    data: bytes
    etag: str
    modified: datetime
    token: str = ""  # of the preparation that made it

    @classmethod
    def of(cls, data: Data) -> _Object:
        held = bytes(data)
        return cls(held, hashlib.md5(held, usedforsecurity=False).hexdigest(), datetime.now(UTC))


@attrs.frozen
class _Preparation:
    prepared: Prepared
    data: bytes
    begun: datetime = attrs.field(factory=lambda: datetime.now(UTC))

    @property
    def url(self) -> Url:
        return self.prepared.url


class MemoryStore(PerObjectStore):
    """Objects in a dictionary, for as long as the store lives, in the process that made it.

    Another process would see a copy that goes its own way, so the store neither pickles nor
    serves a forked child, and says so.

    >>> from file_dataset import Url
    >>> store = MemoryStore()
    >>> store.write(Url.parse("memory://box/a.txt"), b"Dear reader")
    >>> store.read(Url.parse("memory://box/a.txt"))
    b'Dear reader'
    """

    # Under the interpreter lock more threads would only wait for each other.
    workers = 1

    def __init__(self) -> None:
        self._objects: dict[Url, _Object] = {}
        self._prepared: dict[tuple[Url, str], _Preparation] = {}
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a MemoryStore lives in the process that made it and cannot be pickled; "
            "use a directory or a bucket for what several processes share"
        )

    def cost(self, requests: Sequence[Request[Any]], sizes: Sequence[int], /) -> int:  # noqa: ARG002 - whatever they are
        """Nothing: it is in this process."""
        return 0

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise UnsupportedError(
                f"this MemoryStore lives in process {self._pid}, and this is process "
                f"{os.getpid()}; use a directory or a bucket for what several processes share"
            )

    def _find(self, url: Url) -> _Object:
        self._check_process()
        found = self._objects.get(url)
        if found is None:
            raise NotFoundError(f"{url.redacted}: not found", url=url)
        return found

    def _stat(self, url: Url) -> ObjectInfo:
        return _info(url, self._find(url))

    def _read(self, url: Url, span: Span | None) -> bytes:
        data = self._find(url).data
        if span is None:
            return data
        if span.start >= len(data):
            raise RangeNotSatisfiableError(
                f"{url.redacted}: byte {span.start} is past the end ({len(data)} bytes)", url=url
            )
        return data[span.start : span.stop]

    def _download(self, url: Url, path: Path) -> ObjectInfo:
        found = self._find(url)
        with local_errors(Url.local(path)):
            write_whole(path, found.data)
        return _info(url, found)

    def _write(self, url: Url, data: Data, mode: WriteMode) -> None:
        self._check_process()
        made = _Object.of(data)
        with self._lock:
            there = self._objects.get(url)
            if mode is CREATE and there is not None:
                raise AlreadyExistsError(f"{url.redacted}: exists already", url=url)
            if isinstance(mode, IfMatch) and (there is None or there.etag != mode.etag):
                raise PreconditionFailedError(
                    f"{url.redacted}: is no longer version {mode.etag}", url=url
                )
            self._objects[url] = made

    def _delete(self, url: Url) -> None:
        self._check_process()
        with self._lock:
            self._objects.pop(url, None)

    def _prepare(self, source: Url, url: Url, draft: Draft | None) -> Prepared:
        self._check_process()
        if source.is_local:
            with local_errors(source):
                data = Path(source.path).read_bytes()
        else:
            data = self._find(source).data
        token = os.urandom(16).hex() if draft is None else draft.attempt
        prepared = Prepared(url, token, draft, size=len(data))
        with self._lock:
            self._prepared[url, token] = _Preparation(prepared, data)
        return prepared

    def _complete(self, prepared: tuple[Prepared, ...]) -> None:
        self._check_process()
        with self._lock:
            made = {each.url: self._completed(each) for each in prepared}
            self._objects.update(made)
            self._forget(prepared)

    def _completed(self, prepared: Prepared) -> _Object:
        """The object that a preparation makes, or has made before."""
        url, token = prepared.url, prepared.token
        if (waiting := self._prepared.get((url, token))) is not None:
            return attrs.evolve(_Object.of(waiting.data), token=token)
        if prepared.draft is None:
            raise NotFoundError(f"{url}: nothing is prepared", url=url)
        there = self._objects.get(url)
        if there is None or there.token != token:
            raise PreconditionFailedError(
                f"{url}: the draft {prepared.draft.attempt} was aborted, or others wrote there "
                f"since",
                url=url,
            )
        return there

    def _abort(self, prepared: tuple[Prepared, ...]) -> None:
        self._check_process()
        with self._lock:
            self._forget(prepared)

    def _forget(self, prepared: tuple[Prepared, ...]) -> None:
        for each in prepared:
            self._prepared.pop((each.url, each.token), None)

    def pending(self, prefix: Url, /) -> Iterator[Pending]:
        """What is prepared below a prefix, in the order of the keys."""
        self._check_process()
        with self._lock:
            waiting = [each for each in self._prepared.values() if prefix.contains(each.url)]
        for each in sorted(waiting, key=lambda each: each.url):
            yield Pending(each.prepared, each.begun)

    def list(self, prefix: Url, /, *, recursive: bool = True) -> Iterator[ObjectInfo | Prefix]:
        """The objects below a prefix, in the order of their keys."""
        self._check_process()
        with self._lock:
            below = sorted(pair for pair in self._objects.items() if prefix.contains(pair[0]))
        seen: set[str] = set()
        for url, held in below:
            child, deeper, _ = url.key.removeprefix(prefix.stem).partition("/")
            if recursive or not deeper:
                yield _info(url, held)
            elif child not in seen:
                seen.add(child)
                yield Prefix(prefix.child(child))


def _info(url: Url, held: _Object) -> ObjectInfo:
    return ObjectInfo(url, len(held.data), held.etag, held.modified)


_SHARED: dict[str, MemoryStore] = {}


def shared() -> MemoryStore:
    """The one store behind all ``memory://`` URLs of this process.

    A child that is forked after the first call gets its parent's store, which refuses to work
    there: an empty one in its place would lose what the child writes, without a word. A process
    that was started afresh has a store of its own, which is empty.
    """
    return _SHARED.get("") or _SHARED.setdefault("", MemoryStore())
