"""A user's function over a table of files, with the files fetched before it and published after."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from file_dataset.api import _wiring
from file_dataset.api._arguments import count_or_share, one_destination, one_of
from file_dataset.api.cells import CellRows, sound_cells
from file_dataset.api.committing import ArchiveKind, CommitMode, Committing
from file_dataset.api.execution import Execution, Isolation
from file_dataset.api.frames import RowTable
from file_dataset.api.options import Options
from file_dataset.api.plans import Plan
from file_dataset.api.report import Report
from file_dataset.api.results import RunResult
from file_dataset.api.running import Engine, Run
from file_dataset.api.staged import PREFETCH
from file_dataset.api.table_faults import examined
from file_dataset.api.writer import destination
from file_dataset.domain.calling import RowFunction, UserFunction
from file_dataset.domain.commit import IfExists
from file_dataset.domain.destination import Exclusive
from file_dataset.domain.plan import RowResult
from file_dataset.domain.ports import Observer
from file_dataset.domain.programs import output_names
from file_dataset.domain.stopping import Stopping
from file_dataset.domain.timeline import Timeline
from file_dataset.domain.url import Url


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
            processes that the function left running are killed: on Linux wherever they went, and
            elsewhere unless they moved to another process group. The function may be a lambda, a
            closure or of a notebook.
        timeout: Seconds that the function may take for a row; None for as long as it takes. Needs
            ``isolation="process"``, since a thread cannot be ended from outside.
        prefetch: How many rows may be fetched and not yet be in the function.
        max_staging_bytes: How many bytes of input files may be in temporary directories at a
            time. Sizes are then asked for first, and a row that needs more fails without being
            fetched. None asks for no sizes: once the files take half of what was free, nothing
            more is fetched before some of them are gone.
        commit: ``"atomic"``: the files of a row are seen all, and of one attempt, or none is,
            however often and by whomever it is tried, and whatever is killed; ``"plain"``
            publishes file by file. A row of one file takes one request either way.
        if_exists: What becomes of a row that an earlier run has committed: it is run again, and the
            new files ``"replace"`` the old ones; or it is left as it is and not run, if it was made
            of the same inputs by the same version (``"skip"``); or it fails (``"error"``).
        version: What you call the version of the function; rows of another one are run again.
        exclusive: What is done where a store ignores the conditions on writes that the commit is
            made of, so that of two runs at the very same time both may win: ``"warn"`` and go on,
            or ``"require"`` them and fail the rows.
        archive: ``"tar"`` publishes each row as one archive, ``{into_path}/{id}.tar``, a single
            object; its members are called as the files are. It has no records, so that
            ``if_exists`` can be ``"replace"`` or, after the function, ``"error"``.
        on_error: What becomes of a row that fails: ``"drop"`` leaves it out, ``"keep"`` leaves it
            in with null files and a column ``error``, ``"raise"`` stops the run with its error.
        if_all_fail: When a non-empty table loses every row: ``"raise"`` AllRowsFailedError, or
            give an ``"empty"`` table. None raises in the process that built the pipeline and gives
            the empty table in an unpickled copy, which sees but a part of the data; and it does
            not raise where ``on_error="keep"`` keeps the rows.
        max_failures: How many rows may fail: a whole number, or a float from 0 to 1 for a share of
            all rows of the table; None for any number. After more the run is stopped: rows that
            are in the function end and are published, and all others are failures of 0 attempts.
            So it is also after a fault that keeps every row from coming through, as credentials
            that are not accepted, and if the first 20 rows all fail with the same fault of
            storage, as a server that cannot be reached.
        keep_failed: A directory in which the directories of rows that failed in the function, or
            after it, are kept as ``{id}/input`` and ``{id}/output``.
        progress: True for a bar on the terminal, or a function that is told how far the run is;
            an unpickled copy tells nobody.

    Raises:
        ValueError: For a destination that is missing, given twice or of an unknown scheme, and for
            other arguments that are out of bounds.
        TypeError: For a function that cannot be called so, and for unknown arguments.

    >>> import file_dataset
    >>> def shout(input_dir, output_dir):
    ...     (output_dir / "b.txt").write_text((input_dir / "a.txt").read_text().upper())
    ...     return {"b.txt": output_dir / "b.txt"}

    >>> file_dataset.put("memory://piped/7.txt", b"seven")
    >>> rows = [
    ...     {"id": 7, "a.txt": "memory://piped/7.txt"},
    ...     {"id": 8, "a.txt": "memory://piped/8.txt"},
    ... ]
    >>> Pipeline(shout, into_path="memory://piped/out").run(rows)
    RunResult(rows=1, failed=1, skipped=0)
    """

    def __init__(
        self,
        fn: UserFunction,
        write_options: Mapping[str, Any] | None = None,
        *,
        into_path: str | os.PathLike[str] | None = None,
        options: Options | None = None,
        workers: int = 1,
        isolation: Isolation = "thread",
        timeout: float | None = None,
        prefetch: int = PREFETCH,
        max_staging_bytes: int | None = None,
        commit: CommitMode = "atomic",
        if_exists: IfExists = "replace",
        version: str | None = None,
        exclusive: Exclusive = "warn",
        archive: ArchiveKind | None = None,
        on_error: Literal["drop", "keep", "raise"] = "drop",
        if_all_fail: Literal["raise", "empty"] | None = None,
        max_failures: float | None = None,
        keep_failed: str | os.PathLike[str] | None = None,
        progress: bool | Observer | None = None,
    ) -> None:
        store = _wiring.store_for_tables(options)
        self._check = _wiring.scheme_check(store)
        self._into = destination(one_destination(write_options, into_path), store)
        committing = Committing.of(
            store,
            self._into,
            commit=commit,
            if_exists=if_exists,
            version=version,
            exclusive=exclusive,
            archive=archive,
        )
        self._execution = Execution(
            RowFunction.of(fn),
            store,
            committing,
            workers,
            isolation,
            timeout,
            prefetch,
            max_staging_bytes,
            None if keep_failed is None else Path(keep_failed).absolute(),
        )
        self._on_error = one_of("on_error", on_error, ("drop", "keep", "raise"))
        self._if_all_fail = one_of("if_all_fail", if_all_fail, ("raise", "empty", None))
        self._max_failures = count_or_share("max_failures", max_failures)
        self._progress = progress
        self._is_copy = False

    def __getstate__(self) -> dict[str, Any]:
        # Who is told of progress is here, and may be of a kind that cannot go anywhere.
        return {**self.__dict__, "_execution": self._execution.of_one_run(), "_progress": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _is_copy=True)
        # Another machine may lack a distribution that brings a store.
        self._check = _wiring.scheme_check(self._execution.store, names_host=True)

    def __repr__(self) -> str:
        how, into = self._execution, self._into.redacted
        return f"Pipeline({how.name}, into_path={into!r}, workers={how.workers})"

    def __call__(self, dataframe: Any) -> Any:
        """The table of the rows that came through: their ids, and the URLs of their outputs.

        Raises:
            ValueError: For a table without ``id`` or file columns, for ids, cells and schemes that
                break the rules, and for a program that is not there, before anything is read.
            AllRowsFailedError: As ``if_all_fail`` says.
            RunStoppedError: For more failures than ``max_failures``, and for a fault that keeps
                every row from coming through.
            FileDatasetError: The first row's failure, with ``on_error="raise"``.
        """
        run = self.begin(dataframe)
        run.finish()
        return run.table(
            keeps_failed=self._on_error == "keep",
            raises_if_all_failed=self._raises_if_all_fail,
        )

    def run(self, dataframe: Any) -> RunResult:
        """As calling it, with the failures and the figures beside the rows.

        Neither if all rows fail nor if the run is stopped this is an error; the result tells.
        Failed rows are in its failures alone, whatever ``on_error`` says of them.

        Raises:
            ValueError: For a table without ``id`` or file columns, for ids, cells and schemes that
                break the rules, and for a program that is not there, before anything is read.
            FileDatasetError: The first row's failure, with ``on_error="raise"``.
        """
        return self._run_table(self._parse(dataframe))

    def plan(self, dataframe: Any, *, outputs: Sequence[str] | None = None) -> Plan:
        """What ``run`` would do, found out before a byte moves; nothing is changed anywhere.

        Every file is asked for its size, so that all that is missing is known, and so is every id,
        name and URL that the run would refuse. It takes the conditions on writes that the commit
        is made of to hold, and retries not to be needed.

        Args:
            dataframe: The table.
            outputs: The names of the files that the function makes of a row; None goes by its
                return type. If nobody says them, it is not known how many requests publish them.

        Raises:
            ValueError: For a table without ``id`` or file columns, and for names that nothing can
                be published as.

        >>> import pathlib, tempfile
        >>> here = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (here / "a").write_text("four")
        >>> rows = [{"id": 1, "x.txt": here / "a"}, {"id": 2, "x.txt": here / "gone"}]
        >>> plan = Pipeline(lambda _: {}, into_path=here / "out").plan(rows)
        >>> plan.rows, plan.bytes, plan.problems["id"].tolist()
        (1, 4, [2])
        """
        self._check(self._into, "into_path")
        made = self._execution.function.columns if outputs is None else output_names(outputs)
        table = examined(dataframe, check=self._check)
        planned = self._execution.planned(table.rows, made or None)
        return Plan.of(planned, table.faults, total=table.total)

    def begin(self, dataframe: Any, *, engine: Engine | None = None) -> Run:
        """A run of which the result can be had also if it is interrupted.

        Args:
            dataframe: The table.
            engine: Takes the rows through the pipeline, as ``file_dataset.ray`` does on a cluster;
                None does so in this process.

        Raises:
            ValueError: For a table without ``id`` or file columns, for ids, cells and schemes that
                break the rules, and for a program that is not there.
        """
        return self._begin(self._parse(dataframe), engine)

    def results(
        self, rows: CellRows, timeline: Timeline, is_stopped: Callable[[], bool]
    ) -> Iterator[RowResult[Url]]:
        """What becomes of some rows of a run, for the engine that has brought them here.

        Args:
            rows: The rows.
            timeline: Is told when they were in each stage.
            is_stopped: Whether the run is over: no more rows come out than are in the function.

        Raises:
            UnsupportedSchemeError: If a store is missing here.
        """
        self._check(self._into, "into_path")
        sound_cells(rows.columns, rows.ids, self._check)
        yield from self._execution.results(rows, timeline, is_stopped)

    def _run_table(self, table: RowTable, engine: Engine | None = None) -> RunResult:
        run = self._begin(table, engine)
        run.finish()
        return run.result()

    def _begin(self, table: RowTable, engine: Engine | None) -> Run:
        # Of a copy it is a matter of the rows that a worker without the program was given.
        if engine is None and not self._is_copy:
            self._execution.function.check()
        return Run(
            table,
            Report(table, self._execution.function.columns),
            Stopping(len(table.rows), self._max_failures),
            parts=functools.partial(self._execution.parts, len(table.rows), engine, self._progress),
            raises=self._on_error == "raise",
            again=functools.partial(self._run_table, engine=engine),
            about=self._execution.about(by="this process" if engine is None else "a cluster"),
            read=self._execution.beginning,
        )

    def _parse(self, dataframe: Any) -> RowTable:
        self._check(self._into, "into_path")
        return RowTable.parse(dataframe, check=self._check, only_files=True)

    @property
    def _raises_if_all_fail(self) -> bool:
        if self._if_all_fail is None:
            return not self._is_copy and self._on_error != "keep"
        return self._if_all_fail == "raise"
