"""What a user names as a dataset, as its items: a place, a glob, URLs, or the rows of a table."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from file_dataset.api import _wiring
from file_dataset.api.frames import RowTable
from file_dataset.api.kinds import table_of
from file_dataset.api.listing import globs_of
from file_dataset.api.loader_options import LoaderOptions
from file_dataset.api.objects import Place, served
from file_dataset.domain.errors import (
    InvalidDatasetError,
    NotFoundError,
    UnsupportedError,
)
from file_dataset.domain.globs import Glob
from file_dataset.domain.items import Objects, Rows, Unread
from file_dataset.domain.listing import Listing
from file_dataset.domain.reading import NotWantedError, Wanted
from file_dataset.domain.requests import Read
from file_dataset.domain.spelling import RemotePath
from file_dataset.domain.store import Store
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

Items: TypeAlias = Sequence[Unread[Any]]
Find: TypeAlias = Callable[[Wanted], Items]

_GLOBBING = re.compile(r"[*?\[]")


def finding(source: object, options: LoaderOptions, store: Store) -> Find:
    """What finds the items of a source, once all is looked at that needs no store.

    The function is given what says between two objects whether to go on. It raises NotFoundError if
    there is nothing where something should be.

    Args:
        source: A URL or path of an object, a directory, a prefix or a glob; several URLs or paths;
            or a table.
        options: Which objects below a prefix are meant.
        store: Where they are.

    Raises:
        ValueError: For a source that is none of these, and for schemes that nobody serves.
    """
    if isinstance(source, str | os.PathLike | RemotePath | Url):
        return _place(source, options, store)
    if options.pattern is not None or not options.recursive:
        raise ValueError(
            f"pattern and recursive choose among what is below a prefix, which a "
            f"{type(source).__name__} is not"
        )
    if is_table(source):
        return functools.partial(_known, _rows(source, store))
    return functools.partial(_all, _objects(source, store))


def _known(items: Items, wanted: Wanted) -> Items:  # noqa: ARG001 - nothing is to be done
    return items


def _all(parts: Sequence[str | Listing], wanted: Wanted) -> Items:
    """The objects of URLs, and in place of an archive its members."""
    texts: list[str] = []
    for part in parts:
        texts += [part] if isinstance(part, str) else _found(part, wanted).texts
    return Objects(texts)


# --- a place ----------------------------------------------------------------------------------


def _place(source: Place, options: LoaderOptions, store: Store) -> Find:
    url = served(source, store)
    below = Listing(store, url, globs_of(options.pattern), recursive=options.recursive)
    matching = _glob(source, url, options, store)
    if options.pattern is not None or not url.key or url.key.endswith("/"):
        return functools.partial(_found, below if matching is None else matching)
    return functools.partial(_find, below, matching)


def _find(below: Listing, matching: Listing | None, wanted: Wanted) -> Items:
    """The object itself, else what is below it, or what matches it where it is a glob."""
    url = below.prefix
    try:
        below.store.stat(url)
    except NotFoundError as missing:
        try:
            return _found(below if matching is None else matching, wanted)
        except UnsupportedError:
            # There are no listings there, so that it is the object that is not found.
            raise missing from None
    except UnsupportedError as refused:
        # It may be a directory, where the store has such.
        if url.is_local and not Path(url.path).is_dir():
            raise
        return _found_in(below, wanted, refused)
    return Objects([str(url)])


def _found_in(directory: Listing, wanted: Wanted, refused: UnsupportedError) -> Objects:
    """What is in a directory, which is said to be no object."""
    try:
        return _found(directory, wanted)
    except UnsupportedError:
        raise refused from None
    except NotFoundError as missing:
        if directory.prefix.is_local:
            raise
        raise NotFoundError(
            f"{refused}, and nothing that is meant is below it", url=missing.url
        ) from refused


def _glob(source: Place, url: Url, options: LoaderOptions, store: Store) -> Listing | None:
    """The listing that a text with special characters stands for, where it has some."""
    special = _GLOBBING.search(url.key) if isinstance(source, str) else None
    if special is None:
        return None
    if options.pattern is not None:
        raise ValueError(
            f"{url.redacted} has a pattern in it; pattern={options.pattern!r} is one too many"
        )
    slash = url.key.rfind("/", 0, special.start())
    pattern = url.key[slash + 1 :]
    # With one more character it is a name, which has a parent.
    prefix = Url(url.scheme, url.authority, f"{url.key[: slash + 1]}_").parent
    # A pattern alone would run over slashes, which of a path nobody expects.
    is_deep = "/" in pattern or "**" in pattern
    return Listing(store, prefix, (Glob(pattern),), recursive=is_deep)


def _found(listing: Listing, wanted: Wanted) -> Objects:
    texts: list[str] = []
    with closing(listing.find(all_of_it=True)) as found:
        for each in found:
            if not wanted():
                raise NotWantedError
            texts.append(str(each.url))
    if not texts:
        raise _nothing(listing)
    return Objects(sorted(texts))


def _nothing(listing: Listing) -> NotFoundError:
    place = listing.prefix.redacted
    is_directory = listing.prefix.is_local and Path(listing.prefix.path).is_dir()
    if listing.prefix.is_local and not is_directory:
        reason = "not found"
    elif listing.globs:
        patterns = ", ".join(repr(glob.text) for glob in listing.globs)
        where = "below it" if listing.recursive else "directly below it"
        reason = f"not found: nothing {where} matches {patterns}"
    elif not listing.recursive:
        reason = "not found: nothing is directly below it, and recursive is False"
    elif is_directory:
        reason = "not found: the directory is empty, there are no files in it"
    else:
        reason = "not found: there is no such object, and nothing below it"
    return NotFoundError(f"{place}: {reason}", url=listing.prefix)


# --- several URLs -----------------------------------------------------------------------------


def _objects(source: object, store: Store) -> list[str | Listing]:
    if not isinstance(source, Iterable) or isinstance(source, bytes | bytearray | Mapping):
        raise InvalidDatasetError(
            f"a dataset is made of a URL, a path, several of these or a table, not of a "
            f"{type(source).__name__}"
        )
    check = _wiring.scheme_check(store)
    parts: list[str | Listing] = []
    for number, each in enumerate(source):
        if not isinstance(each, str | os.PathLike | RemotePath | Url):
            raise InvalidDatasetError(f"url {number}: {each!r} is neither a URL nor a path")
        url = each if isinstance(each, Url) else Url.parse(each)
        check(url, f"url {number}")
        is_archive = url.is_member and not url.key
        parts.append(Listing(store, url) if is_archive else str(Read(url).url))
    return parts


# --- a table ----------------------------------------------------------------------------------


def is_table(source: object) -> bool:
    """Whether a source is a table, whose URLs may be others' words."""
    if isinstance(source, list | tuple):
        return bool(source) and isinstance(source[0], Mapping)
    with contextlib.suppress(InvalidDatasetError):
        table_of(source)
        return True
    return False


def _rows(source: object, store: Store) -> Rows:
    table = RowTable.parse(source, check=_wiring.scheme_check(store), only_files=True)
    cells = table.table.columns()
    columns = {name: None if name in table.columns else cells[name] for name in cells}
    return Rows(table.rows, columns)
