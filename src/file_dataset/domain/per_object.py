"""A template for stores that work one object at a time; threads do the rest."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

from file_dataset.domain.errors import (
    FileDatasetError,
    InvalidUrlError,
    StoreError,
    UnsupportedError,
)
from file_dataset.domain.files import local_errors, replacing
from file_dataset.domain.objects import ObjectInfo, Prefix, Span, WriteMode
from file_dataset.domain.outcomes import Done, Failed, Outcome
from file_dataset.domain.requests import (
    Abort,
    Complete,
    Copy,
    Data,
    Delete,
    Download,
    Draft,
    Prepare,
    Prepared,
    Read,
    Request,
    Stat,
    Upload,
    Write,
)
from file_dataset.domain.store import Store, Verb
from file_dataset.domain.threads import unordered
from file_dataset.domain.url import Url

T = TypeVar("T")

# What has to be written for a verb to be there: any one of these sets of methods.
_NEEDS: dict[Verb, tuple[tuple[str, ...], ...]] = {
    Stat: (("_stat",),),
    Read: (("_read",),),
    Write: (("_write",),),
    Download: (("_download",), ("_read",)),
    Upload: (("_upload",), ("_write",)),
    Copy: (("_copy",), ("_read", "_write")),
    Delete: (("_delete",),),
    Prepare: (("_prepare", "_complete", "_abort"),),
    Complete: (("_prepare", "_complete", "_abort"),),
    Abort: (("_prepare", "_complete", "_abort"),),
}


class PerObjectStore(Store):
    """A store written as one method per verb, called from up to ``workers`` threads at a time.

    Write ``_stat``, ``_read``, ``_write``, ``_delete`` and ``list``, and downloads, uploads and
    copies work too, by way of memory; override ``_download``, ``_upload`` and ``_copy`` where the
    store can do better, such as tell the etag of what it downloaded. ``_prepare``, ``_complete``
    and ``_abort`` go together, and with them goes ``pending``. ``verbs`` is what was written. Each
    method raises a StoreError for what went wrong; whatever else it raises is a bug and stops the
    batch.
    """

    workers: int = 16
    verbs: ClassVar[frozenset[Verb]] = frozenset()

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "verbs" not in cls.__dict__:
            cls.verbs = frozenset(verb for verb, ways in _NEEDS.items() if cls._has(ways))

    @classmethod
    def _has(cls, ways: tuple[tuple[str, ...], ...]) -> bool:
        return any(
            all(getattr(cls, name) is not getattr(PerObjectStore, name) for name in way)
            for way in ways
        )

    def run(self, requests: Sequence[Request[T]], /) -> Iterator[Outcome[T]]:
        """Carry out a batch with up to ``workers`` threads."""
        return unordered(
            self._outcome, list(enumerate(requests)), workers=min(self.workers, len(requests))
        )

    def _outcome(self, numbered: tuple[int, Request[T]]) -> Outcome[T]:
        index, request = numbered
        try:
            return Done(index, cast(T, self._carry_out(request)))
        except (StoreError, InvalidUrlError) as error:
            return failed(index, request, error)

    def _carry_out(self, request: Request[object]) -> object:
        if type(request) not in self.verbs:
            raise UnsupportedError(
                f"{type(self).__name__} cannot {request.operation.lower()} {request.url.redacted}"
            )
        return _METHODS[type(request)](self, request)

    @abstractmethod
    def list(self, prefix: Url, /, *, recursive: bool = True) -> Iterator[ObjectInfo | Prefix]:
        """The objects below a prefix; with ``recursive=False`` its direct children only."""

    def _stat(self, url: Url) -> ObjectInfo:
        raise NotImplementedError

    def _read(self, url: Url, span: Span | None) -> bytes:
        raise NotImplementedError

    def _write(self, url: Url, data: Data, mode: WriteMode) -> None:
        raise NotImplementedError

    def _delete(self, url: Url) -> None:
        raise NotImplementedError

    def _download(self, url: Url, path: Path) -> ObjectInfo:
        data = self._read(url, None)
        with local_errors(Url.local(path)), replacing(path) as temporary:
            temporary.write_bytes(data)
        return ObjectInfo(url, len(data))

    def _upload(self, path: Path, url: Url, mode: WriteMode) -> None:
        with local_errors(Url.local(path)):
            data = path.read_bytes()
        self._write(url, data, mode)

    def _copy(self, source: Url, url: Url, mode: WriteMode) -> None:
        self._write(url, self._read(source, None), mode)

    def _prepare(self, source: Url, url: Url, draft: Draft | None) -> Prepared:
        raise NotImplementedError

    def _complete(self, prepared: tuple[Prepared, ...]) -> None:
        raise NotImplementedError

    def _abort(self, prepared: tuple[Prepared, ...]) -> None:
        raise NotImplementedError


def failed(index: int, request: Request[object], error: FileDatasetError) -> Failed:
    """A request that failed, with an error that says of which object and verb."""
    if isinstance(error, StoreError):
        error.url = error.url or request.url
        error.operation = error.operation or request.operation
    return Failed(index, error)


# Each verb's method with the request's fields as its arguments. `Any`: a table of methods by the
# type of their argument is beyond what types can say; `_carry_out` looks the type up.
_METHODS: dict[Verb, Callable[[PerObjectStore, Any], object]] = {
    Stat: lambda store, r: store._stat(r.url),
    Read: lambda store, r: store._read(r.url, r.span),
    Write: lambda store, r: store._write(r.url, r.data, r.mode),
    Download: lambda store, r: store._download(r.url, r.path),
    Upload: lambda store, r: store._upload(r.path, r.url, r.mode),
    Copy: lambda store, r: store._copy(r.source, r.url, r.mode),
    Delete: lambda store, r: store._delete(r.url),
    Prepare: lambda store, r: store._prepare(r.source, r.url, r.draft),
    Complete: lambda store, r: store._complete(r.prepared),
    Abort: lambda store, r: store._abort(r.prepared),
}
