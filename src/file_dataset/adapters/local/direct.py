"""``direct://``: files and block devices of this machine, past the system's cache."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import attrs

from file_dataset.adapters.local.store import LocalStore, placed
from file_dataset.adapters.local.uncached import opened, pieces, size_of, write_all
from file_dataset.domain.errors import (
    InvalidUrlError,
    RangeNotSatisfiableError,
    StoreError,
    UnsupportedError,
)
from file_dataset.domain.files import local_errors, replacing
from file_dataset.domain.objects import ObjectInfo, Prefix, Span, WriteMode
from file_dataset.domain.requests import Abort, Complete, Data, Pending, Prepare
from file_dataset.domain.store import Verb
from file_dataset.domain.url import Url

_CHUNK = 4 * 2**20


class DirectStore(LocalStore):
    """Files of this machine, read and written past the system's cache: ``direct:///data/a.bin``.

    For what is larger than the memory and read once: it pushes nothing else out of the cache, and
    what was read is what is on the disk. Block devices can be read. Where a file system does not
    do that, there is a RuntimeWarning, and it is read like any other. What makes a file appear is
    as with LocalStore.
    """

    # Nobody reads ahead, so that several have to ask at once.
    workers = 16
    verbs: ClassVar[frozenset[Verb]] = LocalStore.verbs - {Prepare, Complete, Abort}

    def _stat(self, url: Url) -> ObjectInfo:
        local = _local(url)
        with _named(url):
            if not _is_device(local):
                return attrs.evolve(super()._stat(local), url=url)
            with local_errors(url), opened(local.path, os.O_RDONLY) as file:
                return ObjectInfo(url, size_of(file))

    def _read(self, url: Url, span: Span | None) -> bytes:
        with self._opened(url) as file:
            size = size_of(file)
            start = 0 if span is None else span.start
            if span is not None and start >= size:
                raise RangeNotSatisfiableError(
                    f"{url}: byte {start} is past the end ({size} bytes)", url=url
                )
            stop = None if span is None else span.stop
            return b"".join(bytes(piece) for piece in pieces(file, start, stop))

    def _download(self, url: Url, path: Path) -> ObjectInfo:
        info = self._stat(url)
        with self._opened(url) as file, local_errors(Url.local(path)), replacing(path) as temporary:
            with open(temporary, "xb") as written:
                written.writelines(pieces(file))
            return attrs.evolve(info, size=temporary.stat().st_size)

    def _write(self, url: Url, data: Data, mode: WriteMode) -> None:
        with self._placed(url, mode) as written:
            write_all(written, [bytes(data)])

    def _upload(self, path: Path, url: Url, mode: WriteMode) -> None:
        with (
            local_errors(Url.local(path)),
            open(path, "rb", buffering=0) as file,
            self._placed(url, mode) as written,
        ):
            write_all(written, iter(lambda: file.read(_CHUNK), b""))

    def _copy(self, source: Url, url: Url, mode: WriteMode) -> None:
        with self._opened(source) as file, self._placed(url, mode) as written:
            write_all(written, pieces(file))

    def _delete(self, url: Url) -> None:
        local = _local(url)
        with _named(url):
            if not _is_device(local):
                super()._delete(local)

    def list_starting(
        self, prefix: Url, start: str, /, *, recursive: bool = True
    ) -> Iterator[ObjectInfo | Prefix]:
        """The files below a directory, in the order of their names; no devices."""
        files = LocalStore()
        for found in files.list_starting(_local(prefix), start, recursive=recursive):
            key = found.url.path.removeprefix("/")
            yield attrs.evolve(found, url=Url(prefix.scheme, prefix.authority, key))

    def pending(self, prefix: Url, /) -> Iterator[Pending]:  # noqa: ARG002 - nothing is prepared
        """Nothing: drafts are LocalStore's."""
        return iter(())

    @contextlib.contextmanager
    def _opened(self, url: Url) -> Iterator[int]:
        """A file or a device, open for reading."""
        local = _local(url)
        with _named(url):
            if not _is_device(local):
                # It says of directories, pipes and sockets what they are.
                super()._stat(local)
        with local_errors(url), opened(local.path, os.O_RDONLY) as file:
            yield file

    @contextlib.contextmanager
    def _placed(self, url: Url, mode: WriteMode) -> Iterator[int]:
        """An open file that takes the object's place if the body succeeds."""
        local = _local(url)
        if _is_device(local):
            raise UnsupportedError(f"{url}: devices are only read", url=url)
        with (
            _named(url),
            placed(local, mode) as temporary,
            opened(str(temporary), os.O_WRONLY) as file,
        ):
            yield file


@contextlib.contextmanager
def _named(url: Url) -> Iterator[None]:
    """Let errors be about the URL that was asked for, and not about the file that it names."""
    try:
        yield
    except StoreError as error:
        error.url = url
        raise


def _local(url: Url) -> Url:
    """The file that a URL names. Raises InvalidUrlError if it names none."""
    if url.authority:
        raise InvalidUrlError(f"{url}: names a host; write three slashes, as in direct:///data/a")
    return Url("file", "", "/" + url.key.removesuffix("/" if not url.name else ""))


def _is_device(local: Url) -> bool:
    with local_errors(local):
        try:
            return stat.S_ISBLK(os.stat(local.path).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False
