"""Whatever fsspec speaks: ``ftp://``, ``sftp://``, ``hdfs://``, ``hf://`` and more."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NoReturn

from file_dataset.adapters.fsspec.errors import fsspec_errors
from file_dataset.adapters.fsspec.systems import (
    Place,
    described,
    entries,
    file_system_class,
    import_fsspec,
    path_of,
)
from file_dataset.adapters.per_process import PerProcess
from file_dataset.domain.errors import (
    AlreadyExistsError,
    IntegrityError,
    InvalidUrlError,
    NotFoundError,
    PreconditionFailedError,
    RangeNotSatisfiableError,
    StoreError,
    UnsupportedError,
)
from file_dataset.domain.files import (
    is_temporary,
    local_errors,
    replacing,
    temporary_name,
    write_whole,
)
from file_dataset.domain.objects import CREATE, IfMatch, ObjectInfo, Prefix, Span, WriteMode
from file_dataset.domain.per_object import PerObjectStore
from file_dataset.domain.requests import Data, Delete, Download, Read, Stat, Upload, Write
from file_dataset.domain.store import Verb
from file_dataset.domain.url import Url

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


_VAGUE = {
    12: "such servers have one number for all that they refuse, so that a name that is too long is "
    "a StoreError",
}


class FsspecStore(PerObjectStore):
    """Files of any file system that fsspec knows, such as those of an FTP server or of HDFS.

    What is written to a file system that can rename is written beside its place and renamed into
    it. Objects have no etags here, and directories appear with the first file below them.

    Args:
        protocol: fsspec's name for the file system; None takes the scheme of each URL.
        storage_options: What fsspec's file system is made with, such as ``username``; the host of
            a URL is added where the file system wants one.

    Raises:
        MissingDependencyError: If fsspec, or what it needs for the protocol, is not installed.
        ValueError: If fsspec does not know the protocol.
    """

    verbs: ClassVar[frozenset[Verb]] = frozenset({Stat, Read, Write, Download, Upload, Delete})
    deviations: Mapping[int, str] = {
        7: "looks whether something is there and then writes, so that of several who begin at one "
        "moment more than one may win",
    }

    def __init__(
        self, protocol: str | None = None, storage_options: Mapping[str, object] | None = None
    ) -> None:
        self.protocol = protocol
        self._options = dict(storage_options or {})
        if protocol in ("ftp", "sftp", "ssh"):
            self.deviations = {**self.deviations, **_VAGUE}
        if protocol is None:
            import_fsspec()
        else:
            file_system_class(protocol)
        self._idle: PerProcess[dict[tuple[str, str], deque[AbstractFileSystem]]] = PerProcess(dict)

    def __repr__(self) -> str:
        shown = dict.fromkeys(self._options, "***")
        return f"{type(self).__name__}({self.protocol!r}, {shown})"

    def close(self) -> None:
        """Let go of the file systems; a store that is used again makes new ones."""
        self._idle().clear()

    def __reduce__(self) -> tuple[object, ...]:
        if self.protocol == "memory":
            _refuse_to_pickle()
        return type(self), (self.protocol, self._options)

    # File systems are not made for several threads at once, so that each has one of its own for
    # as long as a request takes. (fsspec's own cache is of instances by thread, and threads here
    # are new for each batch.)
    @contextlib.contextmanager
    def _at(self, url: Url) -> Iterator[Place]:
        """Where an object is, and a file system to reach it by.

        Raises:
            StoreError: For whatever goes wrong there.
            InvalidUrlError: If the file system would take the name for another.
        """
        protocol = self.protocol or url.scheme
        root = f"{protocol}://{url.authority}/"
        idle = self._idle().setdefault((protocol, url.authority), deque())
        with fsspec_errors(url):
            kind = file_system_class(protocol)
            path = path_of(url, kind, "/" if url.is_local else kind._strip_protocol(root))
            try:
                fs = idle.pop()
            except IndexError:
                host = {} if url.is_local else kind._get_kwargs_from_urls(root)
                fs = kind(**{**host, **self._options}, skip_instance_cache=True)
            fs.invalidate_cache()
            try:
                yield Place(url, fs, path)
            except (ConnectionError, TimeoutError):
                raise
            except (OSError, StoreError) as error:
                # That was its answer; after anything else it may be in the middle of one, and a
                # connection that is closed has no number and no kind.
                if type(error) is not OSError or error.errno:
                    idle.append(fs)
                raise
            idle.append(fs)

    def _stat(self, url: Url) -> ObjectInfo:
        with self._at(url) as place:
            return described(url, place.fs.info(place.path))

    def _read(self, url: Url, span: Span | None) -> bytes:
        with self._at(url) as place:
            if span is None:
                data: bytes = place.fs.cat_file(place.path)
                return data
            size = described(url, place.fs.info(place.path)).size
            if span.start >= size:
                raise RangeNotSatisfiableError(
                    f"{url.redacted}: byte {span.start} is past the end ({size} bytes)", url=url
                )
            end = min(span.stop or size, size)
            part: bytes = place.fs.cat_file(place.path, start=span.start, end=end)
            return part

    def _download(self, url: Url, path: Path) -> ObjectInfo:
        with self._at(url) as place:
            if place.is_in_memory:
                # Its files have one position for all who read them.
                data = place.fs.cat_file(place.path)
                with local_errors(Url.local(path)):
                    write_whole(path, data)
                return ObjectInfo(url, len(data))
            with local_errors(Url.local(path)), replacing(path) as temporary:
                temporary.touch()
                with fsspec_errors(url):
                    found = described(url, place.fs.info(place.path))
                    place.fs.get_file(place.path, str(temporary))
                _check_size(found, temporary.stat().st_size)
                return found

    def _write(self, url: Url, data: Data, mode: WriteMode) -> None:
        with self._at(url) as place:
            _put(place, mode, lambda path: place.fs.pipe_file(path, bytes(data)))

    def _upload(self, path: Path, url: Url, mode: WriteMode) -> None:
        with local_errors(Url.local(path)), open(path, "rb") as file, self._at(url) as place:
            if place.is_in_memory:
                _put(place, mode, lambda target: place.fs.pipe_file(target, file.read()))
            else:
                _put(place, mode, lambda target: place.fs.put_file(str(path), target))

    def _delete(self, url: Url) -> None:
        try:
            with self._at(url) as place:
                if not place.fs.isdir(place.path):
                    place.fs.rm_file(place.path)
        except NotFoundError:
            pass
        except StoreError:
            # Not every server has a word of its own for what is missing.
            with self._at(url) as place:
                is_there = place.fs.exists(place.path)
            if is_there:
                raise

    def list(self, prefix: Url, /, *, recursive: bool = True) -> Iterator[ObjectInfo | Prefix]:
        """The files below a directory; directories without files are left out."""
        with self._at(prefix) as place:
            for info in entries(place, place.path, recursive=recursive):
                name = info["name"].strip("/").removeprefix(place.path.strip("/")).lstrip("/")
                url = prefix.joined(name)
                if info["type"] == "directory":
                    yield Prefix(url)
                elif prefix.contains(url) and not is_temporary(url.name):
                    yield described(url, info)


def _check_size(found: ObjectInfo, size: int) -> None:
    if size != found.size:
        error = IntegrityError(
            f"{found.url.redacted}: truncated read: want {found.size}, got {size} bytes"
        )
        error.transient = True
        raise error


def _put(place: Place, mode: WriteMode, write: Callable[[str], object]) -> None:
    """Write an object so that nobody sees a part of it."""
    fs, path, url = place.fs, place.path, place.url
    if is_temporary(url.name):
        raise InvalidUrlError(f"{url.redacted}: such names are for files that are half written")
    if isinstance(mode, IfMatch):
        raise PreconditionFailedError(
            f"{url.redacted}: objects have no etags by way of fsspec, so that none matches", url=url
        )
    if not fs.async_impl and fs.isdir(path):
        raise UnsupportedError(f"{url.redacted}: is a directory, not a file", url=url)
    if mode is CREATE and fs.exists(path):
        raise AlreadyExistsError(f"{url.redacted}: exists already", url=url)
    if place.puts_whole:
        write(path)
        return
    directory = fs._parent(path)
    temporary = f"{directory.rstrip('/')}/{temporary_name()}"
    _make_directory(place, directory)
    try:
        write(temporary)
        fs.mv(temporary, path)
    except BaseException:
        with contextlib.suppress(StoreError), fsspec_errors(url):
            fs.rm_file(temporary)
        raise


def _make_directory(place: Place, path: str) -> None:
    """Make a directory and those above it, each of which somebody else may make just now."""
    fs = place.fs
    for _ in range(path.count("/")):
        # What a server says then is its own affair: FTP has one number for all that it refuses.
        with contextlib.suppress(StoreError), fsspec_errors(place.url):
            fs.makedirs(path, exist_ok=True)
            return
        fs.invalidate_cache()
        if fs.isdir(path):
            return
    fs.makedirs(path, exist_ok=True)


def _refuse_to_pickle() -> NoReturn:
    raise TypeError(
        "fsspec's memory file system lives in the process that made it, and a store of it cannot "
        "be pickled; use a directory or a bucket for what several processes share"
    )
