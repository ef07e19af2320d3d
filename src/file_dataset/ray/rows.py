"""A table of URLs as a source of Ray Data, whose runs can go on where they ended."""

from __future__ import annotations

import functools

import attrs
import pyarrow as pa
import ray
from ray.data import DataContext
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from file_dataset.api.options import Options
from file_dataset.api.shipping import parsed, whole_table


def read_rows(table: object, *, options: Options | None = None) -> Datasource:
    """A table of ids and URLs, for ``ray.data.read_datasource``.

    Local paths are made absolute, since workers are elsewhere. With Ray's
    ``CheckpointConfig(id_column="id")`` a run that is started again processes the rows that are
    missing, and no others; of ``ray.data.from_pandas`` it would process every row once more.

    Args:
        table: A pandas DataFrame, a pyarrow Table, a list of mappings, or another table: a column
            ``id``, a column for each file, whose name has an extension, and any others.
        options: How storage is reached, which tells the schemes that there are.

    Raises:
        ValueError: For a table without ``id`` or file columns, and for ids, cells and schemes that
            break the rules.
    """
    return _RowDatasource(whole_table(parsed(table, options)))


class _RowDatasource(Datasource):
    """A table in as many portions as Ray asks for."""

    def __init__(self, table: pa.Table) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Ray's is
        self._table = table

    def get_name(self) -> str:
        """What Ray calls the reading by."""
        return "Rows"

    def estimate_inmemory_data_size(self) -> int:
        """What the table takes in memory, in bytes."""
        return self._table.nbytes

    def get_read_tasks(
        self,
        parallelism: int,
        per_task_row_limit: int | None = None,
        data_context: DataContext | None = None,  # noqa: ARG002 - the rows are small
    ) -> list[ReadTask]:
        """So many tasks, unless there are fewer rows."""
        tasks = min(parallelism, self._table.num_rows)
        ends = [self._table.num_rows * number // tasks for number in range(1, tasks + 1)]
        return [
            self._task(begin, end - begin, per_task_row_limit)
            for begin, end in zip([0, *ends], ends, strict=False)
        ]

    @functools.cached_property
    def _shared(self) -> ray.ObjectRef[pa.Table]:
        return ray.put(self._table)

    def _task(self, begin: int, rows: int, limit: int | None) -> ReadTask:
        told = rows if limit is None else min(rows, limit)
        metadata = BlockMetadata(
            num_rows=told,
            size_bytes=self._table.slice(begin, told).nbytes,
            input_files=None,
            exec_stats=None,
        )
        reading = _Slice(self._shared, begin, told)
        return ReadTask(reading, metadata, self._table.schema, per_task_row_limit=limit)


@attrs.frozen
class _Slice:
    """What one task does."""

    table: ray.ObjectRef[pa.Table]
    begin: int
    rows: int

    def __call__(self) -> list[pa.Table]:
        return [ray.get(self.table).slice(self.begin, self.rows)]
