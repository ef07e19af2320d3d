"""Writing rows: ``{into_path}/{id}/{filename}`` for each of their files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from file_dataset.api import _wiring
from file_dataset.api.cells import Source
from file_dataset.api.committing import ArchiveKind, CommitMode, Committing
from file_dataset.api.frames import RowTable, parse_row
from file_dataset.api.kinds import local_or_url
from file_dataset.api.options import Options
from file_dataset.api.report import Report
from file_dataset.api.staged import surviving
from file_dataset.api.watching import watched
from file_dataset.domain.commit import IfExists
from file_dataset.domain.errors import FileDatasetError, InvalidDatasetError
from file_dataset.domain.ports import Observer
from file_dataset.domain.rows import RowFailure, RowId
from file_dataset.domain.store import Store
from file_dataset.domain.url import Url
from file_dataset.domain.writing import Writing


@overload
def write_files(
    row: Mapping[str, Source],
    *,
    into_path: str | os.PathLike[str],
    id: RowId,
    options: Options | None = None,
    commit: CommitMode = "plain",
    if_exists: IfExists = "replace",
    archive: ArchiveKind | None = None,
) -> dict[str, Path | str | None]: ...
@overload
def write_files(
    row: Sequence[Mapping[str, Any]],
    *,
    into_path: str | os.PathLike[str],
    options: Options | None = None,
    commit: CommitMode = "plain",
    if_exists: IfExists = "replace",
    archive: ArchiveKind | None = None,
) -> list[dict[str, Any]]: ...
@overload
def write_files(
    row: object = None,
    *,
    dataframe: object = None,
    into_path: str | os.PathLike[str],
    id: RowId | None = None,
    options: Options | None = None,
    commit: CommitMode = "plain",
    if_exists: IfExists = "replace",
    archive: ArchiveKind | None = None,
) -> Any: ...
def write_files(
    row: object = None,
    *,
    dataframe: object = None,
    into_path: str | os.PathLike[str],
    id: RowId | None = None,
    options: Options | None = None,
    commit: CommitMode = "plain",
    if_exists: IfExists = "replace",
    archive: ArchiveKind | None = None,
) -> Any:
    """Publish files as ``{into_path}/{id}/{filename}``, and say where they are then.

    Of a row with a missing source nothing is written.

    Args:
        row: A mapping of filename to path or URL, None for a file that is absent; or a list of
            such mappings that each carry an ``id``.
        dataframe: A table with a column ``id`` and a column for each file.
        into_path: The destination, a URL or a local path.
        id: The id of a single row.
        options: How storage is reached.
        commit: ``"plain"`` writes file by file; ``"atomic"`` shows the files of a row all at once,
            as a Pipeline does.
        if_exists: What becomes of files that are there: ``"replace"`` them, or fail the row
            (``"error"``). With ``commit="atomic"`` also ``"skip"``: rows that an earlier call has
            committed, from the same sources as they are now, are left as they are.
        archive: ``"tar"`` writes each row as one archive, ``{into_path}/{id}.tar``, which is seen
            whole or not at all; its members are called as the files are.

    Returns:
        For a row, filename to Path where the destination is local, to the URL's text elsewhere.
        For a table, one of the same kind with the destinations as cells; rows that failed are
        dropped and logged.

    Raises:
        ValueError: Unless exactly one source is given, and for ids, names, cells and schemes that
            break the rules, before anything is written.
        FileDatasetError: If a file of the single row cannot be had; ``file_errors`` has each.
        AllRowsFailedError: If a table has rows and none came through.

    >>> import file_dataset
    >>> file_dataset.put("memory://written/7.txt", b"seven")
    >>> write_files({"a.txt": "memory://written/7.txt"}, into_path="memory://written/rows", id=7)
    {'a.txt': 'memory://written/rows/7/a.txt'}
    """
    if row is not None and dataframe is not None:
        raise ValueError("Cannot specify both 'row' and 'dataframe'")
    if row is None and dataframe is None:
        raise ValueError("Must specify either 'row' or 'dataframe'")
    store = _wiring.store_for_tables(options)
    into = destination(into_path, store)
    committing = Committing.of(store, into, commit=commit, if_exists=if_exists, archive=archive)
    if isinstance(row, Mapping):
        if id is None:
            raise ValueError("Must specify 'id' when using 'row' argument")
        return _write_row(row, id, committing)
    if id is not None:
        raise ValueError("'id' goes with a single 'row'; a table has a column of ids")
    return written_table(dataframe if row is None else row, committing, [])


def destination(into_path: str | os.PathLike[str], store: Store) -> Url:
    """Where rows are to go.

    Raises:
        ValueError: If it is no URL or path, or nobody serves its scheme.
    """
    if not isinstance(into_path, str | os.PathLike | Url):
        raise InvalidDatasetError(f"into_path must be a URL or a path, not {into_path!r}")
    into = into_path if isinstance(into_path, Url) else Url.parse(into_path)
    _wiring.scheme_check(store)(into, "into_path")
    if into.is_member:
        raise InvalidDatasetError(
            f"into_path {into.redacted!r} is in an archive, and archives are never added to; "
            f"pack() makes new ones"
        )
    return into


def _write_row(
    row: Mapping[str, Source], row_id: RowId, committing: Committing
) -> dict[str, object]:
    check = _wiring.scheme_check(committing.destination.store)
    (result,) = writing(committing).run([parse_row(row, check=check, row_id=row_id)])
    if isinstance(result, RowFailure):
        raise FileDatasetError(
            f"Failed to write row {row_id!r}: {result}", file_errors=result.file_errors
        )
    return {name: local_or_url(url) for name, url in result.values.items()}


def written_table(
    frame: object,
    committing: Committing,
    failures: list[RowFailure],
    *,
    progress: Observer | bool | None = None,
) -> Any:
    """The rows of a table that were published; what kept others from it is added to the list."""
    table = RowTable.parse(frame, check=_wiring.scheme_check(committing.destination.store))
    report = Report(table, table.columns)
    results = watched(writing(committing).run(table.rows), len(table.rows), progress)
    for done in surviving(results, failures):
        report.take(done)
    return report.published_table()


def writing(committing: Committing) -> Writing:
    """What publishes rows of files that are there already."""
    return Writing(
        committing.destination.store,
        committing.publisher(),
        committing.resuming(),
        notes_inputs=committing.keeps_records,
    )
