"""Contents of files as a stream of tables, each about as large as is asked for."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from file_dataset.api import _wiring
from file_dataset.api.arrow import BinaryColumns, id_column, text_column
from file_dataset.api.frames import RowTable
from file_dataset.api.options import Options
from file_dataset.domain.inspecting import contents, sizes
from file_dataset.domain.rows import Row, RowFailure, RowId
from file_dataset.domain.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

_log = logging.getLogger("file_dataset")

# Which part of a block may be under way beside it.
_SHARE = 4
_ROWS_AT_ONCE = 1024
# Bytes that may be under way however small the block: fewer would keep no server busy.
_LITTLE = 2**24
# What Arrow adds to a value: an offset, and a bit that says whether there is one.
_ADDED = 4.125


@attrs.frozen
class BlobTables:
    """Reads the files of tables as tables of their contents, here or where it was pickled to.

    Args:
        store: Where the files are.
        keeps_failed: Whether rows that cannot be read stay, with null contents and an ``error``.
    """

    store: Store
    keeps_failed: bool = False

    @classmethod
    def of(cls, options: Options | None, *, keeps_failed: bool) -> BlobTables:
        """What reads as the options say."""
        return cls(_wiring.store_for(options), keeps_failed)

    def parse(self, frame: object, *, names_host: bool = False) -> RowTable:
        """A table as rows.

        Args:
            frame: The table.
            names_host: Whether the error for a scheme that nobody serves names this machine.

        Raises:
            ValueError: For ids, names, cells and schemes that break the rules.
        """
        check = _wiring.scheme_check(self.store, names_host=names_host)
        return RowTable.parse(frame, check=check, only_files=True)

    def schema(self, columns: Sequence[str]) -> pa.Schema:
        """What the tables of these file columns are like, unless one needs ``large_binary``."""
        import pyarrow as pa

        kinds: dict[str, pa.DataType] = {"id": pa.string(), **dict.fromkeys(columns, pa.binary())}
        if self.keeps_failed:
            kinds["error"] = pa.string()
        return pa.schema(kinds)

    def row_bytes(self, rows: Sequence[Row]) -> float | None:
        """What a row takes in memory, on the average of these; None if their sizes are unknown.

        Raises:
            FileDatasetError: If the store lets nobody have anything.
        """
        found: list[float] = []
        for result in sizes(self.store, rows):
            if isinstance(result, RowFailure):
                _raise_if_systemic(result)
            else:
                added = _ADDED * (1 + len(result.values)) + len(str(result.row_id))
                found.append(sum(size or 0 for size in result.values.values()) + added)
        return sum(found) / len(found) if found else None

    def read(
        self,
        table: RowTable,
        *,
        block_bytes: int | None,
        row_bytes: float | None = None,
        limit: int | None = None,
        failed: Callable[[RowFailure], object] = lambda _: None,
    ) -> Iterator[pa.Table]:
        """The contents, in tables of one chunk of about so many bytes; at least one table.

        Beside the table that is built, no more than a quarter of it is in memory, or 16 MiB, or the
        files of one row.

        Args:
            table: The rows.
            block_bytes: How large the tables are to be; None makes a single one.
            row_bytes: What a row is expected to take; None finds out by small steps.
            limit: Stop after so many rows.
            failed: Told of each row that cannot be read.

        Raises:
            FileDatasetError: If the store lets nobody have anything.
        """
        rows = table.rows if limit is None or not self.keeps_failed else table.rows[:limit]
        left = len(rows) if limit is None else limit
        pace = _Pace(block_bytes, row_bytes, len(rows))
        block = self._block(table, block_bytes)
        begin, is_first = 0, True
        while begin < len(rows) and left:
            end = begin + min(pace.rows(), left)
            for result in contents(self.store, rows[begin:end]):
                if isinstance(result, RowFailure):
                    _raise_if_systemic(result)
                    _log.warning("Failed to process row %s: %s", result.row_id, result)
                    failed(result)
                    if self.keeps_failed:
                        block.append_failed(result)
                else:
                    left -= 1
                    pace.note(block.append(result.row_id, result.values))
                del result  # what it brought is the block's alone
                if block_bytes is not None and block.bytes >= block_bytes:
                    full, block = block, self._block(table, block_bytes)
                    is_first = False
                    yield full.finish()
                    del full
            begin = end
        if is_first or block.ids:
            yield block.finish()

    def _block(self, table: RowTable, block_bytes: int | None) -> _Block:
        return _Block(table.columns, block_bytes, self.keeps_failed)


def _raise_if_systemic(failure: RowFailure) -> None:
    # Every row would be dropped, and nobody be told but the log.
    if any(cause.systemic for cause in failure.causes):
        raise failure.as_error()


class _Pace:
    """How many rows to ask for at a time, by the largest that came so far."""

    def __init__(self, block_bytes: int | None, row_bytes: float | None, rows: int) -> None:
        # The rows together may be less than a block.
        all_bytes = math.inf if row_bytes is None else row_bytes * rows
        self._allowed: float | None = None
        if block_bytes is not None:
            self._allowed = min(block_bytes / _SHARE, max(_LITTLE, all_bytes / _SHARE))
        self._largest = row_bytes or 0
        self._latest = _ROWS_AT_ONCE if row_bytes or block_bytes is None else 0.5

    def note(self, size: int) -> None:
        self._largest = max(self._largest, size)

    def rows(self) -> int:
        most = _ROWS_AT_ONCE
        if self._allowed is not None and self._largest:
            most = min(most, int(self._allowed / self._largest))
        self._latest = max(1, min(2 * self._latest, most))
        return int(self._latest)


class _Block:
    """A table that is being built, each of its columns in one piece."""

    def __init__(self, names: Sequence[str], block_bytes: int | None, keeps_failed: bool) -> None:  # noqa: FBT001 - internal
        self.ids: list[RowId] = []
        self.bytes = 0
        self._names = names
        self._errors: list[str | None] | None = [] if keeps_failed else None
        # A value that is a block by itself is taken as it is.
        whole = {} if block_bytes is None else {"large": block_bytes, "gathered": 2 * block_bytes}
        self._columns = BinaryColumns(names, **whole)

    def append(self, row_id: RowId, values: Any, error: str | None = None) -> int:
        """Add a row; gives the bytes of its contents."""
        size = sum(len(value or b"") for value in values.values())
        self.bytes += size
        self.ids.append(row_id)
        self._columns.append(values)
        if self._errors is not None:
            self._errors.append(error)
        return size

    def append_failed(self, failure: RowFailure) -> None:
        """Add a row that has no contents."""
        self.append(failure.row_id, dict.fromkeys(self._names), str(failure))

    def finish(self) -> pa.Table:
        import pyarrow as pa

        table = pa.Table.from_pydict({"id": id_column(self.ids), **self._columns.finish()})
        if self._errors is None:
            return table
        return table.append_column("error", text_column(self._errors))
