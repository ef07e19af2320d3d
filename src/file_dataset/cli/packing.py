"""``file-dataset pack`` and ``unpack``: many small files into few archives, and out of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from file_dataset import AllRowsFailedError
from file_dataset.api.packing import SHARD_BYTES, pack_rows, unpack_rows
from file_dataset.api.report import failures_frame
from file_dataset.cli import codes, tables

if TYPE_CHECKING:
    import pandas as pd

    from file_dataset import RowFailure

_TABLE = click.Path(dir_okay=False, path_type=Path)
_results = click.option("--results", type=_TABLE, help="Also write the table of results here.")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
_progress = click.option(
    "--progress/--no-progress", default=True, help="Show how far it is, on stderr."
)


@click.command(short_help="Pack many small files into few archives.")
@click.argument("table", type=_TABLE)
@click.option("--into", required=True, help="Where the archives go: a URL or a directory.")
@click.option(
    "--shard-bytes",
    type=click.IntRange(min=1),
    default=SHARD_BYTES,
    show_default=True,
    help="How many bytes an archive has at most.",
)
@click.option("--shard-rows", type=click.IntRange(min=1), help="How many rows it has at most.")
@_results
@_as_json
@_progress
@click.pass_context
def pack(
    context: click.Context,
    /,
    *,
    table: Path,
    into: str,
    shard_bytes: int,
    shard_rows: int | None,
    results: Path | None,
    as_json: bool,
    progress: bool,
) -> None:
    """Pack the files of TABLE into few tar archives, each with an index beside it.

    TABLE is a .csv, .parquet or .jsonl file with a column 'id' and a column for each file, with
    URLs or paths. The results are the same table with the URLs of the members, as
    tar://7.image.mha::s3://bucket/shard-000001.tar, which work wherever a URL does.
    """
    tables.check_target(results)
    rows = tables.read_table(table)
    try:
        packed, failures = pack_rows(rows, into, shard_bytes, shard_rows, None, progress=progress)
    except AllRowsFailedError as error:
        packed, failures = rows.head(0), [*error.failures]
    _report(packed, failures, results, as_json=as_json)
    context.exit(codes.of_failures(failures))


@click.command(short_help="Put files out of archives to places of their own.")
@click.argument("table", type=_TABLE)
@click.option("--into", required=True, help="Where the files go: a URL or a directory.")
@_results
@_as_json
@_progress
@click.pass_context
def unpack(
    context: click.Context,
    /,
    *,
    table: Path,
    into: str,
    results: Path | None,
    as_json: bool,
    progress: bool,
) -> None:
    """Put what is in archives back to files of their own, as INTO/id/filename.

    TABLE is what `file-dataset pack --results` wrote, or another table of files.
    """
    tables.check_target(results)
    rows = tables.read_table(table)
    try:
        unpacked, failures = unpack_rows(rows, into, None, progress=progress)
    except AllRowsFailedError as error:
        unpacked, failures = rows.head(0), [*error.failures]
    _report(unpacked, failures, results, as_json=as_json)
    context.exit(codes.of_failures(failures))


def _report(
    frame: pd.DataFrame, failures: Sequence[RowFailure], results: Path | None, *, as_json: bool
) -> None:
    if results is not None:
        tables.write_table(frame, results)
    if as_json:
        told = {"rows": frame, "failures": failures_frame(failures)}
        tables.show_json({name: tables.records(each) for name, each in told.items()})
    else:
        if len(frame):
            tables.show(frame, "Results", most=tables.MOST, rest="--results FILE has all of them")
        click.echo(f"\n{len(frame)} rows came through, {len(failures)} failed.")
    for failure in failures:
        click.echo(f"Failed: row {failure.row_id}: {failure}", err=True)
