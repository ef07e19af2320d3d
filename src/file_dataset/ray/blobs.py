"""Contents of files as a Ray dataset: some rows of the table for each task, read where it runs."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import attrs
import pyarrow as pa
import ray
from ray.data import DataContext
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from file_dataset.api._arguments import at_least, one_of
from file_dataset.api.blobs import BlobTables
from file_dataset.api.options import Options
from file_dataset.api.shipping import urls_table
from file_dataset.ray.counters import count

if TYPE_CHECKING:
    from file_dataset.domain.rows import RowFailure


def blob_reader(
    dataframe: object,
    batch_size: int = 4,
    options: Options | None = None,
    *,
    on_error: Literal["drop", "keep"] = "drop",
) -> Datasource:
    """The contents of a table's files, for ``ray.data.read_datasource``.

    Each task reads some rows: their ``id`` (string), and a ``binary`` column for each file. What it
    has read goes on in blocks of about ``DataContext.target_max_block_size``. A task takes at most
    half more memory than the block that it makes; if its rows are more than one block, it takes one
    block more, however many they are, which Ray keeps until it has the next. A block that needs
    more than 2 GiB in a column, because a file is that large, has it as ``large_binary``.

    Args:
        dataframe: A pandas DataFrame, a pyarrow Table, a list of mappings, or another table: a
            column ``id``, and a column for each file, whose name has an extension.
        batch_size: Rows of one task. Larger ones cost less to schedule and keep more requests in
            flight; smaller ones spread better over workers.
        options: How storage is reached.
        on_error: What becomes of a row that cannot be read: ``"drop"`` leaves it out, logs it and
            counts it as ``file_dataset_failed_rows`` in Ray's metrics; ``"keep"`` keeps it with
            null contents and a text in the column ``error``.

    Raises:
        ValueError: For a table without ``id`` or file columns, for ids, cells and schemes that
            break the rules, and for a batch of no rows.
    """
    at_least("batch_size", batch_size, 1)
    one_of("on_error", on_error, ("drop", "keep"))
    return _BlobDatasource(
        dataframe, batch_size, BlobTables.of(options, keeps_failed=on_error == "keep")
    )


class _BlobDatasource(Datasource):
    """The rows of a table in portions, one for each task."""

    def __init__(self, frame: object, batch_size: int, blobs: BlobTables) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Ray's is
        table = blobs.parse(frame)
        self._blobs = blobs
        self._at_once = batch_size
        self._tasks: dict[tuple[int | None, int | None], list[ReadTask]] = {}
        self._schema = blobs.schema(table.columns)
        self._sample = table.rows[:batch_size]
        self._urls = urls_table(table)

    def get_name(self) -> str:
        """What Ray calls the reading by."""
        return "FileDataset"

    def estimate_inmemory_data_size(self) -> int | None:
        """What all rows take in memory if they are like those of the first task, in bytes.

        Raises:
            FileDatasetError: If the store lets nobody have anything.
        """
        each = self._row_bytes
        return None if each is None else math.ceil(each * self._urls.num_rows)

    def get_read_tasks(
        self,
        parallelism: int,  # noqa: ARG002 - the batch size says how many tasks there are
        per_task_row_limit: int | None = None,
        data_context: DataContext | None = None,
    ) -> list[ReadTask]:
        """A task for each batch of rows; asked again for the same, it gives the same."""
        block_bytes = (data_context or DataContext.get_current()).target_max_block_size
        asked = (per_task_row_limit, block_bytes)
        if asked not in self._tasks:
            self._tasks[asked] = [
                self._task(begin, *asked) for begin in range(0, self._urls.num_rows, self._at_once)
            ]
        return self._tasks[asked]

    @functools.cached_property
    def _row_bytes(self) -> float | None:
        return self._blobs.row_bytes(self._sample) if self._sample else 0

    @functools.cached_property
    def _shared(self) -> tuple[ray.ObjectRef[pa.Table], ray.ObjectRef[BlobTables]]:
        # Once for all tasks, which are so many that none can take a table along.
        return ray.put(self._urls), ray.put(self._blobs)

    def _task(self, begin: int, limit: int | None, block_bytes: int | None) -> ReadTask:
        urls, blobs = self._shared
        rows = min(self._at_once, self._urls.num_rows - begin)
        read = _Reading(urls, blobs, begin, rows, block_bytes, self._row_bytes, limit)
        told = rows if limit is None else min(rows, limit)
        metadata = BlockMetadata(
            # Ray takes this for true; which rows are going to be dropped nobody knows.
            num_rows=told if self._blobs.keeps_failed else None,
            size_bytes=None if self._row_bytes is None else math.ceil(self._row_bytes * told),
            input_files=None,
            exec_stats=None,
        )
        return ReadTask(read, metadata, schema=self._schema, per_task_row_limit=limit)


@attrs.frozen
class _Reading:
    """What one task does."""

    urls: ray.ObjectRef[pa.Table]
    blobs: ray.ObjectRef[BlobTables]
    begin: int
    rows: int
    block_bytes: int | None
    row_bytes: float | None
    limit: int | None

    def __call__(self) -> Iterator[pa.Table]:
        urls, blobs = ray.get(self.urls), ray.get(self.blobs)
        table = blobs.parse(urls.slice(self.begin, self.rows), names_host=True)
        tables = blobs.read(
            table,
            block_bytes=self.block_bytes,
            row_bytes=self.row_bytes,
            limit=self.limit,
            failed=_count_failed,
        )
        # No variable here keeps a block while the next one is being built.
        yield from map(functools.partial(_counted, table.columns), tables)


def _counted(columns: Sequence[str], block: pa.Table) -> pa.Table:
    is_good = "error" not in block.column_names
    count("rows", block.num_rows if is_good else block["error"].null_count, operation="read")
    count("bytes", sum(_bytes(block[name]) for name in columns), operation="read")
    return block


def _bytes(contents: pa.ChunkedArray[Any]) -> int:
    """What binary values have together."""
    buffers = (buffer for chunk in contents.chunks for buffer in chunk.buffers()[2:])
    return sum(buffer.size for buffer in buffers if buffer is not None)


def _count_failed(_: RowFailure) -> None:
    count("failed_rows", operation="read")
