"""``file-dataset pack`` and ``unpack``: many small files into few archives, and out of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from file_dataset.api.packing import SHARD_BYTES, pack_rows, unpack_rows
from file_dataset.cli import tables

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
    _check(results)
    rows = tables.read_table(table)
    packed, failures = pack_rows(rows, into, shard_bytes, shard_rows, None, progress=progress)
    _report(packed, failures, results, as_json=as_json)
    context.exit(1 if failures else 0)


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
    _check(results)
    unpacked, failures = unpack_rows(tables.read_table(table), into, None, progress=progress)
    _report(unpacked, failures, results, as_json=as_json)
    context.exit(1 if failures else 0)


def _check(results: Path | None) -> None:
    if results is not None and results.suffix not in tables.KINDS:
        raise click.UsageError(f"{results}: a table must be one of {', '.join(tables.KINDS)}")


def _report(
    frame: pd.DataFrame, failures: Sequence[RowFailure], results: Path | None, *, as_json: bool
) -> None:
    if results is not None:
        tables.write_table(frame, results)
    if as_json:
        tables.show_json(json.loads(frame.to_json(orient="records")))
    else:
        tables.show(frame, "Results")
        click.echo(f"\n{len(frame)} rows came through, {len(failures)} failed.")
    for failure in failures:
        click.echo(f"Failed: row {failure.row_id}: {failure}", err=True)
