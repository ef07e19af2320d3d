"""What came of a run: the rows that were published, those that were not, and how long it took."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from file_dataset.api import _wiring
from file_dataset.api.frames import RowTable
from file_dataset.domain.reporting import FailureGroup, RunFacts
from file_dataset.domain.url import Url

_SHOWN = 10
_LONGEST = 500


def check_reports() -> None:
    """Raise MissingDependencyError if ``RunResult.report`` cannot make pages here."""
    _wiring.pages()


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
    _facts: RunFacts = attrs.field(eq=False, alias="facts")
    _read: Callable[[Url], bytes] = attrs.field(eq=False, alias="read")

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

    def report(self, path: str | os.PathLike[str]) -> None:
        """Write a page about the run, which opens in any browser and needs no network.

        It shows what ran where, how fast, how download, call and upload overlapped, the slowest
        rows, the failures by what went wrong, and some of what was made where that is pictures.

        Args:
            path: A local file, which is replaced.

        Raises:
            MissingDependencyError: If matplotlib and Jinja are not installed.
            OSError: If it cannot be written.
        """
        target = Path(path)
        page = _wiring.pages()(self._facts, self._read)
        new = target.with_name(f".{target.name}.tmp")
        try:
            new.write_bytes(page)
            new.replace(target)
        finally:
            new.unlink(missing_ok=True)

    def _repr_html_(self) -> str:
        """The figures, and the failures by what went wrong, for a notebook."""
        from html import escape

        stats = self.stats
        summary = (
            f"<p><b>{stats.rows}</b> rows, <b>{stats.failed}</b> failed, "
            f"<b>{stats.skipped}</b> skipped, in {stats.seconds:.1f} s</p>"
        )
        told = [summary]
        if self.stopped is not None:
            told.append(
                f"<p>The run was stopped: {escape(self.stopped)}. "
                f"<b>{stats.not_run}</b> of the failed rows were not run.</p>"
            )
        groups = self._facts.groups
        if groups:
            names = ("rows", "stage", "error", "for example")
            told.append(f"<table><tr>{''.join(f'<th>{name}</th>' for name in names)}</tr>")
            told += (f"<tr>{_cells(group, escape)}</tr>" for group in groups[:_SHOWN])
            told.append("</table>")
        if len(groups) > _SHOWN:
            told.append(f"<p>and {len(groups) - _SHOWN} other kinds of failures</p>")
        return "".join(told)


def _cells(group: FailureGroup, escape: Callable[[str], str]) -> str:
    example = f"row {group.example.row_id}: {group.example}"
    told = (str(len(group.ids)), group.stage, group.cause.error, example[:_LONGEST])
    return "".join(f"<td style='text-align:left'>{escape(text)}</td>" for text in told)
