"""Files of this machine, as objects."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from file_dataset.adapters.local.drafts import Place, is_staged, receipt
from file_dataset.adapters.local.pending import pending
from file_dataset.adapters.local.regular import (
    copy_file,
    copy_regular,
    info,
    opened,
    place,
    regular,
)
from file_dataset.domain.errors import (
    InvalidUrlError,
    NotFoundError,
    RangeNotSatisfiableError,
    UnsupportedError,
)
from file_dataset.domain.files import check_no_links, is_temporary, local_errors, replacing
from file_dataset.domain.half_written import (
    begin,
    half_written,
    in_place,
    refuse_temporary,
    remove_empty,
    stamp,
)
from file_dataset.domain.names import RECORDS
from file_dataset.domain.objects import (
    ObjectInfo,
    Prefix,
    Span,
    WriteMode,
)
from file_dataset.domain.per_object import PerObjectStore
from file_dataset.domain.requests import Data, Draft, Pending, Prepared, Request
from file_dataset.domain.url import Url

# Tokens and receipts may come from a record that anybody wrote.
_is_count: Final = re.compile(r"[0-9]{1,4}").fullmatch


class LocalStore(PerObjectStore):
    """Files of this machine: written beside their place and renamed into it.

    Directories come into being with the first file below them and are no objects themselves.
    Symbolic links to files are read through; a write replaces the link and not what it leads to,
    and a listing does not enter linked directories. Devices, pipes and sockets are refused.

    The files of a draft are seen all at once, in a directory that takes the place of the one that
    is there; what the draft does not name is linked over, and whoever writes to the old directory
    at that very moment may find his file gone. Where the system cannot exchange directories (Linux
    can, on its usual file systems), there is none for the time between two renames.

    >>> from file_dataset import Url
    >>> LocalStore().stat(Url.local("README.md")).size > 0
    True
    """

    workers = 4

    def __init__(self) -> None:
        # Directories that came with prepared files, of which none is completed yet.
        self._brought: set[Path] = set()

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), ()

    def cost(self, requests: Sequence[Request[Any]], sizes: Sequence[int], /) -> int:  # noqa: ARG002 - whatever they are
        """Nothing: it is on this machine."""
        return 0

    def _stat(self, url: Url) -> ObjectInfo:
        with local_errors(url):
            return info(url, regular(url))

    def _read(self, url: Url, span: Span | None) -> bytes:
        with local_errors(url):
            regular(url)
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
        with placed(url, mode) as temporary:
            temporary.write_bytes(data)

    def _download(self, url: Url, path: Path) -> ObjectInfo:
        with local_errors(url):
            regular(url)
        with local_errors(Url.local(path)), replacing(path) as temporary:
            return info(url, copy_file(url, temporary))

    def _upload(self, path: Path, url: Url, mode: WriteMode) -> None:
        self._copy(Url.local(path), url, mode)

    def _copy(self, source: Url, url: Url, mode: WriteMode) -> None:
        with placed(url, mode, source) as temporary:
            copy_file(source, temporary)

    def _delete(self, url: Url) -> None:
        _check_records(url)
        with contextlib.suppress(NotFoundError), local_errors(url):
            os.unlink(url.path)

    def _prepare(self, source: Url, url: Url, draft: Draft | None) -> Prepared:
        with local_errors(source):
            regular(source)
        if draft is not None:
            return self._prepare_draft(source, url, draft)
        _check(url)
        temporary, made = begin(url)
        self._brought.update(list(temporary.parents)[:made])
        prepared = Prepared(url, f"{temporary.name}:{made}")
        try:
            with local_errors(url):
                copy_file(source, temporary)
                stamp(temporary)
                return attrs.evolve(prepared, size=temporary.stat().st_size)
        except BaseException:
            self._abort((prepared,))
            raise

    def _prepare_draft(self, source: Url, url: Url, draft: Draft) -> Prepared:
        place = Place.of(draft)
        _check(url)
        refuse_temporary(url)
        with local_errors(url), opened(source) as read:
            found, above = place.prepare(url, functools.partial(copy_regular, source, read))
        self._brought.update([place.stage, *place.stage.parents][:above])
        return Prepared(url, draft.attempt, draft, f"{receipt(found)}-{above}", found.st_size)

    def _complete(self, prepared: tuple[Prepared, ...]) -> None:
        first = prepared[0]
        if first.draft is None:
            temporary, _ = _parts(first)
            with in_place(temporary, first.url):
                os.replace(temporary, first.url.path)
            self._brought.difference_update(temporary.parents)
            return
        place = Place.of(first.draft)
        with local_errors(first.draft.root):
            place.complete(prepared)
        self._brought.difference_update([place.stage, *place.stage.parents])
        place.remove_empty_above(0)

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
            above = self._brought_of([place.stage, *place.stage.parents])
            made = max(above, *map(_made, prepared))
            self._brought.difference_update(place.remove_empty_above(made))

    def _remove_empty(self, url: Url, made: int) -> None:
        made = max(made, self._brought_of(Path(url.path).parents))
        self._brought.difference_update(remove_empty(url, made))

    def _brought_of(self, parents: Iterable[Path]) -> int:
        """How many go away, since what came with another file goes with whichever is the last."""
        return sum(1 for _ in itertools.takewhile(self._brought.__contains__, parents))

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


@contextlib.contextmanager
def placed(url: Url, mode: WriteMode, source: Url | None = None) -> Iterator[Path]:
    """A temporary file that takes the object's place, as the mode allows, if the body succeeds."""
    if source is not None:
        with local_errors(source):
            regular(source)
    _check(url)
    with half_written(url) as temporary, in_place(temporary, url):
        yield temporary
        stamp(temporary)
        place(temporary, url, mode)


def _check(url: Url) -> None:
    """Raise InvalidUrlError if no object can be where a URL leads; also as _check_records()."""
    if is_staged(url):
        raise InvalidUrlError(f"{url}: such directories are for files that are not complete")
    _check_records(url)


def _check_records(url: Url) -> None:
    """Raise UnsupportedError if a link leads from the records of a destination elsewhere."""
    into, records, _ = url.path.partition(f"/{RECORDS}/")
    if records:
        check_no_links(url, Url.local(into or "/"))


def _made(prepared: Prepared) -> int:
    """How many directories above its attempt's were made for a file of a draft."""
    made = prepared.receipt.rpartition("-")[2]
    return int(made) if _is_count(made) else 0


def _parts(prepared: Prepared) -> tuple[Path, int]:
    """What the token of a preparation says: its temporary file, and the directories made for it."""
    name, _, made = prepared.token.partition(":")
    if not (is_temporary(name) and _is_count(made)):
        raise NotFoundError(f"{prepared.url}: {prepared.token!r} is no token of this store")
    return Path(prepared.url.path).with_name(name), int(made)
