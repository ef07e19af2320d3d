"""Contents of a Ray dataset, published as rows of files."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import attrs
from ray.data.block import Block, BlockAccessor
from ray.data.datasource import Datasink

from file_dataset.api.blob_writer import BlobWriter
from file_dataset.api.committing import CommitMode
from file_dataset.api.options import Options
from file_dataset.api.report import failures_frame
from file_dataset.domain.rows import RowFailure, all_rows_failed
from file_dataset.ray.counters import count

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from ray.data._internal.execution.interfaces import TaskContext
    from ray.data.datasource import WriteResult


@attrs.frozen
class SinkResult:
    """What came of writing a dataset.

    Args:
        rows: How many rows came through.
        bytes: The size of their files together.
        failures: A table of what kept the others from it, as ``RunResult.failures``.
    """

    rows: int
    bytes: int
    failures: pd.DataFrame


@attrs.frozen
class _Part:
    """What one task has written."""

    rows: int
    bytes: int
    failures: list[RowFailure]


class RowSink(Datasink[_Part]):
    """Publishes the rows of a dataset as ``{into_path}/{id}/{filename}``.

    For ``dataset.write_datasink``. The dataset has an ``id``, and a column of contents (``bytes``)
    for each file, whose name has an extension, as ``blob_reader`` gives it; null is a file that a
    row does not have. Other columns are left out, and a row with a text in a column ``error`` has
    failed already. That a row fails does not end the job; the result tells.

    Args:
        into_path: The destination, a URL or a path that is the same place on every machine.
        options: How storage is reached.
        commit: ``"atomic"``: the files of a row are seen all, and of one attempt, or none is, also
            if a task is tried again; ``"plain"`` publishes file by file.
        if_exists: What becomes of a row that is there already: the new files ``"replace"`` the
            old ones, or the row fails (``"error"``).

    Attributes:
        result: What came of the latest dataset that was written; None before.

    Raises:
        ValueError: For a destination of an unknown scheme, and for other values.
    """

    def __init__(
        self,
        into_path: str | os.PathLike[str],
        *,
        options: Options | None = None,
        commit: CommitMode = "atomic",
        if_exists: Literal["replace", "error"] = "replace",
    ) -> None:
        self._writer = BlobWriter.of(into_path, options, commit=commit, if_exists=if_exists)
        self.result: SinkResult | None = None

    @property
    def min_bytes_per_write(self) -> int:
        """How much a task is to write: a block, by itself.

        Ray keeps what a task has written until that ends; if it were one with what reads, that
        would be all that was read.
        """
        return 1

    def on_write_start(self, schema: pa.Schema | None = None) -> None:
        """Look at the columns, before anything is written.

        Raises:
            ValueError: If there is no ``id``, no file column, or one that has no contents.
        """
        self.result = None
        if schema is not None:
            self._writer.check(schema)

    def write(self, blocks: Iterable[Block], ctx: TaskContext) -> _Part:  # noqa: ARG002 - Ray's
        """Publish the rows of some blocks, in one task."""
        rows, size = 0, 0
        failures: list[RowFailure] = []
        for block in blocks:
            table: pa.Table = BlockAccessor.for_block(block).to_arrow()
            for written in self._writer.write(table):
                if isinstance(written.result, RowFailure):
                    failures.append(written.result)
                else:
                    rows += 1
                    size += written.bytes
        counted = functools.partial(count, operation="write")
        counted("rows", rows)
        counted("failed_rows", len(failures))
        counted("bytes", size)
        return _Part(rows, size, failures)

    def on_write_complete(self, write_result: WriteResult[_Part]) -> None:
        """Gather what the tasks have written.

        Raises:
            AllRowsFailedError: If there were rows and none came through.
        """
        parts = write_result.write_returns
        failures = [failure for part in parts for failure in part.failures]
        rows = sum(part.rows for part in parts)
        self.result = SinkResult(rows, sum(part.bytes for part in parts), failures_frame(failures))
        if failures and not rows:
            raise all_rows_failed(failures)
