"""Many small files in few objects: rows into archives, and out of them again."""

from __future__ import annotations

import logging
import os
import warnings
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, Literal

from file_dataset.api import _wiring
from file_dataset.api._arguments import at_least, one_of
from file_dataset.api.committing import Committing
from file_dataset.api.frames import RowTable, users_stacklevel
from file_dataset.api.options import Options
from file_dataset.api.report import Report
from file_dataset.api.staged import surviving
from file_dataset.api.watching import watched
from file_dataset.api.writer import destination, written_table
from file_dataset.domain.errors import StoreError
from file_dataset.domain.gathering import Gathering
from file_dataset.domain.packing import Packing, check_member_names
from file_dataset.domain.ports import Observer
from file_dataset.domain.rows import RowFailure, RowId
from file_dataset.domain.threads import closing

SHARD_BYTES = 256 << 20
"""What a shard takes at most, unless told otherwise."""

_log = logging.getLogger("file_dataset")


def pack(
    frame: Any,
    into: str | os.PathLike[str],
    *,
    shard_bytes: int = SHARD_BYTES,
    shard_rows: int | None = None,
    format: Literal["tar"] = "tar",  # noqa: A002 - the word for it
    options: Options | None = None,
    progress: bool | Observer | None = None,
) -> Any:
    """Pack the files of a table into few archives, and say where they are then.

    The archives are ``{into}/shard-000001.tar`` and so on, with their members ``{id}.{filename}``:
    what ``tar`` opens and WebDataset reads. Beside each is an index, by which members are read with
    few requests. The same table makes the same bytes. A shard that is there already is replaced.

    Args:
        frame: A table with a column ``id`` and a column for each file.
        into: The prefix that the archives go to; one of their own, since others that are there
            already are not touched.
        shard_bytes: How many bytes an archive has at most, unless a single row takes more.
        shard_rows: How many rows are in an archive at most; None for any number.
        format: The kind of archive.
        options: How storage is reached.
        progress: True for a bar on the terminal, or a function that is told how far it is.

    Returns:
        A table of the same kind with the members' URLs as cells, such as
        ``tar://7.image.mha::s3://bucket/shard-000001.tar``; rows that failed are dropped and
        logged.

    Raises:
        ValueError: For ids, names, cells, sizes and schemes that break the rules, before anything
            is read.
        AllRowsFailedError: If the table has rows and none came through.

    >>> import file_dataset
    >>> file_dataset.put("memory://loose/7.txt", b"seven")
    >>> packed = pack([{"id": 7, "a.txt": "memory://loose/7.txt"}], "memory://loose/packed")
    >>> packed
    [{'id': 7, 'a.txt': 'tar://7.a.txt::memory://loose/packed/shard-000001.tar'}]
    >>> file_dataset.get(packed[0]["a.txt"])
    b'seven'
    """
    one_of("format", format, ("tar",))
    at_least("shard_bytes", shard_bytes, 1)
    if shard_rows is not None:
        at_least("shard_rows", shard_rows, 1)
    packed, _ = pack_rows(frame, into, shard_bytes, shard_rows, options, progress=progress)
    return packed


def pack_rows(
    frame: Any,
    into: str | os.PathLike[str],
    shard_bytes: int,
    shard_rows: int | None,
    options: Options | None,
    *,
    progress: Observer | bool | None = None,
) -> tuple[Any, list[RowFailure]]:
    """As pack(), with what kept rows from coming through."""
    store = _wiring.store_for(options)
    place = destination(into, store)
    table = RowTable.parse(frame, check=_wiring.scheme_check(store))
    check_member_names(table.rows.ids, table.columns)
    _tell_of_dots(table.rows.ids)
    report = Report(table, table.columns)
    failures: list[RowFailure] = []
    archives: set[str] = set()
    with _wiring.temp_scratch(None) as scratch:
        packing = Packing(store, place, scratch, shard_bytes, shard_rows)
        with (
            closing(Gathering(store, scratch).gather(table.rows)) as gathered,
            closing(packing.pack(gathered)) as results,
        ):
            for done in surviving(watched(results, len(table.rows), progress), failures):
                report.take(done)
                archives.update(url.authority for url in done.values.values() if url is not None)
    _warn_of_others(packing, archives)
    return report.done_table(), failures


def _tell_of_dots(ids: Sequence[RowId]) -> None:
    keys = Counter(str(row_id).partition(".")[0] for row_id in ids)
    alike = [row_id for row_id in ids if keys[str(row_id).partition(".")[0]] > 1]
    if alike:
        _log.warning(
            "%d ids have dots and are alike before the first one, as %r and %r: WebDataset, which "
            "takes that for the row, would take them for one; by their URLs they are told apart",
            len(alike),
            alike[0],
            alike[1],
        )


def _warn_of_others(packing: Packing, archives: Collection[str]) -> None:
    try:
        others = [url for url in packing.shards() if str(url) not in archives]
    except StoreError as error:
        # Who may write need not be allowed to list.
        _log.info("Cannot tell whether there are other shards: %s", error)
        return
    if others:
        warnings.warn(
            f"{len(others)} shards at {packing.into.redacted} are not of this table, as "
            f"{others[0].redacted}; whoever reads all that is there reads them too",
            stacklevel=users_stacklevel(),
        )


def unpack(
    frame: Any,
    into: str | os.PathLike[str],
    *,
    options: Options | None = None,
    progress: bool | Observer | None = None,
) -> Any:
    """Put the members of archives, or any other files of a table, where they are files again.

    Args:
        frame: A table with a column ``id`` and a column for each file, as ``pack`` gives it.
        into: The destination; files go to ``{into}/{id}/{filename}``.
        options: How storage is reached.
        progress: As of ``pack``.

    Returns:
        A table of the same kind with the files' URLs or paths as cells; rows that failed are
        dropped and logged.

    Raises:
        ValueError: For ids, names, cells and schemes that break the rules, before anything is
            read.
        AllRowsFailedError: If the table has rows and none came through.

    >>> import file_dataset
    >>> file_dataset.put("memory://tied/7.txt", b"seven")
    >>> packed = pack([{"id": 7, "a.txt": "memory://tied/7.txt"}], "memory://tied/packed")
    >>> unpack(packed, "memory://tied/loose")
    [{'id': 7, 'a.txt': 'memory://tied/loose/7/a.txt'}]
    """
    unpacked, _ = unpack_rows(frame, into, options, progress=progress)
    return unpacked


def unpack_rows(
    frame: Any,
    into: str | os.PathLike[str],
    options: Options | None,
    *,
    progress: Observer | bool | None = None,
) -> tuple[Any, list[RowFailure]]:
    """As unpack(), with what kept rows from coming through."""
    store = _wiring.store_for(options)
    place = destination(into, store)
    committing = Committing.of(store, place, commit="plain", if_exists="replace")
    failures: list[RowFailure] = []
    return written_table(frame, committing, failures, progress=progress), failures
