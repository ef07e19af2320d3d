"""``file-dataset run`` and ``retry``: a function over a table of files, or what failed of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from file_dataset.api.results import RunResult, check_reports
from file_dataset.cli import codes, tables
from file_dataset.cli.engines import begun
from file_dataset.cli.failed import read_job, rows_to_retry, write_failures
from file_dataset.cli.jobs import Job
from file_dataset.cli.options import (
    TABLE,
    given,
    job_options,
    output_options,
    pipeline_options,
    told,
)
from file_dataset.cli.plan import planned

if TYPE_CHECKING:
    import pandas as pd


@attrs.frozen(kw_only=True)
class _Output:
    """Where the report of a run goes."""

    results: Path | None
    failures: Path | None
    report: Path | None
    as_json: bool
    progress: bool

    def __attrs_post_init__(self) -> None:
        for path in (self.results, self.failures):
            tables.check_target(path)
        tables.check_place(self.report)
        if self.results is not None and self.results == self.failures:
            raise click.UsageError(f"{self.results}: results and failures need a file each")
        if self.report is not None:
            check_reports()

    def give(self, result: RunResult, job: Job) -> None:
        if self.results is not None:
            tables.write_table(result.rows, self.results)
        if self.failures is not None:
            write_failures(result, job, self.failures)
        show_result(result, as_json=self.as_json)
        if self.report is not None:
            result.report(self.report)


@click.command(short_help="Run a function over a table of files.")
@job_options
@pipeline_options
@output_options
@click.option("--retry", "again", type=TABLE, help="Only rows of this table of failures.")
@click.option("--dry-run", is_flag=True, help="Tell what would be done, and do nothing.")
@click.pass_context
def run(
    context: click.Context,
    /,
    *,
    arguments: tuple[str, ...],
    into: str,
    command: str | None,
    outputs: tuple[str, ...],
    results: Path | None,
    failures: Path | None,
    report: Path | None,
    as_json: bool,
    progress: bool,
    again: Path | None,
    dry_run: bool,
    **options: str | float | Sequence[str] | None,
) -> None:
    """Run FUNCTION over every row of TABLE and publish what it returns.

    FUNCTION is module:name or file.py:name; it takes (input_dir, output_dir), or one directory,
    and returns a mapping of filename to path. TABLE is a .csv, .parquet or .jsonl file with a
    column 'id' and a column for each file, as 'image.mha', with URLs or paths.

    --command 'tool {input}/a.mha' --outputs b.mha runs a program instead.

    Exit codes: 0 all came through, 1 some did not, 2 wrong usage, 3 none can.
    """
    output = _Output(
        results=results, failures=failures, report=report, as_json=as_json, progress=progress
    )
    job, table = told(arguments, command, outputs, {"into": into, **given(options)})

    def rows() -> pd.DataFrame:
        whole = tables.read_table(table)
        return whole if again is None else rows_to_retry(tables.read_table(again), whole)

    if dry_run:
        context.exit(planned(job, rows(), as_json=as_json))
    context.exit(_carried_out(job, output, rows))


@click.command(short_help="Run exactly the rows that failed of a run.")
@click.argument("file", type=TABLE)
@click.option("--function", help="Instead of the one that failed: module:name or file.py:name.")
@click.option("--table", type=TABLE, help="Take the sources of the failed rows from this table.")
@click.option("--into", help="Where outputs go, if that is not where they were to go.")
@pipeline_options
@output_options
@click.pass_context
def retry(
    context: click.Context,
    /,
    *,
    file: Path,
    table: Path | None,
    results: Path | None,
    failures: Path | None,
    report: Path | None,
    as_json: bool,
    progress: bool,
    **options: str | float | Sequence[str] | None,
) -> None:
    """Run exactly the rows that are in FILE, a table of failures.

    A .parquet file that `file-dataset run --failures` wrote is enough by itself: it names the
    function to run, so use only files that you trust. A .csv or .jsonl of it names the sources of
    its rows but neither function nor destination: they need --function and --into. Any other table
    with the ids of failed rows, as one that was saved with pandas, needs --table as well.

    Exits as `file-dataset run` does.
    """
    output = _Output(
        results=results, failures=failures, report=report, as_json=as_json, progress=progress
    )
    job = _job_of(file, given(options))
    what, into = job.function or job.command, job.without_secrets.into
    click.echo(f"Running {what} into {into}", err=True)

    def rows() -> pd.DataFrame:
        return rows_to_retry(
            tables.read_table(file), None if table is None else tables.read_table(table)
        )

    context.exit(_carried_out(job, output, rows))


def _job_of(file: Path, options: Mapping[str, object]) -> Job:
    job = read_job(file)
    if job is not None:
        return job.but(options)
    missing = [f"--{name}" for name in ("function", "into") if name not in options]
    if missing:
        raise click.UsageError(
            f"{file} does not tell how to run its rows; give {' and '.join(missing)}"
        )
    return Job.here(options)


def _carried_out(job: Job, output: _Output, rows: Callable[[], pd.DataFrame]) -> int:
    """Run a job, report on it even if a signal ends it, and tell the exit code."""
    with begun(job, rows(), progress=output.progress) as run:
        try:
            run.finish()
        finally:
            result = run.result()
            output.give(result, job)
    if result.is_systemic:
        return codes.NOTHING_CAN_COME_THROUGH
    return codes.SOME_FAILED if result.stats.failed else 0


def show_result(result: RunResult, *, as_json: bool) -> None:
    """Print the rows, the failures and the figures."""
    stats = result.stats
    if as_json:
        tables.show_json(
            {
                "rows": tables.records(result.rows),
                "failures": tables.records(result.failures),
                "skipped": tables.records(result.skipped),
                "stopped": result.stopped,
                "stats": {**attrs.asdict(stats), "seconds": round(stats.seconds, 3)},
            }
        )
        return
    if stats.rows:
        tables.show(result.rows, "Results", most=tables.MOST, rest="--results FILE has all of them")
    if stats.failed > stats.not_run:
        tried = result.failures[result.failures["attempts"] > 0]
        told = tried[["id", "file", "stage", "error", "message"]]
        tables.show(told, "Failures", most=tables.MOST, rest="--failures FILE has all of them")
    skipped = f"{stats.skipped} were there already, " if stats.skipped else ""
    click.echo(
        f"\n{stats.rows} rows came through, {skipped}{stats.failed} failed, "
        f"in {stats.seconds:.1f} s."
    )
    if result.stopped is not None:
        left = f" {stats.not_run} of the failed rows were not run." if stats.not_run else ""
        click.echo(f"The run was stopped: {result.stopped}.{left}")
