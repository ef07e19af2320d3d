"""A whole run of a pipeline on a cluster, with the result of one on this machine."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import pandas as pd
import pyarrow as pa
import ray
from ray.data import Dataset
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from file_dataset.api._arguments import at_least
from file_dataset.api.cells import CellRows
from file_dataset.api.options import Options
from file_dataset.api.pipeline import Pipeline
from file_dataset.api.results import RunResult
from file_dataset.api.running import Run
from file_dataset.domain.calling import UserFunction
from file_dataset.domain.errors import FileDatasetError
from file_dataset.domain.plan import RowResult
from file_dataset.domain.rows import Cause, RowFailure
from file_dataset.domain.url import Url
from file_dataset.ray.counters import attempts, count, forget_attempts

if TYPE_CHECKING:
    from ray.data import DataContext

# Enough for a task to keep many requests in flight, and for each worker to get several tasks.
_MOST_ROWS = 256
_TASKS_PER_CPU = 4

ATTEMPTS = 4
"""How often a task is begun before its rows are failures."""


def run(
    dataset_or_frame: object,
    pipeline: Pipeline | UserFunction,
    *,
    into_path: str | os.PathLike[str] | None = None,
    options: Options | None = None,
    batch_size: int | None = None,
    concurrency: int | None = None,
    num_cpus: float | None = None,
    num_gpus: float | None = None,
) -> RunResult:
    """Run a pipeline on the cluster that Ray is connected to, or on a Ray of this machine.

    The result is that of ``pipeline.run``: every id is in one of its tables, and ``retry()`` runs
    what failed, on the cluster again. A worker that is lost costs nothing: its rows are run again,
    and of those that it had committed nothing is doubled. Rows with which workers are lost again
    and again, since the function crashes with one of them, are failures.

    Args:
        dataset_or_frame: A table as ``pipeline.run`` takes it, of which the same kind comes back,
            or a Ray Dataset, of which pyarrow Tables come back.
        pipeline: A Pipeline, or a function, for which ``into_path`` says where outputs go.
        into_path: The destination of a function.
        options: How a function's storage is reached.
        batch_size: Rows of one task; None makes some tasks for each CPU, of 256 rows at most.
        concurrency: How many tasks run at a time; None for as many as there are CPUs.
        num_cpus: What a task reserves; None for 1.
        num_gpus: What a task reserves; None for 0.

    Raises:
        ValueError: For a table without ``id`` or file columns, for ids, cells and schemes that
            break the rules, and for arguments that are out of bounds, before any task is begun.
        FileDatasetError: The first row's failure, with ``on_error="raise"``; and if a worker lacks
            what it needs.
    """
    begun = begin(
        dataset_or_frame,
        as_pipeline(pipeline, into_path, options),
        batch_size=batch_size,
        concurrency=concurrency,
        num_cpus=num_cpus,
        num_gpus=num_gpus,
    )
    begun.finish()
    return begun.result()


def as_pipeline(
    pipeline: Pipeline | UserFunction,
    into_path: str | os.PathLike[str] | None,
    options: Options | None,
) -> Pipeline:
    """The pipeline that two ways of saying it come to.

    Raises:
        ValueError: If a Pipeline is given what it has already.
    """
    if not isinstance(pipeline, Pipeline):
        return Pipeline(pipeline, into_path=into_path, options=options)
    if into_path is not None or options is not None:
        raise ValueError(
            "a Pipeline has its own destination and options; into_path= and options= are for a "
            "function"
        )
    return pipeline


def begin(
    dataset_or_frame: object,
    pipeline: Pipeline,
    *,
    batch_size: int | None = None,
    concurrency: int | None = None,
    num_cpus: float | None = None,
    num_gpus: float | None = None,
) -> Run:
    """A run of which the result can be had also if it is interrupted; the arguments are run()'s."""
    if batch_size is not None:
        at_least("batch_size", batch_size, 1)
    if concurrency is not None:
        at_least("concurrency", concurrency, 1)
    frame = dataset_or_frame
    if isinstance(frame, Dataset):
        frame = pa.concat_tables(ray.get(frame.to_arrow_refs()), promote_options="permissive")
    needs = {"concurrency": concurrency, "num_cpus": num_cpus, "num_gpus": num_gpus}
    return pipeline.begin(frame, engine=_OnRay(pipeline, batch_size, needs))


