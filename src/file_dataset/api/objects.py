"""Single objects, by their URLs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from file_dataset.api import _wiring
from file_dataset.api.object_writer import ObjectWriter
from file_dataset.api.options import Options
from file_dataset.domain.errors import FileDatasetError, InvalidUrlError
from file_dataset.domain.objects import ObjectInfo, Span
from file_dataset.domain.reading import Wanted, always, contents_of
from file_dataset.domain.requests import Data
from file_dataset.domain.spelling import RemotePath
from file_dataset.domain.store import Store
from file_dataset.domain.url import Url

Place: TypeAlias = "str | os.PathLike[str] | RemotePath | Url"


def get(url: Place, *, options: Options | None = None) -> bytes:
    """The bytes of an object.

    Args:
        url: A URL or a local path.
        options: How storage is reached.

    Raises:
        NotFoundError: If there is none.
        FileDatasetError: If it cannot be read.

    >>> put("memory://attic/a.txt", b"some text")
    >>> get("memory://attic/a.txt"), get_range("memory://attic/a.txt", start=5)
    (b'some text', b'text')
    >>> delete("memory://attic/a.txt")
    >>> exists("memory://attic/a.txt")
    False
    """
    store = _wiring.store_for(options)
    return store.read(served(url, store))


def get_range(
    url: Place, start: int, length: int | None = None, *, options: Options | None = None
) -> bytes:
    """The bytes of a range of an object; what lies past its end is left out.

    Args:
        url: A URL or a local path.
        start: Offset of the first byte.
        length: How many bytes, at least one; None is all the rest.
        options: How storage is reached.

    Raises:
        NotFoundError: If there is no such object.
        RangeNotSatisfiableError: If it ends before ``start``.
        ValueError: For a negative offset and a length below one.
        FileDatasetError: If it cannot be read.

    >>> put("memory://box/ranges.txt", b"Dear reader")
    >>> get_range("memory://box/ranges.txt", 5, 4)
    b'read'
    """
    store = _wiring.store_for(options)
    return store.read(served(url, store), span=Span(start, length))


def get_many(urls: Iterable[Place], *, options: Options | None = None) -> list[bytes]:
    """The bytes of many objects, read at once, in the order of their URLs.

    Args:
        urls: URLs or local paths, of any schemes.
        options: How storage is reached.

    Raises:
        FileDatasetError: If any cannot be read; ``file_errors`` has each such URL.

    >>> put("memory://box/1.txt", b"one")
    >>> put("memory://box/2.txt", b"two")
    >>> get_many(["memory://box/2.txt", "memory://box/1.txt"])
    [b'two', b'one']
    """
    return get_many_while(always, urls, options=options)


def get_many_while(
    wanted: Wanted, urls: Iterable[Place], *, options: Options | None = None
) -> list[bytes]:
    """As get_many(), given up between two objects by a NotWantedError once nobody wants them."""
    store = _wiring.store_for(options)
    places = _all_served(urls, store)
    found = contents_of(store, places, wanted=wanted)
    errors = {n: each for n, each in enumerate(found) if isinstance(each, FileDatasetError)}
    if errors:
        raise FileDatasetError(
            f"{len(errors)} of {len(places)} objects cannot be read, such as: "
            f"{errors[min(errors)]}",
            file_errors={str(places[n]): str(errors[n]) for n in sorted(errors)},
        )
    return [each for each in found if isinstance(each, bytes)]


def put(url: Place, data: Data, *, options: Options | None = None) -> None:
    """Make an object of bytes; what is there is replaced, all at once.

    Args:
        url: A URL or a local path.
        data: The bytes.
        options: How storage is reached.

    Raises:
        FileDatasetError: If it cannot be written.

    >>> put("memory://box/letter.txt", b"Dear reader")
    >>> get("memory://box/letter.txt")
    b'Dear reader'
    """
    store = _wiring.store_for(options)
    store.write(served(url, store), data)


def open_writer(url: Place, *, options: Options | None = None) -> ObjectWriter:
    """Make an object of what is written, piece by piece.

    Args:
        url: A URL or a local path.
        options: How storage is reached.

    Raises:
        ValueError: If it names no object, or nobody serves its scheme.

    >>> with open_writer("memory://attic/log.txt") as writer:
    ...     for line in ("one", "two"):
    ...         _ = writer.write(line.encode())
    >>> get("memory://attic/log.txt")
    b'onetwo'
    """
    store = _wiring.store_for(options)
    return ObjectWriter(served(url, store), store)


create_s3_writer = open_writer
create_filesystem_writer = open_writer


def stat(url: Place, *, options: Options | None = None) -> ObjectInfo:
    """Size, etag and time of an object, without reading it.

    Args:
        url: A URL or a local path.
        options: How storage is reached.

    Raises:
        NotFoundError: If there is none.
        FileDatasetError: If it cannot be looked at.

    >>> put("memory://box/stat.txt", b"Dear reader")
    >>> stat("memory://box/stat.txt").size
    11
    """
    store = _wiring.store_for(options)
    return store.stat(served(url, store))


def exists(url: Place, *, options: Options | None = None) -> bool:
    """Whether there is such an object.

    Args:
        url: A URL or a local path.
        options: How storage is reached.

    Raises:
        FileDatasetError: If that cannot be told, for want of a permission or an answer.

    >>> exists("memory://box/never written.txt")
    False
    """
    store = _wiring.store_for(options)
    return store.exists(served(url, store))


def delete(url: Place, *, options: Options | None = None) -> None:
    """Take an object away; one that is not there is deleted already.

    Args:
        url: A URL or a local path.
        options: How storage is reached.

    Raises:
        FileDatasetError: If it cannot be deleted.

    >>> put("memory://box/short.txt", b"")
    >>> delete("memory://box/short.txt")
    >>> delete("memory://box/short.txt")  # which is no error
    """
    store = _wiring.store_for(options)
    store.delete(served(url, store))


def copy(source: Place, target: Place, *, options: Options | None = None) -> str:
    """Copy one object or file to another place, of any scheme; what is there is replaced.

    Args:
        source: A URL or a local path.
        target: A URL or a local path; one that ends in a slash, or is a directory here, keeps the
            source's name.
        options: How storage is reached.

    Returns:
        Where it is now.

    Raises:
        FileDatasetError: If it cannot be read or written.

    >>> put("memory://copies/a.txt", b"as it was")
    >>> copy("memory://copies/a.txt", "memory://copies/old/")
    'memory://copies/old/a.txt'
    """
    store = _wiring.store_for(options)
    read, written = served(source, store, "source"), served(target, store, "target")
    if not read.name:
        raise InvalidUrlError(f"{read.redacted!r} names no object to copy")
    if _ends_in_a_slash(target) or not written.name or _is_directory(written):
        written = written.joined(read.name)
    store.copy(read, written)
    return str(written)


def served(url: Place, store: Store, where: str = "url") -> Url:
    """A URL that a store serves. Raises ValueError for what is none, or of an unknown scheme."""
    served = url if isinstance(url, Url) else Url.parse(url)
    _wiring.scheme_check(store)(served, where)
    return served


def _all_served(urls: Iterable[Place], store: Store) -> list[Url]:
    places = [url if isinstance(url, Url) else Url.parse(url) for url in urls]
    check = _wiring.scheme_check(store)
    for number, place in enumerate(places):
        check(place, f"url {number}")
    return places


def _ends_in_a_slash(place: Place) -> bool:
    return not isinstance(place, Url | RemotePath) and os.fspath(place).endswith("/")


def _is_directory(url: Url) -> bool:
    return url.is_local and Path(url.path).is_dir()
