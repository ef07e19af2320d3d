"""What came of a run: the rows that were published, those that were not, and how long it took."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from file_dataset.api.frames import RowTable
from file_dataset.domain.plan import RowResult
from file_dataset.domain.rows import RowDone, RowFailure
from file_dataset.domain.url import Url

_SHOWN = 10


@attrs.frozen
class RunStats:
    """The figures of a run.

    Args:
        rows: How many came through.
        failed: How many did not.
        skipped: How many had nothing to do.
        seconds: How long it took.
    """

    rows: int
    failed: int
    skipped: int
    seconds: float


@attrs.frozen
class RunResult:
    """What came of a run; the ids of its rows and of its failures are the ids of the input.

    Args:
        rows: The table of ids and published URLs, of the kind that was given.
        failures: A table with a line for each thing that went wrong: ``id``, ``file``, ``url``,
            ``stage`` (read, call or write), ``error``, ``message``, ``attempts``, ``retryable``
            and ``traceback``.
        stats: The figures.
    """

    rows: Any
    failures: Any
    stats: RunStats
    _again: Callable[[], RunResult] = attrs.field(repr=False, eq=False, alias="again")

    def retry(self) -> RunResult:
        """Run exactly the rows that failed once more."""
        return self._again()

    def _repr_html_(self) -> str:
        """The figures, and the first failures, for a notebook."""
        from html import escape

        stats = self.stats
        summary = (
            f"<p><b>{stats.rows}</b> rows, <b>{stats.failed}</b> failed, "
            f"in {stats.seconds:.1f} s</p>"
        )
        to_html = getattr(self.failures, "head", None)
        if not stats.failed or to_html is None:
            return summary
        shown = to_html(_SHOWN)
        table = shown.to_html(index=False) if hasattr(shown, "to_html") else escape(str(shown))
        return summary + str(table)


def rows_table(
    table: RowTable,
    results: Sequence[RowResult[Url]],
    columns: Sequence[str] = (),
    *,
    with_errors: bool = False,
) -> Any:
    """The rows that came through, as a table of the user's kind, in the order of the input.

    Args:
        table: The input.
        results: What became of its rows, in any order.
        columns: File columns that are there even if no row has one; others follow as they come.
        with_errors: Whether failed rows stay, with null files, and an ``error`` column is added.
    """
    ordered = sorted(results, key=lambda result: table.positions[result.row_id])
    kept = [result for result in ordered if with_errors or isinstance(result, RowDone)]
    files = [result.values if isinstance(result, RowDone) else {} for result in kept]
    names = dict.fromkeys([*columns, *(name for row in files for name in row)])
    cells: dict[str, list[object]] = {name: [row.get(name) for row in files] for name in names}
    if with_errors:
        cells["error"] = [str(row) if isinstance(row, RowFailure) else None for row in kept]
    return table.like([result.row_id for result in kept], cells)


def failures_table(table: RowTable, failures: Sequence[RowFailure]) -> Any:
    """Everything that went wrong, a line each, as a table of the user's kind."""
    causes = [(failure, cause) for failure in failures for cause in failure.causes]
    return table.like(
        [failure.row_id for failure, _ in causes],
        {
            "file": [cause.file for _, cause in causes],
            "url": [cause.url for _, cause in causes],
            "stage": [failure.stage for failure, _ in causes],
            "error": [cause.error for _, cause in causes],
            "message": [cause.message for _, cause in causes],
            "attempts": [cause.attempts for _, cause in causes],
            "retryable": [cause.retryable for _, cause in causes],
            "traceback": [cause.traceback for _, cause in causes],
        },
        {"attempts": int, "retryable": bool},
    )
