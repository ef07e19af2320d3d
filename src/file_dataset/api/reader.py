"""Reading rows: into temporary directories, or as tables of sizes and contents."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, overload

import attrs

from file_dataset.api import _wiring
from file_dataset.api.arrow import BinaryColumns, id_column, size_column
from file_dataset.api.cells import CellRows, Source
from file_dataset.api.frames import RowTable, parse_row
from file_dataset.api.options import Options
from file_dataset.api.packed_blobs import packed_columns
from file_dataset.api.staged import PREFETCH, StagedRows, surviving
from file_dataset.domain.errors import FileDatasetError, InvalidDatasetError
from file_dataset.domain.inspecting import contents, sizes
from file_dataset.domain.plan import RowResult
from file_dataset.domain.rows import (
    Row,
    RowDone,
    RowFailure,
    RowId,
)
from file_dataset.domain.staging import Staging
from file_dataset.domain.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")


@overload
def reader(source: Mapping[str, Source], /, *, options: Options | None = None) -> RowReader: ...
@overload
def reader(*, row: Mapping[str, Source], options: Options | None = None) -> RowReader: ...
@overload
def reader(*, dataframe: object, options: Options | None = None) -> FrameReader: ...
@overload
def reader(
    source: object = None,
    /,
    *,
    row: Mapping[str, Source] | None = None,
    dataframe: object = None,
    options: Options | None = None,
) -> RowReader | FrameReader: ...
def reader(
    source: object = None,
    /,
    *,
    row: Mapping[str, Source] | None = None,
    dataframe: object = None,
    options: Options | None = None,
) -> RowReader | FrameReader:
    """A reader of one row, or of a table of rows.

    Args:
        source: A row or a table, told apart by its type.
        row: A mapping of filename to URL or path; None for a file that is absent.
        dataframe: A pandas DataFrame, a pyarrow Table, anything with ``__arrow_c_stream__``, or a
            list of mappings: a column ``id``, and a column for each file.
        options: How storage is reached.

    Raises:
        ValueError: Unless exactly one source is given, and for ids, names, cells and schemes that
            break the rules, before anything is read.

    >>> import file_dataset
    >>> file_dataset.put("memory://read/7.txt", b"seven")
    >>> with reader(row={"a.txt": "memory://read/7.txt"}).into_temp_dir() as directory:
    ...     (directory / "a.txt").read_text()
    'seven'
    >>> table = [{"id": 7, "a.txt": "memory://read/7.txt"}]
    >>> reader(dataframe=table).into_size_table().to_pylist()
    [{'id': '7', 'a.txt': 5}]
    """
    given = [each for each in (source, row, dataframe) if each is not None]
    if len(given) > 1:
        raise ValueError("Cannot specify both 'row' and 'dataframe'")
    if not given:
        raise ValueError("Must specify either 'row' or 'dataframe'")
    store = _wiring.store_for_tables(options)
    check = _wiring.scheme_check(store)
    (only,) = given
    if row is not None or (dataframe is None and isinstance(only, Mapping)):
        return RowReader(parse_row(only, check=check, row_id=_THE_ROW), store)
    return FrameReader(RowTable.parse(only, check=check), store)


# What stands for the id of a row that was given without one.
_THE_ROW = "row"


@attrs.frozen
class RowReader:
    """Reads the files of one row."""

    _row: Row
    _store: Store

    @contextlib.contextmanager
    def into_temp_dir(self, *, dir: str | os.PathLike[str] | None = None) -> Iterator[Path]:
        """A temporary directory with the row's files, gone when the context ends.

        Args:
            dir: Where the directory is made; None is the system's place for such.

        Raises:
            FileDatasetError: If a file cannot be had; ``file_errors`` has every such file.
        """
        with _wiring.temp_scratch(dir) as scratch:
            (staged,) = Staging(self._store, scratch, prefetch=0).stage([self._row])
            if isinstance(staged, RowFailure):
                raise _unreadable(staged)
            yield staged.path

    def into_size_table(self, *, head: int | None = None) -> pa.Table:
        """One row with each file's size in bytes, as ``int64``; no body is read.

        Args:
            head: 0 gives the empty table; anything more, or None, the row.

        Raises:
            FileDatasetError: If a file cannot be had; ``file_errors`` has every such file.
        """
        import pyarrow as pa

        rows = [_readable(result) for result in sizes(self._store, _first([self._row], head))]
        return pa.table(
            {name: size_column([r.values[name] for r in rows]) for name in self._row.files}
        )

    def into_blob_table(self, *, head: int | None = None, max_bytes: int | None = None) -> pa.Table:
        """One row with each file's contents, as ``binary``.

        Args:
            head: 0 gives the empty table; anything more, or None, the row.
            max_bytes: Refuse, before a body is read, what is larger in total.

        Raises:
            FileDatasetError: If a file cannot be had; ``file_errors`` has every such file.
            InvalidDatasetError: If the contents take more than ``max_bytes``.
        """
        import pyarrow as pa

        rows = _first([self._row], head)
        _check_budget(self._store, rows, max_bytes)
        columns = BinaryColumns(self._row.files)
        for result in contents(self._store, rows):
            columns.append(_readable(result).values)
        return pa.Table.from_pydict(columns.finish())


class FrameReader:
    """Reads the files of a table's rows; rows that fail are dropped and reported.

    Attributes:
        failures: What was dropped by the latest table that was read.
    """

    def __init__(self, table: RowTable, store: Store) -> None:
        self._table = table
        self._store = store
        self.failures: list[RowFailure] = []

    def into_temp_dir(
        self, *, dir: str | os.PathLike[str] | None = None, prefetch: int = PREFETCH
    ) -> StagedRows:
        """A temporary directory for each row, in order, gone as the iterator moves on.

        Args:
            dir: Where the directories are made; None is the system's place for such.
            prefetch: How many rows are fetched ahead, and so how many may be on disk.

        Raises:
            NotFoundError: If there is no such directory to make them in.
            ValueError: For a negative ``prefetch``.
        """
        return StagedRows(self._table.rows, self._store, dir=dir, prefetch=prefetch)

    def into_size_table(self, *, head: int | None = None) -> pa.Table:
        """Each row's ``id`` (string) and its files' sizes in bytes (``int64``); no body is read.

        Args:
            head: Only the first so many rows.

        Raises:
            AllRowsFailedError: If the table has rows and none came through.
        """
        import pyarrow as pa

        rows = list(self._surviving(sizes(self._store, _first(self._table.rows, head))))
        columns = {
            name: size_column([row.values[name] for row in rows]) for name in self._table.columns
        }
        return pa.table({"id": id_column([row.row_id for row in rows]), **columns})

    def into_blob_table(self, *, head: int | None = None, max_bytes: int | None = None) -> pa.Table:
        """Each row's ``id`` (string) and its files' contents, as ``binary``.

        A column of more than 2 GiB is ``large_binary``.

        Args:
            head: Only the first so many rows.
            max_bytes: Refuse, before a body is read, what is larger in total.

        Raises:
            AllRowsFailedError: If the table has rows and none came through.
            InvalidDatasetError: If the contents take more than ``max_bytes``.
        """
        import pyarrow as pa

        rows = _first(self._table.rows, head)
        _check_budget(self._store, rows, max_bytes)
        if (found := packed_columns(self._store, rows)) is not None:
            self.failures = []
            return pa.Table.from_pydict({"id": id_column(rows.ids), **found})
        ids: list[RowId] = []
        columns = BinaryColumns(self._table.columns)
        for row in self._surviving(contents(self._store, rows)):
            ids.append(row.row_id)
            columns.append(row.values)
        return pa.Table.from_pydict({"id": id_column(ids), **columns.finish()})

    def _surviving(self, results: Iterable[RowResult[T]]) -> Iterator[RowDone[T]]:
        self.failures = []
        return surviving(results, self.failures)


def _unreadable(failure: RowFailure) -> FileDatasetError:
    return FileDatasetError(f"Failed to read the row: {failure}", file_errors=failure.file_errors)


def _readable(result: RowDone[T] | RowFailure) -> RowDone[T]:
    if isinstance(result, RowFailure):
        raise _unreadable(result)
    return result


@overload
def _first(rows: CellRows, head: int | None) -> CellRows: ...
@overload
def _first(rows: Sequence[Row], head: int | None) -> Sequence[Row]: ...
def _first(rows: Sequence[Row], head: int | None) -> Sequence[Row]:
    if head is None:
        return rows
    if isinstance(head, bool) or not isinstance(head, int) or head < 0:
        raise ValueError(f"head must be a number of rows, 0 or more, not {head!r}")
    return rows[:head]


def _check_budget(store: Store, rows: Sequence[Row], max_bytes: int | None) -> None:
    """Raises InvalidDatasetError if the rows that can be read are larger than that together."""
    if max_bytes is None:
        return
    if isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 0:
        raise ValueError(f"max_bytes must be a number of bytes, 0 or more, not {max_bytes!r}")
    readable = (result for result in sizes(store, rows) if isinstance(result, RowDone))
    needed = sum(size or 0 for row in readable for size in row.values.values())
    if needed > max_bytes:
        raise InvalidDatasetError(
            f"the contents take {needed} bytes and max_bytes allows {max_bytes}; "
            f"read fewer rows with head=, or fewer columns"
        )
