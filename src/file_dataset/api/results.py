"""What came of a run: the rows that were published, those that were not, and how long it took."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from file_dataset.api.frames import RowTable

_SHOWN = 10


@attrs.frozen
class RunStats:
    """The figures of a run.

    Args:
        rows: How many came through.
        failed: How many did not.
        skipped: How many had nothing to do.
        not_run: How many of the failed ones had no turn, since the run was stopped.
        seconds: How long it took.
    """

    rows: int
    failed: int
    skipped: int
    not_run: int
    seconds: float


@attrs.frozen(repr=False)
class RunResult:
    """What came of a run: each id of the input is in one of its three tables, and in no other.

    Args:
        rows: The table of ids and published URLs of the rows that came through, of the kind that
            was given.
        failures: A table with a line for each thing that went wrong: ``id``, ``file``, ``url``,
            ``stage`` (read, call or write), ``error``, ``message``, ``attempts``, ``retryable``
            and ``traceback``. Rows that had no turn, since the run was stopped, have 0 attempts.
        skipped: A table like ``rows``, of the rows that had nothing to do.
        stats: The figures.
        stopped: Why the run was stopped before its end; None if it was not.
        is_systemic: Whether that was for something that keeps every row from coming through.

    >>> import file_dataset
    >>> def same(input_dir, output_dir):
    ...     return {"b.txt": input_dir / "a.txt"}
    >>> pipeline = file_dataset.Pipeline(same, into_path="memory://results-of/out")
    >>> result = pipeline.run([{"id": 7, "a.txt": "LICENSE"}, {"id": 8, "a.txt": "missing"}])
    >>> result.rows
    [{'id': 7, 'b.txt': 'memory://results-of/out/7/b.txt'}]
    >>> [(failure["id"], failure["error"]) for failure in result.failures]
    [(8, 'NotFoundError')]
    >>> result.retry()
    RunResult(rows=0, failed=1, skipped=0)
    """

    rows: Any
    failures: Any
    skipped: Any
    stats: RunStats
    stopped: str | None
    is_systemic: bool
    _failed_rows: RowTable = attrs.field(eq=False, alias="failed_rows")
    _again: Callable[[RowTable], RunResult] = attrs.field(eq=False, alias="again")

    def retry(self) -> RunResult:
        """Run exactly the rows that failed once more, and those that had no turn."""
        return self._again(self._failed_rows)

    def failed_rows(self) -> Any:
        """The rows of the input that failed, as a table: their ids, and where their files are."""
        return self._failed_rows.sources()

    def __repr__(self) -> str:
        stopped = "" if self.stopped is None else f", stopped={self.stopped!r}"
        return (
            f"RunResult(rows={self.stats.rows}, failed={self.stats.failed}, "
            f"skipped={self.stats.skipped}{stopped})"
        )

    def _repr_html_(self) -> str:
        """The figures, and the first failures, for a notebook."""
        from html import escape

        stats = self.stats
        summary = (
            f"<p><b>{stats.rows}</b> rows, <b>{stats.failed}</b> failed, "
            f"<b>{stats.skipped}</b> skipped, in {stats.seconds:.1f} s</p>"
        )
        if self.stopped is not None:
            summary += (
                f"<p>The run was stopped: {escape(self.stopped)}. "
                f"<b>{stats.not_run}</b> of the failed rows were not run.</p>"
            )
        head = getattr(self.failures, "head", None)
        if not stats.failed or head is None:
            return summary
        shown = head(_SHOWN)
        table = shown.to_html(index=False) if hasattr(shown, "to_html") else escape(str(shown))
        return summary + str(table)
