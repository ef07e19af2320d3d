"""Rows of a table in temporary directories, one after the other."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self, TypeVar

from file_dataset.api import _wiring
from file_dataset.domain.rows import Row, RowFailure, StagedRow, all_rows_failed
from file_dataset.domain.staging import Staging
from file_dataset.domain.store import Store
from file_dataset.domain.threads import closing

T = TypeVar("T")

PREFETCH = 128
"""How many rows are fetched ahead of who takes them, unless told otherwise.

Half of them are one batch, which keeps as many requests in flight as small files need; a large
file counts for many, and the free space of the disk bounds what they take.
"""

_log = logging.getLogger("file_dataset")


class StagedRows(Iterator[StagedRow]):
    """The rows of a table, each in a directory that is gone once the next one is asked for.

    Also a context manager, which takes everything away at its end. An iterator that is dropped
    half-way cleans up as well.

    Attributes:
        failures: The rows that were dropped so far, and why.
    """

    def __init__(
        self,
        rows: Iterable[Row],
        store: Store,
        *,
        dir: str | os.PathLike[str] | None,
        prefetch: int,
    ) -> None:
        self.failures: list[RowFailure] = []
        scratch = _wiring.temp_scratch(dir)
        budget = _wiring.staging_budget(None, dir)
        staging = Staging(store, scratch, prefetch, budget=budget)
        self._rows = _staged_rows(rows, staging, scratch, self.failures)

    def __next__(self) -> StagedRow:
        return next(self._rows)

    def close(self) -> None:
        """Take the directories away; no more rows come."""
        self._rows.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _staged_rows(
    rows: Iterable[Row],
    staging: Staging,
    scratch: AbstractContextManager[object],
    failures: list[RowFailure],
) -> Generator[StagedRow]:
    with scratch, closing(staging.stage(rows)) as staged:
        for each in surviving(staged, failures):
            yield StagedRow(each.row.id, each.path)
            each.release()


def surviving(results: Iterable[T | RowFailure], failures: list[RowFailure]) -> Iterator[T]:
    """The results that are no failures; those are logged, and added to the list.

    Raises:
        AllRowsFailedError: In the end, if there were only failures.
    """
    survivors = 0
    for result in results:
        if isinstance(result, RowFailure):
            failures.append(result)
            _log.warning("Failed to process row %s: %s", result.row_id, result)
        else:
            survivors += 1
            yield result
    if failures and not survivors:
        raise all_rows_failed(failures)
