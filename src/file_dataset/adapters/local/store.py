"""Files of this machine, as objects."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import attrs

from file_dataset.adapters.local.drafts import Place, is_staged, receipt
from file_dataset.adapters.local.pending import pending
from file_dataset.domain.errors import (
    InvalidUrlError,
    NotFoundError,
    PreconditionFailedError,
    RangeNotSatisfiableError,
    StoreError,
    UnsupportedError,
)
from file_dataset.domain.files import is_temporary, local_errors, replacing
from file_dataset.domain.half_written import begin, half_written, remove_empty, stamp
from file_dataset.domain.objects import (
    CREATE,
    IfMatch,
    ObjectInfo,
    Prefix,
    Span,
    WriteMode,
)
from file_dataset.domain.per_object import PerObjectStore
from file_dataset.domain.requests import Data, Draft, Pending, Prepared
from file_dataset.domain.url import Url

_AT_ONCE = 2**30
# The directories above that of an attempt, which are there only as long as there are attempts.
_STAGE_AND_RECORDS: Final = 2
# copy_file_range(2): the two files are on different, or on very special file systems.
_NOT_FOR_THESE = frozenset(
    {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.ETXTBSY}
)


class LocalStore(PerObjectStore):
    """Files of this machine: written beside their place and renamed into it.

    Directories come into being with the first file below them and are no objects themselves.
    Symbolic links to files are read through; a write replaces the link and not what it leads to,
    and a listing does not enter linked directories. Devices, pipes and sockets are refused.

    The files of a draft are seen all at once, in a directory that takes the place of the one that
    is there; what the draft does not name is linked over, and whoever writes to the old directory
    at that very moment may find his file gone. Where the system cannot exchange directories (Linux
    can, on its usual file systems), there is none for the time between two renames.
    """

    workers = 4

    def __init__(self) -> None:
        # Directories that came with prepared files, of which none is completed yet.
        self._brought: set[Path] = set()

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), ()

    def _stat(self, url: Url) -> ObjectInfo:
        with local_errors(url):
            return _info(url, _regular(url))

    def _read(self, url: Url, span: Span | None) -> bytes:
        with local_errors(url):
            _regular(url)
            with open(url.path, "rb") as file:
                if span is None:
                    return file.read()
                size = os.fstat(file.fileno()).st_size
                if span.start >= size:
                    raise RangeNotSatisfiableError(
                        f"{url}: byte {span.start} is past the end ({size} bytes)", url=url
                    )
                file.seek(span.start)
                # Never asks for more than there is, for which Python would reserve the memory.
                return file.read(min(span.stop or size, size) - span.start)

    def _write(self, url: Url, data: Data, mode: WriteMode) -> None:
        with _placed(url, mode) as temporary:
            temporary.write_bytes(data)

    def _download(self, url: Url, path: Path) -> ObjectInfo:
        with local_errors(url):
            found = _info(url, _regular(url))
        with local_errors(Url.local(path)), replacing(path) as temporary:
            _copy_file(url, temporary)
        return found

    def _upload(self, path: Path, url: Url, mode: WriteMode) -> None:
        self._copy(Url.local(path), url, mode)

    def _copy(self, source: Url, url: Url, mode: WriteMode) -> None:
        with _placed(url, mode, source) as temporary:
            _copy_file(source, temporary)

    def _delete(self, url: Url) -> None:
        with contextlib.suppress(NotFoundError), local_errors(url):
            os.unlink(url.path)

    def _prepare(self, source: Url, url: Url, draft: Draft | None) -> Prepared:
        with local_errors(source):
            _regular(source)
        if draft is not None:
            return self._prepare_draft(source, url, draft)
        _check(url)
        temporary, made = begin(url)
        self._brought.update(list(temporary.parents)[:made])
        prepared = Prepared(url, f"{temporary.name}:{made}")
        try:
            with local_errors(url):
                _copy_file(source, temporary)
                stamp(temporary)
                return attrs.evolve(prepared, size=temporary.stat().st_size)
        except BaseException:
            self._abort((prepared,))
            raise

    def _prepare_draft(self, source: Url, url: Url, draft: Draft) -> Prepared:
        place = Place.of(draft)
        _check(url)
        with local_errors(draft.root):
            place.check_root()
        hidden = place.hidden(url)
        path = Path(hidden.path)
        temporary, made = _begin_hidden(hidden, url)
        # Of the directories that came with it, those above its attempt's may outlive its end.
        above = max(0, made - 1 - list(path.parents).index(place.attempt))
        self._brought.update(list(place.attempt.parents)[:above])
        try:
            with local_errors(url):
                _copy_file(source, temporary)
                stamp(temporary)
                found, size = receipt(temporary), temporary.stat().st_size
                os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            self._remove_empty(hidden, made)
            raise
        return Prepared(url, str(above), draft, receipt=found, size=size)

    def _complete(self, prepared: tuple[Prepared, ...]) -> None:
        first = prepared[0]
        if first.draft is None:
            temporary, _ = _parts(first)
            with local_errors(first.url):
                os.replace(temporary, first.url.path)
            self._brought.difference_update(temporary.parents)
            return
        place = Place.of(first.draft)
        with local_errors(first.draft.root):
            place.complete(prepared)
        self._brought.difference_update(place.attempt.parents)
        remove_empty(Url.local(place.attempt), _STAGE_AND_RECORDS)

    def _abort(self, prepared: tuple[Prepared, ...]) -> None:
        first = prepared[0]
        if first.draft is None:
            temporary, made = _parts(first)
            with local_errors(first.url):
                temporary.unlink(missing_ok=True)
            self._remove_empty(first.url, made)
        else:
            place = Place.of(first.draft)
            with local_errors(first.draft.root):
                place.abort()
            made = max(_made(each) for each in prepared)
            self._remove_empty(Url.local(place.attempt), max(_STAGE_AND_RECORDS, made))

    def _remove_empty(self, url: Url, made: int) -> None:
        # What came with another file of the same directory goes with whichever is the last.
        parents = Path(url.path).parents
        brought = sum(1 for _ in itertools.takewhile(self._brought.__contains__, parents))
        self._brought.difference_update(remove_empty(url, max(made, brought)))

    def list(self, prefix: Url, /, *, recursive: bool = True) -> Iterator[ObjectInfo | Prefix]:
        """The files below a directory in the order of their names, without those half written."""
        return self.list_starting(prefix, "", recursive=recursive)

    def list_starting(
        self, prefix: Url, start: str, /, *, recursive: bool = True
    ) -> Iterator[ObjectInfo | Prefix]:
        """As ``list``; directories whose name begins otherwise are not entered."""
        if is_staged(prefix):
            return
        with local_errors(prefix):
            try:
                entries = sorted(os.scandir(prefix.path), key=lambda entry: entry.name)
            except (FileNotFoundError, NotADirectoryError):
                return
        for entry in entries:
            if not entry.name.startswith(start):
                continue
            url = prefix.joined(entry.name)
            if entry.is_dir(follow_symlinks=False):
                yield from self._list_directory(url, recursive=recursive)
            elif not is_temporary(entry.name):
                # A file that is gone by now, or a pipe, is no object.
                with contextlib.suppress(NotFoundError, UnsupportedError):
                    yield self._stat(url)

    def pending(self, prefix: Url, /) -> Iterator[Pending]:
        """The files of drafts below a prefix, and those that are, or were, being written there."""
        return pending(prefix)

    def _list_directory(self, url: Url, *, recursive: bool) -> Iterator[ObjectInfo | Prefix]:
        if recursive:
            yield from self.list(url)
        elif any(True for _ in self.list(url)):
            yield Prefix(url)


def _regular(url: Url) -> os.stat_result:
    """The status of a regular file. Raises UnsupportedError for anything else."""
    status = os.stat(url.path)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a directory", url.path)
    if not stat.S_ISREG(status.st_mode):
        raise UnsupportedError(f"{url}: is a device, a pipe or a socket, not a file", url=url)
    return status


def _info(url: Url, status: os.stat_result) -> ObjectInfo:
    etag = f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"
    return ObjectInfo(url, status.st_size, etag, datetime.fromtimestamp(status.st_mtime, UTC))


def _copy_file(source: Url, path: Path) -> None:
    if not _copied_by_the_system(source.path, path):
        shutil.copyfile(source.path, path)
    shutil.copymode(source.path, path)


def _copied_by_the_system(source: str, path: Path) -> bool:
    """Let the system copy a file: one that can share the bytes of both then copies none."""
    if not hasattr(os, "copy_file_range"):
        return False
    with open(source, "rb", buffering=0) as read, open(path, "wb", buffering=0) as written:
        try:
            while os.copy_file_range(read.fileno(), written.fileno(), _AT_ONCE):
                pass
        except OSError as error:
            if error.errno in _NOT_FOR_THESE:
                return False
            raise
        # Some file systems say that they have copied everything, and have not.
        return written.tell() == os.fstat(read.fileno()).st_size


@contextlib.contextmanager
def _placed(url: Url, mode: WriteMode, source: Url | None = None) -> Iterator[Path]:
    """A temporary file that takes the object's place, as the mode allows, if the body succeeds."""
    if source is not None:
        with local_errors(source):
            _regular(source)
    _check(url)
    with half_written(url) as temporary, local_errors(url):
        yield temporary
        stamp(temporary)
        _place(temporary, url, mode)


