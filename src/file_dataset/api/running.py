"""One run of a pipeline, which knows at any time what has become of each row."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

import attrs

from file_dataset.api.cells import CellRows
from file_dataset.api.frames import RowTable
from file_dataset.api.report import Report
from file_dataset.api.results import RunResult, RunStats
from file_dataset.domain.errors import RunStoppedError, StoreError
from file_dataset.domain.plan import RowResult
from file_dataset.domain.ports import Observer, Progress
from file_dataset.domain.reporting import About, RunFacts, grouped
from file_dataset.domain.rows import RowFailure, RowSkipped, all_rows_failed
from file_dataset.domain.stopping import Stop, Stopping
from file_dataset.domain.threads import closing
from file_dataset.domain.timeline import Fate, Timeline
from file_dataset.domain.url import Url

_log = logging.getLogger("file_dataset")


class Engine(Protocol):
    """What takes rows through a pipeline: this process, or a cluster."""

    def run(
        self,
        rows: CellRows,
        *,
        is_stopped: Callable[[], bool],
        late: Callable[[RowResult[Url]], object],
        timeline: Timeline,
    ) -> Iterator[RowResult[Url]]:
        """What becomes of each row, as it comes; closing the iterator stops it.

        Args:
            rows: The rows.
            is_stopped: Whether to begin no more of them.
            late: Given what comes once the iterator was closed.
            timeline: Told when rows were in each stage, as far as that is known.
        """


Parts: TypeAlias = Callable[[], AbstractContextManager[tuple[Observer, Engine]]]


class Run:
    """One run of a pipeline over a table, made by ``Pipeline.begin``.

    What was done so far is not lost if ``finish`` is interrupted; ``result`` has it.

    Args:
        table: The input.
        report: Takes in what becomes of its rows.
        stopping: Looks for reasons to stop.
        parts: Makes what the run is done with, for as long as it takes.
        raises: Whether the first failure ends it with an error.
        again: Runs a table from its beginning to its end.
        about: What is run where.
        read: Gives what was published.
    """

    def __init__(
        self,
        table: RowTable,
        report: Report,
        stopping: Stopping,
        *,
        parts: Parts,
        raises: bool,
        again: Callable[[RowTable], RunResult],
        about: About,
        read: Callable[[Url], bytes],
    ) -> None:
        self._table = table
        self._report = report
        self._stopping = stopping
        self._parts = parts
        self._raises = raises
        self._again = again
        self._timeline = Timeline()
        self._about = about
        self._read = read
        self._stop: Stop | None = None
        self._done = self._failed = 0
        self._begun = time.monotonic()

    def finish(self) -> None:
        """Run every row, or as many of them as there are until there is a reason to stop.

        Raises:
            FileDatasetError: The first row's failure, with ``on_error="raise"``.
        """
        try:
            self._work()
        except StoreError as error:
            # Not of a row, whose failure it would be: of the place for temporary files.
            self._end(Stop(f"no row can come through; {error}", systemic=True))
        except BaseException as error:
            told = str(error) if isinstance(error, KeyboardInterrupt) else ""
            self._end(Stop(f"interrupted by {told or type(error).__name__}"))
            raise
        finally:
            if self._stop is not None:
                self._report.close(self._stop)

    def result(self) -> RunResult:
        """What has become of every row, once ``finish`` has ended, be it by an interrupt."""
        report, stop = self._report, self._stop
        stats = RunStats(
            rows=report.done,
            failed=report.failed,
            skipped=report.skipped,
            not_run=report.failed - self._failed,
            seconds=time.monotonic() - self._begun,
        )
        reason = None if stop is None else stop.reason
        return RunResult(
            rows=report.done_table(),
            failures=report.failures_table(),
            skipped=report.skipped_table(),
            stats=stats,
            stopped=reason,
            is_systemic=stop is not None and stop.systemic,
            failed_rows=report.failed_rows(),
            again=self._again,
            facts=RunFacts(
                self._about,
                **attrs.asdict(stats),
                stopped=reason,
                groups=grouped(report.failures),
                timeline=self._timeline,
                samples=report.images(),
            ),
            read=self._read,
        )

    def table(self, *, keeps_failed: bool, raises_if_all_failed: bool) -> Any:
        """The rows as a table of the user's kind, once ``finish`` has ended.

        Args:
            keeps_failed: Whether failed rows stay, with an ``error``.
            raises_if_all_failed: Whether it is an error if no row came through.

        Raises:
            RunStoppedError: If the run was stopped.
            AllRowsFailedError: If all failed and that is an error.
        """
        report = self._report
        if self._stop is not None:
            raise RunStoppedError(
                f"The run was stopped: {self._stop.reason}. {report.done} rows came through, "
                f"{self._failed} failed, {report.failed - self._failed} were not run. "
                "Pipeline.run() gives the rows that came through, and retry() runs the others.",
                failures=report.failures,
            )
        if raises_if_all_failed and report.failed == len(self._table.rows) > 0:
            raise all_rows_failed(report.failures)
        return report.whole_table() if keeps_failed else report.published_table()

    def _work(self) -> None:
        total = len(self._table.rows)
        with self._parts() as (observe, engine):
            observe(Progress(total))
            results = engine.run(
                self._table.rows,
                is_stopped=lambda: self._stop is not None,
                late=self._take,
                timeline=self._timeline,
            )
            with closing(results):
                for result in results:
                    self._take(result)
                    observe(Progress(total, self._done, self._failed))
                    if isinstance(result, RowFailure) and self._raises:
                        raise result.as_error()

    def _take(self, result: RowResult[Url]) -> None:
        self._report.take(result)
        if isinstance(result, RowFailure):
            self._failed += 1
            _log.warning("Failed to process row %s: %s", result.row_id, result)
        else:
            self._done += 1
        self._timeline.end(_fate(result))
        if stop := self._stopping.note(result):
            self._end(stop)

    def _end(self, stop: Stop) -> None:
        """Begin no more; the first reason for it counts."""
        if self._stop is None:
            self._stop = stop
            _log.warning("The run was stopped: %s", stop.reason)


def _fate(result: RowResult[Url]) -> Fate:
    if isinstance(result, RowFailure):
        return "failed"
    return "skipped" if isinstance(result, RowSkipped) else "done"
