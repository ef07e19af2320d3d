"""From a bucket to a table: what is below a prefix, file by file or row by row."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from file_dataset.api import _wiring
from file_dataset.api._arguments import at_least
from file_dataset.api.frames import users_stacklevel
from file_dataset.api.objects import Place, served
from file_dataset.api.options import Options
from file_dataset.domain.errors import InvalidDatasetError
from file_dataset.domain.globs import Glob
from file_dataset.domain.layout import Layout
from file_dataset.domain.listing import Listing
from file_dataset.domain.objects import ObjectInfo
from file_dataset.domain.threads import closing

if TYPE_CHECKING:
    import pandas as pd

Patterns: TypeAlias = "str | Sequence[str] | None"

_log = logging.getLogger("file_dataset")

# More names than these would hide the message in its examples.
_SHOWN = 3


def list_files(
    url: Place,
    *,
    pattern: Patterns = None,
    extension: str | None = None,
    recursive: bool = True,
    max_files: int | None = None,
    options: Options | None = None,
) -> pd.DataFrame:
    """The files below a prefix, as a table: a line each, sorted.

    Directory markers are no files, ``data`` does not list ``data2/``, and what this library keeps
    for itself below ``.file_dataset`` is left out. What a pattern says literally goes to the
    server, which then lists nothing else.

    Args:
        url: The prefix, with or without a slash at its end: a bucket, a part of one, a directory.
        pattern: A glob, or several, for the name below the prefix: ``*`` any characters, ``?`` one
            character, ``[a-z]`` one of these, ``[!a-z]`` one that is none of these. If the pattern
            has a slash, ``*`` ends at slashes, and ``**`` between slashes is any number of
            directories; if it has none, ``*`` runs over them, so that ``*.json`` is any at all.
        extension: What names have to end with, with or without the dot.
        recursive: Whether to go below the direct children.
        max_files: Stop after so many.
        options: How storage is reached.

    Returns:
        A DataFrame of ``url``, ``bucket``, ``path`` (the key; of a local file its path), ``name``
        (the last segment), ``size`` in bytes (``int64``), ``etag`` (None where there is none) and
        ``last_modified`` (``datetime64[us, UTC]``). If nothing is found, it has no rows.

    Raises:
        ValueError: For a pattern that is none, an extension with a slash, a negative number, and a
            URL of an unknown scheme, before anything is listed.
        StoreError: If the store cannot be listed.

    >>> import file_dataset
    >>> for name in ("1/image.mha", "2/image.mha", "notes.txt"):
    ...     file_dataset.put(f"memory://listed/{name}", b"...")
    >>> list_files("memory://listed", extension="mha")[["path", "size"]]
              path  size
    0  1/image.mha     3
    1  2/image.mha     3
    """
    listing = listing_of(url, pattern, extension, recursive=recursive, options=options)
    found = first_found(listing, max_files, in_order=False)
    with closing(found):
        return _frame(found).sort_values("url", ignore_index=True, kind="stable")


def listing_of(
    url: Place,
    pattern: Patterns = None,
    extension: str | None = None,
    *,
    recursive: bool = True,
    options: Options | None = None,
) -> Listing:
    """What is to be listed, with every argument looked at and nothing asked yet."""
    store = _wiring.store_for(options)
    return Listing(
        store,
        served(url, store),
        globs_of(pattern),
        _dotted(extension),
        recursive=recursive,
    )


def globs_of(pattern: Patterns) -> tuple[Glob, ...]:
    """The globs that one argument spells. Raises ValueError if one of them is none."""
    if pattern is None:
        return ()
    texts = [pattern] if isinstance(pattern, str) else list(pattern)
    if not texts:
        raise ValueError("pattern is an empty list, which matches nothing; None matches everything")
    return tuple(Glob(text) for text in dict.fromkeys(texts))


def _dotted(extension: str | None) -> str:
    if extension is None:
        return ""
    bare = extension.removeprefix(".")
    if not bare or "/" in bare:
        raise ValueError(f"extension must be the end of a name, as '.json', not {extension!r}")
    return f".{bare}"


def first_found(
    listing: Listing, most: int | None, *, in_order: bool = True
) -> Iterator[ObjectInfo]:
    """The files as they are found, and no page more than so many of them take.

    Args:
        listing: What is to be listed.
        most: How many.
        in_order: Whether they have to come in the order in which the store lists.
    """
    if most is not None:
        at_least("max_files", most, 0)
    return _first(listing, most, all_of_it=most is None and not in_order)


def _first(listing: Listing, most: int | None, *, all_of_it: bool) -> Iterator[ObjectInfo]:
    if most != 0:
        with closing(listing.find(all_of_it=all_of_it)) as found:
            yield from islice(found, most)


def _frame(found: Iterable[ObjectInfo]) -> pd.DataFrame:
    import pandas as pd

    urls: list[str] = []
    buckets: list[str] = []
    paths: list[str] = []
    names: list[str] = []
    sizes: list[int] = []
    etags: list[str | None] = []
    times: list[datetime | None] = []
    for each in found:
        urls.append(str(each.url))
        buckets.append(each.url.authority)
        paths.append(each.url.key)
        names.append(each.url.name)
        sizes.append(each.size)
        etags.append(each.etag)
        times.append(each.modified)
    return pd.DataFrame(
        {
            "url": pd.Series(urls, dtype="object"),
            "bucket": pd.Series(buckets, dtype="object"),
            "path": pd.Series(paths, dtype="object"),
            "name": pd.Series(names, dtype="object"),
            "size": pd.Series(sizes, dtype="int64"),
            "etag": pd.Series(etags, dtype="object"),
            "last_modified": pd.Series(times, dtype="datetime64[us, UTC]"),
        }
    )


def frame_from_layout(layout: str, *, options: Options | None = None) -> pd.DataFrame:
    """The files below a prefix as rows, by the id and the filename that their keys are made of.

    A row that lacks a file which others have gets None for it, with a warning. Keys that do not
    fit the layout are left out and logged.

    Args:
        layout: A URL or path with ``{id}`` and ``{filename}`` in it, once each, in any order:
            ``s3://bucket/raw/{id}/{filename}``, ``s3://bucket/raw/{id}_{filename}``. Each stands
            for one or more characters but slashes, the first for as few as can be; a
            ``{filename}`` that is a whole segment and the last may have directories in it.
        options: How storage is reached.

    Returns:
        A DataFrame of ``id`` (texts, sorted) and a column of URLs for each filename, sorted: what
        ``Pipeline`` and ``reader`` take. If nothing is found, it has no rows.

    Raises:
        ValueError: If the layout lacks a field or has others, or its scheme is unknown, before
            anything is listed; and for a file that is called ``id``.
        StoreError: If the store cannot be listed.

    >>> import file_dataset
    >>> file_dataset.put("memory://layout/raw/7/image.mha", b"...")
    >>> frame_from_layout("memory://layout/raw/{id}/{filename}")
      id                        image.mha
    0  7  memory://layout/raw/7/image.mha
    """
    import pandas as pd

    parsed = Layout.parse(layout)
    store = _wiring.store_for(options)
    prefix = served(parsed.prefix, store, "layout")
    rows = _rows(Listing(store, prefix, start=parsed.start), parsed)
    ids = sorted(rows)
    names = sorted({name for files in rows.values() for name in files})
    if "id" in names:
        raise InvalidDatasetError(
            f"the layout {layout!r} makes 'id' a filename, as that of row "
            f"{next(row_id for row_id in ids if 'id' in rows[row_id])!r}; that is the name of the "
            f"column of ids"
        )
    lacking = [row_id for row_id in ids if len(rows[row_id]) < len(names)]
    if lacking:
        examples = ", ".join(
            f"{row_id!r} lacks {sorted(set(names) - set(rows[row_id]))[:_SHOWN]}"
            for row_id in lacking[:_SHOWN]
        )
        warnings.warn(
            f"{len(lacking)} of {len(ids)} rows lack files that others have and get None for "
            f"them: {examples}",
            stacklevel=users_stacklevel(),
        )
    cells = {"id": ids, **{name: [rows[row_id].get(name) for row_id in ids] for name in names}}
    return pd.DataFrame({name: pd.Series(cell, dtype="object") for name, cell in cells.items()})


def _rows(listing: Listing, layout: Layout) -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = {}
    others: list[str] = []
    for each in listing.find(all_of_it=True):
        name = listing.name(each.url)
        if read := layout.read(name):
            row_id, filename = read
            rows.setdefault(row_id, {})[filename] = str(each.url)
        else:
            others.append(name)
    if others:
        _log.warning(
            "%d keys do not fit the layout and are left out, as %s",
            len(others),
            ", ".join(map(repr, others[:_SHOWN])),
        )
    return rows
