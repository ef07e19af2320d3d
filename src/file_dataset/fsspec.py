"""Members of archives for whatever opens files by fsspec, such as pandas and Dask.

    >>> import file_dataset.fsspec
    >>> file_dataset.fsspec.register()

Then ``fdtar://member::s3://bucket/shard-000001.tar`` is a file, of which fsspec reads by the index
beside the archive what is wanted, where its own ``tar://`` reads the headers of all members.
"""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import IO, Any, ClassVar, overload

from file_dataset.api.browsing import Browser, browser
from file_dataset.api.options import Options
from file_dataset.domain.errors import MissingDependencyError, UnsupportedError
from file_dataset.domain.objects import ObjectInfo, Prefix
from file_dataset.domain.url import Url

try:
    from fsspec import AbstractFileSystem, register_implementation
    from fsspec.spec import AbstractBufferedFile
except ImportError as _error:
    raise MissingDependencyError(
        "file_dataset.fsspec needs fsspec: pip install 'file-dataset[fsspec]'"
    ) from _error

__all__ = ["TarFileSystem", "ZipFileSystem", "register"]

_WHOLE = 8 << 20
# By what fsspec names a file system, and how it is called here.
_SCHEMES = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "abfs": "az"}
_LOCAL = frozenset({"file", "local"})


def register(*, clobber: bool = False) -> None:
    """Let fsspec open members of archives in this process.

    ``fdtar://`` and ``fdzip://`` are registered. Where the library is missing by which fsspec would
    reach the archives themselves (``s3://``, ``gs://``, ``az://``), what is there can be read too.

    Args:
        clobber: Whether ``tar://`` and ``zip://`` are read this way, too, so that cells of packed
            tables are opened as they are. Archives that are compressed as a whole, and what else
            only fsspec's own can do, are then refused.
    """
    for kind in (TarFileSystem, ZipFileSystem):
        for name in kind.protocol if clobber else kind.protocol[:1]:
            register_implementation(name, kind, clobber=True)
    for missing, fallback in _FALLBACKS.items():
        if find_spec(missing) is None:
            for name in fallback.protocol:
                register_implementation(name, fallback, clobber=True)


# `Any` is how fsspec is spoken: its own methods take and give what callers and file systems agree
# on. And it has no types.
class _FileSystem(AbstractFileSystem):
    """Files that are read by a store.

    Args:
        options: How storage is reached.
    """

    protocol: ClassVar[tuple[str, ...]]
    root_marker = ""
    # Options show no secrets, so that instances that differ in nothing else would be taken for one.
    cachable = False

    def __init__(self, *, options: Options | None = None) -> None:
        super().__init__()
        self._options = options

    @property
    def _browser(self) -> Browser:
        return browser(self._options)

    def _url(self, path: str) -> Url:
        raise NotImplementedError

    def _path(self, url: Url) -> str:
        raise NotImplementedError

    @overload
    @classmethod
    def _strip_protocol(cls, path: str) -> str: ...
    @overload
    @classmethod
    def _strip_protocol(cls, path: list[str]) -> list[str]: ...
    @classmethod
    def _strip_protocol(cls, path: str | list[str]) -> str | list[str]:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        for name in cls.protocol:
            path = path.removeprefix(f"{name}://")
        return path.strip("/")

    def info(self, path: str, **_: object) -> dict[str, Any]:
        """What is known of a file or a directory."""
        path = self._strip_protocol(path)
        return self._described(self._browser.look(self._url(path)))

    def ls(
        self,
        path: str,
        detail: bool = True,  # noqa: FBT001, FBT002 - as fsspec calls it
        **_: object,
    ) -> list[Any]:
        """What is in a directory, or the file of this name."""
        path = self._strip_protocol(path)
        found = [self._described(each) for each in self._browser.list(self._url(path))]
        found = sorted(found, key=lambda each: each["name"]) or [self.info(path)]
        found = [each for each in found if each["name"] != path or each["type"] == "file"]
        return found if detail else [each["name"] for each in found]

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **_: object
    ) -> bytes:
        """The bytes of a file, or of a range of it; negative offsets are from its end."""
        url = self._url(self._strip_protocol(path))
        if start is None and end is None:
            return self._browser.read(url)
        size = self.info(path)["size"]
        first, stop, _step = slice(start, end).indices(size)
        return self.read_range(path, first, stop) if first < stop else b""

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """The bytes of a file between two offsets, of which the first is in it."""
        return self._browser.read(self._url(self._strip_protocol(path)), start, stop)

    def _described(self, found: ObjectInfo | Prefix) -> dict[str, Any]:
        if isinstance(found, Prefix):
            return {"name": self._path(found.url).rstrip("/"), "size": 0, "type": "directory"}
        described = {"name": self._path(found.url), "size": found.size, "type": "file"}
        return {**described, "ETag": found.etag, "mtime": found.modified}

    def _open(self, path: str, mode: str = "rb", **more: object) -> IO[bytes] | _File:
        if mode != "rb":
            raise UnsupportedError(f"{path}: is only to be read by fsspec, not for {mode!r}")
        info = self.info(path)
        if info["type"] == "directory":
            raise IsADirectoryError(f"{path}: is a directory")
        if info["size"] <= _WHOLE:
            # Whole, its checksum can be looked at; and it is one request.
            return io.BytesIO(self._browser.read(self._url(self._strip_protocol(path))))
        return _File(self, path, mode, size=info["size"], **more)


