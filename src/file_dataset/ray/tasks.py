"""The tasks of a run on a cluster: some rows each, and what came of them."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs
import pandas as pd
import ray
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from file_dataset.api.cells import CellRows
from file_dataset.api.pipeline import Pipeline
from file_dataset.domain.errors import FileDatasetError
from file_dataset.domain.plan import RowResult
from file_dataset.domain.rows import Cause, RowFailure
from file_dataset.domain.timeline import Timeline
from file_dataset.domain.url import Url
from file_dataset.ray.control import RunControl
from file_dataset.ray.counters import count

if TYPE_CHECKING:
    from ray.data import DataContext

ATTEMPTS = 4
"""How often a task is begun before its rows are failures."""

_LOST = Cause(
    "WorkerLostError",
    f"the worker process was lost {ATTEMPTS} times when it had this row or its neighbours: it "
    f"crashed, was killed, or had no memory left; batch_size=1 tells which row it is, and "
    f'isolation="process" keeps it from others',
    attempts=ATTEMPTS,
    retryable=True,
)


@attrs.frozen
class Part:
    """What came of the rows of a task, or what kept it from running them at all."""

    results: Sequence[RowResult[Url]] = ()
    timeline: Timeline = attrs.field(factory=Timeline)
    error: Exception | None = None


class RunDatasource(Datasource):
    """The results of running a pipeline, a row for each task."""

    def __init__(self, rows: CellRows, pipeline: ray.ObjectRef[Pipeline], batch_size: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Ray's is
        self._tasks = [
            ReadTask(
                # Ray wants tasks to be small, which rows with long URLs are not.
                _Running(pipeline, ray.put(rows[begin : begin + batch_size]), begin),
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
    rows: ray.ObjectRef[CellRows]
    begin: int

    def __call__(self) -> list[pd.DataFrame]:
        control, task = RunControl(self.pipeline.hex()), str(self.begin)
        with control.under_way(task) as is_stopped:
            return self._run(control.attempts(task), is_stopped)

    def _run(self, attempts: int, is_stopped: Callable[[], bool]) -> list[pd.DataFrame]:
        rows = ray.get(self.rows)
        # Ray tries for ever what its workers are lost with.
        if attempts > ATTEMPTS:
            return [_block(Part([RowFailure(row_id, "call", (_LOST,)) for row_id in rows.ids]))]
        timeline = Timeline()
        try:
            pipeline = _pipeline_of(self.pipeline)
            results = list(pipeline.results(rows, timeline, is_stopped))
        except FileDatasetError as error:
            return [_block(Part(error=error))]
        except Exception as error:  # noqa: BLE001 - it is raised where the run was begun
            told = FileDatasetError(
                f"on host {os.uname().nodename}: {type(error).__name__}: {error}"
            )
            return [_block(Part(error=told))]
        failed = sum(isinstance(result, RowFailure) for result in results)
        counted = functools.partial(count, operation="run")
        counted("failed_rows", failed)
        counted("rows", len(results) - failed)
        counted("bytes", timeline.size)
        return [_block(Part(results, timeline))]


@functools.lru_cache(maxsize=1)
def _pipeline_of(pipeline: ray.ObjectRef[Pipeline]) -> Pipeline:
    """The copy that all tasks of a run share in this process, with what its function keeps."""
    return ray.get(pipeline)


def _block(part: Part) -> pd.DataFrame:
    return pd.DataFrame({"part": pd.Series([part], dtype="object")})
