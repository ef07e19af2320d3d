"""Sizes and contents of rows' files, without a directory in between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from file_dataset.domain.plan import RowResult, run_rows, windows
from file_dataset.domain.requests import Read, Stat
from file_dataset.domain.rows import Row, RowDone
from file_dataset.domain.store import Store

# Between two batches a store's connections idle for as long as the last answer takes.
_SIZES_AT_ONCE = 4096
# What comes out of order waits in memory for its turn, which it does not leave for the table twice.
_CONTENTS_AT_ONCE = 1024
# Of members, which are small, the more are asked for at once the fewer requests they take, and the
# less often an answer is waited for with nothing else to do.
_MEMBERS_AT_ONCE = 16384


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
    rest = iter(rows)
    first = list(islice(rest, 1))
    for window in windows(chain(first, rest), _at_once(first)):
        yield from run_rows(store, window, lambda _, __, url: Read(url), stage="read")


def _at_once(first: Sequence[Row]) -> int:
    """How many rows are read as one batch, going by the first."""
    has_members = any(url.is_member for row in first for url in row.sources.values())
    return _MEMBERS_AT_ONCE if has_members else _CONTENTS_AT_ONCE