@attrs.frozen
class _OnRay:
    """Takes rows through a pipeline in tasks of a cluster.

    Args:
        pipeline: The pipeline.
        batch_size: Rows of one task.
        needs: What tasks are given, as Ray names it.
    """

    pipeline: Pipeline
    batch_size: int | None
    needs: Mapping[str, Any]

    def run(
        self,
        rows: CellRows,
        *,
        is_stopped: Callable[[], bool],
        late: Callable[[RowResult[Url]], object],  # noqa: ARG002 - what was closed says no more
    ) -> Iterator[RowResult[Url]]:
        """What becomes of each row, as tasks come to their ends.

        Raises:
            FileDatasetError: If a worker lacks what it needs.
        """
        if not rows:
            return
        pipeline = ray.put(self.pipeline)
        source = _RunDatasource(rows, pipeline, self._at_once(len(rows)))
        dataset = ray.data.read_datasource(source, **self.needs)
        blocks = dataset.iter_batches(batch_size=None, batch_format="pandas", prefetch_batches=0)
        try:
            for part in (part for block in blocks for part in block["part"]):
                if part.error is not None:
                    raise part.error
                yield from part.results
                if is_stopped():
                    return
        finally:
            forget_attempts(pipeline.hex())

    def _at_once(self, rows: int) -> int:
        if self.batch_size is not None:
            return self.batch_size
        cpus: float = ray.cluster_resources().get("CPU", 1)  # type: ignore[no-untyped-call]  # Ray's
        return max(1, min(_MOST_ROWS, math.ceil(rows / cpus / _TASKS_PER_CPU)))


_LOST = Cause(
    "WorkerLostError",
    f"the worker process was lost {ATTEMPTS} times when it had this row or its neighbours: it "
    f"crashed, was killed, or had no memory left; batch_size=1 tells which row it is, and "
    f'isolation="process" keeps it from others',
    attempts=ATTEMPTS,
    retryable=True,
)


@attrs.frozen
class _Part:
    """What came of the rows of a task, or what kept it from running them at all."""

    results: list[RowResult[Url]]
    error: Exception | None = None


class _RunDatasource(Datasource):
    """The results of running a pipeline, a row for each task."""

    def __init__(self, rows: CellRows, pipeline: ray.ObjectRef[Pipeline], batch_size: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Ray's is
        self._tasks = [
            ReadTask(
                _Running(pipeline, rows[begin : begin + batch_size]),
                BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None),
            )
            for begin in range(0, len(rows), batch_size)
        ]

    def get_name(self) -> str:
        """What Ray's bars call the run by."""
        return "Pipeline"

    def estimate_inmemory_data_size(self) -> int | None:
        """That is not known."""
        return None

    def get_read_tasks(
        self,
        parallelism: int,  # noqa: ARG002 - the batch size says how many tasks there are
        per_task_row_limit: int | None = None,  # noqa: ARG002 - each task gives one row
        data_context: DataContext | None = None,  # noqa: ARG002
    ) -> list[ReadTask]:
        """A task for each batch of rows."""
        return self._tasks


@attrs.frozen
class _Running:
    """What one task does."""

    pipeline: ray.ObjectRef[Pipeline]
    rows: CellRows

    def __call__(self) -> list[pd.DataFrame]:
        # Ray tries for ever what its workers are lost with.
        if attempts(f"{self.pipeline.hex()} {self.rows.ids[0]}") > ATTEMPTS:
            return [
                _block(_Part([RowFailure(row_id, "call", (_LOST,)) for row_id in self.rows.ids]))
            ]
        try:
            pipeline = _pipeline_of(self.pipeline)
            results = list(pipeline.results(self.rows))
        except FileDatasetError as error:
            return [_block(_Part([], error))]
        except Exception as error:  # noqa: BLE001 - it is raised where the run was begun
            told = FileDatasetError(
                f"on host {os.uname().nodename}: {type(error).__name__}: {error}"
            )
            return [_block(_Part([], told))]
        failed = sum(isinstance(result, RowFailure) for result in results)
        count("failed_rows", failed)
        count("rows", len(results) - failed)
        return [_block(_Part(results))]


@functools.lru_cache(maxsize=1)
def _pipeline_of(pipeline: ray.ObjectRef[Pipeline]) -> Pipeline:
    """The copy that all tasks of a run share in this process, with what its function keeps."""
    return ray.get(pipeline)


def _block(part: _Part) -> pd.DataFrame:
    return pd.DataFrame({"part": pd.Series([part], dtype="object")})
