"""Sizes and contents of rows' files, without a directory in between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from file_dataset.domain.plan import RowResult, run_rows, windows
from file_dataset.domain.requests import Read, Stat
from file_dataset.domain.rows import Row, RowDone
from file_dataset.domain.store import Store

# Between two batches a store's connections idle for as long as the last answer takes.
_SIZES_AT_ONCE = 4096
# What comes out of order waits in memory for its turn, which it does not leave for the table twice.
_CONTENTS_AT_ONCE = 1024


def sizes(store: Store, rows: Iterable[Row]) -> Iterator[RowResult[int]]:
    """The size of each row's files in bytes; no body is read."""
    for window in windows(rows, _SIZES_AT_ONCE):
        for result in run_rows(store, window, lambda _, __, url: Stat(url), stage="read"):
            if isinstance(result, RowDone):
                infos = result.values.items()
                found = {name: None if info is None else info.size for name, info in infos}
                yield RowDone(result.row, found)
            else:
                yield result


def contents(store: Store, rows: Iterable[Row]) -> Iterator[RowResult[bytes]]:
    """The contents of each row's files, a bounded number of rows at a time."""
    for window in windows(rows, _CONTENTS_AT_ONCE):
        yield from run_rows(store, window, lambda _, __, url: Read(url), stage="read")
