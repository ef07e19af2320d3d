"""``file-dataset run``: a function over a table of files."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import click

from file_dataset.api.pipeline import Pipeline
from file_dataset.api.results import RunResult
from file_dataset.cli import tables

_TABLE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("function")
@click.argument("table", type=_TABLE)
@click.option("--into", required=True, help="Where outputs go: a URL or a directory.")
@click.option("--workers", default=1, show_default=True, help="Rows in the function at a time.")
@click.option(
    "--isolation",
    type=click.Choice(["thread", "process"]),
    default="thread",
    show_default=True,
    help="Where the function runs: here, or in processes of its own.",
)
@click.option("--timeout", type=float, help="Seconds per row; needs --isolation process.")
@click.option("--results", type=_TABLE, help="Also write the table of results to this file.")
@click.option("--failures", type=_TABLE, help="Also write the table of failures to this file.")
@click.option(
    "--keep-failed", type=click.Path(path_type=Path), help="Keep failed rows' files here."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--progress/--no-progress", default=True, help="Show how far it is, on stderr.")
@click.pass_context
def run(
    context: click.Context,
    *,
    function: str,
    table: Path,
    into: str,
    workers: int,
    isolation: Literal["thread", "process"],
    timeout: float | None,
    results: Path | None,
    failures: Path | None,
    keep_failed: Path | None,
    as_json: bool,
    progress: bool,
) -> None:
    """Run FUNCTION over every row of TABLE and publish what it returns.

    FUNCTION is module:name or path/to/file.py:name; it takes (input_dir, output_dir), or one
    working directory, and returns a mapping of filename to path. TABLE is a .csv, .parquet or
    .jsonl file with a column 'id' and a column for each file, as 'image.mha', with URLs or paths.

    Exits with 0 if all rows came through, with 1 if some did not, with 2 for wrong usage.
    """
    for path in (results, failures):
        if path is not None and path.suffix not in tables.KINDS:
            raise click.UsageError(f"{path}: a table must be one of {', '.join(tables.KINDS)}")
    pipeline = Pipeline(
        load_function(function),
        into_path=into,
        workers=workers,
        isolation=isolation,
        timeout=timeout,
        keep_failed=keep_failed,
        progress=progress,
    )
    result = pipeline.run(tables.read_table(table))
    if results is not None:
        tables.write_table(result.rows, results)
    if failures is not None:
        tables.write_table(result.failures, failures)
    show_result(result, as_json=as_json)
    context.exit(1 if result.stats.failed else 0)


def load_function(named: str) -> Callable[..., Any]:
    """The function that ``module:name`` or ``file.py:name`` names.

    Raises:
        UsageError: If there is none.
    """
    place, colon, name = named.rpartition(":")
    if not colon or not place or not name:
        raise click.UsageError(f"{named!r} is not of the form module:function")
    try:
        module = _load_file(Path(place)) if place.endswith(".py") else _import(place)
        function = getattr(module, name)
    except (ImportError, FileNotFoundError, AttributeError) as error:
        raise click.UsageError(f"cannot load {named!r}: {error}") from error
    if not callable(function):
        raise click.UsageError(f"{named!r} is no function but of type {type(function).__name__}")
    loaded: Callable[..., Any] = function
    return loaded


def _import(module: str) -> object:
    # As `python -m` does: modules of the directory that one is in.
    sys.path.insert(0, "")
    return importlib.import_module(module)


def _load_file(path: Path) -> object:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    # As `python file.py` does: what is beside it can be imported, and worker processes find it.
    sys.path.insert(0, str(path.parent.absolute()))
    spec.loader.exec_module(module)
    return module


def show_result(result: RunResult, *, as_json: bool) -> None:
    """Print the rows, the failures and the figures."""
    if as_json:
        tables.show_json(
            {
                "rows": json.loads(result.rows.to_json(orient="records")),
                "failures": json.loads(result.failures.to_json(orient="records")),
                "stats": {
                    "rows": result.stats.rows,
                    "failed": result.stats.failed,
                    "skipped": result.stats.skipped,
                    "seconds": round(result.stats.seconds, 3),
                },
            }
        )
        return
    if result.stats.rows:
        tables.show(result.rows, "Results")
    if result.stats.failed:
        shown = ["id", "file", "stage", "error", "message"]
        tables.show(result.failures[shown], "Failures")
    click.echo(
        f"\n{result.stats.rows} rows came through, {result.stats.failed} failed, "
        f"in {result.stats.seconds:.1f} s."
    )
