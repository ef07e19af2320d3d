"""A whole run of a pipeline on a cluster, with the result of one on this machine."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Final

import attrs
import pandas as pd
import pyarrow as pa
import ray
from ray.data import Dataset
from ray.util import client

from file_dataset.api._arguments import amount, at_least
from file_dataset.api.cells import CellRows
from file_dataset.api.options import Options
from file_dataset.api.pipeline import Pipeline
from file_dataset.api.results import RunResult
from file_dataset.api.running import Run
from file_dataset.domain.calling import UserFunction
from file_dataset.domain.plan import RowResult
from file_dataset.domain.threads import closing
from file_dataset.domain.timeline import Timeline
from file_dataset.domain.url import Url
from file_dataset.ray.control import RunControl
from file_dataset.ray.tasks import Part, RunDatasource

_log = logging.getLogger("file_dataset")

# Enough for a task to keep many requests in flight, and for each worker to get several tasks.
_MOST_ROWS = 256
_TASKS_PER_CPU = 4
# Seconds for tasks to end when the run is over: those of the rows that are in the function.
_PATIENCE: Final = 10.0


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
            break the rules, for arguments that are out of bounds, and over Ray Client, before any
            task is begun.
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
    if client.ray.is_connected():  # type: ignore[no-untyped-call]  # Ray's
        raise ValueError(
            "Ray Data does not run over Ray Client, as at ray:// addresses; start this on a "
            "machine of the cluster, as `ray job submit` does"
        )
    if batch_size is not None:
        at_least("batch_size", batch_size, 1)
    if concurrency is not None:
        at_least("concurrency", concurrency, 1)
    for name, value in (("num_cpus", num_cpus), ("num_gpus", num_gpus)):
        if value is not None:
            amount(name, value)
    frame = dataset_or_frame
    if isinstance(frame, Dataset):
        frame = _whole(frame)
    needs = {"concurrency": concurrency, "num_cpus": num_cpus, "num_gpus": num_gpus}
    return pipeline.begin(frame, engine=_OnRay(pipeline, batch_size, needs))


def _whole(dataset: Dataset) -> pa.Table:
    # Of no rows Ray may know no columns.
    tables = [table for table in ray.get(dataset.to_arrow_refs()) if table.num_columns]
    return pa.concat_tables(tables or [pa.table({"id": []})], promote_options="permissive")


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
        timeline: Timeline,
    ) -> Iterator[RowResult[Url]]:
        """What becomes of each row, as tasks come to their ends.

        Raises:
            FileDatasetError: If a worker lacks what it needs.
        """
        if not rows:
            return
        pipeline = ray.put(self.pipeline)
        source = RunDatasource(rows, pipeline, self._at_once(len(rows)))
        dataset = ray.data.read_datasource(source, **self.needs)
        blocks = dataset.iter_batches(batch_size=None, batch_format="pandas", prefetch_batches=0)
        control = RunControl(pipeline.hex())
        with ExitStack() as stack:
            # In the end, from the last to the first: tasks are told before Ray kills them.
            stack.callback(control.forget)
            parts = stack.enter_context(closing(_parts(blocks)))
            stack.callback(_wait_for_tasks, control)
            for part in parts:
                if part.error is not None:
                    raise part.error
                timeline.take_in(part.timeline)
                yield from part.results
                if is_stopped():
                    return

    def _at_once(self, rows: int) -> int:
        if self.batch_size is not None:
            return self.batch_size
        cpus: float = ray.cluster_resources().get("CPU", 1)  # type: ignore[no-untyped-call]  # Ray's
        return max(1, min(_MOST_ROWS, math.ceil(rows / cpus / _TASKS_PER_CPU)))


def _parts(blocks: Iterable[pd.DataFrame]) -> Iterator[Part]:
    """What came of each task; when it is closed, Ray begins no others, and kills what is left."""
    for block in blocks:
        yield from block["part"]


def _wait_for_tasks(control: RunControl) -> None:
    """Let the tasks that are under way end, since they take their files away with them."""
    if left := control.end(patience=_PATIENCE):
        _log.warning(
            "%d tasks had not ended %g s after the run was over, since their rows take longer, and "
            "are killed; `file-dataset recover` takes away what they leave in the temporary "
            "directories of their hosts",
            left,
            _PATIENCE,
        )
