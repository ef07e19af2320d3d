"""A user's function over a table of files, with the files fetched before it and published after."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from file_dataset.api import _wiring
from file_dataset.api._arguments import at_least, one_destination, one_of, time_limit
from file_dataset.api.frames import RowTable
from file_dataset.api.options import Options
from file_dataset.api.results import RunResult, RunStats, failures_table, rows_table
from file_dataset.api.staged import PREFETCH
from file_dataset.api.writer import destination
from file_dataset.domain.calling import RowFunction, UserFunction
from file_dataset.domain.pipeline import Pipelining
from file_dataset.domain.plan import RowResult
from file_dataset.domain.ports import Observer, Progress
from file_dataset.domain.publishing import Publishing
from file_dataset.domain.rows import RowFailure, all_rows_failed
from file_dataset.domain.staging import Staging
from file_dataset.domain.threads import closing
from file_dataset.domain.url import Url

_log = logging.getLogger("file_dataset")


class Pipeline:
    """A function of local files, over a table of files that may be anywhere.

    Each row's files are put into a directory, the function is called, and what it returns is
    published as ``{into_path}/{id}/{filename}``. Rows that fail are dropped and reported. The next
    rows are fetched, and the last ones published, while the function works on this one.

    Args:
        fn: ``fn(input_dir, output_dir)``, or ``fn(working_dir)`` if it takes one argument; returns
            a mapping of filename to path, None for a file that this row does not have. A relative
            path is looked for in the output directory first. If its return type is a TypedDict,
            that names the columns of the result, and a missing required key fails the row.
        write_options: ``{"into_path": ...}``, another way to say ``into_path``.
        into_path: The destination, a URL or a local path.
        options: How storage is reached.
        workers: How many rows are in the function at a time.
        isolation: ``"thread"`` runs the function in this process, with one worker in the thread
            that called the pipeline. ``"process"`` runs it in worker processes, which use all
            cores and end with the run. There a crash, a hang or a kill is that row's failure
            alone; the working directory and the environment are as before in the next row, and
            processes that the function left running are killed (but for those that moved to
            another process group). The function may be a lambda, a closure or of a notebook.
        timeout: Seconds that the function may take for a row; None for as long as it takes. Needs
            ``isolation="process"``, since a thread cannot be ended from outside.
        prefetch: How many rows may be fetched and not yet be in the function.
        max_staging_bytes: How many bytes of input files may be in temporary directories at a
            time. Sizes are then asked for first, and a row that needs more fails without being
            fetched. None asks for no sizes: once the files take half of what was free, nothing
            more is fetched before some of them are gone.
        on_error: What becomes of a row that fails: ``"drop"`` leaves it out, ``"keep"`` leaves it
            in with null files and a column ``error``, ``"raise"`` stops the run with its error.
        if_all_fail: When a non-empty table loses every row: ``"raise"`` AllRowsFailedError, or
            give an ``"empty"`` table. None raises in the process that built the pipeline and gives
            the empty table in an unpickled copy, which sees but a part of the data.
        keep_failed: A directory in which the directories of rows that failed in the function, or
            after it, are kept as ``{id}/input`` and ``{id}/output``.
        progress: True for a bar on the terminal, or a function that is told how far the run is.

    Raises:
        ValueError: For a destination that is missing, given twice or of an unknown scheme, and for
            other arguments that are out of bounds.
        TypeError: For a function that cannot be called so, and for unknown arguments.
    """

    def __init__(
        self,
        fn: UserFunction,
        write_options: Mapping[str, Any] | None = None,
        *,
        into_path: str | os.PathLike[str] | None = None,
        options: Options | None = None,
        workers: int = 1,
        isolation: Literal["thread", "process"] = "thread",
        timeout: float | None = None,
        prefetch: int = PREFETCH,
        max_staging_bytes: int | None = None,
        on_error: Literal["drop", "keep", "raise"] = "drop",
        if_all_fail: Literal["raise", "empty"] | None = None,
        keep_failed: str | os.PathLike[str] | None = None,
        progress: bool | Observer | None = None,
    ) -> None:
        self._function = RowFunction.of(fn)
        self._store = _wiring.store_for(options)
        # Made here, since the process that unpickles this may know other schemes.
        self._check = _wiring.scheme_check(self._store)
        self._into = destination(one_destination(write_options, into_path), self._store)
        self._workers = at_least("workers", workers, 1)
        self._isolation = one_of("isolation", isolation, ("thread", "process"))
        self._timeout = time_limit(timeout, isolation)
        self._prefetch = at_least("prefetch", prefetch, 0)
        if max_staging_bytes is not None:
            at_least("max_staging_bytes", max_staging_bytes, 1)
        self._max_staging_bytes = max_staging_bytes
        self._on_error = one_of("on_error", on_error, ("drop", "keep", "raise"))
        self._if_all_fail = one_of("if_all_fail", if_all_fail, ("raise", "empty", None))
        self._keep_failed = None if keep_failed is None else Path(keep_failed).absolute()
        self._progress = progress
        self._is_copy = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _is_copy=True)

    def __repr__(self) -> str:
        fn = self._function.fn
        # Not its repr(), which may hold secrets, as that of a functools.partial does.
        name = getattr(fn, "__qualname__", type(fn).__qualname__)
        return f"Pipeline({name}, into_path={self._into.redacted!r}, workers={self._workers})"

    def __call__(self, dataframe: Any) -> Any:
        """The table of the rows that came through: their ids, and the URLs of their outputs.

        Raises:
            ValueError: For a table without ``id`` or file columns, and for ids, cells and schemes
                that break the rules, before anything is read.
            AllRowsFailedError: As ``if_all_fail`` says.
            FileDatasetError: The first row's failure, with ``on_error="raise"``.
        """
        table = self._parse(dataframe)
        results = list(self._run(table))
        failures = _failures(table, results)
        if failures and len(failures) == len(results) and self._raises_if_all_fail:
            raise all_rows_failed(failures)
        return self._rows(table, results)

    def run(self, dataframe: Any) -> RunResult:
        """As calling it, with the failures and the figures beside the rows, even if all fail.

        Raises:
            ValueError: For a table without ``id`` or file columns, and for ids, cells and schemes
                that break the rules, before anything is read.
            FileDatasetError: The first row's failure, with ``on_error="raise"``.
        """
        return self._run_table(self._parse(dataframe))

    def _run_table(self, table: RowTable) -> RunResult:
        begun = time.monotonic()
        results = list(self._run(table))
        failures = _failures(table, results)
        failed = {failure.row_id for failure in failures}
        return RunResult(
            rows=self._rows(table, results),
            failures=failures_table(table, failures),
            stats=RunStats(
                rows=len(results) - len(failures),
                failed=len(failures),
                skipped=0,
                seconds=time.monotonic() - begun,
            ),
            again=functools.partial(self._run_table, table.only(failed)),
        )

    def _parse(self, dataframe: Any) -> RowTable:
        return RowTable.parse(dataframe, check=self._check, only_files=True)

    def _run(self, table: RowTable) -> Iterator[RowResult[Url]]:
        """Each row's result as it comes, with the failures logged and the observer told."""
        done = failed = 0
        with (
            _wiring.observing(self._progress) as observe,
            self._pipelining(len(table.rows)) as pipelining,
        ):
            observe(Progress(len(table.rows)))
            with closing(pipelining.run(table.rows)) as results:
                for result in results:
                    if isinstance(result, RowFailure):
                        failed += 1
                        _log.warning("Failed to process row %s: %s", result.row_id, result)
                        if self._on_error == "raise":
                            raise result.as_error()
                    else:
                        done += 1
                    observe(Progress(len(table.rows), done, failed))
                    yield result

    @contextlib.contextmanager
    def _pipelining(self, rows: int) -> Iterator[Pipelining]:
        """The parts for one run over so many rows, which are gone in the end."""
        with (
            _wiring.temp_scratch(None) as scratch,
            _wiring.calling(
                self._function,
                isolation=self._isolation,
                workers=max(1, min(self._workers, rows)),
                timeout=self._timeout,
            ) as caller,
        ):
            staging = Staging(
                self._store,
                scratch,
                self._prefetch,
                with_output=self._function.takes_output,
                budget=_wiring.staging_budget(self._max_staging_bytes, None),
            )
            publishing = Publishing(self._store, self._into)
            yield Pipelining(staging, caller, publishing, self._workers, self._keep_failed)

    def _rows(self, table: RowTable, results: list[RowResult[Url]]) -> Any:
        keep = self._on_error == "keep"
        return rows_table(table, results, self._function.columns, with_errors=keep)

    @property
    def _raises_if_all_fail(self) -> bool:
        if self._if_all_fail is None:
            return not self._is_copy and self._on_error != "keep"
        return self._if_all_fail == "raise"


def _failures(table: RowTable, results: list[RowResult[Url]]) -> list[RowFailure]:
    failures = [result for result in results if isinstance(result, RowFailure)]
    return sorted(failures, key=lambda failure: table.positions[failure.row_id])