class _File(AbstractBufferedFile):
    """A file of which ranges are read as they are wanted."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        data: bytes = self.fs.read_range(self.path, start, end)
        return data


class _MemberFileSystem(_FileSystem):
    """The members of one archive, as files.

    Args:
        fo: Where the archive is: a path for fsspec, or a URL.
        target_protocol: By which fsspec would reach it.
        target_options: What fsspec would be told for that; nothing, since it is not asked.
        options: How storage is reached, as ``file_dataset.Options``.

    Raises:
        ValueError: If the archive is reached in a way that is fsspec's alone.
    """

    def __init__(
        self,
        fo: str = "",
        target_protocol: str | None = None,
        target_options: dict[str, Any] | None = None,
        *,
        options: Options | None = None,
    ) -> None:
        super().__init__(options=options)
        if not isinstance(fo, str) or target_options:
            raise ValueError(
                f"how the archive {fo!r} is reached is said by options=file_dataset.Options(...), "
                f"not by what fsspec is told of {target_protocol}"
            )
        self._archive = str(self._browser.url(_place(fo, target_protocol)))

    def _url(self, path: str) -> Url:
        return Url(self.protocol[-1], self._archive, path)

    def _path(self, url: Url) -> str:
        return url.key


class TarFileSystem(_MemberFileSystem):
    """The members of a tar archive, by the index beside it if there is one."""

    protocol: ClassVar[tuple[str, ...]] = ("fdtar", "tar")


class ZipFileSystem(_MemberFileSystem):
    """The members of a zip archive."""

    protocol: ClassVar[tuple[str, ...]] = ("fdzip", "zip")


class _ObjectFileSystem(_FileSystem):
    """Objects of a store, as files."""

    def _url(self, path: str) -> Url:
        return self._browser.url(f"{self.protocol[0]}://{path}")

    def _path(self, url: Url) -> str:
        return str(url).removeprefix(f"{url.scheme}://")


class _S3(_ObjectFileSystem):
    protocol = ("s3", "s3a", "s3n")


class _GoogleCloud(_ObjectFileSystem):
    protocol = ("gs", "gcs")


class _Azure(_ObjectFileSystem):
    protocol = ("az", "abfs")


_FALLBACKS = {"s3fs": _S3, "gcsfs": _GoogleCloud, "adlfs": _Azure}


def _place(fo: str, protocol: str | None) -> str:
    if "://" in fo or protocol is None or protocol in _LOCAL:
        return fo
    return f"{_SCHEMES.get(protocol, protocol)}://{fo.lstrip('/')}"
