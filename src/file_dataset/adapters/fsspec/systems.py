"""fsspec's file systems: their classes, their names for objects, what they say of them."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import attrs

from file_dataset.domain.errors import InvalidUrlError, MissingDependencyError, UnsupportedError
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.url import Url

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

# What file systems call the time of the last write.
_TIMES: Final = ("mtime", "LastModified", "last_modified", "updated", "modify")


@attrs.frozen
class Place:
    """An object of a file system, under the name that the file system has for it."""

    url: Url
    fs: AbstractFileSystem
    path: str

    @property
    def puts_whole(self) -> bool:
        """Whether what is written is seen when it is all there: object stores, and memory."""
        return bool(self.fs.async_impl) or self.is_in_memory

    @property
    def is_in_memory(self) -> bool:
        """Whether it is fsspec's own dictionary, whose files are one handle for all."""
        return bool(self.fs.protocol == "memory")


def path_of(url: Url, kind: type[AbstractFileSystem], base: str) -> str:
    """The name that a kind of file system has for an object, given the name of the URL's root.

    Raises:
        InvalidUrlError: If it would take the name for another.
    """
    key = url.key.strip("/") if url.is_local or not url.name else url.key
    path = f"{base.rstrip('/')}/{key}".rstrip("/") or base
    is_odd = key and {"", ".", ".."}.intersection(key.split("/"))
    if is_odd or kind._strip_protocol(path) != path:
        raise InvalidUrlError(f"{url.redacted}: fsspec would take the name for another")
    return path


def described(url: Url, info: Mapping[str, Any]) -> ObjectInfo:
    """What fsspec says of a file. Raises UnsupportedError if that is not enough."""
    if info["type"] == "directory":
        raise UnsupportedError(f"{url.redacted}: is a directory, not a file", url=url)
    if info["size"] is None:
        raise UnsupportedError(f"{url.redacted}: fsspec does not tell its size", url=url)
    return ObjectInfo(url, int(info["size"]), modified=_time(info))


def _time(info: Mapping[str, Any]) -> datetime | None:
    found = next((info[name] for name in _TIMES if info.get(name) is not None), None)
    if isinstance(found, int | float):
        return datetime.fromtimestamp(found, UTC)
    if isinstance(found, datetime):
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return None


def entries(place: Place, directory: str, *, recursive: bool) -> Iterator[dict[str, Any]]:
    """What is below a directory, as fsspec describes it."""
    fs = place.fs
    try:
        if recursive and place.puts_whole:
            yield from fs.find(directory, detail=True).values()
            return
        infos = sorted(fs.ls(directory, detail=True), key=lambda info: str(info["name"]))
    except (FileNotFoundError, NotADirectoryError):
        return
    name = directory.rstrip("/").rpartition("/")[2]
    if [info["name"].rpartition("/")[2] for info in infos] == [name] and not fs.isdir(directory):
        return  # FTP lists a file as if it were in itself.
    for info in infos:
        if info["name"].strip("/") == directory.strip("/"):
            continue
        if info["type"] != "directory":
            yield info
        elif info.get("islink"):
            continue
        elif recursive:
            yield from entries(place, info["name"], recursive=True)
        elif any(True for _ in entries(place, info["name"], recursive=True)):
            yield info


@functools.cache
def file_system_class(protocol: str) -> type[AbstractFileSystem]:
    """The class of a protocol. Raises MissingDependencyError if it cannot be had."""
    import_fsspec()
    from fsspec import get_filesystem_class

    try:
        made: type[AbstractFileSystem] = get_filesystem_class(protocol)
    except ImportError as error:
        raise MissingDependencyError(f"{protocol}:// by way of fsspec: {error}") from error
    return made


def import_fsspec() -> None:
    """Raise MissingDependencyError if there is no fsspec."""
    try:
        import fsspec  # noqa: F401 - asked for here, so that its absence is told in words
    except ImportError as error:
        raise MissingDependencyError(
            "FsspecStore needs fsspec: pip install 'file-dataset[fsspec]'"
        ) from error
