"""``file-dataset plan``: what a run would do, before a byte moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from file_dataset.cli import codes, tables
from file_dataset.cli.jobs import Job
from file_dataset.cli.options import given, job_options, pipeline_options, told

if TYPE_CHECKING:
    import pandas as pd


@click.command(short_help="Tell what a run would do, before a byte moves.")
@job_options
@pipeline_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
@click.pass_context
def plan(
    context: click.Context,
    /,
    *,
    arguments: tuple[str, ...],
    command: str | None,
    outputs: tuple[str, ...],
    as_json: bool,
    **options: str | float | Sequence[str] | None,
) -> None:
    """Tell what `file-dataset run` would do with TABLE, before a byte moves.

    Rows, files, bytes, requests and disk; which rows are done already; and every id, name, URL and
    missing file for which a row would be lost. How many files a FUNCTION makes of a row is known
    by its return type, a TypedDict, or by --outputs.

    Exit codes: 0 all rows would come through, 1 some would not, 2 wrong usage or a table that
    would be refused, 3 no row can come through.
    """
    job, table = told(arguments, command, outputs, given(options))
    context.exit(planned(job, tables.read_table(table), as_json=as_json))


def planned(job: Job, rows: pd.DataFrame, *, as_json: bool) -> int:
    """Tell what a run would do, and the exit code."""
    found = job.pipeline(progress=False).plan(rows, outputs=job.outputs or None)
    if as_json:
        tables.show_json(found.to_dict())
    else:
        click.echo(found)
    if found.is_refused:
        return codes.USAGE
    if found.stopped is not None:
        return codes.NOTHING_CAN_COME_THROUGH
    return codes.SOME_FAILED if len(found.problems) else 0
