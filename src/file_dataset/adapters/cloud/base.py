"""What is the same for all clouds that obstore speaks to."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from file_dataset.adapters.cloud.errors import obstore_errors
from file_dataset.adapters.cloud.library import check_installed, obstore_here, spelled
from file_dataset.adapters.per_process import PerProcess
from file_dataset.adapters.scratch import TempScratch
from file_dataset.domain.errors import (
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    RangeNotSatisfiableError,
    StoreError,
    TransientError,
)
from file_dataset.domain.files import local_errors, replacing
from file_dataset.domain.objects import (
    CREATE,
    OVERWRITE,
    IfMatch,
    ObjectInfo,
    Prefix,
    Span,
    WriteMode,
)
from file_dataset.domain.per_object import PerObjectStore
from file_dataset.domain.requests import Data
from file_dataset.domain.url import Url

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore

_PIECE = 2**20


class CloudStore(PerObjectStore):
    """Objects of a cloud."""

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        *,
        client_options: Mapping[str, Any] | None = None,
    ) -> None:
        self._config = dict(config or {})
        self._client_options = dict(client_options or {})
        self._made: PerProcess[dict[str, ObjectStore]] = PerProcess(dict)
        check_installed()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict.fromkeys(self._config, '***')})"

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (type(self), self._config, self._client_options)

    def close(self) -> None:
        """Let go of connections; a store that is used again makes new ones."""
        self._made().clear()

    # What a cloud does in its own way.

    def _kind(self) -> Callable[..., ObjectStore]:
        """What makes obstore's store of a bucket, and of settings that obstore looks at."""
        raise NotImplementedError

    def _tag(self, meta: ObjectMeta) -> str | None:
        """What tells one version of an object from another."""
        raise NotImplementedError

    def _version(self, etag: str) -> Mapping[str, str]:
        """The version that a tag names, as obstore has it."""
        raise NotImplementedError

    def _spelled(self, url: Url) -> str:
        """The key of an object or a prefix. Raises InvalidUrlError if it would be changed."""
        return spelled(url)

    # What all of them do.

    @contextlib.contextmanager
    def _at(self, url: Url) -> Iterator[tuple[Any, ObjectStore, str]]:
        """obstore, what reaches a bucket by it, and the name of an object there."""
        library = obstore_here()
        key = self._spelled(url)
        with obstore_errors(url):
            made = self._made()
            if url.authority not in made:
                made[url.authority] = self._connected(url)
            yield library, made[url.authority], key

    def _connected(self, url: Url) -> ObjectStore:
        try:
            with obstore_errors(url):
                return self._kind()(
                    url.authority,
                    config=self._config,
                    client_options=self._client_options,
                    retry_config={"max_retries": 0},
                )
        except StoreError as error:
            # It is the settings, so that nothing else would fare better.
            error.systemic = True
            raise

    def _info(self, url: Url, meta: ObjectMeta) -> ObjectInfo:
        return ObjectInfo(url, meta["size"], self._tag(meta), meta["last_modified"])

    def _stat(self, url: Url) -> ObjectInfo:
        with self._at(url) as (library, store, key):
            return self._info(url, library.head(store, key))

    def _read(self, url: Url, span: Span | None) -> bytes:
        with self._at(url) as (library, store, key):
            if span is None:
                return bytes(library.get(store, key).bytes())
            return _spanned(library, store, key, span, url)

    def _download(self, url: Url, path: Path) -> ObjectInfo:
        with self._at(url) as (library, store, key):
            found = library.get(store, key)
            info = self._info(url, found.meta)
            with local_errors(Url.local(path)), replacing(path) as temporary:
                with open(temporary, "xb") as file:
                    pieces = iter(found.stream(min_chunk_size=_PIECE))
                    while True:
                        with obstore_errors(url):
                            piece = next(pieces, None)
                        if piece is None:
                            break
                        file.write(piece)
                    size = file.tell()
                if size != info.size:
                    raise IntegrityError(
                        f"{url.redacted}: truncated read: want {info.size} bytes, got {size}",
                        url=url,
                    )
            return info

    def _write(self, url: Url, data: Data, mode: WriteMode) -> None:
        with self._at(url) as (library, store, key):
            library.put(store, key, data, mode=self._mode(mode), use_multipart=False)

    def _upload(self, path: Path, url: Url, mode: WriteMode) -> None:
        at = self._at(url)
        with local_errors(Url.local(path)), open(path, "rb") as file, at as (library, store, key):
            # In parts where there is much of it, which no condition can be put on.
            parts = None if mode is OVERWRITE else False
            library.put(store, key, file, mode=self._mode(mode), use_multipart=parts)

    def _copy(self, source: Url, url: Url, mode: WriteMode) -> None:
        if source.authority == url.authority and not isinstance(mode, IfMatch):
            with self._at(url) as (library, store, key):
                library.copy(store, self._spelled(source), key, overwrite=mode is not CREATE)
            return
        with TempScratch() as scratch, scratch.open() as directory:
            path = Path(directory, "object")
            self._download(source, path)
            self._upload(path, url, mode)

    def _mode(self, mode: WriteMode) -> Literal["create", "overwrite"] | Mapping[str, str]:
        if isinstance(mode, IfMatch):
            return self._version(mode.etag)
        return "create" if mode is CREATE else "overwrite"

    def _delete(self, url: Url) -> None:
        with contextlib.suppress(NotFoundError), self._at(url) as (library, store, key):
            library.delete(store, key)

    def list(self, prefix: Url, /, *, recursive: bool = True) -> Iterator[ObjectInfo | Prefix]:
        """The objects below a prefix."""
        with self._at(prefix) as (library, store, key):
            if recursive:
                found = (each for page in library.list(store, key) for each in page)
            else:
                page = library.list_with_delimiter(store, key)
                for common in page["common_prefixes"]:
                    yield Prefix(Url(prefix.scheme, prefix.authority, common.rstrip("/")))
                found = iter(page["objects"])
            empty: set[str] = set()
            for meta in found:
                path = meta["path"]
                # obstore tells "a", and "a/" that stands for a directory, by the same name.
                if not meta["size"] and (path in empty or not _is_there(library, store, path)):
                    continue
                if not meta["size"]:
                    empty.add(path)
                url = Url(prefix.scheme, prefix.authority, path)
                if prefix.contains(url):
                    yield self._info(url, meta)


def _again(
    kind: type[CloudStore], config: Mapping[str, Any], client_options: Mapping[str, Any]
) -> CloudStore:
    return kind(config, client_options=client_options)


def _is_there(library: Any, store: ObjectStore, path: str) -> bool:  # noqa: ANN401 - see obstore_here
    try:
        library.head(store, path)
    except FileNotFoundError:
        return False
    return True


def _spanned(library: Any, store: ObjectStore, key: str, span: Span, url: Url) -> bytes:  # noqa: ANN401 - see obstore_here
    wanted: object = {"offset": span.start} if span.stop is None else (span.start, span.stop)
    try:
        with obstore_errors(url):
            return bytes(library.get(store, key, options={"range": wanted}).bytes())
    except (NotFoundError, TransientError, PermissionDeniedError):
        raise
    except StoreError as error:
        # Servers have several ways to say so, not all of which obstore understands.
        size = library.head(store, key)["size"]
        if span.start < size:
            raise
        raise RangeNotSatisfiableError(
            f"{url.redacted}: byte {span.start} is past the end ({size} bytes)", url=url
        ) from error