def _place(temporary: Path, url: Url, mode: WriteMode) -> None:
    if mode is CREATE:
        # Unlike a rename, a link fails where something is.
        os.link(temporary, url.path)
    elif isinstance(mode, IfMatch):
        _replace_version(temporary, url, mode.etag)
    else:
        os.replace(temporary, url.path)


def _replace_version(temporary: Path, url: Url, etag: str) -> None:
    try:
        _regular(url)
        with open(url.path, "rb") as file:
            # Whoever else replaces this version waits here, and then finds another file in place.
            fcntl.flock(file, fcntl.LOCK_EX)
            held = os.fstat(file.fileno())
            current = os.path.samestat(os.stat(url.path), held) and _info(url, held).etag == etag
            if current:
                os.replace(temporary, url.path)
    except FileNotFoundError:
        current = False
    if not current:
        raise PreconditionFailedError(f"{url}: is no longer version {etag}", url=url)


def _check(url: Url) -> None:
    """Raise InvalidUrlError if no object can be where a URL leads."""
    if is_staged(url):
        raise InvalidUrlError(f"{url}: such directories are for files that are not complete")


def _begin_hidden(hidden: Url, url: Url) -> tuple[Path, int]:
    """As begin() does, with the name that was asked for in what goes wrong."""
    try:
        return begin(hidden)
    except StoreError as error:
        error.url = url
        raise


def _made(prepared: Prepared) -> int:
    """How many directories above its attempt's were made for a file of a draft."""
    return int(prepared.token) if prepared.token.isdecimal() else 0


def _parts(prepared: Prepared) -> tuple[Path, int]:
    """What the token of a preparation says: its temporary file, and the directories made for it."""
    name, _, made = prepared.token.partition(":")
    if not (is_temporary(name) and made.isdecimal()):
        raise NotFoundError(f"{prepared.url}: {prepared.token!r} is no token of this store")
    return Path(prepared.url.path).with_name(name), int(made)
